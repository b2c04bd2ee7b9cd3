"""A table is data: columns that say what they hold, and cells with the record that they are from.

Terminal, Markdown, CSV, LaTeX and the HTML page are renderings of the same table.
"""

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from bench.core.statistics import Timing
from bench.core.wording import NONE, milliseconds, number

if TYPE_CHECKING:
    import pandas as pd  # at run time only where a frame is made: it takes half a second

Value = str | int | float | None
R = TypeVar("R")


@dataclass(frozen=True)
class Column(Generic[R]):
    """What one column of rows of `R` holds.

    Attributes:
        title: its heading for people, with the unit in brackets; "" for a column of files only.
        read: a row's raw value: text, or a number in the unit that `key` ends with.
        key: its name in files and frames; "" for a column of people only.
        decimals: of a number for people, which is the raw one times `scale`; None leaves whole numbers whole.
        write: how people read it in a row, where that is not enough.
        text: whether it holds words, which are aligned left.
        source: the record that the row's value is from, "" for none.
        group: heading above neighbours that share it.
    """

    title: str
    read: Callable[[R], Value]
    key: str = ""
    decimals: int | None = None
    scale: float = 1
    write: Callable[[R], str] | None = None
    text: bool = False
    source: Callable[[R], str] | None = None
    group: str = ""

    def cell(self, row: R) -> "Cell":
        """The cell of one row."""
        value = self.read(row)
        return Cell(
            value, self.write(row) if self.write else self._words(value), self.source(row) if self.source else ""
        )

    def _words(self, value: Value) -> str:
        if isinstance(value, str) or value is None:
            return value or NONE * (value is None)
        if self.decimals is None and isinstance(value, int):
            return f"{value:,}"
        return number(value * self.scale, self.decimals or 0)


@dataclass(frozen=True)
class Cell:
    """A raw value, how people read it, and the record that it is from, "" for none."""

    value: Value
    text: str
    record: str = ""


@dataclass(frozen=True)
class Table:
    """A finished table.

    Attributes:
        key: names its files, `key`.csv and `key`.tex; "" for a table of pages only.
        columns: as many as each of the `rows` has cells.
    """

    title: str
    columns: tuple[Column[Any], ...]
    rows: tuple[tuple[Cell, ...], ...]
    key: str = ""

    @classmethod
    def of(cls, title: str, columns: Iterable[Column[R]], rows: Iterable[R], key: str = "") -> "Table":
        """The table of `rows`."""
        heads = tuple(columns)
        return cls(title, heads, tuple(tuple(column.cell(row) for column in heads) for row in rows), key)

    def __bool__(self) -> bool:
        return bool(self.rows)

    @property
    def shown(self) -> "Table":
        """What people see of it: columns with a title, but for those that are empty."""
        kept = [i for i, column in enumerate(self.columns) if column.title and not self._is_empty(i)]
        rows = tuple(tuple(row[i] for i in kept) for row in self.rows)
        return Table(self.title, tuple(self.columns[i] for i in kept), rows, self.key)

    @property
    def groups(self) -> list[tuple[str, int]]:
        """Headings above the columns, each with how many of them it spans; [] where there are none."""
        runs = [(group, len(list(run))) for group, run in itertools.groupby(c.group for c in self.columns)]
        return runs if any(group for group, _ in runs) else []

    def frame(self) -> "pd.DataFrame":
        """What files hold of it: raw values by key, as numbers where all are; None is missing."""
        import pandas as pd

        kept = [i for i, column in enumerate(self.columns) if column.key]
        return pd.DataFrame({self.columns[i].key: _series([row[i].value for row in self.rows]) for i in kept})

    def _is_empty(self, i: int) -> bool:
        return i > 0 and bool(self.rows) and all(row[i].text in ("", NONE) for row in self.rows)


def _series(values: Sequence[Value]) -> "pd.Series[Any]":
    import pandas as pd

    kinds = {type(value) for value in values if value is not None}
    kind = "Int64" if kinds == {int} else "float64" if kinds and kinds <= {int, float} else "object"
    return pd.Series(list(values), dtype=kind)


# ---- columns that many tables have --------------------------------------------------------------------------------


def words(title: str, read: Callable[[R], str], key: str = "", **more: Any) -> Column[R]:
    """A column of text."""
    return Column(title, read, key, text=True, **more)


def raw(key: str, read: Callable[[R], Value]) -> Column[R]:
    """A column of files only."""
    return Column("", read, key)


def times(title: str, read: Callable[[R], Timing | None], **more: Any) -> list[Column[R]]:
    """Median times in ms: with their 95 % interval for people, in columns of their own in files."""

    def part(name: str) -> Callable[[R], Value]:
        return lambda row: getattr(read(row), name, None)

    return [
        Column(title, part("median_ms"), "median_ms", write=lambda row: milliseconds(read(row)), **more),
        Column("samples", part("count"), "samples"),
        raw("low_95_ms", part("low_ms")),
        raw("high_95_ms", part("high_ms")),
    ]
