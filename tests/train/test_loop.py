"""Runs: resumed to the bit, stopped without loss, the same in one process and two."""

import copy
import csv
import dataclasses
import json
import multiprocessing
import os
import random
import signal
import time
from pathlib import Path

import pytest
import torch

from bench.core.record_file import read_as
from bench.core.training_record import FILE, TrainingRecord
from models import create_model
from models.errors import EsrError
from models.weights import read_spec, read_weights
from tests.commands import ROOT, run, run_anew, start
from train.checkpoint import list_checkpoints
from train.config import INCIDENTAL, Config, Network, write_yaml
from train.finished import finished_record
from train.loop import EXPORT, Run, learning_rate

SCRIPT = "train/train.py"
KILLS = 20


def finish(config: Config, resume: bool = False) -> dict[str, torch.Tensor]:
    Run(config, resume, print).train()
    return read_weights(config.folder / EXPORT).state


def test_a_finished_run_is_left_as_it_is(config: Config) -> None:
    assert finished_record(config) is None
    finish(config)
    record = finished_record(config)
    assert record is not None
    assert record.steps == config.steps
    assert finished_record(dataclasses.replace(config, steps=13)) is None
    file = config.folder / EXPORT
    before = file.stat().st_mtime_ns
    settings = config.folder / "config.yaml"
    done = run(SCRIPT, "--config", settings, "--resume")
    assert done.returncode == 0, done.stderr
    assert "is finished already" in done.stderr
    assert "photos" in done.stdout
    assert file.stat().st_mtime_ns == before
    file.write_bytes(file.read_bytes()[:-1])
    assert finished_record(config) is None


def equal(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def test_a_run_leaves_all_that_it_promises(config: Config) -> None:
    weights = finish(config)
    folder = config.folder
    assert {f.name for f in folder.iterdir()} == {
        "checkpoints", "config.yaml", "log.csv", "record.json", "scores.csv", "tensorboard", EXPORT,
    }  # fmt: skip
    record = read_as(TrainingRecord, folder / FILE)
    assert (record.finished, record.steps, record.images, record.processes) == (True, 12, 5, 1)
    assert [p.step for p in record.losses] == [4, 8, 12]
    assert [p.lr for p in record.losses] == [2e-3, 2e-3, 1e-3]
    assert record.losses[-1].losses["loss"] == record.losses[-1].losses["truth"]
    assert record.parameters == sum(v.numel() for v in weights.values())
    assert record.export is not None
    assert [s.dataset for s in record.last_scores()] == ["photos"]
    with (folder / "log.csv").open() as file:
        assert [row["step"] for row in csv.DictReader(file)] == ["4", "8", "12"]
    assert list((folder / "tensorboard").iterdir())
    assert read_spec(folder / EXPORT) == ("dvmsr", {"channels": 8, "depths": [1]})
    # The exported file builds its own network, without being told the options.
    model = create_model("dvmsr", pretrained=folder / EXPORT)
    assert equal(dict(model.state_dict()), weights)


def test_averaged_weights_are_exported(config: Config) -> None:
    config.ema = 0.9
    averaged = finish(config)
    plain = copy.deepcopy(config)
    plain.name, plain.ema = "plain", 0.0
    assert not equal(averaged, finish(plain))
    state = torch.load(list_checkpoints(config.folder)[0].path, weights_only=True)
    assert torch.equal(state["ema"]["module.conv_first.weight"], averaged["conv_first.weight"])
    assert torch.equal(state["objective"]["model.conv_first.weight"],
                       read_weights(plain.folder / EXPORT).state["conv_first.weight"])  # fmt: skip


def test_learning_rate(config: Config) -> None:
    config.optimizer.milestones = [3, 5]
    assert [learning_rate(config, done) for done in range(7)] == [2e-3] * 3 + [1e-3] * 2 + [5e-4] * 2


def test_stopped_anywhere_and_resumed_is_the_same_run(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = finish(config)
    cut = copy.deepcopy(config)
    cut.name = "cut"
    real = Run._one_step
    for last in (3, 7, 9):

        def dies(self: Run, batches: object, last: int = last) -> dict[str, torch.Tensor]:
            if self.done == last:
                raise RuntimeError("power cut")
            return real(self, batches)

        with monkeypatch.context() as m:
            m.setattr(Run, "_one_step", dies)
            with pytest.raises(RuntimeError, match="power cut"):
                finish(cut, resume=True)
    assert equal(finish(cut, resume=True), whole)
    record = read_as(TrainingRecord, cut.folder / FILE)
    assert record.resumed == 1  # of which the result is made: the other parts were lost and done again
    assert [p.step for p in record.losses] == [4, 8, 12]
    with (cut.folder / "log.csv").open() as file:
        assert [row["step"] for row in csv.DictReader(file)] == ["4", "8", "12"]


def _serve_run(config: Config, cache: str) -> None:
    os.environ["ESR_CACHE"] = cache
    multiprocessing.set_start_method("fork", force=True)  # of its workers, as when the command is started by hand
    Run(config, True, lambda _: None).train()


@pytest.mark.slow("training killed at twenty moments")
@pytest.mark.parametrize("workers", [1, 3])
def test_killed_at_twenty_random_moments(config: Config, cache: Path, workers: int) -> None:
    config.data.workers, config.steps, config.save_every, config.log_every = workers, 60, 2, 10
    whole = finish(config)
    killed = copy.deepcopy(config)
    killed.name = "killed"
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["train.loop", "torch.utils.tensorboard"])
    moments, kills = random.Random(workers), 0
    for _ in range(10 * KILLS):
        process = context.Process(target=_serve_run, args=(killed, str(cache)))
        process.start()
        process.join(moments.uniform(0.1, 1.6) if kills < KILLS else 120)
        if process.is_alive():
            assert process.pid
            os.kill(process.pid, signal.SIGKILL)
            kills += 1
        process.join()
        if process.exitcode == 0 and kills < KILLS:  # done too soon: begin again, killed as often
            for found in list_checkpoints(killed.folder)[:-1]:
                found.path.unlink()
        elif process.exitcode == 0:
            break
    assert kills == KILLS
    assert equal(read_weights(killed.folder / EXPORT).state, whole)
    assert not list(killed.folder.rglob(".*.part"))


def test_a_step_in_parts_is_the_same_step(config: Config) -> None:
    config.batch, config.ema = 4, 0.0
    whole = finish(config)
    parts = copy.deepcopy(config)
    parts.name, parts.accumulate = "parts", 2
    for k, v in finish(parts).items():
        torch.testing.assert_close(v, whole[k], rtol=1e-3, atol=2e-5)


@pytest.mark.slow("training in two processes")
def test_two_processes_train_the_same_network_as_one(config: Config, cache: Path, tmp_path: Path) -> None:
    config.batch, config.steps, config.ema = 4, 6, 0.0
    whole = finish(config)
    config.name = "two"
    file = tmp_path / "two.yaml"
    file.write_text(write_yaml(config))
    launch = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", "29517"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = run_anew(*launch, ROOT / SCRIPT, "--config", file, cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stderr
    assert read_as(TrainingRecord, config.folder / FILE).processes == 2
    for k, v in read_weights(config.folder / EXPORT).state.items():
        torch.testing.assert_close(v, whole[k], rtol=1e-3, atol=2e-5)


def test_distillation_of_an_exported_teacher(config: Config) -> None:
    finish(config)
    student = copy.deepcopy(config)
    student.name, student.teacher = "student", Network("dvmsr", {}, str(config.folder / EXPORT))
    finish(student)
    record = read_as(TrainingRecord, student.folder / FILE)
    assert record.teacher_parameters == record.parameters
    losses = record.losses[-1].losses
    assert losses["loss"] == pytest.approx(losses["truth"] + losses["end"], rel=1e-5)


def test_a_loss_that_is_not_finite_stops_the_run(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Run._one_step

    def breaks(self: Run, batches: object) -> dict[str, torch.Tensor]:
        losses = real(self, batches)
        return {k: v * float("nan") for k, v in losses.items()} if self.done == 7 else losses

    with monkeypatch.context() as m:
        m.setattr(Run, "_one_step", breaks)
        with pytest.raises(
            EsrError, match=r"the loss is nan in step 8 \(patches 14 to 15, of \d(, \d)?\); the last good"
        ):
            finish(config)
    assert [found.step for found in list_checkpoints(config.folder)] == [5]
    finish(config, resume=True)


def test_an_existing_run_is_not_overwritten_nor_changed(config: Config) -> None:
    finish(config)
    with pytest.raises(EsrError, match="holds a run at step 12; go on with --resume"):
        Run(config, False, print)
    config.optimizer.lr = 1.0
    with pytest.raises(EsrError, match="was begun with another optimizer"):
        Run(config, True, print)


def command(config: Config, tmp_path: Path, *words: str) -> list[str]:
    file = tmp_path / "run.yaml"
    file.write_text(write_yaml(config))
    return [SCRIPT, "--config", str(file), *words]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_and_ends(config: Config, tmp_path: Path, number: signal.Signals) -> None:
    config.steps, config.save_every = 100_000, 50_000
    with start(*command(config, tmp_path)) as run:
        log = config.folder / "log.csv"
        begin = time.monotonic()
        while not (log.is_file() and log.read_text().count("\n") > 2):
            assert run.poll() is None, run.stderr.read() if run.stderr else ""
            assert time.monotonic() - begin < 120
            time.sleep(0.05)
        run.send_signal(number)
        assert run.stderr
        said = run.stderr.read()
    assert run.returncode == 128 + number
    assert f"stopped by {number.name} at step" in said
    assert "Traceback" not in said
    (found,) = list_checkpoints(config.folder)
    assert found.step == read_as(TrainingRecord, config.folder / FILE).steps


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--stepz", "3"), "unknown setting 'stepz'; did you mean steps?"),
        (("--data.hr", "[/nowhere]"), "data.hr /nowhere is not a folder"),
        (("--data.patch", "256"), "smaller than data.patch 256"),
        (("--model.name", "dvmrs"), "unknown model 'dvmrs'; did you mean dvmsr"),
        (("--model.name", "bicubic", "--model.options", "{}"), "has no parameters"),
        (("--device", "cuda"), "no CUDA device is available"),
        (("--validation.sets", "[Set99]"), "unknown data set 'Set99'"),
    ],
)
def test_bad_input_is_one_line(config: Config, tmp_path: Path, words: tuple[str, ...], message: str) -> None:
    if "cuda" in words and torch.cuda.is_available():
        pytest.skip("a CUDA device is available")
    done = run(*command(config, tmp_path, *words), cwd=tmp_path)
    assert done.returncode == 2
    lines = [line for line in done.stderr.splitlines() if not line.startswith("decoding")]
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("error: ")
    assert message in lines[0]
    assert not config.folder.exists()


def test_help_and_module_form(tmp_path: Path) -> None:
    for words in ([SCRIPT], ["-m", "train.train"]):
        done = run(*words, "--help", cwd=ROOT if words[0] == "-m" else tmp_path)
        assert done.returncode == 0, done.stderr
        assert "train/configs/smoke.yaml" in done.stdout
        assert "--optimizer.lr" in done.stdout
        assert "0.0002" in done.stdout


def test_records_are_plain_json(config: Config) -> None:
    finish(config)
    data = json.loads((config.folder / FILE).read_text(encoding="utf-8"))
    assert data["config"]["steps"] == 12
    assert INCIDENTAL
