"""The page as a file: whole, small, the same every time, and safe whatever a record says."""

import cProfile
import re
import subprocess
import sys
from html import unescape
from pathlib import Path

import pytest

from bench.core.record import ImageQuality, Quality, Record, Skipped, WeightsInfo
from bench.report.build import build, main
from bench.report.lookup import load
from bench.report.studies.load import Studies
from bench.report.web import appendix
from bench.report.web.page import TEMPLATES, charting_library
from bench.studies.attribution.attribution_record import Attributed, BlurPath, Grid, LamRecord, Patch
from bench.studies.scan.scan_record import FORWARD, ScanCell
from tests.bench.report.records import (
    BASE,
    RLFN_COUNTS,
    SETS,
    accuracy_record,
    accuracy_result,
    complexity,
    memory,
    quality,
    record,
    runtime,
    scan_measurement,
    scan_record,
)
from tests.bench.report.studies.crops import crop_record, place
from tests.kept import write_record

LARGEST = 6 * 2**20
EVIL = "<script>document.title='run'</script>\"'><img src=x onerror=\"document.title='run'\">"


def page_of(folder: Path) -> str:
    return build(load(folder))["report.html"].decode()


def without_scripts(page: str) -> str:
    """The page without what stands between script tags, which are the library's and ours."""
    return re.sub(r"<script[^>]*>.*?</script>", "", page, flags=re.DOTALL)


def evil_record() -> Record:
    """Its name, options, data set, image, notes and environment would all like to run."""
    return record(
        "dvmsr",
        EVIL,
        options={"x": EVIL},
        complexity=complexity(1234),
        quality=[Quality("Set5", [ImageQuality(EVIL, 8, 8, 30.0, 30.0, 0.9, 30.0, 30.0, 1.0)], "files")],
        weights=WeightsInfo("official", EVIL, note=EVIL),
        environment={EVIL: EVIL},
        skipped=[Skipped(EVIL, EVIL, EVIL)],
        runtime=runtime(1.0),
    )


def test_it_is_small_needs_nothing_and_every_link_has_its_place(full_folder: Path) -> None:
    page = page_of(full_folder)
    assert len(page.encode()) < LARGEST
    body = without_scripts(page)
    assert not re.search(r'(src|href)="(?!#|data:image/png)', body)
    assert "@import" not in body
    assert "url(" not in body
    places = set(re.findall(r'\bid="([^"]+)"', body))
    assert len(places) == len(re.findall(r'\bid="([^"]+)"', body))
    assert set(re.findall(r'href="#([^"]+)"', body)) <= places
    assert set(re.findall(r'aria-labelledby="([^"]+)"', body)) <= places


def test_every_record_is_in_the_appendix_with_its_environment(full_folder: Path) -> None:
    body = without_scripts(page_of(full_folder))
    for item in load(full_folder).devices[0].measured:
        assert f"<code>{item.file}</code></summary>" in body
    assert "<dt>git.commit</dt><dd>0123abc</dd>" in body


def test_nothing_of_a_record_can_run(full_folder: Path) -> None:
    for item in (evil_record(), record("rlfn_s2", EVIL, complexity=complexity(99), quality=[quality("Set5", 30.0)])):
        write_record(item, full_folder)
    body = without_scripts(page_of(full_folder))
    assert "document.title" in body
    assert "<img src=x" not in body
    assert not re.search(r"<[^>]+\sonerror", body)
    data = re.findall(r'<script type="application/json">(.*?)</script>', page_of(full_folder), re.DOTALL)
    assert data
    assert not any("<" in text for text in data)


def test_only_its_own_scripts_are_allowed(full_folder: Path) -> None:
    page = page_of(full_folder)
    assert len(re.findall(r"'sha256-[A-Za-z0-9+/=]{44}'", unescape(page.split("<title>")[0]))) == 8
    assert len(re.findall("<script>", page)) == 8


def test_machines_have_sections_of_their_own(full_folder: Path) -> None:
    write_record(
        record("rlfn", "Only there", complexity=complexity(543_740, **RLFN_COUNTS), device_name="Other CPU"),
        full_folder,
    )
    page = page_of(full_folder)
    other, mine = page.split('<article class="device"')[1:]
    assert 'id="other-cpu-2t"' in other
    assert "Only there" in other
    assert "Only there" not in mine.split("</article>")[0]
    assert '<select id="device">' in page


def test_unusable_records_are_named(full_folder: Path) -> None:
    (full_folder / "cut.json").write_text("{", encoding="utf-8")
    assert "<code>cut.json</code>: the file is not a complete JSON record" in page_of(full_folder)


def test_studies_are_shown_and_their_records_listed(full_folder: Path) -> None:
    lost = Attributed("dvmsr", {}, "DVMSR", 4, WeightsInfo("official"), None, "cpu", "Test CPU", 2, "2026", {"os": "X"})
    kept = {
        "scan": scan_record([scan_measurement(ScanCell(1, 1024, FORWARD), "native", 1.0)]),
        "accuracy": accuracy_record([accuracy_result(BASE, 32.0, 0)]),
        "attribution": lam_record(lost),
    }
    studies = Studies({f"{folder}/{record.file_name}": record for folder, record in kept.items()})
    device = load(full_folder).devices[0]
    places = appendix.anchors(device, studies)
    entries = appendix.entries(device, studies, places)
    facts = {entry.title: dict(entry.facts) for entry in entries}
    assert ("os", "X") in facts["attribution"]["Environment"]
    assert ("cpu", "Test CPU") in facts["scan"]["Environment"]
    assert "lr_png" not in dict(facts["attribution"]["Settings"])
    others = Studies({file: r for file, r in studies.records.items() if "attribution" not in file})
    page = build(load(full_folder), others)["report.html"].decode()
    assert "<summary>Every cell</summary>" in page
    assert 'aria-label="Selective scan, forward"' in page
    assert f"<code>{next(file for file in places if file.startswith('accuracy/'))}</code></summary>" in page


def lam_record(network: Attributed) -> LamRecord:
    """Whose images say nothing."""
    return LamRecord(network, "a", "cGln", Patch(0, 0, 2), BlurPath(), Grid(0, 0, ""), 0.0, 1.0)


def test_few_records_make_a_page(tmp_path: Path) -> None:
    write_record(record("rlfn", complexity=complexity(543_740, **RLFN_COUNTS)), tmp_path)
    page = page_of(tmp_path)
    assert "No network has both a score and a cost." in page
    assert "No image was scored." in page


@pytest.mark.slow("a page by another process")
def test_another_process_makes_the_same_bytes(full_folder: Path, tmp_path: Path) -> None:
    code = "import sys; from bench.report.build import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "--records", str(full_folder), "--out", str(tmp_path / "out")]
    subprocess.run(command, check=True, capture_output=True, env={"PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo"})
    assert (tmp_path / "out" / "report.html").read_text(encoding="utf-8") == page_of(full_folder)


def test_the_charting_library_fits_between_tags() -> None:
    assert "</script" not in charting_library()


@pytest.mark.parametrize("paper", ["--paper", "--raised"])
def test_texts_are_legible(paper: str) -> None:
    """At least 4.5 : 1 in light and dark (WCAG 2, level AA)."""
    css = (TEMPLATES / "page.css").read_text(encoding="utf-8")
    blocks = [
        dict(re.findall(r"(--[a-z0-9]+): (#[0-9a-f]{6})", block))
        for block in re.findall(r"\{([^{}]*--ink[^{}]*)\}", css)
    ]
    schemes = [colours for colours in blocks if paper in colours]
    assert len(schemes) == 3
    for colours in schemes:
        for name in (
            "--ink",
            "--soft",
            "--link",
            "--measured",
            "--published",
            "--good",
            "--bad",
            "--unsure",
            "--subject",
            *(f"--c{i}" for i in range(7)),
        ):
            assert contrast(colours[name], colours[paper]) >= 4.5, (name, colours)


def contrast(a: str, b: str) -> float:
    dark, light = sorted(luminance(c) for c in (a, b))
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    values = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.slow("a page of forty networks")
def test_four_times_the_networks_are_about_four_times_the_work(tmp_path: Path) -> None:
    """In calls of functions, which a busy machine does not change."""

    def calls(networks: int) -> int:
        results = tmp_path / str(networks)
        for i in range(networks):
            sets = [quality(name, 28 + i / 20) for name in SETS]
            for scores in sets:
                scores.images = [
                    ImageQuality(f"{j:03}", 64, 64, 30.0, 30 + (i * j) % 7, 0.9, 30.0, 30.0, 9.0) for j in range(100)
                ]
            parts = {"complexity": complexity(1000 * (i + 1)), "runtime": runtime(10 + i), "memory": memory(100 + i)}
            write_record(record(f"network{i}", f"Network {i}", quality=sets, **parts), results / "records")
            for name in ("baby", "bird"):
                crop = crop_record(f"network{i}", f"Network {i}", 60, place(name, size=128))
                write_record(crop, results / "crops")
        profile = cProfile.Profile()
        words = ["--records", str(results / "records"), "--out", str(results / "out")]
        assert profile.runcall(main, words) == 0
        return sum(entry.callcount for entry in profile.getstats())

    few, many = calls(10), calls(40)
    assert many < 4 * few
    page = (tmp_path / "40" / "out" / "report.html").read_text(encoding="utf-8")
    assert len(page.encode()) < LARGEST
    assert "Left out of this page for its size, and found in the report's figures: Network 2" in page
