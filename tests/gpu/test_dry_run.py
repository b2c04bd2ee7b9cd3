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


def test_every_command_of_every_stage_reaches_its_end(tmp_path: Path) -> None:
    pytest.importorskip("triton")
    environment = {**os.environ, "PYTHON": sys.executable, "RESULTS": str(tmp_path / "results"), "DRY": "1",
                   "OUT": str(tmp_path), "SECONDS_EACH": "7000", "ESR_DATA": str(esr_data())}  # fmt: skip
    for stage, planned in stages(Path("out"), rival=False).items():
        done = subprocess.run([ROOT / "run_gpu.sh", stage], env=environment, check=False)
        ran = read_stage(tmp_path / f"results/stages/{stage}.json")
        assert [r.name for r in ran.commands] == [c.name for c in planned]
        assert {r.name: r.how for r in ran.commands} == {c.name: DONE for c in planned}
        assert done.returncode == 0
        assert (ran.device, ran.dry) == (NAME, True)
        silent = {r.name for r in ran.commands if not r.records}
        assert silent <= {"smoke tests", "every test"}
        archive = tmp_path / f"gpu-{stage}.tar.gz"
        assert archive.stat().st_size < LIMIT
        assert (
            main(["unpack", str(archive), "--results", str(tmp_path / "back"), "--reports", str(tmp_path / "reports")])
            == 0
        )
    folder = tmp_path / "reports/dry-run-no-gpu"
    records = [read_record(path) for path in (folder / "records").rglob("*.json")]
    assert records
    assert {record.settings.device_name for record in records} == {NAME}
    assert NAME in (folder / "report/report.md").read_text(encoding="utf-8")
    assert not list((tmp_path / "back/triton").rglob("*.autotune.json"))  # nothing of it was timed
