"""Stages of a lent GPU: deadlines, what is run again, and results as one archive; with commands that need no GPU."""

import os
import shutil
import tarfile
import time
from pathlib import Path

import pytest

from bench.core.record_file import write_bytes
from gpu import run as gpu_run
from gpu.archive import main, pack, unpack
from gpu.run import CUT_SHORT, DONE, FAILED, NO_TIME, Ran, run_stage
from gpu.stages import STAGE_S, Command, stages
from models.errors import EsrError
from tests.bench.report.records import record
from tests.commands import ROOT, run
from tests.kept import write_record

STUDIES = ("bench.scan", "bench.profile", "bench.accuracy", "bench.roofline", "bench.scaling", "bench.step")
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"


def command(name: str, code: str, limit_s: float = 30.0, least_s: float = 0.0) -> Command:
    return Command(name, ("-c", code), limit_s, least_s=least_s)


def carry_out(commands: list[Command], out: Path, earlier: list[Ran] | None = None, seconds: float = 60.0) -> list[Ran]:
    kept: list[list[Ran]] = []
    found = run_stage(commands, out, earlier or [], seconds, os.environ, lambda line: None, lambda r: kept.append([*r]))
    assert kept[-1:] in ([found], [])  # nothing is lost if the machine goes after any command
    return found


def write(path: Path) -> str:
    return f"from pathlib import Path; p = Path({str(path)!r}); p.parent.mkdir(exist_ok=True); p.write_text('{{}}')"


def test_commands_run_in_order_and_records_are_counted(tmp_path: Path) -> None:
    found = carry_out(
        [command("one", write(tmp_path / "scan/a.json")), command("two", "raise SystemExit(1)")], tmp_path
    )
    assert [(r.name, r.how, r.status, r.records) for r in found] == [("one", DONE, 0, 1), ("two", FAILED, 1, 0)]


def test_a_long_command_is_cut_short_and_the_next_still_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_run, "GRACE_S", 0.5)
    begin = time.monotonic()
    commands = [command("hangs", STUBBORN, limit_s=1.0), command("next", write(tmp_path / "scan/a.json"))]
    assert [r.how for r in carry_out(commands, tmp_path)] == [CUT_SHORT, DONE]
    assert time.monotonic() - begin < 50


def test_the_deadline_of_a_stage_ends_what_runs_and_begins_nothing(tmp_path: Path) -> None:
    commands = [command("long", "import time; time.sleep(60)"), command("late", "pass", least_s=5.0)]
    found = carry_out(commands, tmp_path, seconds=3.0)
    assert [(r.how, r.status is None) for r in found] == [(CUT_SHORT, False), (NO_TIME, True)]
    quick = [command("long", "import time; time.sleep(60)", limit_s=1.0), commands[1]]
    again = carry_out(quick, tmp_path, found)
    assert again[1].how == DONE


def test_what_ended_well_is_not_run_again_and_the_rest_is(tmp_path: Path) -> None:
    counted = tmp_path / "count"
    add = f"open({str(counted)!r}, 'a').write('x'); "
    commands = [command("good", add), command("bad", add + "raise SystemExit(1)")]
    first = carry_out(commands, tmp_path)
    carry_out(commands, tmp_path, first)
    assert counted.read_text() == "xxx"
    carry_out([command("good", add + "pass")], tmp_path, first)  # other words are another command
    assert counted.read_text() == "xxxx"


@pytest.mark.parametrize("rival", [True, False])
def test_stages_are_of_commands_there_are(rival: bool) -> None:
    everything = [c for commands in stages(Path("out"), rival).values() for c in commands]
    assert STAGE_S <= 540 - gpu_run.GRACE_S
    assert len({c.name for c in everything}) == len({c.words for c in everything}) == len(everything)
    assert any("mamba_ssm" in word for c in everything for word in c.words) == rival
    for c in everything:
        assert c.limit_s < STAGE_S
        assert c.words[0] == "-m" or (ROOT / c.words[0]).is_file()
        assert all((ROOT / word).is_file() for word in c.words if word.endswith((".yaml", ".py")))


@pytest.mark.parametrize("module", ["gpu.run", "gpu.archive", "train.train", *STUDIES])
def test_nothing_is_imported_that_a_lent_machine_has_not(module: str) -> None:
    done = run("-c", f"import sys; sys.modules['vl_convert'] = None; import {module}")
    assert done.returncode == 0, done.stderr


# ---- archives -------------------------------------------------------------------------------------------------------


def fill(results: Path, device: str = "dry run, no GPU") -> None:
    write_record(record("rlfn"), results / "records")
    write_bytes(results / "stages/a.json", f'{{"device": "{device}", "dry": true, "commands": []}}'.encode())
    for name in ("kernel.cubin", "kernel.json", "kernel.llir"):
        write_bytes(results / "triton/KEY" / name, os.urandom(1000))
    write_bytes(results / "training/run/checkpoint.pt", os.urandom(5000))


def test_an_archive_holds_everything_that_is_read_again(tmp_path: Path) -> None:
    fill(tmp_path / "results")
    assert pack(tmp_path / "results", tmp_path / "out/a.tar.gz") == []
    with tarfile.open(tmp_path / "out/a.tar.gz") as archive:
        names = {n for n in archive.getnames() if not n.startswith("records/")}
    assert names == {
        "stages/a.json",
        "triton/KEY/kernel.cubin",
        "triton/KEY/kernel.json",
        "training/run/checkpoint.pt",
    }


def test_what_is_too_much_is_what_can_be_had_again(tmp_path: Path) -> None:
    fill(tmp_path / "results")
    left_out = pack(tmp_path / "results", tmp_path / "a.tar.gz", limit=7000)
    assert left_out == ["training/run/checkpoint.pt"]
    assert (tmp_path / "a.tar.gz").stat().st_size < 7000


def test_an_archive_becomes_a_folder_of_reports(tmp_path: Path) -> None:
    fill(tmp_path / "results")
    pack(tmp_path / "results", tmp_path / "a.tar.gz")
    folder = unpack(tmp_path / "a.tar.gz", tmp_path / "back", tmp_path / "reports")
    assert folder == tmp_path / "reports/dry-run-no-gpu"
    assert [p.suffix for p in folder.rglob("*") if p.is_file()] == [".json"]
    assert (tmp_path / "back/triton/KEY/kernel.cubin").is_file()


def test_an_archive_without_a_network_is_no_report_yet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(tmp_path / "results")
    shutil.rmtree(tmp_path / "results/records")
    pack(tmp_path / "results", tmp_path / "a.tar.gz")
    places = ["--results", str(tmp_path / "back"), "--reports", str(tmp_path / "reports")]
    assert main(["unpack", str(tmp_path / "a.tar.gz"), *places]) == 0
    assert "there is no report" in capsys.readouterr().err


def test_what_is_no_archive_is_said(tmp_path: Path) -> None:
    (tmp_path / "no.tar.gz").write_bytes(b"no archive")
    with pytest.raises(EsrError, match=r"no\.tar\.gz is no archive of a stage"):
        unpack(tmp_path / "no.tar.gz", tmp_path / "other", tmp_path / "reports")


def test_two_devices_are_not_mixed(tmp_path: Path) -> None:
    fill(tmp_path / "results")
    pack(tmp_path / "results", tmp_path / "a.tar.gz")
    write_bytes(tmp_path / "back/stages/b.json", b'{"device": "NVIDIA H200", "dry": false, "commands": []}')
    with pytest.raises(EsrError, match="results of 2 devices"):
        unpack(tmp_path / "a.tar.gz", tmp_path / "back", tmp_path / "reports")
