"""A section of the report as data: prose, tables, figures and what is folded away, in order.

Its Markdown, its files and its part of the HTML page are made from the same parts.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.core.render import to_csv, to_latex, to_markdown
from bench.core.table import Table
from bench.report.charts.chart import Chart
from bench.report.charts.gallery import Gallery, draw_gallery
from bench.report.charts.printed import draw


@dataclass(frozen=True)
class Data:
    """A table that is a file, and no part of the page."""

    table: Table


@dataclass(frozen=True)
class Fold:
    """Parts that are read by those who open them."""

    summary: str
    parts: Sequence["Part"]


Part = str | Table | Chart | Gallery | Data | Fold  # a text is Markdown


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it.

    Attributes:
        key: names its page, `key`.md; "" for a section without a page of its own.
        parts: () for a section that has nothing to show yet.
        missing: what was not measured, a Markdown line each, with the command that measures it.
    """

    key: str
    title: str
    parts: Sequence[Part]
    missing: Sequence[str] = ()

    @property
    def body(self) -> str:
        """As Markdown, without its heading."""
        return markdown(self.parts)

    @property
    def markdown(self) -> str:
        """As a part of the report."""
        return f"## {self.title}\n\n{self.body}".rstrip()

    def files(self) -> dict[str, bytes]:
        """Name -> content of its page, its tables and its figures."""
        if not self.parts:
            return {}
        missing = "\n\n## What is missing\n\n" + "\n".join(self.missing) + "\n" if self.missing else ""
        page = f"# {self.title}\n\n{self.body}{missing}".encode()
        return ({f"{self.key}.md": page} if self.key else {}) | files(self.parts)


def markdown(parts: Sequence[Part]) -> str:
    """The parts as Markdown, a blank line between them; "" for none."""
    return "\n\n".join(filter(None, map(_markdown, parts))) + "\n" * bool(parts)


def _markdown(part: Part) -> str:
    match part:
        case Table():
            return to_markdown(part)
        case Chart() | Gallery():
            return f"![{part.title}]({part.key}.png)\n\n**{part.title}.** {part.conclusion} {part.caption}"
        case Fold():
            return f"<details><summary>{part.summary}</summary>\n\n{markdown(part.parts).rstrip()}\n\n</details>"
        case Data():
            return ""
        case str():
            return part


def files(parts: Sequence[Part]) -> dict[str, bytes]:
    """Name -> content of every figure (PNG, PDF) and table that has a key (LaTeX, and its raw values as CSV)."""
    found: dict[str, bytes] = {}
    for part in each(parts):
        if isinstance(part, Chart | Gallery):
            drawn = draw(part) if isinstance(part, Chart) else draw_gallery(part)
            found |= {f"{part.key}.{kind}": data for kind, data in drawn.items()}
        elif isinstance(part, Data):
            found[f"{part.table.key}.csv"] = to_csv(part.table).encode()
        elif isinstance(part, Table) and part.key:
            found[f"{part.key}.tex"] = to_latex(part).encode()
            if any(column.key for column in part.columns):
                found[f"{part.key}.csv"] = to_csv(part).encode()
    return found


def each(parts: Sequence[Part]) -> Iterator[Part]:
    """The parts, and the parts of those that are folded away."""
    for part in parts:
        yield part
        if isinstance(part, Fold):
            yield from each(part.parts)
