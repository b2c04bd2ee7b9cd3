"""Submissions that attack the harness, the other teams or the ranking: with and without the wall."""

import json
import os
import shutil
from pathlib import Path

import pytest

from bench.networks.wall import Wall, choose_wall
from bench.studies.challenge.sandbox import PREFIX
from bench.studies.challenge.session import run
from bench.studies.challenge.team_record import TeamRecord
from models.errors import EsrError
from tests.bench.studies.challenge.checkout import assert_none_of_ours_runs, make_checkout
from tests.bench.studies.challenge.test_traps import plan_for

pytestmark = pytest.mark.slow("submissions that attack, a process each")

CLOCK = """
real = time.perf_counter
time.perf_counter = lambda: {}
def forward(self, x):
    time.sleep(0.06)
    return super().forward(x)
"""
AT_ONCE = "def __init__(self):\n    super().__init__()\n    "
# id -> body of a network, and what its record must say in its reason or its notes; "" for nothing.
ATTACKS: dict[int, tuple[str, str]] = {
    10: (CLOCK.format("Net.real() / 50"), "its clock is not the harness's"),
    11: (CLOCK.format("-Net.real()"), "its clock says -"),
    12: (CLOCK.format("0.0"), "its clock says 0"),
    13: (CLOCK.format("float('inf')"), "its answer contains NaN"),
    14: (
        "import bench.studies.challenge.submission as s\n"
        "s.Submission.describe = lambda self: dict(name='x', network='x', data_range=float('nan'), parameters=1)\n",
        "its answer contains NaN",
    ),
    15: ("import json\njson.dumps = lambda *a, **k: '[' * 200_000", "nested too deep"),
    16: (
        f"{AT_ONCE}home = os.getcwd()\n    for _ in range(1500): os.mkdir('d'), os.chdir('d')\n    os.chdir(home)",
        "",
    ),
    17: (f"{AT_ONCE}open(b'\\xff\\x1b[31m.txt', 'w').write('x')", "wrote"),
    18: (f"{AT_ONCE}os.write(int(sys.argv[1]), bytes([0, 0, 1, 0, 0, 0, 0, 0]))", "a message of 1099511627776 bytes"),
    19: (f"{AT_ONCE}os.close(int(sys.argv[1]))", "its process ended"),
    20: (
        f"{AT_ONCE}for _ in range(40):\n        if os.fork() == 0: os.setsid(), time.sleep(600)",
        "started 40 further processes",
    ),
    21: (f"{AT_ONCE}raise RuntimeError(os.environ.get('ESR_TEST_TOKEN', 'no token'))", "no token"),
    22: (
        "def forward(self, x):\n    y = super().forward(x)\n    return y / (x.std() < 0.28 or x.shape[2] != 64)",
        "fails on uniform noise",
    ),
    23: (
        f"{AT_ONCE}import json as j\n    s = chr(27) + '[31m' + 'x' * 9999\n    raise RuntimeError(s)",
        "RuntimeError",
    ),
}
# With the wall only: nothing else keeps a process of the same user from it.
BEHIND_THE_WALL: dict[int, tuple[str, str]] = {
    40: (f"{AT_ONCE}os.kill(os.getppid(), 9)", ""),
    41: (f"{AT_ONCE}raise RuntimeError(open('OUTSIDE/secret').read())", "FileNotFoundError"),
    42: (f"{AT_ONCE}open('OUTSIDE/repo/models/team00_plain.py', 'w').write('')", "FileNotFoundError"),
    43: (f"{AT_ONCE}open('/dev/shm/esr-test', 'wb').write(bytes(10 ** 7))", ""),
    44: (f"{AT_ONCE}import urllib.request\n    urllib.request.urlopen('http://127.0.0.1:PORT')", "refused"),
    45: (f"{AT_ONCE}raise RuntimeError(len([p for p in os.listdir('/proc') if p.isdecimal()]))", "RuntimeError: 2"),
    46: (f"{AT_ONCE}open('/etc/passwd')", "FileNotFoundError"),
    47: (f"{AT_ONCE}open('/usr/bin/esr-test', 'w')", "Read-only file system"),
}
HANGS: dict[int, tuple[str, str]] = {
    60: (
        f"{AT_ONCE}os.write(int(sys.argv[1]), bytes([0, 0, 0, 0, 0, 0, 0, 40]) + b'half'), time.sleep(3600)",
        "no answer within the time limit",
    ),
}


def walls() -> list[Wall]:
    none = choose_wall("none", "a test")
    try:
        return [none, choose_wall("auto", "")]
    except EsrError:
        return [none]


@pytest.fixture(scope="module", params=["none", "bwrap"])
def attacked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[int, TeamRecord]:
    folder = tmp_path_factory.mktemp("hostile")
    wall = next((wall for wall in walls() if bool(wall.program) == (request.param == "bwrap")), None)
    if wall is None:
        pytest.skip("no bubblewrap here, or it may not make namespaces")
    attacks = {**ATTACKS, **(BEHIND_THE_WALL if wall.program else {})}
    bodies = {**attacks, **HANGS}
    root = make_checkout(
        folder / "repo",
        {n: body.replace("OUTSIDE", str(folder)).replace("PORT", "9") for n, (body, _) in bodies.items()},
    )
    (folder / "secret").write_text("the organiser's")
    (root / "fvcore/nn").mkdir(parents=True)
    (root / "fvcore/nn/__init__.py").write_text("raise RuntimeError('taken over')")
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    how = ("--wall", "bwrap") if wall.program else ("--wall", "none", "a test")
    records: list[TeamRecord] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ESR_TEST_TOKEN", "a key that nobody should see")
        for numbers, seconds in (([0, *attacks], "300"), (list(HANGS), "10")):
            words = ("--teams", ",".join(map(str, numbers)), "--time-limit", seconds, *how)
            records += run(plan_for(root, folder / "out", *words), lambda line: None)
    assert before == {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    assert len(list((folder / "out/records").iterdir())) == len(records) == len(bodies) + 1
    return {record.team: record for record in records}


def test_each_is_contained_or_named(attacked: dict[int, TeamRecord]) -> None:
    for number, (_, words) in {**ATTACKS, **BEHIND_THE_WALL, **HANGS}.items():
        if number in attacked:
            record = attacked[number]
            said = [record.reason, *record.notes]
            assert any(words in text for text in said), (number, record.status, said)
            assert all(text.isprintable() and len(text) <= 300 for text in said), (number, said)
    assert "nobody should see" not in json.dumps([record.reason for record in attacked.values()])


def test_no_other_row_changes(attacked: dict[int, TeamRecord]) -> None:
    plain = attacked[0]
    assert (plain.status, plain.notes) == ("measured", [])
    assert plain.their_counts["flops"] == 32 * 32 * 1296  # by the installed fvcore, not by the checkout's
    assert plain.wall == "none: a test" or plain.wall.startswith("bubblewrap ")


def test_nothing_stays(attacked: dict[int, TeamRecord]) -> None:
    assert attacked
    assert_none_of_ours_runs()
    assert not list(Path("/tmp").glob(f"{PREFIX}{os.getpid()}-*"))
    assert not Path("/dev/shm/esr-test").exists()


@pytest.mark.parametrize(
    ("mode", "why", "said"),
    [("none", "", "needs a reason"), ("none", "  ", "needs a reason"), ("auto", "because", "takes no reason")],
)
def test_a_missing_wall_needs_a_reason(mode: str, why: str, said: str) -> None:
    with pytest.raises(EsrError, match=said):
        choose_wall(mode, why)


def test_without_bubblewrap_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    from bench.networks import wall

    monkeypatch.setattr(shutil, "which", lambda _: None)
    wall._bubblewrap.cache_clear()
    try:
        with pytest.raises(EsrError, match=r"is not installed; install it .* --wall none"):
            choose_wall("auto", "")
    finally:
        wall._bubblewrap.cache_clear()
