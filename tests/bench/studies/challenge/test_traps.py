"""Submissions that cheat, break or misbehave: each is caught or contained, and its row says what happened."""

import os
from pathlib import Path

import pytest
import torch

from bench.core.record_file import read_as
from bench.ntire import _parser, make_plan
from bench.studies.challenge.layout import read_checkout
from bench.studies.challenge.session import Plan, run
from bench.studies.challenge.team_record import TeamRecord
from tests.bench.studies.challenge.checkout import assert_none_of_ours_runs, make_checkout

# id -> body of a network, and what its record must say: "notes" or "reason", and words of it.
TRAPS: dict[int, tuple[str, str, str]] = {
    10: (
        """
class Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight):
        return F.conv2d(F.conv2d(x, weight, padding=1), weight.flip(0), padding=1)
def forward(self, x):
    hidden = [self.Product.apply(x, torch.ones(3, 3, 3, 3)) for i in range(72)]
    return self.up(self.conv(x + sum(hidden)))
""",
        "vanished",
        "aten::convolution",
    ),
    11: (
        "def __init__(self):\n    super().__init__()\n    for _ in range(7): self(torch.zeros(1, 3, 64, 64))",
        "notes",
        "ran Net 7 times before it was handed over; its cold start is warm",
    ),
    12: (
        """
seen = None
def forward(self, x):
    if self.seen is not None and torch.equal(self.seen[0], x):
        return self.seen[1]
    time.sleep(0.05)
    Net.seen = x.clone(), super().forward(x)
    return self.seen[1]
""",
        "notes",
        "it remembers outputs",
    ),
    13: (
        "def forward(self, x):\n    torch.backends.cudnn.benchmark = True\n    return super().forward(x)",
        "notes",
        "changed cudnn.benchmark (False -> True) in its forward pass",
    ),
    14: (
        "def __init__(self):\n    super().__init__()\n    torch.set_default_dtype(torch.float64)",
        "notes",
        "changed default dtype (torch.float32 -> torch.float64) while it was built",
    ),
    15: (
        "def __init__(self):\n    super().__init__()\n    torch.set_num_threads(7)",
        "notes",
        "changed threads (1 -> 7) while it was built",
    ),
    16: ("def forward(self, x): return super().forward(x)[..., :-4]", "reason", "it returned (1, 3, 256, 252)"),
    17: ("def forward(self, x): return super().forward(x) / 0", "reason", "NaN or infinite"),
    18: (
        "def forward(self, x): return super().forward(x).double()",
        "notes",
        "returns torch.float64 for torch.float32",
    ),
    19: ("def forward(self, x): return super().forward(x), 1", "reason", "it returned a tuple"),
    20: ("def forward(self, x):\n    time.sleep(3600)", "reason", "no answer within the time limit"),
    21: (
        """
def __init__(self):
    super().__init__()
    if os.fork() == 0:
        os.setsid()
        time.sleep(600)
""",
        "notes",
        "started 1 further processes",
    ),
    22: (
        """
def forward(self, x):
    open('model_zoo/team00.pth', 'w').write('mine')
    return super().forward(x)
""",
        "notes",
        "wrote checkout/model_zoo/team00.pth",
    ),
    23: ("def forward(self, x): return torch.zeros(1, 3, 4 * x.shape[2], 4 * x.shape[3])", "reason", "same output"),
    24: ("def __init__(self):\n    os._exit(3)", "reason", "its process ended (exit status 3"),
    25: ("def __init__(self):\n    sys.exit('enough')", "reason", "SystemExit: enough"),
    26: (
        """
def __init__(self):
    hoard = [torch.ones(2 ** 26) for _ in range(40)]
    time.sleep(5)
""",
        "reason",
        "over the memory limit",
    ),
    27: (
        """
def forward(self, x):
    for _ in range(40): print('x' * 10000)
    return super().forward(x)
""",
        "notes",
        "printed",
    ),
    28: ("def __init__(self):\n    super().__init__()\n    self.cuda()", "notes", "calls .cuda()"),
    29: ("def __init__(self):\n    import no_such_module", "reason", "No module named 'no_such_module'"),
    30: (
        "import torchvision.ops\nops = torchvision.ops.DeformConv2d(3, 3, 3)",
        "reason",
        "torchvision is not installed",
    ),
    31: (
        "def __init__(self):\n    super().__init__()\n    torch.load('model_zoo/bad.pth')",
        "reason",
        "Weights only load failed",
    ),
}
HANG = (20,)

pytestmark = pytest.mark.slow("submissions that cheat, a process each")


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch pwned",)


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> dict[int, TeamRecord]:
    folder = tmp_path_factory.mktemp("challenge")
    root = make_checkout(folder / "repo", {number: body for number, (body, _, _) in TRAPS.items()})
    torch.save({"w": Evil()}, root / "model_zoo/bad.pth")
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    others = ",".join(str(number) for number in (0, *TRAPS) if number not in HANG)
    records = []
    # Nothing but a hang may depend on how fast the machine is.
    for teams, seconds in ((others, "300"), (",".join(map(str, HANG)), "10")):
        limits = ("--time-limit", seconds, "--memory-limit", "1.5")
        records += run(plan_for(root, folder / "out", "--teams", teams, *limits), lambda line: None)
    assert before == {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    assert [read_as(TeamRecord, folder / "out/records" / record.file_name) for record in records] == records
    return {record.team: record for record in records}


def plan_for(root: Path, out: Path, *more: str) -> Plan:
    words = ["--repo", str(root), "--out", str(out), "--input-size", "32", "--runs", "3", "--time-budget", "1"]
    words += ["--device", "cpu", "--threads", "1", "--wall", "none", "a test"]
    return make_plan(_parser().parse_args([*words, *more]), lambda line: None)


@pytest.mark.parametrize("number", sorted(TRAPS))
def test_the_trap_is_seen(records: dict[int, TeamRecord], number: int) -> None:
    _, where, words = TRAPS[number]
    record = records[number]
    if where == "reason":
        assert record.status == "failed"
        assert words in record.reason, record.reason
        return
    assert record.status == "measured", record.reason
    assert record.runtime
    if where == "notes":
        assert any(words in note for note in record.notes), record.notes
        return
    assert record.complexity
    assert words in record.complexity.vanished[0].ops
    assert sum(v.share for v in record.complexity.vanished if v.what == "FLOPs") >= 0.9


def test_a_sound_team_has_no_notes(records: dict[int, TeamRecord]) -> None:
    plain = records[0]
    assert (plain.status, plain.notes, plain.stand_ins) == ("measured", [], [])
    assert (plain.name, plain.network, plain.data_range) == ("00_Plain", "Plain", 1.0)
    assert plain.complexity
    assert plain.complexity.parameters == 3 * 48 * 9 + 48
    assert plain.complexity.flops_published == plain.their_counts["flops"] == 32 * 32 * 3 * 48 * 9
    theirs = {"num_parameters": 1344, "flops": 32 * 32 * 1296, "activations": 48 * 32 * 32, "num_conv": 1}
    assert plain.their_counts == {"convention": "fvcore", **theirs}


def test_remembered_outputs_are_not_timed(records: dict[int, TeamRecord]) -> None:
    runtime = records[12].runtime
    assert runtime
    assert min(runtime.samples_ms) > 50


def test_teams_are_timed_in_turn_with_the_baseline(records: dict[int, TeamRecord]) -> None:
    assert records[11].baseline == "team 00"
    assert len(records[11].baseline_samples_ms) >= 3


def test_nothing_is_left_running(records: dict[int, TeamRecord]) -> None:
    assert records
    assert_none_of_ours_runs()


def test_special_forwards_and_ids_are_read_without_running(tmp_path: Path) -> None:
    checkout = read_checkout(make_checkout(tmp_path / "repo", {90: "pass", 91: "pass"}))
    assert checkout.teams == [0, 90, 91]
    assert checkout.forwards == {90: "forward_padded"}
    assert (checkout.year, checkout.commit, checkout.fvcore) == (2024, "", True)


def test_a_finished_team_is_kept(tmp_path: Path) -> None:
    plan = plan_for(make_checkout(tmp_path / "repo", {}), tmp_path / "out", "--measure", "counts")
    (first,) = run(plan, lambda line: None)
    told: list[str] = []
    (second,) = run(plan, told.append)
    assert first == second
    assert told == [f"team 00: kept {first.file_name}"]
