"""The command as users start it, on networks whose faults and places are known."""

import csv
import signal
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.check import main
from bench.report.paper.published import REFERENCE
from bench.report.submission.costs import divided, shares
from bench.report.submission.standing import Standing, published_entries
from bench.score import RULES, Baseline, Entry, rank, score
from bench.studies.check.check_record import Cost
from tests.bench.own_networks import write_code

QUICK = ["--input-size", "24", "--runs", "6", "--time-budget", "4", "--threads", "1"]
NEAREST = """\
import time
import torch
from torch import nn


class Net(nn.Module):
    data_range = 1

    def __init__(self):
        super().__init__()
        self.body = nn.Conv2d(3, 48, 1, bias=False)
        with torch.no_grad():
            self.body.weight.zero_()
            for channel in range(48):
                self.body.weight[channel, channel // 16] = 1
        self.shuffle = nn.PixelShuffle(4)
        self.count = 0
        self.kept = {}

    def enlarge(self, x):
        return self.shuffle(self.body(x))

    def forward(self, x):
        FAULT
        return self.enlarge(x)
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with nothing of the user's, and a cache without data."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ESR_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("ESR_DATA", raising=False)
    monkeypatch.setattr(signal, "signal", lambda *_: None)  # a test keeps its own
    return tmp_path


def challenge_set(root: Path, noise: float) -> None:
    """One image in each of the challenge's sets; `noise` sets the PSNR of nearest-neighbour enlargement there."""
    random = np.random.default_rng(0)
    lr = random.integers(40, 200, (24, 32, 3), dtype=np.uint8)
    hr = lr.repeat(4, axis=0).repeat(4, axis=1) + random.normal(0, noise, (96, 128, 3))
    for name in ("valid", "test"):
        for kind, image in (("HR", hr.clip(0, 255).round().astype(np.uint8)), ("LR", lr)):
            folder = root / f"DIV2K_LSDIR_{name}_{kind}"
            folder.mkdir(parents=True)
            Image.fromarray(image).save(folder / ("0801.png" if kind == "HR" else "0801x4.png"))


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("pass", []),
        (
            "self.count += 1; x = x + (self.count % 2) * 0.1",
            ["order of images", "FAILED", "its answer moves by 26 of 255"],
        ),
        ("assert x.shape[2] % 8 == 0, 'windows of 8'", ["sizes", "FAILED", "37x53: AssertionError: windows of 8"]),
        ("x = x * 255 / 255 if x.max() > 2 else x * 0.1", ["range", "FAILED", "with --data-range 255"]),
        ("return torch.rand(1, 3, 4 * x.shape[2], 4 * x.shape[3])", ["range", "FAILED", "are these its weights"]),
        (
            "key = x.numpy().tobytes()\n        if key not in self.kept: time.sleep(0.02)\n"
            "        self.kept.setdefault(key, 0)",
            ["memory of images", "FAILED", "it remembers outputs"],
        ),
        ("torch.set_num_threads(2)", ["settings", "look", "changed"]),
    ],
    ids=["none", "order", "sizes", "range", "noise", "memory", "settings"],
)
def test_faults_are_found(fault: str, says: list[str], here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    challenge_set(here / "sets", 8)
    code = write_code(here, NEAREST.replace("FAULT", fault))
    status = main([f"{code}:Net", "--data-dir", "sets", *QUICK])
    out = " ".join(capsys.readouterr().out.replace("│", " ").split())
    failed = "FAILED" in says
    assert status == int(failed), out
    for words in says:
        assert words in out
    if not failed:
        assert "passes the gate, and would be number " in out
        assert "FAILED" not in out
    else:
        assert "is NO valid submission of 2026" in out


@pytest.mark.parametrize(("noise", "status"), [(8, 0), (14, 1)])  # sqrt of 255^2 / 10^2.69 is 11.5
def test_the_gate_decides(noise: float, status: int, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    challenge_set(here / "sets", noise)
    code = write_code(here, NEAREST.replace("FAULT", "pass"))
    assert main([f"{code}:Net", "--data-dir", "sets", *QUICK]) == status
    out = capsys.readouterr().out
    assert ("passes the gate" in out) == (status == 0)
    assert ("below 26.90" in " ".join(out.split())) == (status == 1)


def test_a_gate_that_was_not_measured_is_no_pass(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = write_code(here, NEAREST.replace("FAULT", "pass"))
    assert main([f"{code}:Net", *QUICK]) == 3
    out = " ".join(capsys.readouterr().out.split())
    assert "is valid as far as can be told; the gate was not measured" in out
    assert "Not measured here: PSNR on DIV2K_LSDIR_valid and DIV2K_LSDIR_test." in out
    assert "a rank here is no rank there" in out
    assert main([f"{code}:Net", *QUICK, "--rule", "2025"]) == 3
    assert "No list of the entries of 2025 is at hand" in capsys.readouterr().out


def test_the_baseline_has_its_published_counts_and_its_own_score(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["span", *QUICK[2:], "--time-budget", "1"]) == 3
    out = capsys.readouterr().out
    with (REFERENCE / "ntire2026.csv").open(encoding="utf-8") as file:
        published = {row["entry"]: row for row in csv.DictReader(file)}["00_SPAN"]
    for figure in (published["flops_g"], published["params_m"]):
        assert out.count(figure) == 2  # its own and the baseline's
    assert "7.39" in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["absent.py:Net"], "absent.py does not exist"),
        (["spam"], "unknown model 'spam'"),
        (["span", "--weights", "absent.pth"], "--weights absent.pth does not exist"),
        (["span", "--data-range", "255"], "--data-range is for a network of your own"),
        (["span", "--lr", "."], "--lr . needs --data"),
    ],
)
def test_wrong_calls(arguments: list[str], words: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert words in capsys.readouterr().err
    assert not (here / "results").exists()


# ---- places and costs -----------------------------------------------------------------------------------------------


def at(runtime: float, flops: float, parameters: float) -> Standing:
    """An entry of exact ratios to the published baseline of 2026."""
    rule = RULES[2026]
    base = Baseline("base", [10.0] * 9, 1e9, 1e5)
    entry = Entry("mine", [10.0 * runtime] * 9, flops * 1e9, parameters * 1e5)
    return Standing(rule, entry, base, rank([entry], rule, base)[0], published_entries(rule))


def test_places_among_the_published() -> None:
    """The winner is first, what is as good as the baseline stands beside it, and who missed the gate is no rival."""
    published = [entry.name for entry, _ in at(1, 1, 1).published]
    assert published[0] == "22_SPANV2_ESR_C2"
    assert "21_SAFMN" not in published  # 26.80 dB
    assert at(0.01, 0.01, 0.01).place == (1, 1)
    assert at(0.01, 0.01, 0.01).next_better is None
    baseline = published.index("00_SPAN")
    assert at(1, 1, 1).place in ((baseline + 1,) * 2, (baseline + 2,) * 2)  # it is the baseline's twin
    assert at(50, 50, 50).place == (len(published) + 1,) * 2
    better = at(1.5, 1, 1).next_better
    assert better
    assert score(RULES[2026], 1.5, 1, 1) > better[1] > 0


def test_savings_reach_the_next_rank_and_no_further() -> None:
    standing = at(1.0, 1.0, 1.0)
    assert standing.result.score == pytest.approx(score(RULES[2026], 1, 1, 1))
    target = 6.0
    found = shares({"a": Cost(60, 50, 40), "b": Cost(39, 49, 50), "c": Cost(1, 1, 10)}, standing, target)
    assert [share.name for share in found] == ["a", "b", "c"]
    a, b, c = found
    assert (a.time, a.macs, a.parameters) == (0.6, 0.5, 0.4)
    assert a.gain == pytest.approx(score(RULES[2026], 1, 1, 1) - score(RULES[2026], 0.4, 0.5, 0.6))
    for share in (a, b):
        s = share.saving
        assert s
        ratios = (1 - s * share.time, 1 - s * share.macs, 1 - s * share.parameters)
        assert score(RULES[2026], *ratios) == pytest.approx(target, abs=1e-6)
    assert c.saving is None


def test_a_part_that_takes_most_is_divided() -> None:
    costs = {
        "": Cost(1),
        "head": Cost(9, 1, 1),
        "body": Cost(2),
        "body.a.conv": Cost(40, 5, 5),
        "body.a.act": Cost(8),
        "body.b": Cost(20, 3, 3),
        "tail": Cost(20, 2, 2),
    }
    parts = divided(costs)
    assert set(parts) == {"", "head", "body", "body.a.conv", "body.a.act", "body.b", "tail"}
    assert sum(parts.values(), Cost()) == sum(costs.values(), Cost())
    assert parts["body"] == Cost(2)
    whole = {name: cost for name, cost in costs.items() if not name.startswith("body.a")}
    assert set(divided({**whole, "body.a.conv": Cost(4, 5, 5), "body.a.act": Cost(8)})) == {
        "", "head", "body", "body.a", "body.b", "tail",
    }  # fmt: skip
