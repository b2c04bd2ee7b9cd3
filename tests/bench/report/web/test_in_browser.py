"""The page as a reader has it: opened in a real Chromium, sorted, filtered, pointed at."""

import base64
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from bench.record_file import write_record
from bench.report.build import build
from bench.report.lookup import load
from bench.report.web.page import PAGE
from tests.bench.report.records import RLFN_COUNTS, complexity, full_set, quality, record, runtime
from tests.bench.report.web.browser import CHROMIUM, Page, browser
from tests.bench.report.web.test_page import evil_record

if CHROMIUM is None:
    pytest.skip("Chromium is not installed (Debian: apt-get install chromium)", allow_module_level=True)

FIRST_COLUMN = """[...document.querySelector("#test-cpu-2t-networks").closest("section").querySelectorAll(
    "tbody tr:not([hidden])")].map(row => row.cells[%d].textContent)"""
HEADER = """document.querySelector("#test-cpu-2t-networks").closest("section").querySelectorAll("thead th")[%d]"""
SYMBOLS = (
    """[...document.querySelectorAll(".chart .measured_marks path")].filter(p => p.getBoundingClientRect().width)"""
)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of two devices, one of whose records would like to run."""
    folder = tmp_path_factory.mktemp("page")
    other = {"device_name": "Other CPU", "runtime": runtime(9.0), "quality": [quality("photos", 30.0)]}
    for item in (*full_set(), evil_record(), record("rlfn", complexity=complexity(543_740, **RLFN_COUNTS), **other)):
        write_record(item, folder / "records")
    (folder / PAGE).write_bytes(build(load(folder / "records"))[PAGE])
    return folder / PAGE


@pytest.fixture(scope="module")
def chromium() -> Iterator[Page]:
    with browser() as page:
        yield page


@pytest.fixture
def page(chromium: Page, path: Path) -> Iterator[Page]:
    """The page, freshly opened on the first device that has all its figures; nothing may have gone wrong with it."""
    chromium.errors.clear()
    chromium.requests.clear()
    chromium.open(path)
    choose(chromium, "#device", "test-cpu-2t", "change")
    chromium.wait("document.querySelectorAll('#test-cpu-2t .chart svg').length === 4")
    yield chromium
    assert chromium.errors == []
    assert [url for url in chromium.requests if not url.startswith(("file:", "data:"))] == []
    assert chromium.run("document.title").startswith("esr-bench")


def choose(page: Page, selector: str, value: str, event: str = "input") -> None:
    """Set a control as a reader would, and tell the page."""
    page.run(
        f"""{{ const control = document.querySelector({selector!r}); control.value = {value!r};
        control.dispatchEvent(new Event({event!r}, {{ bubbles: true }})); }}"""
    )


def pointer(page: Page, kind: str, x: float, y: float) -> None:
    page.ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)


def middle(page: Page, element: str) -> tuple[float, float]:
    """Where an element is on the screen, scrolled into view."""
    page.run(f"{element}.scrollIntoView({{block: 'center'}})")
    box: dict[str, Any] = page.run(f"{element}.getBoundingClientRect().toJSON()")
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_a_click_on_a_header_sorts_and_says_so(page: Page) -> None:
    values = []
    for order in ("ascending", "descending"):
        x, y = middle(page, f"{HEADER % 1}.querySelector('button')")
        pointer(page, "mousePressed", x, y)
        pointer(page, "mouseReleased", x, y)
        assert page.run(f"{HEADER % 1}.getAttribute('aria-sort')") == order
        values.append([int(text.replace(",", "")) for text in page.run(FIRST_COLUMN % 1)])
    assert values[0] == sorted(values[0])
    assert values[1] == sorted(values[0], reverse=True)
    page.run(f"{HEADER % 4}.querySelector('button').click()")
    assert page.run(f"{HEADER % 1}.getAttribute('aria-sort')") is None
    assert page.run(FIRST_COLUMN % 4)[-1] == "—"  # what was not measured is last, whichever way
    page.run(f"{HEADER % 4}.querySelector('button').click()")
    assert page.run(FIRST_COLUMN % 4)[-1] == "—"


def test_a_filter_keeps_rows_with_all_its_words(page: Page) -> None:
    choose(page, "#test-cpu-2t input[aria-label^='Filter: Networks']", "rlfn baseline")
    assert page.run(FIRST_COLUMN % 0) == ["RLFN (NTIRE baseline)"]
    assert page.run("document.querySelector('#test-cpu-2t .tools output').textContent") == "1 of 8 rows"


def test_charts_draw_points_with_words(page: Page) -> None:
    words = page.run(f"{SYMBOLS}.map(p => p.getAttribute('aria-label'))")
    assert any(text.startswith("DVMSR, measured here: 32.213 dB, Parameters (thousands): 424") for text in words)
    assert page.run("document.querySelectorAll('#test-cpu-2t .front_marks path').length") == 4


def test_charts_follow_their_controls(page: Page) -> None:
    before = page.run(f"{SYMBOLS}.length")
    choose(page, "#test-cpu-2t .dataset", "Set14", "change")
    page.wait(f"{SYMBOLS}.length < {before}")
    shown = "[...document.querySelectorAll('#test-cpu-2t .front-words:not([hidden])')].map(e => e.dataset.dataset)"
    assert set(page.run(shown)) == {"Set14"}
    choose(page, "#test-cpu-2t .dataset", "Set5", "change")
    choose(page, "#test-cpu-2t .find", "rlfn-s")
    page.wait("[...document.querySelectorAll('#test-cpu-2t .names_marks text')].every(t => t.textContent === 'RLFN-S')")


def test_a_point_says_what_it_is_and_leads_to_its_record(page: Page) -> None:
    x, y = middle(page, f"{SYMBOLS}.find(p => p.getAttribute('aria-label').startsWith('DVMSR, '))")
    pointer(page, "mouseMoved", x, y)
    page.wait("document.querySelector('#vg-tooltip-element.visible')?.textContent.includes('DVMSR')")
    pointer(page, "mousePressed", x, y)
    pointer(page, "mouseReleased", x, y)
    page.wait("document.querySelector('details.record[open]')?.textContent.includes('dvmsr__test-cpu__2t__')")


def test_a_number_leads_to_its_record_on_whichever_device(page: Page) -> None:
    link = "document.querySelector('#test-cpu-2t-networks').closest('section').querySelector('td a')"
    place = page.run(f"{link}.hash.slice(1)")
    page.run(f"{link}.click()")
    page.wait(f"document.getElementById({place!r}).open")
    away = page.run("document.querySelector('#other-cpu-2t .record').id")
    page.run(f"location.hash = {away!r}")
    page.wait("!document.getElementById('other-cpu-2t').hidden && document.getElementById('test-cpu-2t').hidden")
    page.wait("document.querySelectorAll('#other-cpu-2t .chart svg').length === 3")


@pytest.mark.parametrize("width", [1440, 390])
def test_nothing_hangs_over_the_edge(page: Page, width: int) -> None:
    page.ask("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 500)
    page.run("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    page.wait(f"document.documentElement.scrollWidth <= {width}")
    box = page.run("document.querySelector('#test-cpu-2t .chart svg').getBoundingClientRect().right")
    assert box <= width


def test_colours_follow_the_system_and_the_switch(page: Page) -> None:
    background = "getComputedStyle(document.body).backgroundColor"
    page.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])
    dark = page.run(background)
    choose(page, "#theme", "light", "change")
    assert page.run(background) == "rgb(255, 255, 255)" != dark
    page.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "light"}])
    choose(page, "#theme", "dark", "change")
    assert page.run(background) == dark
    choose(page, "#theme", "", "change")


def test_headings_tables_and_controls_are_for_everyone(page: Page) -> None:
    levels = page.run("[...document.querySelectorAll('h1, h2, h3, h4')].map(h => +h.tagName[1])")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert page.run("document.querySelectorAll('thead th:not([scope]), tbody th:not([scope])').length") == 0
    nameless = "[...document.querySelectorAll('select, input')].filter(c => !c.labels.length).length"
    assert page.run(nameless) == 0
    assert page.run("document.querySelectorAll('.chart[aria-labelledby]').length") == 7
    assert page.run("document.documentElement.lang") == "en-GB"


def test_it_prints(page: Page) -> None:
    pdf = base64.b64decode(page.ask("Page.printToPDF")["data"])
    assert pdf.startswith(b"%PDF")
