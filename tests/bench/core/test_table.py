"""A table by hand: what people see of it, what files hold, and every rendering of both."""

import io
import math
from dataclasses import dataclass

import pandas as pd
import pytest
from rich.console import Console

from bench.core.render import print_table, to_csv, to_latex, to_markdown
from bench.core.statistics import summarise
from bench.core.table import Cell, Column, Table, raw, times, words
from bench.core.wording import MEBI, difference, interval, number, time_decimals
from bench.report.charts.chart import OWN, Axis, Chart, Mark, Series
from bench.report.document import Data, Fold, Section


@dataclass(frozen=True)
class Net:
    name: str
    parameters: int | None
    peak: int | None = None
    samples: tuple[float, ...] = ()
    file: str = ""


COLUMNS: tuple[Column[Net], ...] = (
    words("network", lambda n: n.name, "model", source=lambda n: n.file),
    Column("parameters", lambda n: n.parameters, "parameters"),
    Column("memory [MiB]", lambda n: n.peak, "peak_bytes", 1, MEBI, group="cost"),
    *times("time [ms]", lambda n: summarise(n.samples) if n.samples else None, group="cost"),
    words("remark", lambda n: ""),
    raw("file", lambda n: n.file),
)
NETS = (Net("a|b <i>_x", 424_428, 3 * 2**20, (1.0,) * 8, "a.json"), Net("c", None))


def small() -> Table:
    return Table.of("Two networks", COLUMNS, NETS, "nets")


def test_cells_know_their_value_their_words_and_their_record() -> None:
    name, parameters, memory, *_ = small().rows[0]
    assert name == Cell("a|b <i>_x", "a|b <i>_x", "a.json")
    assert parameters == Cell(424_428, "424,428")
    assert memory == Cell(3 * 2**20, "3.0")
    assert [cell.text for cell in small().rows[1]][1:4] == ["—", "—", "—"]


def test_people_see_no_empty_and_no_raw_column() -> None:
    assert [column.title for column in small().shown.columns] == [
        "network", "parameters", "memory [MiB]", "time [ms]", "samples",
    ]  # fmt: skip
    assert small().groups == [("", 2), ("cost", 2), ("", 5)]
    assert not Table.of("none", COLUMNS, ())


def test_files_hold_raw_values_with_their_types() -> None:
    frame = small().frame()
    assert list(frame) == [
        "model",
        "parameters",
        "peak_bytes",
        "median_ms",
        "samples",
        "low_95_ms",
        "high_95_ms",
        "file",
    ]
    assert str(frame.parameters.dtype) == "Int64"  # whole numbers stay whole beside a missing one
    assert pd.isna(frame.parameters[1])
    assert frame.median_ms[0] == 1.0
    assert to_csv(small()).splitlines() == [
        "model,parameters,peak_bytes,median_ms,samples,low_95_ms,high_95_ms,file",
        "a|b <i>_x,424428,3145728,1,8,1,1,a.json",
        "c,,,,,,,",
    ]


def test_csv_has_ten_digits_and_quotes() -> None:
    columns: list[Column[tuple[str, float]]] = [raw("a", lambda r: r[0]), raw("b", lambda r: r[1])]
    text = to_csv(Table.of("", columns, [('x, "y"', 1 / 3), ("z", 123456789012.0), ("i", math.inf)]))
    assert text == 'a,b\n"x, ""y""",0.3333333333\nz,1.23456789e+11\ni,inf\n'


def test_markdown_and_latex_escape_what_would_break_them() -> None:
    first = to_markdown(small()).splitlines()[2]
    assert first.split(" | ")[0].strip() == "| a\\|b <i>_x"
    assert to_markdown(small()).splitlines()[1].startswith("|:-")
    latex = to_latex(small())
    assert "\\toprule" in latex
    assert "a|b <i>\\_x" in latex
    assert "cost: memory [MiB]" in latex


def test_a_terminal_shows_names_as_they_are() -> None:
    out = io.StringIO()
    console = Console(file=out, width=120)
    print_table(console, Table.of("[red]t", [words("n", lambda n: n.name)], [Net("[bold]x", 1)]))
    assert "[bold]x" in out.getvalue()
    before = out.getvalue()
    print_table(console, Table.of("empty", COLUMNS, ()))
    assert out.getvalue() == before


@pytest.mark.parametrize("width", [60, 80, 100])
def test_a_narrow_terminal_breaks_no_word_and_loses_no_column(width: int) -> None:
    titles = ("activations published [M]", "activations complete [M]", "parameters", "FLOPs [G] published", "memory")
    columns: list[Column[Net]] = [words("network", lambda n: n.name)]
    columns += [Column(title, lambda n: n.parameters) for title in titles]
    columns.append(words("why", lambda n: "a reason that is longer than a line, and wrapped between its words"))
    console = Console(file=io.StringIO(), width=width)
    print_table(console, Table.of("t", columns, [Net("mambairv2_light", 17_974_296_576)]))
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    found = text.replace("│", " ").replace("┃", " ").split()
    assert set(" ".join([*titles, "why"]).split()) <= set(found)
    assert found.count("17,974,296,576") == 5
    assert {"longer", "wrapped", "between"} <= set(found)


def test_numbers_for_people() -> None:
    assert [number(v, 1) for v in (None, math.inf, 1234.56)] == ["—", "∞", "1,234.6"]
    assert [difference(*v, 2) for v in ((1.0, 1.001), (2.0, 1.0), (None, 1.0))] == ["0.00", "+1.00", "—"]
    assert interval(41.2, 40.94, 41.6, 1) == "41.2 [40.9, 41.6]"
    assert interval(41.2, None, None, 1) == "41.2 (few samples)"
    assert [time_decimals(ms) for ms in (None, 9.0, 100.0, 2000.0)] == [2, 2, 1, 0]


def test_a_section_is_its_parts_in_order_and_their_files() -> None:
    shown = Table.of("Shown", [words("n", lambda n: n.name)], NETS[1:], "shown")
    points = (Series(OWN, "points", (Mark(1, 2), Mark(3, 4))),)
    chart = Chart("x", "a picture", Axis("a"), Axis("b"), points, "What it shows.", "What it says.")
    parts = ["Prose.", Fold("More", [shown, chart]), Data(small()), ""]
    section = Section("page", "Title", parts)
    assert section.body.index("Prose.") < section.body.index("<details><summary>More</summary>\n\n| n")
    assert "![a picture](x.png)\n\n**a picture.** What it says. What it shows." in section.body
    assert "a\\|b" not in section.body  # a file's table is no part of the page
    assert section.files().keys() == {"page.md", "shown.tex", "x.png", "x.pdf", "nets.csv"}
    assert section.files()["page.md"].decode() == f"# Title\n\n{section.body}"
    lacking = Section("page", "Title", parts, ["- nothing of b: `command`"])
    assert lacking.files()["page.md"].decode().endswith("## What is missing\n\n- nothing of b: `command`\n")
    assert Section("page", "Title", [], ["- all of it: `command`"]).files() == {}
