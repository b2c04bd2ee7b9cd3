"""The sections on challenges: counts beside published ones, from the teams' records beside the networks'."""

from pathlib import Path

from bench.core.record import Runtime, Vanished
from bench.core.render import to_csv
from bench.report.build import main
from bench.report.lookup import load
from bench.report.ranks.challenges import Challenge, challenge_section, count_table, scored
from bench.report.studies.load import load_studies
from bench.studies.challenge.team_record import Conditions, TeamRecord
from tests.bench.report.records import complexity, runtime
from tests.kept import write_record


def team(number: int, name: str, device_name: str = "Test CPU", **parts: object) -> TeamRecord:
    """A team whose checkout's own code counted what we did."""
    conditions = Conditions("0123456789abcdef", "cpu", device_name, 2, 256, 300.0, 2**33)
    counts = complexity(424_428, flops_published=20_168_048_640, flops=62_461_041_984, macs=26_514_566_400)
    counts.vanished = [Vanished("FLOPs", "layers.0", ["aten::mm"], 1, 0.25), Vanished("FLOPs", "x", ["y"], 1, 0.1)]
    defaults = {"complexity": counts, "their_counts": {"flops": 20_168_048_640}, "environment": {"cpu": "Test CPU"}}
    return TeamRecord(number, 2024, "measured", "", conditions, "2026-01-02", f"{number:02}_{name}", **defaults | parts)


def failed(number: int) -> TeamRecord:
    reason = "build: No such file '/somewhere/of/mine/x.pth'"
    conditions = team(1, "x").conditions
    return TeamRecord(number, 2024, "failed", reason, conditions, "2026-01-02")


def test_counts_by_hand() -> None:
    wrong = team(9, "Wrong", published={"flops": 20.0, "num_parameters": 0.424428})
    challenge = Challenge("ntire2024", (team(7, "DVMSR"), wrong, failed(8)))
    table = count_table(challenge)
    titles = [column.title for column in table.shown.columns]
    rows = [dict(zip(titles, [cell.text for cell in row], strict=True)) for row in table.shown.rows]
    assert rows[0] == {
        "Team": "07_DVMSR", "Parameters": "424,428", "FLOPs as published (G)": "20.1680",
        "FLOPs complete (GFLOP)": "62.46", "Complete / published": "3.10", "Vanished (%)": "35.0",
        "FLOPs in results.json (G)": "—", "Parameters in results.json (M)": "—", "Equal": "yes",
    }  # fmt: skip
    assert (rows[1]["FLOPs in results.json (G)"], rows[1]["Equal"]) == ("20.0000", "NO")
    text = challenge_section(challenge).body
    assert "2 of 3 teams counted, of the checkout 0123456789ab. Nothing was timed" in text
    assert "1 of 2 agree to the digit" in text
    assert "- 08: build: No such file 'PATH'" in text
    assert len({line.count(",") for line in to_csv(table).splitlines()}) == 1
    assert scored(challenge) is None


def test_timed_teams_are_scored_over_the_entry_of_their_run() -> None:
    def timing(ms: float) -> dict[str, object]:
        samples = runtime(ms).samples_ms
        base = runtime(10.0).samples_ms
        timed = Runtime(3 * ms, [ms], samples)
        return {"runtime": timed, "baseline": "00_RLFN", "baseline_samples_ms": base}

    challenge = Challenge("ntire2024", (team(0, "RLFN", **timing(10.0)), team(7, "DVMSR", **timing(20.0))))
    found = scored(challenge)
    assert found
    text, table = found[0], found[1].shown
    headers = [column.title for column in table.columns]
    rows = [[cell.text for cell in row] for row in table.rows]
    assert table.rows[0][0].record == f"ntire2024/records/{challenge.teams[0].file_name}"
    assert "over 00_RLFN, measured in the same run" in text
    assert headers[:3] == ["Team", "Rank", "Score"]
    assert [row[:2] for row in rows] == [["00_RLFN", "1"], ["07_DVMSR", "2"]]
    assert {row[headers.index("Gate")] for row in rows} == {"not measured"}
    assert "| Team" in challenge_section(challenge).body


def test_folders_beside_the_records_become_sections(full_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "ntire2024" / "records"
    for one in (team(7, "DVMSR"), failed(8)):
        write_record(one, folder)
    write_record(team(7, "DVMSR", "Other CPU"), tmp_path / "ntire2026" / "records")
    (folder / "team09.json").write_text("{", encoding="utf-8")
    (tmp_path / "ntire2022").mkdir()
    studies = load_studies(full_folder)
    assert [e.file for e in studies.left_out] == ["ntire2024/records/team09.json"]
    assert [e.file for e in studies.homeless(load(full_folder).devices)] == ["ntire2026/"]
    out = tmp_path / "out"
    assert main(["--records", str(full_folder), "--out", str(out)]) == 0
    assert "## Entries of NTIRE 2024" in (out / "report.md").read_text(encoding="utf-8")
    assert (out / "ntire2024.csv").is_file()
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "Entries of NTIRE 2024: counts" in page
    assert "ntire2024/records/team07__test-cpu__2t__256x256__" in page
    assert "/somewhere" not in page
