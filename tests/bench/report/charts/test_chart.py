"""A chart's description: its range, its ticks, its names, and that paper and page draw them in the same places."""

import re
from itertools import combinations, pairwise

import pytest
import vl_convert

from bench.report.charts.chart import FONT, OWN, SUBJECT, Axis, Chart, Mark, Series
from bench.report.charts.placing import MARKER, text_width
from bench.report.charts.printed import compose, draw
from bench.report.charts.vega import VEGA_LITE, specification

Box = tuple[float, float, float, float]
CROWD = [("BSRN", 352, 32.349), ("PFVM (NTIRE 2025)", 428, 32.201), ("DVMSR", 424, 32.213), ("RLFN", 544, 32.238),
         ("DVMSR (NTIRE 2024)", 424, 32.181), ("RLFN-S", 470, 32.239), ("RFDN (AIM 2020)", 433, 32.159),
         ("EFDN", 276, 32.076), ("RLFN (NTIRE baseline)", 317, 32.097), ("IMDN", 715, 32.21), ("DIPNet", 243, 31.805),
         ("SPAN", 151, 31.739), ("IDN", 553, 31.721), ("CARN-M", 415, 31.883), ("SRMDNF", 1552, 31.924)]  # fmt: skip


def chart(marks: list[Mark], log: bool = True, **more: object) -> Chart:
    series = Series(SUBJECT, "all", tuple(marks), "diamond")
    return Chart("key", "Title", Axis("Cost", log), Axis("PSNR"), (series,), "caption", "conclusion", **more)  # type: ignore[arg-type]


def crowd() -> Chart:
    return chart([Mark(x, y, name, 0 if name == "DVMSR" else 1, (("", name),)) for name, x, y in CROWD])


def boxes(one: Chart) -> dict[str, Box]:
    """Where each name lies, in points."""
    found = {}
    for name in one.names:
        wide, high = text_width(name.text, FONT) * (1.12 if name.strong else 1), FONT * 1.15
        x, y = name.middle
        found[name.text] = x - wide / 2, y - high / 2, x + wide / 2, y + high / 2
    return found


def overlap(a: Box, b: Box) -> bool:
    slack = 1e-6
    return a[0] < b[2] - slack and b[0] < a[2] - slack and a[1] < b[3] - slack and b[1] < a[3] - slack


def test_names_of_a_crowd_lie_on_nothing_and_within_the_plot() -> None:
    one = crowd()
    found = boxes(one)
    assert {"DVMSR", "SPAN", "BSRN", "SRMDNF", "RLFN"} <= found.keys()
    assert not any(overlap(a, b) for a, b in combinations(found.values(), 2))
    half = MARKER / 2
    for _, x, y in CROWD:
        across, up = one.pixel(x, y)
        mark = across - half, up - half, across + half, up + half
        assert not any(overlap(mark, box) for box in found.values())
    for left, bottom, right, top in found.values():
        assert 0 <= left < right <= one.plot_width + 1e-6
        assert 0 <= bottom < top <= one.plot_height + 1e-6


def test_who_matters_most_is_named_where_there_is_no_room_for_all() -> None:
    close = [Mark(100 + i / 1000, 30 + i / 1000, f"a rather long name {i}", rank=5) for i in range(60)]
    one = chart([*close, Mark(100.03, 30.03, "the subject", rank=0)])
    texts = [name.text for name in one.names]
    assert "the subject" in texts
    assert len(texts) < 61
    assert next(name.strong for name in one.names if name.text == "the subject")


@pytest.mark.parametrize("log", [True, False])
def test_a_pixel_and_its_value(log: bool) -> None:
    one = chart([Mark(10, 30), Mark(1000, 32)], log)
    assert one.value(one.pixel(77, 31.3)) == pytest.approx((77, 31.3))
    assert one.window.left < 10 < 1000 < one.window.right
    assert one.pixel(one.window.right, one.window.top) == pytest.approx((one.plot_width, one.plot_height))


@pytest.mark.parametrize(
    ("low", "high", "log", "texts"),
    [
        (10, 2000, True, ["10", "30", "100", "300", "1,000"]),
        (0.01, 100, True, ["0.01", "0.1", "1", "10", "100"]),
        (120, 450, True, ["150", "200", "300"]),
        (0, 10, False, ["0.0", "2.5", "5.0", "7.5", "10.0"]),
        (31.45, 32.6, False, ["31.5", "32.0", "32.5"]),
    ],
)
def test_ticks(low: float, high: float, log: bool, texts: list[str]) -> None:
    assert [text for _, text in chart([Mark(low, 1), Mark(high, 2)], log).x_ticks] == texts


def test_ticks_of_an_axis_have_room_beside_each_other() -> None:
    one = chart([Mark(1.0, 1.0), Mark(1e9, 2.0)])
    for (a, text), (b, other) in pairwise(one.x_ticks):
        apart = one.pixel(b, 1)[0] - one.pixel(a, 1)[0]
        assert apart > (text_width(text, FONT) + text_width(other, FONT)) / 2


def test_one_point_is_no_curve() -> None:
    alone, two = (Series(OWN, "x", tuple(Mark(i, i) for i in range(1, n + 1)), line="solid") for n in (1, 2))
    assert alone.joined == ""
    assert two.joined == "solid"
    layers = specification(Chart("k", "t", Axis("x"), Axis("y"), (alone,), "", ""), {})["layer"]
    assert not any(layer["mark"]["type"] == "line" for layer in layers)


@pytest.mark.parametrize("marks", [[Mark(424, 32.2, "alone")], [Mark(424, 32.2, "one"), Mark(424, 32.2, "on top")]])
def test_few_points_can_be_drawn(marks: list[Mark]) -> None:
    drawn = draw(chart(marks))
    assert drawn["png"].startswith(b"\x89PNG")
    assert drawn["pdf"].startswith(b"%PDF")


def test_bytes_repeat_and_carry_no_date() -> None:
    first, second = draw(crowd()), draw(crowd())
    assert first == second
    assert b"CreationDate" not in first["pdf"]
    assert b"Software" not in first["png"]


def test_paper_and_page_write_the_same_names_in_the_same_places() -> None:
    one = crowd()
    printed = {text.get_text(): text.get_position() for text in compose(one).axes[0].texts}
    assert printed == {name.text: pytest.approx(one.value(name.middle)) for name in one.names}
    svg = vl_convert.vegalite_to_svg(specification(one, {}), vl_version=VEGA_LITE)
    for name in one.names:
        place = re.search(rf'translate\(([-\d.]+),([-\d.]+)\)"[^>]*>{re.escape(name.text)}</text>', svg)
        assert place, name.text
        x, y = float(place[1]), one.plot_height - float(place[2])
        assert (x, y) == pytest.approx(name.middle, abs=3)  # a text's line lies below its middle


def test_an_interval_is_within_the_range() -> None:
    one = chart([Mark(10, 1, span=(2, 50)), Mark(20, 2)])
    assert one.window.left < 2 < 50 < one.window.right
    layers = [layer["name"] for layer in specification(one, {})["layer"]]
    assert "subject_spans_0" in layers
