"""The networks whose parameter counts Tables 3, 4, 5 and 8 print, as options of `dvmsr`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bench.report.paper.published import PublishedRow, read

# The counts of these tables are met with the classical upsampler only, although the paper describes the one-step one.
CLASSICAL = {"upsampler": "pixelshuffle"}
# Table 8 names its teachers by their size alone; these two networks have it.
TEACHERS = {"4.089": (192, 4), "7.432": (192, 8)}


@dataclass(frozen=True)
class Variant:
    """One published parameter count, in millions, and the options of the network that has it."""

    table: str
    row: int  # from 1
    label: str
    params_m: float
    options: dict[str, Any]


def published_variants() -> list[Variant]:
    """Every row of Tables 3, 4, 5 and 8 that prints a parameter count, in the paper's order."""
    return [
        variant
        for table, column, describe in TABLES
        for number, row in enumerate(read(table), start=1)
        if (variant := _variant(table, number, row, row.number(column), describe)) is not None
    ]


def _variant(
    table: str,
    number: int,
    row: PublishedRow,
    params_m: float | None,
    describe: Callable[[PublishedRow], tuple[int, list[int]]],
) -> Variant | None:
    if params_m is None:
        return None
    channels, depths = describe(row)
    name = f"Table {table.removeprefix('table')}: {channels} channels, depths {'-'.join(map(str, depths))}"
    return Variant(table, number, name, params_m, {"channels": channels, "depths": depths, **CLASSICAL})


def _table3(row: PublishedRow) -> tuple[int, list[int]]:
    return 180, [int(n) for n in row.text("vimm_per_rssb").split("-")]


def _table4(row: PublishedRow) -> tuple[int, list[int]]:
    return 180, [2] * int(row.text("rssb"))


def _table5(row: PublishedRow) -> tuple[int, list[int]]:
    return int(row.text("channels")), [2, 2, 2, 2]


def _table8(row: PublishedRow) -> tuple[int, list[int]]:
    channels, blocks = TEACHERS[row.text("teacher_params_m")]
    return channels, [2] * blocks


TABLES: tuple[tuple[str, str, Callable[[PublishedRow], tuple[int, list[int]]]], ...] = (
    ("table3", "params_m", _table3),
    ("table4", "params_m", _table4),
    ("table5", "params_m", _table5),
    ("table8", "teacher_params_m", _table8),
)
