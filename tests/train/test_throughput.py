"""The loader's benchmark, as a command."""

from pathlib import Path

from tests.commands import run
from train.config import Config, write_yaml


def test_command(config: Config, tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(write_yaml(config))
    command = ("train/throughput.py", "--config", file)
    done = run(*command, "--seconds", "0.3", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "loader alone" in done.stdout
    assert "steps alone" in done.stdout
    refused = run(*command, "--seconds", "-1", cwd=tmp_path)
    assert refused.returncode == 2
    assert "--seconds is -1.0" in refused.stderr
