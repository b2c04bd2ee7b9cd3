"""A network of the user's own that hangs, lies about the time, or answers with what would run code here."""

from pathlib import Path

import pytest

from bench.core.record import Settings
from bench.measurement.runtime import measure_runtimes
from bench.networks.choice import parse_choice
from bench.networks.engine import Job
from bench.networks.worker import OWN_LIMIT_S, Worker
from models.errors import EsrError

CODE = """
import os, pickle, sys, time
from torch import nn

real = time.perf_counter
{first}

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.up = nn.Conv2d(3, 48, 3, padding=1), nn.PixelShuffle(4)

    def forward(self, x):
        {forward}
        return self.up(self.conv(x))
"""


def worker(folder: Path, first: str = "", forward: str = "pass") -> Worker:
    code = folder / "net.py"
    code.write_text(CODE.format(first=first, forward=forward), encoding="utf-8")
    choice = parse_choice(f"{code}:Net")
    return Worker(Job(choice.name, {}, None, Settings("cpu", "CPU", 8, 8), "cpu", choice.own))


def test_one_that_hangs_is_ended(tmp_path: Path) -> None:
    with worker(tmp_path, forward="time.sleep(3600)") as hanging:
        hanging.build()
        assert hanging.limit_s == OWN_LIMIT_S
        hanging.limit_s = 2
        with pytest.raises(EsrError, match=r"no answer within 2 s, asked to cold; it was ended"):
            hanging.cold()
        with pytest.raises(EsrError, match="its process died"):
            hanging.sample()


@pytest.mark.parametrize(
    ("clock", "said"),
    [
        ("real() / 50", "its clock is not the harness's"),
        ("-real()", "its clock says -"),
        ("0.0", "its clock says 0.0 ms"),
        ("float('nan')", "its clock says nan ms"),
    ],
)
def test_a_clock_that_lies_fails_its_network_and_no_other(tmp_path: Path, clock: str, said: str) -> None:
    (tmp_path / "sound").mkdir()
    (tmp_path / "lying").mkdir()
    with (
        worker(tmp_path / "sound") as sound,
        worker(tmp_path / "lying", f"time.perf_counter = lambda: {clock}", "time.sleep(0.06)") as lying,
    ):
        first, second = measure_runtimes([sound, lying], "cpu", 8, 30, False, lambda *_: None, lambda _: None)
    assert said in second.error, second.error
    assert not first.error
    assert len(first.samples_ms) == 8


@pytest.mark.parametrize(
    "evil",
    ["(os.system, ('touch FILE',))", "(eval, ('open(chr(70), chr(119))',))", "(sys.exit, (0,))"],
)
def test_an_answer_runs_no_code_here(tmp_path: Path, evil: str) -> None:
    made = tmp_path / "pwned"
    first = (
        "dumps = pickle.dumps\n"
        f"class Evil:\n    def __reduce__(self): return {evil.replace('FILE', str(made))}\n"
        "pickle.dumps = lambda *a: dumps(('ok', Evil()))"
    ).replace("\\\n", "\n")
    with worker(tmp_path, first) as attacking, pytest.raises(EsrError, match="its answer cannot be read"):
        attacking.build()
    assert not made.exists()
