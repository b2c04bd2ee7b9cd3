"""`bench/ntire.py` as users start it, and what it refuses."""

import csv
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from PIL import Image

from bench.studies.challenge.layout import read_checkout
from models.errors import EsrError
from tests.bench.studies.challenge.checkout import make_checkout
from tests.commands import ROOT, run, start

QUICK = (
    "--device",
    "cpu",
    "--threads",
    "1",
    "--input-size",
    "32",
    "--runs",
    "8",
    "--time-budget",
    "2",
    "--wall",
    "none",
    "test",
)
WIDER = "def __init__(self):\n    super().__init__()\n    self.conv = torch.nn.Conv2d(3, 48, 21, padding=10)"


def ntire(*words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return run("bench/ntire.py", *words, cwd=cwd or ROOT)


@pytest.mark.slow("a challenge's whole run")
def test_whole_run(tmp_path: Path) -> None:
    repo = make_checkout(tmp_path / "repo", {3: WIDER, 4: "def forward(self, x): return x"})
    (repo / "results.json").write_text('{"00_Plain": {"flops": 0.001327104, "num_conv": 1}, "03_Net": {"flops": 9.0}}')
    for kind, side in (("HR", 128), ("LR", 32)):
        folder = tmp_path / f"data/DIV2K_LSDIR_valid_{kind}"
        folder.mkdir(parents=True)
        Image.new("RGB", (side, side), (90, 120, 40)).save(folder / f"0801{'x4' if kind == 'LR' else ''}.png")
    done = ntire("--repo", str(repo), "--data", str(tmp_path / "data"), *QUICK, "--out", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    assert "running the code of 3 teams" in done.stderr
    assert "2 of 3 teams measured" in done.stdout
    assert "04: FAILED, check: it returned (1, 3, 64, 64)" in done.stderr
    rows = list(csv.DictReader((tmp_path / "out/ranking.csv").open()))
    assert [row["team"] for row in rows] == ["00_Plain", "03_Net", "04_Net"]
    assert rows[0]["gate"] == "missed"  # its weights are random
    assert rows[2]["rank_best"] == ""
    page = (tmp_path / "out/ranking.md").read_text()
    assert "What the ranking depends on" in page
    assert "1 of 2 agree to the digit" in page  # the second team's published 9 G is wrong
    with Image.open(tmp_path / "out/ranking.png") as picture:
        assert picture.width > 800
    assert len(list((tmp_path / "out/records").iterdir())) == 3


def test_an_interrupt_keeps_what_was_finished(tmp_path: Path) -> None:
    repo = make_checkout(tmp_path / "repo", {3: "def forward(self, x): time.sleep(600)"})
    words = ["--repo", str(repo), *QUICK, "--measure", "counts", "--out", str(tmp_path / "out")]
    with start("bench/ntire.py", *words) as run:
        for _ in range(600):
            if list(tmp_path.glob("out/records/team00*")):
                break
            time.sleep(0.1)
        time.sleep(2)
        run.send_signal(signal.SIGINT)
        assert run.stderr
        said = run.stderr.read()
    assert run.returncode == 130
    assert "the same command continues" in said
    assert "Traceback" not in said
    assert len(list(tmp_path.glob("out/records/*"))) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--teams", "0,99"], "99 not in the checkout; it has 0"),
        (["--teams", "a"], "write ids with commas"),
        (["--baseline", "5"], "--baseline 5 is not in the checkout"),
        (["--runs", "0"], "must be positive"),
        (["--sets", "Set5"], "--sets needs --data"),
        (["--data", "nowhere"], "is not a folder"),
        (["--device", "cuda:77"], "cuda:77"),
    ],
)
def test_wrong_calls_are_one_line(tmp_path: Path, words: list[str], said: str) -> None:
    done = ntire("--repo", str(make_checkout(tmp_path / "repo", {})), *words, cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_what_is_no_checkout(tmp_path: Path) -> None:
    with pytest.raises(EsrError, match="is no folder"):
        read_checkout(tmp_path / "none")
    with pytest.raises(EsrError, match=r"has no test_demo\.py"):
        read_checkout(tmp_path)
    for text, said in (
        ("def select_model(:", "cannot be read"),
        ("x = 1", "has no select_model"),
        ("def select_model(a, d): pass", "no number"),
    ):
        (tmp_path / "test_demo.py").write_text(text)
        with pytest.raises(EsrError, match=said):
            read_checkout(tmp_path)


def test_help_warns_and_gives_examples() -> None:
    done = ntire("--help")
    assert "THIS RUNS THE CODE OF ALL ITS TEAMS" in done.stdout
    assert "python bench/ntire.py --repo NTIRE2024_ESR" in done.stdout
    assert os.environ.get("ESR_SUBMISSION") is None
