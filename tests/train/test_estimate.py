"""Time and disk before a run starts."""

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from models.errors import EsrError
from tests.commands import run
from train import estimate
from train.checkpoint import list_checkpoints
from train.config import Config, Network, write_yaml
from train.loop import EXPORT, Run
from train.store import packed_bytes


def command(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return run("train/estimate.py", *arguments, cwd=folder)


def test_a_teacher_and_its_student_are_estimated_before_either_is_trained(config: Config, tmp_path: Path) -> None:
    teacher = replace(config, name="teacher", model=Network("dvmsr", {"channels": 16, "depths": [1]}))
    student = replace(config, name="student", teacher=Network("dvmsr", weights=str(teacher.folder / EXPORT)))
    files = []
    for c in (teacher, student):
        files.append(tmp_path / f"{c.name}.yaml")
        files[-1].write_text(write_yaml(c))
    done = command("--config", *map(str, files), "--seconds", "0.1", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "teacher" in done.stdout
    assert "in all: " in done.stdout
    assert not (tmp_path / "runs").exists()


def test_time_follows_the_budget_and_the_processes(config: Config) -> None:
    one = estimate.estimate(config, [config], 1, 0.1)
    assert one.hours * 3600 == pytest.approx(config.steps * config.batch / one.patches_per_second)
    four = estimate.estimate(config, [config], 4, 0.1)
    assert four.hours * 3600 == pytest.approx(config.steps * config.batch / four.patches_per_second / 4)
    assert one.images == 5


def test_the_disk_of_a_run_is_not_underestimated(config: Config) -> None:
    expected = estimate.estimate(config, [config], 1, 0.1)
    run = Run(config, False, print)
    run.train()
    parameters = sum(f.path.stat().st_size for f in list_checkpoints(config.folder))
    assert expected.parameters == run.record.parameters
    # This network is so small that what surrounds its parameters weighs as much as they do.
    assert expected.run_bytes > 0.3 * parameters
    stored = sum(f.stat().st_size for folder in run.patches.packed for f in folder.folder.iterdir())
    assert estimate.data_bytes([config, config]) == stored
    assert packed_bytes(estimate.training_images(config)[0]) == stored


def test_missing_data_and_a_small_disk_are_refused(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = replace(config, data=replace(config.data, hr=["DIV2K", "Flickr2K"]))
    file = tmp_path / "c.yaml"
    file.write_text(write_yaml(gone))
    done = command("--config", str(file), folder=tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "DIV2K_train_HR.zip" in done.stderr
    assert "Flickr2K.tar" in done.stderr
    usage = type("Usage", (), {"free": 10})()
    monkeypatch.setattr(estimate.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(EsrError, match=r"needs 0\.0 GB and has 0\.0 GB free"):
        estimate.check_disk({tmp_path / "not" / "there": 11})
    estimate.check_disk({tmp_path: 10})


@pytest.mark.parametrize(
    ("hours", "text"), [(240, "10.0 days"), (3, "3.0 hours"), (0.5, "30.0 minutes"), (0.01, "36 seconds")]
)
def test_durations_are_in_the_unit_that_fits(hours: float, text: str) -> None:
    assert estimate.duration(hours) == text
