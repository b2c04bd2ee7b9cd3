"""A table as text: in a terminal, as Markdown, CSV and LaTeX."""

from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table as Drawn

from bench.core.table import Table

if TYPE_CHECKING:
    import pandas as pd

DIGITS = 10  # of a raw number in a file


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
    """Draw what people see of it in a terminal; nothing where there is no row."""
    if not table.rows:
        return
    shown = table.shown
    drawn = Drawn(title=table.title, title_justify="left")
    for heading, column in zip(_headings(shown), shown.columns, strict=True):
        drawn.add_column(escape(heading), justify="left" if column.text else "right")
    for row in shown.rows:
        drawn.add_row(*(escape(cell.text) for cell in row))
    console.print(drawn)


def _headings(table: Table) -> list[str]:
    return [f"{c.group}: {c.title[0].lower()}{c.title[1:]}" if c.group else c.title for c in table.columns]
