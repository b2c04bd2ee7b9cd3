"""All records as one DataFrame: each figure beside its network, conditions, run and record."""

from pathlib import Path

import pytest

from bench.frame import COLUMNS, load_frame
from bench.studies.scan.scan_record import FORWARD, ScanCell
from models.errors import EsrError
from tests.bench.report.records import complexity, memory, quality, record, runtime, scan_measurement, scan_record
from tests.kept import write_record


def test_a_figure_a_row(tmp_path: Path) -> None:
    full = record(
        "dvmsr", "DVMSR", options={"channels": 48}, complexity=complexity(424_428, flops_published=None),
        runtime=runtime(9.0, run="a"), memory=memory(3), quality=[quality("Set5", 32.0)], scan_backend="native",
    )  # fmt: skip
    path = write_record(full, tmp_path / "records" / "trained")
    write_record(scan_record([scan_measurement(ScanCell(1, 64, FORWARD), "chunked", 2.0)]), tmp_path / "scan")
    (tmp_path / "records" / "cut.json").write_text("{", encoding="utf-8")
    frame = load_frame(tmp_path)
    assert list(frame.columns) == list(COLUMNS)
    mine = frame[frame.kind == "records"]
    assert set(mine.network) == {"DVMSR (channels=48)"}
    assert set(mine.file) == {f"records/trained/{path.name}"}
    assert set(mine.key) == {full.key}
    assert set(mine.backend) == {"native"}
    figures = {(row.cell, row.figure): (row.value, row.run) for row in mine.itertuples()}
    assert figures["counts", "parameters"] == (424_428, "")
    assert ("counts", "flops_published") not in figures
    assert figures["runtime", "median_ms"] == (9.0, "a")
    assert figures["memory", "peak_bytes"] == (3 * 2**20, "")
    assert figures["Set5", "psnr_y"] == (32.0, "")
    scan = frame[(frame.kind == "scan") & (frame.figure == "median_ms")]
    assert [(row.backend, row.value, row.run) for row in scan.itertuples()] == [("chunked", 2.0, "one run")]


def test_the_committed_records_are_one_table() -> None:
    frame = load_frame(Path(__file__).parents[2] / "reports" / "amd-epyc-2-threads")
    assert {"records", "scan", "accuracy", "scaling", "roofline"} <= set(frame.kind)
    dvmsr = frame[(frame.network == "DVMSR") & (frame.figure == "parameters")]
    assert set(dvmsr.value) == {424_428}
    timed = frame[(frame.kind == "records") & (frame.figure == "median_ms")]
    assert (timed.run != "").all()


def test_no_folder_is_one_line(tmp_path: Path) -> None:
    assert load_frame(tmp_path).empty
    with pytest.raises(EsrError, match="is not a folder"):
        load_frame(tmp_path / "nowhere")
