"""The other convention: multiply-adds for an output of 1280x720, as lightweight-SR papers print them since CARN."""

import signal
from pathlib import Path

import pytest

from bench.core.record import Record
from bench.core.record_file import read_as
from bench.core.render import to_markdown
from bench.core.table import Table
from bench.counts.complexity import count_complexity
from bench.profile import main
from bench.report.lookup import load
from bench.report.paper.table1 import table1
from models import create_model, get_spec

# G, as the tables for x4 in the papers of CARN, IMDN and RLFN have them.
PRINTED = {
    "srcnn_955": 52.7, "vdsr": 612.6, "drcn": 17974.3, "drrn": 6796.9, "idn": 32.3, "srmdnf": 89.3, "carn": 90.9,
    "carn_m": 32.5, "imdn": 40.9, "rlfn": 29.8,
}  # fmt: skip


@pytest.mark.parametrize("name", PRINTED)
def test_ours_are_the_printed_ones(name: str) -> None:
    counts = count_complexity(create_model(name), 180, 320, get_spec(name))
    assert counts.flops_published is not None
    assert round(counts.flops_published / 1e9, 1) == PRINTED[name]


def test_a_transposed_convolution_is_counted_where_it_multiplies() -> None:
    """FSRCNN's printed 4.6 G count its 9x9 deconvolution of 56 channels at every pixel of the output."""
    counts = count_complexity(create_model("fsrcnn"), 180, 320, get_spec("fsrcnn"))
    assert counts.flops_published is not None
    deconvolution = 9 * 9 * 56 * 180 * 320
    assert round((counts.flops_published + 15 * deconvolution) / 1e9, 1) == 4.6


def test_the_output_size_is_the_convention_of_the_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    records = tmp_path / "records"
    for size in (["--output-size", "1280x720"], []):
        assert main(["--model", "imdn", "--measure", "counts", *size, "--out", str(records), "--device", "cpu"]) == 0
    assert "Counts for an input of 1x3x180x320 (output 1280x720)" in capsys.readouterr().out
    found = {(r.settings.height, r.settings.width) for r in (read_as(Record, path) for path in records.iterdir())}
    assert found == {(180, 320), (256, 256)}
    (device,) = load(records).devices
    (table,) = (p for p in table1(device).parts if isinstance(p, Table) and p.key == "table1_parameters")
    row = next(line for line in to_markdown(table).splitlines() if line.startswith("| IMDN"))
    assert "40.91" in row
