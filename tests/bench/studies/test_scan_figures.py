"""What follows from a scan record: floors, speed-ups, memory and errors, by hand."""

import dataclasses

import pytest

from bench.core.record import Memory
from bench.studies.scan.figures import copy_rate, extra_bytes, floors, least_bytes, rows, worst_errors
from bench.studies.scan.scan_record import BOTH, FORWARD, ScanCell, ScanError
from tests.bench.report.records import scan_measurement, scan_record


@pytest.mark.parametrize(
    ("cell", "precision", "expected"),
    [
        (ScanCell(1, 65_536, FORWARD), "fp32", 134_217_728),  # 65,536 x (4 x 120 + 2 x 16) x 4
        (ScanCell(1, 65_536, BOTH), "fp32", 371_195_904),  # 65,536 x (11 x 120 + 6 x 16) x 4
        (ScanCell(64, 4096, FORWARD), "bf16", 268_435_456),  # 262,144 x 512 x 2
    ],
)
def test_least_bytes_by_hand(cell: ScanCell, precision: str, expected: int) -> None:
    assert least_bytes(cell, 120, 16, precision) == expected


def test_floors_of_a_gpu_by_hand() -> None:
    # 2e9 bytes in a median of 0.5 ms; 100 multiprocessors at 2,000 MHz.
    record = scan_record([], device="cuda", threads=None)
    record.machine.copy_bytes, record.machine.copy_samples_ms = 2_000_000_000, [0.4, 0.5, 9.0]
    record.machine.multiprocessors, record.machine.max_clock_mhz, record.machine.lanes = 100, 2000.0, 128
    assert copy_rate(record.machine) == 4e12
    f = floors(ScanCell(1, 10_000, FORWARD), record.settings, record.machine)
    assert f.bytes_ms == pytest.approx(10_000 * 512 * 4 / 4e12 * 1e3)
    assert f.exponentials_ms == pytest.approx(10_000 * 120 * 16 / (16 * 100 * 2e9) * 1e3)
    assert f.exponentials_twice_ms == pytest.approx(2 * 0.006)
    assert f.multiply_adds_ms == pytest.approx(4 * 10_000 * 120 * 16 / (128 * 100 * 2e9) * 1e3)
    assert f.largest_ms == f.exponentials_twice_ms
    both = floors(ScanCell(1, 10_000, BOTH), record.settings, record.machine)
    assert both.exponentials_ms == pytest.approx(2 * 0.006)
    assert both.multiply_adds_ms == pytest.approx(15 / 4 * 0.003)


def test_a_cpu_has_the_bytes_alone() -> None:
    record = scan_record([])
    f = floors(ScanCell(1, 1000, FORWARD), record.settings, record.machine)
    assert (f.exponentials_ms, f.exponentials_twice_ms, f.multiply_adds_ms) == (None, None, None)
    assert f.largest_ms == f.bytes_ms == pytest.approx(1000 * 512 * 4 / 10e9 * 1e3)


def test_rows_compare_within_a_cell() -> None:
    one, other = ScanCell(1, 1024, FORWARD), ScanCell(1, 4096, FORWARD)
    record = scan_record(
        [
            scan_measurement(one, "reference", 100.0),
            scan_measurement(one, "chunked", 20.0),
            scan_measurement(one, "native", 2.0, memory=Memory("m", 1000, None, 50)),
            scan_measurement(other, "native", 5.0),
        ]
    )
    found = rows(record)
    assert [(r.measurement.cell.length, r.measurement.backend) for r in found] == [
        (1024, "reference"), (1024, "chunked"), (1024, "native"), (4096, "native"),
    ]  # fmt: skip
    assert found[2].speedups["reference"].ratio == pytest.approx(50)
    assert found[2].speedups["chunked"].ratio == pytest.approx(10)
    assert found[3].speedups == {}
    assert found[2].extra_bytes == 900  # 1,000 of growth, 100 of results
    assert found[2].share_of_bytes == pytest.approx(1024 * 512 * 4 / 10e9 * 1e3 / 2.0)


def test_memory_beyond_inputs_and_results() -> None:
    assert extra_bytes(None, 10) is None
    assert extra_bytes(Memory("cpu", 100, None, 7), 30) == 70
    assert extra_bytes(Memory("gpu", 100, 128, 20), 30) == 50  # the allocator's peak has the inputs in it
    assert extra_bytes(Memory("cpu", 10, None, 7), 30) == 0


def test_worst_errors_and_one_that_is_not_finite() -> None:
    errors = [
        ScanError("chunked", "random", "out", 64, 1e-8),
        ScanError("chunked", "random", "grad u", 64, 3e-8),
        ScanError("chunked", "random", "grad A", 64, None),
        ScanError("chunked", "dvmsr layer 0", "out", 64, 2e-7),
        ScanError("chunked", "dvmsr layer 1", "out", 64, 1e-7),
    ]
    assert worst_errors(dataclasses.replace(scan_record([]), errors=errors)) == {
        ("chunked", "random: out"): 1e-8,
        ("chunked", "random: gradients"): None,
        ("chunked", "dvmsr layers: out"): 2e-7,
    }
