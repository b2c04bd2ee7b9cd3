"""The sections on the selective scan and on accuracy: what they show, and where their records are looked for."""

from pathlib import Path

import pytest

from bench.core.render import to_csv
from bench.core.table import Table
from bench.report.build import build, main
from bench.report.charts.chart import GUIDE
from bench.report.charts.printed import draw
from bench.report.lookup import load
from bench.report.studies.accuracy import accuracy_rows, accuracy_section, accuracy_table
from bench.report.studies.load import Studies, load_studies
from bench.report.studies.scan import scan_data, scan_section, time_table
from bench.report.studies.scan_chart import scan_charts
from bench.report.studies.sections import study_sections
from bench.studies.accuracy.accuracy_record import AccuracyVariant
from bench.studies.scan.figures import rows
from bench.studies.scan.scan_record import BOTH, FORWARD, ScanCell, ScanError, ScanLeftOut, ScanRecord
from tests.bench.report.records import (
    BASE,
    EXACT,
    accuracy_record,
    accuracy_result,
    scan_measurement,
    scan_record,
)
from tests.kept import write_record

BF16 = AccuracyVariant("bf16", "native", {"fused": True})


def small_scan() -> ScanRecord:
    cells = [
        ScanCell(1, 1024, FORWARD),
        ScanCell(1, 4096, FORWARD),
        ScanCell(1, 1024, BOTH),
        ScanCell(64, 4096, FORWARD),
    ]
    measured = [
        scan_measurement(cell, name, factor * cell.tokens / 1024)
        for cell in cells
        for name, factor in (("reference", 100.0), ("chunked", 10.0), ("native", 1.0))
    ]
    record = scan_record(measured)
    record.errors = [ScanError("native", "random", "out", 4096, 1.5e-7)]
    record.left_out = [ScanLeftOut("reference", "one call would take about 99 s", ScanCell(1, 65_536, FORWARD), 99.0)]
    return record


def lines(table: Table) -> list[dict[str, str]]:
    """What people see of it: heading -> text, a row each."""
    titles = [column.title for column in table.shown.columns]
    return [dict(zip(titles, (cell.text for cell in row), strict=True)) for row in table.shown.rows]


def scan_text(record: ScanRecord) -> str:
    return scan_section([record]).body


def test_scan_table_by_hand() -> None:
    line = lines(time_table(small_scan()))[2]
    assert line["backend"] == "native"
    assert line["L"] == "1,024"
    assert line["x reference"] == "100.00"
    assert line["x chunked"] == "10.00"
    assert line["share of floor [%]"] == "21.0"  # 2,097,152 bytes at 10 GB/s are 0.2097 ms of 1 ms
    assert "memory [MiB]" not in line  # nowhere measured
    assert "of largest floor [%]" not in line
    assert "x mamba_ssm" not in line


def test_a_gpu_has_the_other_floors_and_its_rivals() -> None:
    record = scan_record([scan_measurement(ScanCell(1, 1024, FORWARD), "chunked", 1.0)], device="cuda", threads=None)
    record.measurements[0].eager_ms = [1.5, 1.5, 1.5]
    record.machine.multiprocessors, record.machine.max_clock_mhz, record.machine.lanes = 100, 2000.0, 128
    (line,) = lines(time_table(record))
    assert line["launching [ms]"] == "0.500"
    assert "of largest floor [%]" in line
    assert "`causal_conv1d` does not import." in scan_text(record)


def test_what_was_left_out_is_said_with_its_estimate() -> None:
    record = small_scan()
    assert "- reference, forward, batch 1, L 65,536: one call would take about 99 s" in scan_text(record)
    last = to_csv(scan_data([record])).splitlines()[-1]
    assert last.startswith("Test CPU,2,fp32,120,16,forward,1,65536,reference,,")
    assert ",one call would take about 99 s,99," in last


def test_backends_of_different_runs_have_no_speed_up_and_are_named() -> None:
    record = small_scan()
    first = record.measurements[0]
    assert "timed together" not in scan_text(record)
    first.runtime.run = "another run"
    assert f"in these cells: {first.cell.text}." in scan_text(record)
    assert all(not row.speedups for row in rows(record) if row.measurement is first)


def test_csv_lines_are_as_long_as_their_header() -> None:
    found = to_csv(scan_data([small_scan()])).splitlines()
    assert len({line.count(",") for line in found}) == 1
    assert len(found) == 1 + 12 + 1


@pytest.mark.parametrize(("count", "charts"), [(0, 0), (1, 1), (12, 2)])
def test_scan_charts_say_who_is_fastest_and_repeat(count: int, charts: int) -> None:
    record = small_scan()
    record.measurements = record.measurements[:count]
    made = scan_charts(record, "scan", "a test")
    assert len(made) == charts
    for chart in made:
        assert draw(chart) == draw(chart)
        best = chart.conclusion.split(" is the fastest")[0].split()[-1]
        ends = {s.title: s.marks[-1].y for s in chart.series if s.role != GUIDE}
        assert min(ends, key=lambda name: ends[name]) == best


def test_accuracy_rows_by_hand() -> None:
    record = accuracy_record(
        [
            accuracy_result(BASE, 32.0, 0),
            accuracy_result(EXACT, 32.001, 1),
            accuracy_result(BF16, 31.99, 100, exact=False),
        ]
    )
    base, exact, bf16 = accuracy_rows(record)
    assert (base.role, exact.role, bf16.role) == ("base", "float64", "")
    assert base.psnr_difference_db == 0
    assert bf16.psnr_difference_db == pytest.approx(-0.01)
    assert (bf16.from_base.largest, bf16.from_base.changed, bf16.from_base.values) == (3, 300, 2000)
    assert bf16.from_exact is None
    text = accuracy_section([record]).body
    assert "bf16, native, fused" in text
    assert "-0.010000" in text
    assert len({line.count(",") for line in to_csv(accuracy_table([record])).splitlines()}) == 1


def test_studies_beside_the_records_are_in_the_report(full_folder: Path, tmp_path: Path) -> None:
    write_record(small_scan(), tmp_path / "scan")
    write_record(accuracy_record([accuracy_result(BASE, 32.0, 0)]), tmp_path / "accuracy")
    out = tmp_path / "out"
    assert main(["--records", str(full_folder), "--out", str(out)]) == 0
    report = (out / "report.md").read_text(encoding="utf-8")
    order = ["## Tables", "## Selective scan", "## Accuracy", "## Known differences"]
    assert [report.index(title) for title in order] == sorted(report.index(title) for title in order)
    assert "(scan_fp32_2t_d120_n16_forward.png)" in report
    for name in ("scan.md", "scan.csv", "accuracy.md", "accuracy.csv", "scan_fp32_2t_d120_n16_forward.pdf"):
        assert (out / name).is_file()
    device, studies = load(full_folder).devices[0], load_studies(full_folder)
    first, again = (study_sections(device, found) for found in (studies, load_studies(full_folder)))
    assert [(s.markdown, s.files()) for s in first] == [(s.markdown, s.files()) for s in again]


def test_studies_that_cannot_be_used_are_named(full_folder: Path, tmp_path: Path) -> None:
    write_record(scan_record([], device="cuda", threads=None), tmp_path / "scan")
    (tmp_path / "scan" / "cut.json").write_text("{", encoding="utf-8")
    studies = load_studies(full_folder)
    devices = load(full_folder).devices
    (homeless,) = studies.homeless(devices)
    assert homeless.file.startswith("scan/scan__test-gpu__d120__n16__fp32__")
    assert homeless.reason.startswith("is of a device without a record of a network")
    (broken,) = studies.left_out
    assert broken.file == "scan/cut.json"
    assert broken.reason.startswith("the file is not a complete JSON record")
    assert studies.of(devices[0]) == Studies()
    report = build(load(full_folder), studies)["report.md"]
    assert b"`scan/cut.json`" in report
    assert b"## Selective scan" not in report
