"""Every command started by an interpreter of its own, from another folder: what forked processes cannot show."""

from pathlib import Path

import pytest

from tests.commands import run_anew

COMMANDS = (
    "bench/accuracy.py", "bench/attribution.py", "bench/check.py", "bench/compare.py", "bench/crops.py",
    "bench/migrate.py", "bench/ntire.py", "bench/profile.py", "bench/report/build.py", "bench/roofline.py",
    "bench/scaling.py",
    "bench/scan.py", "bench/step.py", "bench/upscale.py", "train/ablation.py", "train/estimate.py",
    "train/throughput.py", "train/train.py",
)  # fmt: skip


ANEW = pytest.mark.slow("every command in an interpreter of its own")
QUICK = ("bench/profile.py",)


@pytest.mark.parametrize("script", [s if s in QUICK else pytest.param(s, marks=ANEW) for s in COMMANDS])
def test_a_command_starts_from_anywhere(script: str, tmp_path: Path) -> None:
    done = run_anew(script, "--help", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "usage:" in done.stdout


def test_every_command_is_listed() -> None:
    root = Path(__file__).parents[1]
    starts = {p for folder in ("bench", "train") for p in (root / folder).rglob("*.py")}
    found = {str(p.relative_to(root)) for p in starts if "sys.path[0] = " in p.read_text(encoding="utf-8")}
    assert found == set(COMMANDS)
