"""What replaces what: the rule of `bench.core.store`, on small fake records, by hand and by random sequences."""

import dataclasses
import os
import tempfile
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import Any, ClassVar
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.core import record_file
from bench.core.identity import Kept, Rank
from bench.core.record import Memory, Skipped
from bench.core.record_file import read_as, read_record
from bench.core.store import find, save
from bench.studies.comparison.comparison_record import ComparisonRecord
from bench.studies.scan.scan_record import FORWARD, ScanCell, ScanLeftOut, ScanRecord
from models.errors import EsrError
from tests.bench.report.records import complexity, quality, record, runtime, scan_measurement, scan_record
from tests.bench.test_compare import comparison, network
from tests.kept import write_record

CELLS = ("counts", "runtime", "Set5", "B100")


@dataclass(frozen=True)
class Figure:
    """A cell of a fake record: which, of what code it was measured, when, and how much it holds."""

    name: str
    code: int
    time: int
    rank: int


@dataclass
class Fake(Kept):
    """A record of a network that is known by its code."""

    code: int
    threads: int
    figures: list[Figure] = field(default_factory=list)
    schema: int = 1

    CELLS: ClassVar = {"figures": attrgetter("name")}

    @property
    def identity(self) -> dict[str, Any]:
        return {"code": self.code, "threads": self.threads}

    @property
    def words(self) -> list[str]:
        return ["fake"]  # alike for all: the key tells them apart


# What a user does, one after the other: edit the network; measure cells (each as a result, cut short or failed), anew
# or with --reuse; be interrupted while a record is written.
RANKS = st.sampled_from([int(rank) for rank in Rank])
MEASURE = st.tuples(st.sampled_from([1, 2]), st.dictionaries(st.sampled_from(CELLS), RANKS, min_size=1), st.booleans())
DEEDS = st.lists(
    st.one_of(
        st.tuples(st.just("edit"), st.integers(0, 2)),
        st.tuples(st.just("measure"), MEASURE),
        st.tuples(st.just("interrupt"), MEASURE),
    ),
    max_size=12,
)


@settings(max_examples=150, deadline=None)
@given(DEEDS)
def test_no_figure_is_lost_or_stands_under_another_key(deeds: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder, code = Path(name), 0
        expected: dict[tuple[int, int], dict[str, Figure]] = {}
        for time, (deed, what) in enumerate(deeds):
            if deed == "edit":
                code = what
                continue
            threads, cells, reuse = what
            blank = Fake(code, threads)
            held = expected.setdefault((code, threads), {})
            kept = find(blank, folder) if reuse else None
            known = {f.name for f in kept.figures if f.rank == Rank.WHOLE} if kept else set()
            assert known == ({n for n, f in held.items() if f.rank == Rank.WHOLE} if reuse else set())
            found = [Figure(n, code, time, rank) for n, rank in cells.items() if n not in known]
            if deed == "interrupt":
                with mock.patch.object(record_file.os, "replace", _interrupt), pytest.raises(KeyboardInterrupt):
                    save(dataclasses.replace(blank, figures=found), folder)
            else:
                save(dataclasses.replace(blank, figures=found), folder)
                for figure in found:
                    before = held.get(figure.name)
                    if before is None or figure.rank >= before.rank:
                        held[figure.name] = figure
            for (of, on), figures in expected.items():
                stored = find(Fake(of, on), folder)
                assert {f.name: f for f in stored.figures} == figures if stored else not figures
                assert all(f.code == of for f in figures.values())
        written = [f for f in os.listdir(folder) if not f.startswith(".")]
        assert len(written) == sum(bool(f) for f in expected.values())


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


# ---- records of networks --------------------------------------------------------------------------------------------


def test_a_run_of_some_cells_leaves_the_others(tmp_path: Path) -> None:
    full = record("rlfn", complexity=complexity(5), runtime=runtime(9.0), quality=[quality("Set5", 32.0)])
    path = write_record(full, tmp_path)
    again = record("rlfn", complexity=complexity(5), quality=[quality("Set5", 32.1), quality("B100", 27.0)])
    write_record(again, tmp_path)
    kept = read_record(path)
    assert kept.runtime == full.runtime
    assert [(q.dataset, q.images[0].psnr_y) for q in kept.quality] == [("Set5", 30.6), ("B100", 25.5)]


def test_what_was_cut_short_does_not_replace_what_is_whole(tmp_path: Path) -> None:
    whole, short, newer = runtime(9.0), runtime(8.0, run="second"), runtime(7.0, run="third")
    short.interrupted = "2 of 9 samples fit into the time budget"
    path = write_record(record("rlfn", runtime=whole), tmp_path)
    write_record(record("rlfn", runtime=short), tmp_path)
    assert read_record(path).runtime == whole
    write_record(record("rlfn", runtime=newer), tmp_path)
    assert read_record(path).runtime == newer


def test_a_result_answers_a_failure_and_a_failure_no_result(tmp_path: Path) -> None:
    failed = Skipped("runtime", "failed: out of memory", "")
    path = write_record(record("rlfn", skipped=[failed]), tmp_path)
    assert read_record(path).skipped == [failed]
    write_record(record("rlfn", runtime=runtime(9.0)), tmp_path)
    assert read_record(path).skipped == []
    write_record(record("rlfn", skipped=[failed]), tmp_path)
    assert read_record(path).runtime
    assert read_record(path).skipped == []


def test_what_stays_is_dated_as_it_was(tmp_path: Path) -> None:
    old, new = {"created": "then", "run": "a"}, {"created": "now", "run": "b"}
    first = record("rlfn", complexity=complexity(5), runtime=runtime(9.0), provenance={"runtime": old, "counts": old})
    path = write_record(first, tmp_path)
    write_record(record("rlfn", memory=Memory("m", 1, None, 0), provenance={"memory": new}), tmp_path)
    assert read_record(path).provenance == {"runtime": old, "counts": old, "memory": new}


def test_another_version_or_device_is_another_record(tmp_path: Path) -> None:
    avx2 = record("rlfn", runtime=runtime(9.0), device_name="AMD EPYC (AVX2)")
    avx512 = record("rlfn", runtime=runtime(6.0), device_name="AMD EPYC (AVX512)")
    newer = record("rlfn", runtime=runtime(8.0), environment={"packages": {"torch": "9.9"}})
    compat = [record("rlfn", runtime=runtime(8.0), ntire_compat=True, timed_on=name) for name in ("Set5", "B100")]
    paths = {write_record(r, tmp_path) for r in (avx2, avx512, newer, *compat)}
    assert len(paths) == 5
    assert {read_record(p).runtime.samples_ms[4] for p in paths} == {9.0, 6.0, 8.0}


def test_options_are_the_same_read_back(tmp_path: Path) -> None:
    """A tuple is a list in a file, and a number that is a key is text."""
    timed = record("net", options={"depths": (2, 2), "widths": {1: 8}}, runtime=runtime(9.0))
    path = write_record(timed, tmp_path)
    assert find(timed, tmp_path)
    write_record(dataclasses.replace(timed, runtime=None, complexity=complexity(5)), tmp_path)
    kept = read_record(path)
    assert kept.runtime
    assert kept.complexity


def test_what_is_timed_in_turn_is_replaced_together_or_not_at_all(tmp_path: Path) -> None:
    cell = ScanCell(1, 64, FORWARD)

    def measured(run: str, cut: bool, *backends: str) -> ScanRecord:
        found = [scan_measurement(cell, name, 1.0, memory=Memory("m", 1, None, 0)) for name in backends]
        for m in found:
            m.runtime.run = run
        found[0].runtime.interrupted = "too slow" * cut
        return scan_record(found)

    write_record(measured("first", False, "reference", "chunked"), tmp_path)
    path = write_record(measured("second", True, "reference", "chunked", "native"), tmp_path)
    assert {m.backend: m.runtime.run for m in read_as(ScanRecord, path).measurements} == {
        "reference": "first", "chunked": "first", "native": "second",
    }  # fmt: skip
    write_record(measured("third", False, "reference", "chunked"), tmp_path)
    assert {m.runtime.run for m in read_as(ScanRecord, path).measurements} == {"third", "second"}


def test_a_time_alone_keeps_the_memory(tmp_path: Path) -> None:
    cell = ScanCell(1, 64, FORWARD)
    path = write_record(scan_record([scan_measurement(cell, "chunked", 1.0, memory=Memory("m", 7, None, 0))]), tmp_path)
    again = scan_record([scan_measurement(cell, "chunked", 2.0)])
    again.left_out = [ScanLeftOut("chunked", "memory failed: no room", cell), ScanLeftOut("warp", "failed: no GPU")]
    write_record(again, tmp_path)
    kept = read_as(ScanRecord, path)
    assert kept.measurements[0].memory == Memory("m", 7, None, 0)
    assert kept.measurements[0].runtime.samples_ms[4] == 2.0
    assert [e.backend for e in kept.left_out] == ["warp"]
    write_record(scan_record([scan_measurement(cell, "warp", 2.0)]), tmp_path)
    assert read_as(ScanRecord, path).left_out == []


def test_a_comparison_that_failed_replaces_none(tmp_path: Path) -> None:
    good = comparison(network("a", 1.0, 1.1), network("b", 2.0, 2.1))
    path = write_record(good, tmp_path)
    assert write_record(comparison(network("a", error="died"), network("b", 3.0, 3.1)), tmp_path) == path
    assert read_as(ComparisonRecord, path) == good


def test_a_damaged_file_is_measured_again(tmp_path: Path) -> None:
    full = record("rlfn", runtime=runtime(9.0))
    path = write_record(full, tmp_path)
    path.write_bytes(path.read_bytes()[:100])
    assert find(full, tmp_path) is None
    write_record(full, tmp_path)
    assert read_record(path) == full


def test_a_full_disk_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_record(record("rlfn", runtime=runtime(9.0)), tmp_path)
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(EsrError, match="No space left on device"):
        write_record(record("rlfn", quality=[quality("Set5", 1.0)]), tmp_path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == [path.name]
