"""All three stages of run_gpu.sh where there is no GPU, from the first command to a report; only when it is asked for.

ESR_DRY_RUN=1 ./run_tests.sh tests/gpu/test_dry_run.py, or with the GPU machine's versions by their own interpreter.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.core.record_file import read_record
from gpu.archive import LIMIT, main
from gpu.dry.cuda import NAME
from gpu.run import DONE, read_stage
from gpu.stages import stages
from tests.commands import ROOT
from tests.data import esr_data

pytestmark = [
    pytest.mark.skipif(
        not os.environ.get("ESR_DRY_RUN"), reason="a dry run of a GPU's stages: only with ESR_DRY_RUN=1"
    ),
    pytest.mark.timeout(7200),
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("dry")


@pytest.mark.parametrize("stage", ["a", "b", "c"])
def test_every_command_of_a_stage_reaches_its_end_and_its_archive_becomes_a_report(stage: str, place: Path) -> None:
    pytest.importorskip("triton")
    environment = {**os.environ, "PYTHON": sys.executable, "RESULTS": str(place / "results"), "DRY": "1",
                   "OUT": str(place), "SECONDS_EACH": "7000", "ESR_DATA": str(esr_data())}  # fmt: skip
    done = subprocess.run([ROOT / "run_gpu.sh", stage], env=environment, check=False)
    ran = read_stage(place / f"results/stages/{stage}.json")
    assert {r.name: r.how for r in ran.commands} == {c.name: DONE for c in stages(Path("out"), rival=False)[stage]}
    assert done.returncode == 0
    assert (ran.device, ran.dry) == (NAME, True)
    assert {r.name for r in ran.commands if not r.records} <= {"smoke tests", "every test"}
    archive = place / f"gpu-{stage}.tar.gz"
    assert archive.stat().st_size < LIMIT
    words = ["unpack", str(archive), "--results", str(place / "back"), "--reports", str(place / "reports")]
    assert main(words) == 0
    folder = place / "reports/dry-run-no-gpu"
    records = [read_record(path) for path in (folder / "records").rglob("*.json")]
    assert records
    assert {record.settings.device_name for record in records} == {NAME}
    assert NAME in (folder / "report/report.md").read_text(encoding="utf-8")
    assert not list((place / "back/triton").rglob("*.autotune.json"))  # nothing of it was timed
