"""The whole reproduction, scaled down: every step of ./run_all.sh --full, from an estimate to a finished report."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from bench.core.record_file import read_as, read_record
from bench.core.training_record import FILE, TrainingRecord
from tests.commands import make_interpreter
from tests.data import empty_cache

ROOT = Path(__file__).parents[1]
SCALE = "1e-4"


def run_all(folder: Path, *flags: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(folder / "run_all.sh"), *flags], capture_output=True, text=True, check=False, env=env, cwd=folder.parent
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tree, whose commands start quickly, and beside it small images in each data set."""
    folder = tmp_path_factory.mktemp("whole")
    for name in ("bench", "models", "train", "reports/reference"):
        shutil.copytree(ROOT / name, folder / "esr" / name)
    for name in ("run_all.sh", "setup.sh", "requirements.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, folder / "esr")
    (folder / "esr/.venv/bin").mkdir(parents=True)
    make_interpreter(folder / "esr/.venv/bin/python")
    shutil.copy(ROOT / "requirements.txt", folder / "esr/.venv/installed.txt")
    for name, size in {"DIV2K": 256, "Flickr2K": 260, "Set5": 64, "Set14": 64}.items():
        (folder / "data/images" / name / "HR").mkdir(parents=True)
        for i in range(2):
            picture = Image.radial_gradient("L").convert("RGB").resize((size, size + 4 * i))
            picture.save(folder / "data/images" / name / "HR" / f"{i}.png")
    empty_cache(folder / "cache")
    return folder


@pytest.fixture
def environment(place: Path) -> dict[str, str]:
    """A data folder named from where the command is typed, and no network."""
    dead = "http://127.0.0.1:9"
    return {**os.environ, "ESR_DATA": "data", "ESR_CACHE": str(place / "cache"), "http_proxy": dead,
            "https_proxy": dead, "no_proxy": ""}  # fmt: skip


@pytest.mark.slow("the whole reproduction")
@pytest.mark.timeout(1800)
def test_the_whole_reproduction_scaled_down(place: Path, environment: dict[str, str]) -> None:
    done = run_all(place / "esr", "--full", "--scale", SCALE, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    results = place / "esr/results" / f"scaled_{SCALE}"
    assert os.listdir(place / "esr/results") == [results.name]
    assert done.stdout.index("Before it starts") < done.stdout.index(": counts, runtime and memory")
    lines = done.stdout.splitlines()
    steps = [line for line in lines if line.startswith("== step ")]
    assert [line.split()[2] for line in steps] == [str(n + 1) for n in range(len(steps))]
    assert all(line.endswith(" min left)") for line in steps)
    assert steps[-1].split()[2] == steps[-1].split()[4].rstrip(":")
    assert len(lines) < 60  # the rest is in the log
    assert "Counts for an input of 1x3x64x64" in (results / "run_all.log").read_text(encoding="utf-8")
    runs = {
        name: read_as(TrainingRecord, results / "training" / name / FILE) for name in ("dvmsr_teacher", "dvmsr_student")
    }
    assert all((run.finished, run.steps, run.images) == (True, 50, 2) for run in runs.values())
    student = runs["dvmsr_student"]
    assert (student.parameters, student.teacher_parameters) == (424_428, runs["dvmsr_teacher"].parameters)
    evaluated = read_record(next((results / "records/dvmsr_student").iterdir()))
    assert student.export is not None
    assert evaluated.weights.sha256 == student.export.sha256
    assert {q.dataset for q in evaluated.quality} == {"Set5[:1]", "Set14[:1]"}
    report = (results / "report/report.md").read_text(encoding="utf-8")
    assert "dvmsr_teacher" in report
    assert "dvmsr_student" in report


@pytest.mark.parametrize("flags", [("--scale", "0.1"), ("--full", "--scale"), ("--full", "--scale", "2"), ("--wrong",)])
def test_wrong_flags(flags: tuple[str, ...], place: Path) -> None:
    done = run_all(place / "esr", *flags)
    assert done.returncode == 2
    assert "--scale" in done.stderr


@pytest.mark.slow("the whole reproduction")
def test_without_its_data_it_does_not_start(place: Path, environment: dict[str, str]) -> None:
    done = run_all(place / "esr", "--full", env={**environment, "ESR_DATA": str(place / "cache")})
    assert done.returncode == 2
    assert "DIV2K_train_HR.zip" in done.stderr
    assert not (place / "esr/results/records").exists()
