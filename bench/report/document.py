"""A section of the report as data: prose, tables, figures and what is folded away, in order.

Its Markdown, its files and its part of the HTML page are made from the same parts.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.core.render import to_csv, to_latex, to_markdown
from bench.core.table import Table


@dataclass(frozen=True)
class Drawing:
    """A picture: its file's name, what it shows in words, and the PNG."""

    file: str
    shows: str
    data: bytes


@dataclass(frozen=True)
class Data:
    """A table that is a file, and no part of the page."""

    table: Table


@dataclass(frozen=True)
class Fold:
    """Parts that are read by those who open them."""

    summary: str
    parts: Sequence["Part"]


Part = str | Table | Drawing | Data | Fold  # a text is Markdown


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it.

    Attributes:
        key: names its page, `key`.md; "" for a section without a page of its own.
    """

    key: str
    title: str
    parts: Sequence[Part]

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
        pages = {f"{self.key}.md": f"# {self.title}\n\n{self.body}".encode()} if self.key else {}
        return pages | files(self.parts)


def markdown(parts: Sequence[Part]) -> str:
    """The parts as Markdown, a blank line between them; "" for none."""
    return "\n\n".join(filter(None, map(_markdown, parts))) + "\n" * bool(parts)


def _markdown(part: Part) -> str:
    match part:
        case Table():
            return to_markdown(part)
        case Drawing():
            return f"![{part.shows}]({part.file})"
        case Fold():
            return f"<details><summary>{part.summary}</summary>\n\n{markdown(part.parts).rstrip()}\n\n</details>"
        case Data():
            return ""
        case str():
            return part


def files(parts: Sequence[Part]) -> dict[str, bytes]:
    """Name -> content of every figure, and of every table that has a key: as LaTeX, and its raw values as CSV."""
    found: dict[str, bytes] = {}
    for part in each(parts):
        if isinstance(part, Drawing):
            found[part.file] = part.data
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
