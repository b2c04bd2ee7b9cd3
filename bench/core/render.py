"""A table as text: in a terminal, as Markdown, CSV and LaTeX."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from rich.console import Console
from rich.markup import escape
from rich.table import Table as Drawn

from bench.core.table import Table

if TYPE_CHECKING:
    import pandas as pd

DIGITS = 10  # of a raw number in a file
FRAME = 3  # columns of the terminal around a cell
SHORT = 26  # characters; a longer text may be wrapped between its words


def to_csv(table: Table) -> str:
    """Raw values, a line a row: no separators of thousands, ten digits, empty where a value is missing."""
    return str(table.frame().to_csv(index=False, lineterminator="\n", float_format=f"%.{DIGITS}g"))


def to_markdown(table: Table) -> str:
    """What people see of it, as a table of Markdown."""
    shown = table.shown
    frame = _people(shown).map(lambda text: text.replace("|", "\\|").replace("\n", " "))
    align = ["left" if column.text else "right" for column in shown.columns]
    return str(frame.to_markdown(index=False, tablefmt="pipe", colalign=align, disable_numparse=True))


def to_latex(table: Table) -> str:
    """What people see of it, as a table of LaTeX with the rules of booktabs."""
    shown = table.shown
    layout = "".join("l" if column.text else "r" for column in shown.columns)
    return str(_people(shown).to_latex(index=False, escape=True, column_format=layout, caption=table.title))


def _people(shown: Table) -> "pd.DataFrame":
    import pandas as pd

    return pd.DataFrame([[c.text for c in row] for row in shown.rows], columns=_headings(shown), dtype=object)


def print_table(console: Console, table: Table) -> None:
    """Draw what people see of it in a terminal; nothing where there is no row.

    Where it is wider than the terminal, the columns that have no room follow below, each part with the first column, so
    that no word is broken and no heading cut.
    """
    if not table.rows:
        return
    shown = table.shown
    headings = _headings(shown)
    for number, part in enumerate(_parts(shown, headings, console.width)):
        drawn = Drawn(title=table.title if number == 0 else None, title_justify="left")
        for i in part:
            least = min(_least_width(headings[i], [row[i].text for row in shown.rows]), console.width - FRAME)
            justify: Literal["left", "right"] = "left" if shown.columns[i].text else "right"
            drawn.add_column(escape(headings[i]), justify=justify, min_width=least, overflow="fold")
        for row in shown.rows:
            drawn.add_row(*(escape(row[i].text) for i in part))
        console.print(drawn)


def _parts(shown: Table, headings: Sequence[str], width: int) -> list[list[int]]:
    """Which columns stand side by side: as many as fit, the first one in every part."""
    least = [_least_width(title, [row[i].text for row in shown.rows]) for i, title in enumerate(headings)]
    parts: list[list[int]] = [[0]]
    for i in range(1, len(headings)):
        part = parts[-1]
        if len(part) > 1 and sum(least[j] + FRAME for j in [*part, i]) + 1 > width:
            parts.append(part := [0])
        part.append(i)
    return parts


def _least_width(heading: str, texts: Sequence[str]) -> int:
    """Columns of the terminal that a column needs: its longest word, or its longest text where that is a short one."""
    words = [len(word) for word in heading.split()]
    for text in texts:
        for line in text.split("\n"):
            words += [len(line)] if len(line) <= SHORT else [len(word) for word in line.split()]
    return max(words, default=1)


def _headings(table: Table) -> list[str]:
    return [f"{c.group}: {c.title[0].lower()}{c.title[1:]}" if c.group else c.title for c in table.columns]
