"""A table of the page as data: the template draws it, the script sorts and filters it."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.report.lookup import Found


@dataclass(frozen=True)
class Cell:
    """A text, and the record that it was measured in; "" where it comes from none."""

    text: str
    file: str = ""


@dataclass(frozen=True)
class Grid:
    """A table. The first `left` columns hold text, the others numbers; the first cell of a row names it.

    `groups` are headings over columns: their text, and how many columns each spans.
    """

    caption: str
    headers: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    left: int = 1
    groups: tuple[tuple[str, int], ...] = ()


def plain(texts: Sequence[str]) -> tuple[Cell, ...]:
    """Cells that come from no record."""
    return tuple(Cell(text) for text in texts)


def cited(text: str, found: Found | None) -> Cell:
    """A cell with the record that was found for it, if any."""
    return Cell(text, found.file if found else "")
