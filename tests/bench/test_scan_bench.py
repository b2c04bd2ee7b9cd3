"""`bench/scan.py`: inputs, contenders, records, what is left out, and the command as users start it."""

import argparse
import dataclasses
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from bench.core.record import Memory
from bench.core.record_file import read_as
from bench.scan import _cells, _parser, main, make_plan
from bench.studies.scan import study as scan_study
from bench.studies.scan.contender import Contender, Variant, cell_inputs, list_variants
from bench.studies.scan.errors import measure_errors, relative_error
from bench.studies.scan.figures import least_bytes
from bench.studies.scan.inputs import SEQUENCES, lay_out, layer_inputs, random_inputs
from bench.studies.scan.machine import COPY_BYTES
from bench.studies.scan.scan_record import (
    BOTH,
    FORWARD,
    ScanCell,
    ScanError,
    ScanLeftOut,
    ScanRecord,
    ScanSettings,
)
from gpu.dry.cuda import MS, disguised
from models.errors import EsrError
from models.scan import selective_scan
from tests.bench.report.records import scan_measurement, scan_record, scan_settings
from tests.commands import run, start
from tests.data import esr_data
from tests.kept import write_record

ROOT = Path(__file__).parents[2]
SCRIPT = str(ROOT / "bench" / "scan.py")
CPU = torch.device("cpu")


def arguments(*words: str) -> argparse.Namespace:
    return _parser().parse_args(["--device", "cpu", "--backends", "chunked", "reference", *words])


def command(*words: str) -> list[str]:
    return [SCRIPT, "--device", "cpu", "--backends", "chunked", "reference", *words]


# ---- inputs and contenders ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels_last", [True, False])
def test_a_padded_scan_starts_like_the_scan(channels_last: bool) -> None:
    x = random_inputs(2, 50, 4, 3, torch.float32, CPU)
    laid = lay_out(x, channels_last, multiple=64)
    for name in SEQUENCES:
        assert laid[name].shape[-1] == 64
        assert laid[name].stride(1 if channels_last else 2) == 1
    expected = selective_scan(**x, delta_softplus=True, backend="chunked")
    got = selective_scan(**laid, delta_softplus=True, backend="chunked")[..., :50]
    torch.testing.assert_close(got, expected)


def contender_on(gpu: torch.device, backend: str, settings: ScanSettings) -> Contender:
    cell = ScanCell(1, 300, BOTH)
    return Contender(Variant(backend, backend), cell, cell_inputs(cell, settings, gpu), gpu)


@pytest.mark.parametrize("backend", ["triton", "chunked"])
def test_samples_on_a_gpu_are_replays_of_a_graph(backend: str) -> None:
    with disguised() as seen:
        contender = contender_on(torch.device("cuda"), backend, scan_settings())
        contender.build()
        contender.capture_graph()
        assert (contender.how, contender.not_captured) == ("cuda graph", "")
        captured = [launch for launch in seen.launches if launch.captured]
        assert bool(captured) == (backend == "triton")
        assert contender.sample() == MS / contender.calls


def test_why_a_scan_is_not_captured_is_kept_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:

    def scan(**inputs: Any) -> torch.Tensor:
        if torch.cuda.is_current_stream_capturing():
            raise RuntimeError("operation not permitted")
        return selective_scan(**inputs)

    monkeypatch.setitem(COPY_BYTES, "cuda", 2**20)
    monkeypatch.setattr("bench.studies.scan.contender.selective_scan", scan)
    words = ["--lengths", "100", "--directions", "forward", "--measure", "time", "--runs", "3", "--backends", "chunked"]
    with disguised():
        assert main(["--device", "cuda", "--out", str(tmp_path), *words]) == 0
    said = capsys.readouterr().err
    assert "chunked was not captured as a graph, failed with RuntimeError: operation not permitted" in said
    (path,) = tmp_path.glob("*.json")
    (measured,) = read_as(ScanRecord, path).measurements
    assert (measured.how, measured.not_captured) == (
        "batched calls",
        "failed with RuntimeError: operation not permitted",
    )


def test_a_long_call_is_not_captured(monkeypatch: pytest.MonkeyPatch) -> None:
    with disguised():
        monkeypatch.setattr(torch.cuda.Event, "elapsed_time", lambda *_: 400.0)
        contender = contender_on(torch.device("cuda"), "reference", scan_settings())
        contender.capture_graph()
    assert contender.how == "batched calls"
    assert contender.not_captured == "a call takes longer than 50 ms"
    assert contender.eager_ms == [400.0, 400.0]


def test_rivals_get_the_layout_they_like(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.studies.scan.contender.list_backends", lambda device: ["chunked", "mamba_ssm"])
    ours, plain, padded = list_variants("cuda")
    assert (ours.channels_last, plain.channels_last, padded.channels_last) == (True, False, False)
    assert padded.differs(172_890)
    assert not padded.differs(65_536)
    assert plain.differs(65_536)


def test_contender_counts_its_results() -> None:
    settings = scan_settings()
    for direction, numbers in ((FORWARD, 120), (BOTH, 120 + 3 * 120 + 2 * 16)):
        cell = ScanCell(1, 10, direction)
        contender = Contender(Variant("chunked", "chunked"), cell, cell_inputs(cell, settings, CPU), CPU)
        constant = 0 if direction == FORWARD else 120 * 16 + 2 * 120
        assert contender.result_bytes == 4 * (10 * numbers + constant)
        assert contender.sample() > 0


def test_a_backend_that_fails_is_one_line() -> None:
    cell = ScanCell(1, 10, FORWARD)
    contender = Contender(Variant("x", "mamba_ssm"), cell, cell_inputs(cell, scan_settings(), CPU), CPU)
    with pytest.raises(EsrError, match="does not run on cpu"):
        contender.cold()


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_errors_are_small_and_of_every_tensor(precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.studies.scan.errors.NETWORKS", ())
    settings = dataclasses.replace(scan_settings(), precision=precision)
    errors, left_out = measure_errors([Variant("chunked", "chunked")], settings, 40, CPU, None, lambda name: None)
    assert left_out == []
    assert {e.tensor for e in errors} == {"out"} | {
        f"grad {n}" for n in ("u", "delta", "A", "B", "C", "D", "z", "delta_bias")
    }
    bound = 2e-6 if precision == "fp32" else 8e-3
    assert all(e.relative is not None and e.relative < bound for e in errors)


def test_relative_error_by_hand() -> None:
    assert relative_error(torch.tensor([3.0, 5.0]), torch.tensor([3.0, 4.0]).double()) == pytest.approx(0.2)
    assert relative_error(torch.tensor([1.0, 2.0]), torch.tensor([1.0, float("inf")])) is None


def test_inputs_of_real_layers() -> None:
    layers = layer_inputs("dvmsr", 100, esr_data())
    assert len(layers) == 8
    assert layers[0]["u"].shape == (1, 120, 100)
    assert set(layers[0]) == {"u", "delta", "A", "B", "C", "D", "z", "delta_bias"}
    assert min(float(x["A"].min()) for x in layers) < -1000  # trained


# ---- records --------------------------------------------------------------------------------------------------------


def test_round_trip(tmp_path: Path) -> None:
    cell = ScanCell(1, 1024, FORWARD)
    record = scan_record([scan_measurement(cell, "chunked", 2.0)])
    record.left_out = [ScanLeftOut("reference", "too slow", cell, 12.5)]
    record.errors = [ScanError("chunked", "random", "out", 64, None)]
    path = write_record(record, tmp_path)
    assert path.name.startswith("scan__test-cpu__2t__d120__n16__fp32__")
    assert read_as(ScanRecord, path) == record
    path.write_text(path.read_text(encoding="utf-8").replace('"schema": 2', '"schema": 9'), encoding="utf-8")
    with pytest.raises(EsrError, match="record schema 9"):
        read_as(ScanRecord, path)


# ---- the study ------------------------------------------------------------------------------------------------------


def small_plan(tmp_path: Path, *words: str) -> scan_study.ScanPlan:
    return make_plan(arguments("--out", str(tmp_path), "--runs", "3", "--measure", "time", *words))


def plain_record(plan: scan_study.ScanPlan) -> ScanRecord:
    return dataclasses.replace(scan_record([]), settings=plan.settings)


def test_what_does_not_fit_carries_its_estimate(tmp_path: Path) -> None:
    plan = small_plan(tmp_path, "--lengths", "64", "32768", "--directions", "forward", "--time-budget", "0.002")
    record = plain_record(plan)
    lines: list[str] = []
    scan_study.fill(plan, record, lines.append)
    left_out = [entry for entry in record.left_out if entry.backend == "reference"]
    assert [entry.cell for entry in left_out] == [ScanCell(1, 32_768, FORWARD)]
    (short,) = [m for m in record.measurements if m.backend == "reference"]
    median = sorted(short.runtime.samples_ms)[len(short.runtime.samples_ms) // 2]
    assert left_out[0].estimate_s == pytest.approx(median / 1e3 * 512, rel=0.5)
    assert "--time-budget 0.002" in left_out[0].reason
    assert any("reference left out, one call would take about" in line for line in lines)


def test_what_needs_more_memory_than_is_free_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = small_plan(tmp_path, "--lengths", "64", "128", "--directions", "forward")
    record = plain_record(plan)
    needed = least_bytes(ScanCell(1, 128, FORWARD), 120, 16, "fp32")
    monkeypatch.setattr(scan_study, "_free_bytes", lambda device: needed)
    scan_study.fill(plan, record, lambda line: None)
    assert {m.cell.length for m in record.measurements} == {64}
    assert all("GiB of memory" in entry.reason for entry in record.left_out)
    assert len(record.left_out) == 2


def test_memory_is_estimated_by_tokens() -> None:
    small = scan_measurement(ScanCell(1, 1000, FORWARD), "chunked", 1.0, memory=Memory("m", 5100, None, 0))
    cell = ScanCell(2, 2000, FORWARD)
    expected = least_bytes(cell, 120, 16, "fp32") + 4 * 5000
    assert scan_study.estimate_bytes(scan_record([small]), "chunked", cell) == expected


def test_an_interrupt_keeps_finished_cells(tmp_path: Path) -> None:
    plan = small_plan(tmp_path, "--lengths", "32", "64", "128")

    def tell(line: str) -> None:
        if "L 64" in line:
            raise KeyboardInterrupt

    record = plain_record(plan)
    with pytest.raises(KeyboardInterrupt):
        scan_study.fill(plan, record, tell)
    kept = read_as(ScanRecord, tmp_path / record.file_name)
    assert {m.cell for m in kept.measurements} == {ScanCell(1, 32, FORWARD), ScanCell(1, 64, FORWARD)}


def test_a_backend_that_does_not_start_is_left_out_and_the_others_go_on(tmp_path: Path) -> None:
    plan = small_plan(tmp_path, "--lengths", "32", "--directions", "forward")
    plan = dataclasses.replace(plan, variants=[Variant("broken", "mamba_ssm"), *plan.variants])
    record = plain_record(plan)
    scan_study.fill(plan, record, lambda line: None)
    assert [entry.backend for entry in record.left_out] == ["broken"]
    assert {m.backend for m in record.measurements} == {"chunked", "reference"}


# ---- the command ----------------------------------------------------------------------------------------------------


def test_default_cells() -> None:
    cells = _cells(arguments())
    assert ScanCell(1, 172_890, FORWARD) in cells
    assert ScanCell(1, 1_048_576, BOTH) in cells
    assert [c.length for c in cells if c.batch == 64] == [4096, 4096]
    assert _cells(arguments("--lengths", "8", "8", "4", "--directions", "forward")) == [
        ScanCell(1, 4, FORWARD),
        ScanCell(1, 8, FORWARD),
    ]
    assert len(_cells(arguments("--batch", "2", "3", "--lengths", "5"))) == 4


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--lengths", "0"), "must be positive"),
        (("--batch", "-1"), "must be positive"),
        (("--time-budget", "nan"), "must be positive"),
        (("--threads", "0"), "must be positive"),
        (("--threads", "99999"), "more than any machine"),
        (("--device", "tpu"), "--device tpu"),
        (("--backends", "warp"), "--backends warp cannot run on cpu here; choose from reference, chunked"),
        (("--data-dir", "nowhere"), "--data-dir nowhere"),
    ],
)
def test_bad_arguments(words: tuple[str, ...], message: str) -> None:
    with pytest.raises(EsrError, match=r"^[^\n]+$") as error:
        make_plan(arguments(*words))
    assert message in str(error.value)


def test_whole_command_and_what_reuse_keeps(tmp_path: Path) -> None:
    words = ("--lengths", "64", "256", "--runs", "3", "--error-length", "36", "--out", str(tmp_path))
    env = {k: v for k, v in os.environ.items() if k != "ESR_DATA"}
    done = run(*command(*words), env=env, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (path,) = tmp_path.glob("*.json")
    record = read_as(ScanRecord, path)
    assert len(record.measurements) == 8
    assert all(m.memory and len(m.runtime.samples_ms) == 3 for m in record.measurements)
    answered = {e.inputs.split()[0] for e in record.errors}  # weights may be in the cache
    answered |= {entry.reason.split("'s layers")[0].removeprefix("errors on ") for entry in record.left_out}
    assert answered == {"random", "dvmsr", "dvmsr_ntire"}
    assert set(record.rivals) == {"mamba_ssm", "causal_conv1d"}
    assert str(ROOT) not in path.read_text(encoding="utf-8")
    assert len(path.with_suffix(".csv").read_text(encoding="utf-8").splitlines()) == 9
    for text in ("share of floor", "x reference", "forward+backward", path.name):
        assert text in done.stdout
    longer = ("--lengths", "64", "128", "--backends", "reference", "chunked", "--measure", "time", "--reuse")
    again = run(*command(*words, *longer), env=env, cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert f"continuing {path.name}" in again.stderr
    more = read_as(ScanRecord, path)
    assert more.errors == record.errors
    assert {m.cell.length for m in more.measurements} == {64, 128, 256}
    assert [m for m in more.measurements if m.cell.length != 128] == record.measurements  # to the sample
    new = {m.runtime.run for m in more.measurements if m.cell.length == 128}
    assert len(new) == 2  # one a direction, whose backends compare
    assert not new & {m.runtime.run for m in record.measurements}


def test_interrupted_command(tmp_path: Path) -> None:
    words = ("--measure", "time", "--lengths", "64", "65536", "--runs", "9", "--out", str(tmp_path))
    with start(*command(*words)) as run:
        assert run.stderr
        for line in run.stderr:
            if "L 64:" in line:
                run.send_signal(signal.SIGINT)
                break
        rest = run.stderr.read()
    assert run.returncode == 130
    assert "interrupted; what is finished is in" in rest
    assert "Traceback" not in rest
    (path,) = tmp_path.glob("*.json")
    assert len(json.loads(path.read_text(encoding="utf-8"))["measurements"]) == 2


def test_help_and_a_refusal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert "python bench/scan.py --measure errors" in _parser().format_help()
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    assert main(["--lengths", "0"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
