"""Training steps: the CLI, its record and its part of the report."""

import subprocess
from pathlib import Path

import pytest
import torch

from bench.core.record import Memory, Runtime
from bench.core.record_file import read_as
from bench.core.render import to_csv
from bench.report.studies.step import step_data, step_section, step_table
from bench.studies.step.contender import StepJob, Training
from bench.studies.step.step_record import StepMeasurement, StepRecord, StepSettings
from models.errors import EsrError
from tests.commands import run
from tests.kept import write_record

SMALL = ("--device", "cpu", "--model-args", "channels=8", "depths=[1]", "--patch", "8", "--batch", "2")


def step(*words: str) -> subprocess.CompletedProcess[str]:
    return run("bench/step.py", *words)


def a_record() -> StepRecord:
    def measured(backend: str, ms: float) -> StepMeasurement:
        return StepMeasurement(backend, 16, Runtime(9.0, [1.0], [ms] * 8, run="one run"), Memory("m", 2**21, None, 0))

    settings = StepSettings("dvmsr", {"channels": 8}, "cuda", "NVIDIA H200", "bf16", 64, None)
    failed = StepMeasurement("mamba_ssm", 16, None, None, "out of memory in /home/me/x")
    return StepRecord(settings, "2026-01-01", {}, [measured("chunked", 30.0), measured("triton", 10.0), failed])


def test_measures_backends_in_one_run(tmp_path: Path) -> None:
    done = step(*SMALL, "--backends", "chunked", "reference", "--runs", "3", "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    record = read_as(StepRecord, next(tmp_path.iterdir()))
    assert [(m.backend, m.batch) for m in record.measurements] == [("chunked", 2), ("reference", 2)]
    for m in record.measurements:
        assert m.runtime
        assert len(m.runtime.samples_ms) == 3
        assert m.memory
        assert m.memory.peak_allocated > 0
    assert "Training step of dvmsr on" in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--model", "rlfn"), "has no selective scan"),
        (("--backends", "mamba_ssm"), "--backends mamba_ssm cannot run on cpu here; choose from reference"),
        (("--batch", "0"), "must be positive"),
        (("--precision", "tf32"), "needs a CUDA device"),
        (("--model", "nothing"), "nothing"),
    ],
)
def test_wrong_arguments_get_one_line(words: tuple[str, ...], said: str, tmp_path: Path) -> None:
    done = step("--device", "cpu", *words, "--out", str(tmp_path))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert said in done.stderr


def test_a_step_changes_the_weights_and_leaves_no_trace_of_the_last_gradient() -> None:
    settings = StepSettings("dvmsr", {"channels": 8, "depths": [1]}, "cpu", "test", "fp32", 8, None)
    training = Training(StepJob(settings, "chunked", 2, "cpu"))
    before = [p.detach().clone() for p in training.model.parameters()]
    assert training.sample() > 0
    moved = [not torch.equal(a, b) for a, b in zip(before, training.model.parameters(), strict=True)]
    assert all(moved)
    once = [p.grad.clone() for p in training.model.parameters()]
    training.optimizer.param_groups[0]["lr"] = 0.0
    training.sample()
    training.sample()
    assert all((p.grad.norm() < 3 * g.norm() + 1e-3) for p, g in zip(training.model.parameters(), once, strict=True))


def test_record_round_trip_and_refusal(tmp_path: Path) -> None:
    record = a_record()
    path = write_record(record, tmp_path)
    assert path.name.startswith("step__dvmsr__channels=8__nvidia-h200__64x64__bf16__")
    assert read_as(StepRecord, path) == record
    path.write_text("{}")
    with pytest.raises(EsrError):
        read_as(StepRecord, path)


def test_report_compares_with_the_baselines() -> None:
    table = step_table(a_record()).shown
    titles = [column.title for column in table.columns]  # none for mamba_ssm, which failed
    assert titles == ["backend", "batch", "time [ms]", "samples", "x chunked", "memory [MiB]"]
    assert [row[4].text for row in table.rows] == ["—", "3.00"]
    assert table.rows[1][-1].text == "2"
    body = step_section([a_record()]).body
    assert "mamba_ssm, batch 16: out of memory in PATH" in body
    lines = to_csv(step_data([a_record()])).splitlines()
    assert len(lines) == 4
    assert ",triton,16,10,8," in lines[2]
