"""Whole networks by scan backend, from synthetic records."""

from bench.core.record import Runtime
from bench.report.lookup import DeviceRecords, Measured
from bench.report.studies.backends import backend_table, backends_section
from tests.bench.report.records import record


def measured(backend: str, ms: float, run: str = "one run", **changes: object) -> Measured:
    runtime = Runtime(9.0, [1.0], [ms] * 8, run=run)
    return Measured(f"{backend}.json", record("dvmsr", "DVMSR", runtime=runtime, scan_backend=backend, **changes))


def test_rows_compare_with_the_baseline_of_the_same_run() -> None:
    native = measured("native", 20.0, fused=True)
    chunked = measured("chunked", 80.0)
    elsewhere = measured("reference", 800.0, "another run")
    device = DeviceRecords("cpu", "Test CPU", 2, (native, chunked, elsewhere))
    rows = backend_table(device).rows
    ratios = [("reference", "not timed together"), ("chunked", "—"), ("native, fused", "4.00")]
    assert [(row[2].text, row[4].text) for row in rows] == ratios
    assert rows[2][1].text == "256x256, fp32"
    assert rows[2][-1].record == "native.json"
    section = backends_section(device)
    assert section
    assert "| native.json " in section.body


def test_what_is_measured_once_or_differs_has_no_row() -> None:
    alone = measured("native", 20.0)
    larger = measured("chunked", 80.0, height=339, width=510)
    assert backends_section(DeviceRecords("cpu", "Test CPU", 2, (alone, larger))) is None
