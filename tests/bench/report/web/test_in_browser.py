"""The page as a reader has it: opened in a real Chromium, sorted, filtered, pointed at."""

import base64
import csv
import io
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from bench.report.build import build
from bench.report.lookup import load
from bench.report.studies.load import load_studies
from bench.report.web.page import PAGE
from tests.bench.report.records import complexity, quality, record, runtime
from tests.bench.report.web.browser import Page
from tests.bench.report.web.conftest import WIDTHS, choose
from tests.commands import ROOT
from tests.kept import write_record

pytestmark = pytest.mark.slow("the page in a browser")

FIRST_COLUMN = """[...document.querySelector("#test-cpu-2t-networks").closest("section").querySelectorAll(
    "tbody tr:not([hidden])")].map(row => row.cells[%d].textContent)"""
HEADER = """document.querySelector("#test-cpu-2t-networks").closest("section").querySelectorAll("thead th")[%d]"""
SYMBOLS = """[...document.querySelectorAll("#test-cpu-2t .charts .chart [class*='_points_'] path")].filter(
    p => p.getBoundingClientRect().width)"""
CHOOSE = "#test-cpu-2t section.choose"


def pointer(page: Page, kind: str, x: float, y: float) -> None:
    page.ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)


def middle(page: Page, element: str) -> tuple[float, float]:
    """Where an element is on the screen, scrolled into view."""
    page.run(f"{element}.scrollIntoView({{block: 'center'}})")
    box: dict[str, Any] = page.run(f"{element}.getBoundingClientRect().toJSON()")
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def unfold(page: Page) -> None:
    """The table of every network's figures."""
    page.run("document.querySelector('#test-cpu-2t-networks').closest('section').querySelector('details').open = true")


def test_a_click_on_a_header_sorts_and_says_so(page: Page) -> None:
    unfold(page)
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


def test_a_filter_keeps_rows_of_any_of_its_names(page: Page) -> None:
    unfold(page)
    networks = "#test-cpu-2t input[aria-label^='Filter: Networks']"
    says = (
        "document.querySelector('#test-cpu-2t-networks').closest('section').querySelector('.tools output').textContent"
    )
    choose(page, networks, 'rlfn-s "(NTIRE base"')
    assert page.run(FIRST_COLUMN % 0) == ["RLFN-S", "RLFN (NTIRE baseline)"]
    assert page.run(says) == "2 of 10 rows"
    choose(page, networks, " ")
    assert page.run(says) == "10 of 10 rows"


def test_the_first_table_compares_with_any_baseline_and_keeps_budgets(page: Page) -> None:
    section = "#test-cpu-2t section.choose"
    shown = f"[...document.querySelectorAll('{section} .first tbody tr')].filter(row => !row.hidden)"
    names = f"{shown}.map(row => row.cells[0].textContent)"
    everyone = page.run(names)
    assert page.run(f"document.querySelector('{section} output').textContent") == "10 of 10 networks"
    rlfn = page.run(f"[...document.querySelector('{section} .baseline').options].find(o => o.text === 'RLFN').value")
    choose(page, f"{section} .baseline", rlfn, "change")
    gain = "row.querySelector('.psnr .over').textContent"
    gains = f"Object.fromEntries({shown}.map(row => [row.cells[0].textContent, {gain}]))"
    assert page.run(gains)["RLFN"] == ""
    assert page.run(gains)["DVMSR"].strip() == "−0.03"  # 32.213 and 32.238 dB
    choose(page, f"{section} .most-k", "500")
    few = page.run(names)
    assert set(few) < set(everyone)
    assert "DVMSR" in few
    assert "SwinIR-light" not in few
    choose(page, f"{section} .least-db", "99")
    assert page.run(names) == []
    choose(page, f"{section} .least-db", "")
    choose(page, f"{section} .most-k", "")
    assert page.run(names) == everyone


def kept_and_bare(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The pages of the reports that belong to the repository, and one of a run without data."""
    folder = tmp_path_factory.mktemp("bare")
    for model, name, ms in (("span", "SPAN", 9.0), ("dvmsr", "DVMSR", 30.0), ("mine-12345678", "mine", 12.0)):
        counts, timed = complexity(100_000, flops=10**9), runtime(ms, run="one")
        write_record(record(model, name, complexity=counts, runtime=timed, quality=[quality("photos", 27.0)]), folder)
    found = []
    for records in [folder, *sorted((ROOT / "reports").glob("*/records"))]:
        path = folder / f"{records.parent.name}.html"
        path.write_bytes(build(load(records), load_studies(records))[PAGE])
        found.append(path)
    return found


@pytest.mark.parametrize("width", WIDTHS)
def test_committed_and_bare_reports_answer_first_and_stay_short(
    chromium: Page, tmp_path_factory: pytest.TempPathFactory, width: int
) -> None:
    for path in kept_and_bare(tmp_path_factory):
        chromium.errors.clear()
        chromium.open(path, width=width, height=900)
        assert path.stat().st_size < 4_000_000
        assert chromium.run("document.documentElement.scrollWidth") <= width
        assert chromium.run("document.documentElement.scrollHeight") / 900 <= (20 if width > 1000 else 30)
        first = "[...document.querySelectorAll('article:not([hidden]) .first tbody tr')].slice(0, 3)"
        rows = chromium.run(f"{first}.map(r => [...r.cells].slice(0, 3).map(c => c.textContent))")
        assert len(rows) == 3
        assert all(psnr not in ("", "—") for _, _, psnr in rows), path
        assert chromium.run(f"{first}.every(r => r.getBoundingClientRect().bottom < 900)")
        assert chromium.errors == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_two_questions_are_answered_on_the_first_screen(page: Page, scheme: str) -> None:
    """Which network under a budget, and how it compares with the baseline: the table with both, and its controls."""
    page.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    page.run("scrollTo(0, 0)")
    first = (
        f"[...document.querySelectorAll('{CHOOSE} .first tbody tr')].slice(0, 3).map(r => r.getBoundingClientRect())"
    )
    assert all(box["bottom"] < 900 for box in page.run(f"{first}.map(b => b.toJSON())"))
    for control in (".baseline", ".most-ms", ".most-k", ".least-db"):
        assert page.run(f"document.querySelector('{CHOOSE} {control}').getBoundingClientRect().bottom") < 900
    seen = f"[...document.querySelectorAll('{CHOOSE} .first thead th')].filter(h => h.getBoundingClientRect().width)"
    titles = page.run(f"{seen}.map(h => h.textContent)")
    assert titles[:3] == ["Network", "Time (ms)", "PSNR Y, Set5 (dB)"]
    page.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "light"}])


def test_two_networks_stand_side_by_side_with_their_differences(page: Page) -> None:
    tick = f"[...document.querySelectorAll('{CHOOSE} .compare')].find(b => b.ariaLabel === 'Compare %s').click()"
    page.run(tick % "RLFN")
    assert page.run(f"document.querySelector('{CHOOSE} .sides').hidden")
    page.run(tick % "DVMSR")
    table = f"document.querySelector('{CHOOSE} .sides table')"
    heading = page.run(f"[...{table}.tHead.rows[0].cells].map(c => c.textContent)")
    assert sorted(heading[1:3]) == ["DVMSR", "RLFN"]
    assert heading[3] == f"over {heading[1]}"
    rows = f"""Object.fromEntries([...{table}.tBodies[0].rows].map(
        r => [r.cells[0].textContent, [...r.cells].map(c => c.textContent)]))"""
    found = page.run(rows)
    psnr = found["PSNR of Y, Set5 (dB)"]
    assert sorted(psnr[1:3]) == ["32.213", "32.238"]
    assert psnr[3].strip("+−") == "0.025"
    assert found["Parameters"][3] in ("1.28×", "0.78×")  # 543,740 and 424,428
    rounded = [page.run(f"signed({value}, 2)") for value in (-0.001, 0.004, -0.02, 3)]
    assert rounded == ["0.00", "0.00", "−0.02", "+3.00"]
    flops = [title for title in found if title.startswith("FLOPs")]
    assert len(flops) == 3  # as published, nothing hidden, complete
    page.run(tick % "SwinIR-light")
    assert page.run(
        f"[...document.querySelectorAll('{CHOOSE} .compare')].filter(b => !b.checked).every(b => b.disabled)"
    )
    assert len(page.run(f"[...{table}.tHead.rows[0].cells].map(c => c.textContent)")) == 6


def test_the_address_holds_what_was_chosen(page: Page) -> None:
    choose(page, f"{CHOOSE} .most-k", "500")
    page.run(f"[...document.querySelectorAll('{CHOOSE} .compare')].slice(0, 2).forEach(b => b.click())")
    address = page.run("location.hash")
    assert address.startswith("#test-cpu-2t-words?")
    rows = f"[...document.querySelectorAll('{CHOOSE} tbody tr')]"
    chosen = f"{rows}.map(r => [r.hidden, r.querySelector('.compare')?.checked])"
    before = page.run(chosen)
    choose(page, f"{CHOOSE} .most-k", "")
    page.run(f"[...document.querySelectorAll('{CHOOSE} .compare')].slice(0, 2).forEach(b => b.click())")
    assert page.run(chosen) != before
    page.run(f"location.hash = {address!r}")
    page.wait(f"document.querySelector('{CHOOSE} .most-k').value === '500'")
    assert page.run(chosen) == before


def test_a_row_and_a_filter_have_an_address(page: Page) -> None:
    unfold(page)
    table = "document.querySelector('#test-cpu-2t-networks').closest('section').querySelector('table')"
    page.wait(f"{table}.dataset.ready")
    row = page.run(f"{table}.tBodies[0].rows[3].id")
    page.run(f"location.hash = {row!r}")
    page.wait(f"document.getElementById({row!r}).classList.contains('linked')")
    name = page.run(f"{table}.id")
    page.run(f"location.hash = '{name}?filter=rlfn-s'")
    page.wait(f"[...{table}.tBodies[0].rows].filter(r => !r.hidden).length === 1")
    page.run(f"location.hash = '{name}?sort=-1'")
    page.wait(f"{table}.querySelector('[aria-sort=descending]')")


def test_a_table_can_be_taken_along(page: Page) -> None:
    unfold(page)
    section = "document.querySelector('#test-cpu-2t-networks').closest('section')"
    page.wait(f"{section}.querySelector('.take')")
    page.run(f"{section}.querySelector('.take').open = true")
    text = f"{section}.querySelector('.take textarea').value"
    page.wait(f"{text}.length > 100")
    lines = list(csv.DictReader(io.StringIO(page.run(text))))
    (dvmsr,) = [line for line in lines if line["Network"] == "DVMSR"]
    assert dvmsr["Parameters"] == "424428"
    median = next(title for title in dvmsr if title.startswith("Median time"))
    assert float(dvmsr[f"{median}, low"]) < float(dvmsr[median]) < float(dvmsr[f"{median}, high"])
    for form, holds in (("LaTeX", r"\toprule"), ("BibTeX", "@inproceedings{lei2024dvmsr")):
        page.run(f"""{{ const form = {section}.querySelector('.take select'); form.value = {form!r};
            form.dispatchEvent(new Event('change')); }}""")
        assert holds in page.run(text)
    assert "@misc{esrbench" in page.run(text)


def test_charts_draw_points_with_words(page: Page) -> None:
    words = page.run(f"{SYMBOLS}.map(p => p.getAttribute('aria-label'))")
    assert any(text.startswith("DVMSR: DVMSR, Parameters (thousands): 424, PSNR of Y on Set5") for text in words)
    assert (
        page.run("document.querySelectorAll('#test-cpu-2t .chart [class*=guide_line] path').length") == 3
    )  # one front is a point


def test_charts_follow_their_controls(page: Page) -> None:
    choose(page, "#test-cpu-2t .dataset", "Set14", "change")
    shown = "[...document.querySelectorAll('#test-cpu-2t .charts')].filter(c => !c.hidden).map(c => c.dataset.dataset)"
    assert page.run(shown) == ["Set14"]
    page.wait("document.querySelectorAll('#test-cpu-2t .charts[data-dataset=Set14] .chart svg').length === 4")
    assert page.run("location.hash") == "#test-cpu-2t-charts?set=Set14"
    choose(page, "#test-cpu-2t .dataset", "Set5", "change")


def test_a_network_that_is_looked_for_is_found_in_words_where_it_has_no_room(page: Page) -> None:
    choose(page, "#test-cpu-2t .find", 'rlfn-s "dvmsr (ntire"')
    found = "[...document.querySelectorAll('#test-cpu-2t .charts:not([hidden]) .found')].map(f => f.textContent)"
    page.wait(f"{found}.some(t => t.includes('RLFN-S')) && {found}.some(t => t.includes('DVMSR (NTIRE 2024), '))")
    names = """[...document.querySelectorAll("#test-cpu-2t .charts:not([hidden]) [class*='_names_'] text")].map(
        t => t.textContent)"""
    page.wait(f"{names}.every(t => ['RLFN-S', 'DVMSR (NTIRE 2024)'].includes(t))")
    choose(page, "#test-cpu-2t .find", "nobody")
    page.wait(f"{found}.every(t => t === 'Not in this chart.')")


def test_no_name_is_written_over_another(page: Page) -> None:
    overlaps = page.run("""[...document.querySelectorAll('#test-cpu-2t .chart svg')].flatMap((svg) => {
        const boxes = [...svg.querySelectorAll("[class*='_names_'] text")].map((t) => t.getBoundingClientRect());
        return boxes.flatMap((a, i) => boxes.slice(i + 1).filter((b) =>
            a.left < b.right && b.left < a.right && a.top + 2 < b.bottom && b.top + 2 < a.bottom));
    }).length""")
    assert overlaps == 0


def test_a_point_says_what_it_is_and_leads_to_its_record(page: Page) -> None:
    x, y = middle(page, f"{SYMBOLS}.find(p => p.getAttribute('aria-label').startsWith('DVMSR: DVMSR, '))")
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
    page.wait("document.querySelectorAll('#other-cpu-2t .charts .chart svg').length >= 2")


@pytest.mark.parametrize("page", [WIDTHS[0]], indirect=True)
@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_hangs_over_the_edge(page: Page, width: int) -> None:
    page.ask("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 500)
    page.run("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    page.wait(f"document.documentElement.scrollWidth <= {width}")
    boxes = "[...document.querySelectorAll('main *')].filter((e) => e.tagName !== 'TEXTAREA' && e.clientWidth"
    inner = f"""{boxes} && /auto|scroll/.test(getComputedStyle(e).overflow) && (
        e.scrollWidth > e.clientWidth + 1 || e.scrollHeight > e.clientHeight + 1)).map(e => e.className)"""
    assert page.run(inner) == []  # no box inside the page has to be scrolled
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
    nameless = "[...document.querySelectorAll('select, input')].filter(c => !c.labels.length && !c.ariaLabel).length"
    assert page.run(nameless) == 0
    assert page.run("[...document.querySelectorAll('.chart')].every(c => c.getAttribute('aria-label'))")
    assert page.run("document.documentElement.lang") == "en-GB"


def test_it_prints(page: Page) -> None:
    pdf = base64.b64decode(page.ask("Page.printToPDF")["data"])
    assert pdf.startswith(b"%PDF")


VIEWER = "document.querySelector('#test-cpu-2t .viewer')"
STAGE = f"{VIEWER}.querySelector('.stage')"


def stage_picture(page: Page) -> bytes:
    """What the viewer shows, as PNG."""
    page.run(f"{STAGE}.scrollIntoView({{block: 'center'}})")
    page.run("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    box = page.run(f"(b => [b.x + scrollX, b.y + scrollY, b.width, b.height])({STAGE}.getBoundingClientRect())")
    clip = dict(zip(("x", "y", "width", "height"), box, strict=True))
    return base64.b64decode(page.ask("Page.captureScreenshot", clip={**clip, "scale": 1})["data"])


def key(page: Page, name: str) -> None:
    codes = {"ArrowLeft": 37, "ArrowRight": 39, "Home": 36, "End": 35}
    for kind in ("rawKeyDown", "keyUp"):
        page.ask("Input.dispatchKeyEvent", type=kind, key=name, code=name, windowsVirtualKeyCode=codes[name])


def test_the_slider_moves_the_picture_by_keys_and_pointer(page: Page) -> None:
    half = stage_picture(page)
    page.run(f"{VIEWER}.querySelector('input').focus()")
    key(page, "Home")
    page.wait(f"{VIEWER}.querySelector('input').value === '0'")
    right = stage_picture(page)
    key(page, "End")
    page.wait(f"{VIEWER}.querySelector('input').value === '100'")
    left = stage_picture(page)
    assert len({half, right, left}) == 3
    x, y = middle(page, STAGE)
    width = page.run(f"{STAGE}.clientWidth")
    pointer(page, "mousePressed", x - width / 4, y)
    page.wait(f"Math.abs({VIEWER}.querySelector('input').value - 25) <= 1")
    pointer(page, "mouseReleased", x - width / 4, y)
    assert stage_picture(page) not in (half, right, left)
    words = page.run(f"{VIEWER}.querySelector('input').getAttribute('aria-valuetext')")
    assert words == "25 % DVMSR, 75 % Ground truth"


def test_the_viewer_lays_any_two_crops_of_a_place_over_each_other(page: Page) -> None:
    said = f"{VIEWER}.querySelector('output').textContent"
    assert page.run(said).startswith("Left: DVMSR, PSNR of Y ")
    assert page.run(f"[...{VIEWER}.querySelector('.left').options].map(o => o.value)") == [
        "Bicubic", "DVMSR", "RLFN", "Ground truth",
    ]  # fmt: skip
    before = stage_picture(page)
    choose(page, "#test-cpu-2t .viewer .left", "Bicubic", "change")
    bicubic = stage_picture(page)
    assert bicubic != before
    choose(page, "#test-cpu-2t .viewer .right", "RLFN", "change")
    assert stage_picture(page) != bicubic
    assert "Right: RLFN, PSNR of Y " in page.run(said)
    choose(page, "#test-cpu-2t .viewer .place", "1", "change")
    assert page.run(f"{VIEWER}.querySelector('.left').value") == "Bicubic"  # a choice outlives another place
    assert page.run(f"{VIEWER}.querySelector('.over').alt").startswith("Bicubic: bird")
    side = page.run(f"{STAGE}.getBoundingClientRect().width")
    assert side % 16 == 0  # whole pixels
    assert page.run(f"getComputedStyle({VIEWER}.querySelector('.over')).imageRendering") == "pixelated"


def test_scores_and_entries_sort(page: Page) -> None:
    section = "document.querySelector('#test-cpu-2t-challenges').closest('section')"
    table = f"{section}.querySelector('table')"
    page.run(f"{section}.querySelectorAll('details').forEach(d => {{ d.open = true; }})")
    page.wait(f"{table}.querySelector('thead button')")
    column = f"[...{table}.tBodies[0].rows].map(row => row.cells[0].textContent)"
    for order in (["07_DVMSR", "09_Net"], ["09_Net", "07_DVMSR"]):
        page.run(f"{table}.querySelector('thead button').click()")
        assert page.run(column) == order
    scores = "document.querySelector('#test-cpu-2t-scores').closest('section')"
    page.run(f"{scores}.querySelectorAll('details').forEach(d => {{ d.open = true; }})")
    page.wait(f"{scores}.querySelector('table thead button')")
    first = f"{scores}.querySelector('table')"
    page.run(f"{first}.querySelectorAll('thead button')[2].click()")
    page.run(f"{first}.querySelectorAll('thead button')[2].click()")
    assert page.run(f"[...{first}.tBodies[0].rows].map(row => row.cells[0].textContent)") == ["IMDN", "SPAN"]
    assert page.run(f"[...{first}.tBodies[0].rows].every(row => row.textContent.includes('not measured'))")


@pytest.mark.parametrize("page", [WIDTHS[0]], indirect=True)
def test_paper_shows_the_strips_without_the_viewer(page: Page) -> None:
    page.ask("Emulation.setEmulatedMedia", media="print")
    assert page.run(f"getComputedStyle({VIEWER}).display") == "none"
    assert page.run("document.querySelectorAll('#test-cpu-2t .strip img').length") == 8
    page.ask("Emulation.setEmulatedMedia", media="")
