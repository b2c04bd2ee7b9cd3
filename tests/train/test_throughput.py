"""The loader's benchmark, as a command."""

import subprocess
import sys
from pathlib import Path

from tests.train.test_loop import ROOT
from train.config import Config, write_yaml


def test_command(config: Config, tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(write_yaml(config))
    command = [sys.executable, str(ROOT / "train/throughput.py"), "--config", str(file)]
    done = subprocess.run([*command, "--seconds", "0.3"], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "loader alone" in done.stdout
    assert "steps alone" in done.stdout
    refused = subprocess.run([*command, "--seconds", "-1"], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert refused.returncode == 2
    assert "--seconds is -1.0" in refused.stderr
