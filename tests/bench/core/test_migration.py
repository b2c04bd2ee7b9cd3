"""Records of earlier versions: read as this version's, and written anew by the command."""

import json
from pathlib import Path
from typing import Any

import pytest

from bench.core.record import in_turn
from bench.core.record_file import read_as, read_record, to_json
from bench.migrate import main
from bench.studies.challenge.team_record import Conditions, TeamRecord
from bench.studies.scan.scan_record import ScanRecord
from tests.bench.report.records import complexity, quality, record, runtime

NOW = "2026-01-02T03:04:05+00:00"
FLAGS = {"cpu_flags": "AVX2", "packages": {"torch": "2.13.0"}}


def old_record(
    folder: Path, model: str, others: list[str], done: str = "2026-01-02T03:04:05+00:00", **more: Any
) -> Path:
    """A file as the first version wrote it."""
    timed = runtime(9.0)
    timed.interleaved_with = others
    kept = record(model, runtime=timed, environment=FLAGS, provenance={"runtime": {"created": done}}, **more)
    data = json.loads(to_json(kept))
    data["schema"] = 1
    del data["runtime"]["run"], data["settings"]["timed_on"]
    path = folder / f"{model}__test-cpu{'__compat' * kept.settings.ntire_compat}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data), encoding="utf-8")
    return path


def test_an_old_record_is_read_as_it_was_meant(tmp_path: Path) -> None:
    read = read_record(old_record(tmp_path, "rlfn", ["dvmsr"]))
    assert read.settings.device_name == "Test CPU (AVX2)"
    assert read.runtime
    assert read.runtime.run == ""  # which it alone does not tell
    compat = {"ntire_compat": True, "quality": [quality("Set5", 30.0)]}
    assert read_record(old_record(tmp_path, "span", [], **compat)).settings.timed_on == "Set5"
    compat["quality"] = [quality("Set5", 30.0), quality("B100", 30.0)]
    assert read_record(old_record(tmp_path, "span", [], **compat)).settings.timed_on == "unknown"


def test_the_command_names_runs_and_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "records"
    old_record(folder, "rlfn", ["dvmsr@native"], complexity=complexity(5))
    old_record(folder, "dvmsr", ["rlfn"])
    old_record(folder, "span", ["dvmsr"])  # who names one that does not name it
    old_record(folder, "imdn", ["rlfn"], done="2026-01-02T09:04:05+00:00")
    (folder / "cut.json").write_text("{", encoding="utf-8")
    assert main([str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert "4 records written anew" in said
    assert "cut.json is not a complete JSON record" in said
    found = {r.model: r for r in map(read_record, folder.glob("*-avx2*.json"))}
    assert len(found) == len(list(folder.glob("*.json"))) - 1 == 4
    assert in_turn(found["rlfn"].runtime, found["dvmsr"].runtime)
    assert not in_turn(found["rlfn"].runtime, found["span"].runtime)
    assert not in_turn(found["rlfn"].runtime, found["imdn"].runtime)
    before = {path: path.read_bytes() for path in folder.iterdir()}
    assert main([str(tmp_path)]) == 1
    assert before == {path: path.read_bytes() for path in folder.iterdir()}


def test_a_folder_that_is_none_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "nowhere")]) == 2
    assert "is not a folder; name one that holds records/" in capsys.readouterr().err


def test_committed_records_are_of_this_version() -> None:
    for path in (Path(__file__).parents[3] / "reports").glob("*/records/**/*.json"):
        data = json.loads(path.read_text(encoding="utf-8"))
        assert data["schema"] == 2
        assert read_record(path).file_name == path.name
    for path in (Path(__file__).parents[3] / "reports").glob("*/scan/*.json"):
        assert read_as(ScanRecord, path).file_name == path.name


def team(**changes: Any) -> TeamRecord:
    conditions = Conditions("abc", "cpu", "Test CPU", 2, 256, 600.0, 2**33, {}, changes.pop("unsafe", False))
    return TeamRecord(7, 2024, changes.pop("status", "measured"), "", conditions, "2026-01-01", **changes)


def test_unpickled_weights_are_other_conditions() -> None:
    assert team().file_name != team(unsafe=True).file_name


def test_times_stay_with_their_baseline_and_a_failure_replaces_nothing(tmp_path: Path) -> None:
    from bench.core.store import find, save

    timed = team(runtime=runtime(9.0), baseline="team 00", baseline_samples_ms=[5.0], complexity=complexity(5))
    save(timed, tmp_path)
    counted = save(team(complexity=complexity(6)), tmp_path)
    assert (counted.baseline, counted.baseline_samples_ms, counted.runtime) == ("team 00", [5.0], timed.runtime)
    assert counted.complexity == complexity(6)
    save(team(status="failed"), tmp_path)
    assert find(team(), tmp_path) == counted
