"""A page with everything that a page can hold, and a browser that has it open."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.report.build import build
from bench.report.lookup import load
from bench.report.studies.load import load_studies
from bench.report.web.page import PAGE
from tests.bench.report.ranks.test_challenges import failed, team
from tests.bench.report.ranks.test_scores import timed
from tests.bench.report.records import RLFN_COUNTS, complexity, full_set, quality, record, runtime
from tests.bench.report.studies.crops import crop_records
from tests.bench.report.web.browser import CHROMIUM, Page, browser
from tests.bench.report.web.test_page import evil_record
from tests.kept import write_record

WIDTHS = (1440, 390)


@pytest.fixture(scope="session")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of two devices, one of whose records would like to run."""
    folder = tmp_path_factory.mktemp("page")
    other = {"device_name": "Other CPU", "runtime": runtime(9.0), "quality": [quality("photos", 30.0)]}
    for item in (*full_set(), evil_record(), record("rlfn", complexity=complexity(543_740, **RLFN_COUNTS), **other)):
        write_record(item, folder / "records")
    for model, median in (("span", 100.0), ("imdn", 200.0)):
        write_record(timed(model, median, ("span", "imdn")), folder / "records")
    for crop in crop_records():
        write_record(crop, folder / "crops")
    for entry in (team(7, "DVMSR"), team(9, "Net"), failed(8)):
        write_record(entry, folder / "ntire2024" / "records")
    (folder / PAGE).write_bytes(build(load(folder / "records"), load_studies(folder / "records"))[PAGE])
    return folder / PAGE


@pytest.fixture(scope="session")
def chromium() -> Iterator[Page]:
    """One browser for all tests. Skips them where there is none."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed (Debian: apt-get install chromium)")
    with browser() as page:
        yield page


@pytest.fixture(params=WIDTHS)
def page(chromium: Page, path: Path, request: pytest.FixtureRequest) -> Iterator[Page]:
    """The page, freshly opened on the first device that has all its figures; nothing may have gone wrong with it."""
    chromium.errors.clear()
    chromium.requests.clear()
    chromium.open(path, width=request.param)
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
