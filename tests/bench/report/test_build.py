"""The command: what it makes, that it repeats to the byte, how it is started, how it fails."""

import ast
from pathlib import Path

import pytest

from bench.report.build import build, main
from bench.report.lookup import load
from tests.bench.report.records import RLFN_COUNTS, complexity, full_set, record
from tests.commands import ROOT, run
from tests.kept import write_record

FILES = {
    "report.html",
    "report.md",
    "figure1.png",
    "figure1.pdf",
    *(f"figure1_{cost}.{kind}" for cost in ("flops", "time", "memory") for kind in ("png", "pdf")),
    "scores.csv",
    "scores.md",
    *(
        f"{t}.{kind}"
        for t in ("table1", "table2", "table6", "table9", "table_parameters", "measured")
        for kind in ("md", "csv")
    ),
    *(f"{t}.tex" for t in ("table2", "table6", "table9", "table_parameters")),
    *(f"table1_{part}.tex" for part in ("parameters", "set5", "set14", "b100", "urban100", "manga109")),
}


def names(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


def test_one_device_goes_directly_into_the_folder(full_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert main(["--records", str(full_folder), "--out", str(out)]) == 0
    assert names(out) == FILES
    report = (out / "report.md").read_text(encoding="utf-8")
    order = ["What was measured", "Headline numbers", "Quality against cost", "Tables", "Known differences", "missing"]
    assert [report.index(title) for title in order] == sorted(report.index(title) for title in order)
    assert "figure1.png" in report
    assert str(tmp_path) not in report


def test_building_twice_gives_the_same_bytes(full_folder: Path) -> None:
    assert build(load(full_folder)) == build(load(full_folder))


def test_several_devices_get_a_folder_each(full_folder: Path, tmp_path: Path) -> None:
    write_record(record("rlfn", complexity=complexity(543_740, **RLFN_COUNTS), device_name="Other CPU"), full_folder)
    out = tmp_path / "out"
    assert main(["--records", str(full_folder), "--out", str(out)]) == 0
    found = names(out)
    assert {f"test-cpu-2t/{name}" for name in FILES - {"report.html"}} < found
    assert [name for name in found if name.endswith(".html")] == ["report.html"]
    assert "other-cpu-2t/report.md" in found
    assert "other-cpu-2t/figure1.png" in found
    assert "(test-cpu-2t/report.md)" in (out / "report.md").read_text(encoding="utf-8")


def test_left_out_records_are_named(full_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (full_folder / "cut.json").write_text("{", encoding="utf-8")
    assert main(["--records", str(full_folder), "--out", str(tmp_path / "out")]) == 0
    report = (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    assert "`cut.json`: the file is not a complete JSON record" in report
    assert "left out cut.json" in capsys.readouterr().out


@pytest.mark.parametrize("records", ["none", "empty", "broken"])
def test_bad_folders_are_one_line_and_status_2(
    tmp_path: Path, records: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / records
    if records != "none":
        folder.mkdir()
    if records == "broken":
        (folder / "a.json").write_text("[]", encoding="utf-8")
    assert main(["--records", str(folder), "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_an_unwritable_folder_is_one_line(
    full_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out").write_text("a file", encoding="utf-8")
    assert main(["--records", str(full_folder), "--out", str(tmp_path / "out")]) == 2
    assert "choose another --out" in capsys.readouterr().err


@pytest.mark.parametrize("start", [["bench/report/build.py"], ["-m", "bench.report.build"]])
def test_starts_as_a_script_from_another_folder_and_as_a_module(
    full_folder: Path, tmp_path: Path, start: list[str]
) -> None:
    elsewhere = ROOT if start[0] == "-m" else tmp_path
    done = run(*start, "--records", full_folder, "--out", tmp_path / "out", cwd=elsewhere)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{tmp_path / 'out' / 'report.html'}, and " in done.stdout
    assert "Of 15 known differences between paper and measurement, these records explain 13" in done.stdout


def test_help_gives_defaults_and_an_example() -> None:
    text = " ".join(run("bench/report/build.py", "--help").stdout.split())
    assert "default: results/records" in text
    assert "example: python bench/report/build.py" in text


def test_the_report_uses_records_alone() -> None:
    """No module of it imports torch, a network or a measurement."""
    core = {f"bench.core.{name}" for name in ("identity", "record", "record_file", "render", "statistics", "table")}
    core |= {"bench.core.training_record", "bench.core.wording", "bench.counts.text", "bench.score"}
    studies = {f"bench.studies.{name}" for name in ("kinds", "attribution.map", "roofline.costs", "scan.figures")}
    allowed = {*core, *studies, "models", "models.errors"}  # of models, what the registry says
    for path in (ROOT / "bench/report").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            modules += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for module in modules:
                assert module.split(".")[0] not in ("torch", "train"), path.name
                if module.split(".")[0] in ("bench", "models") and not module.startswith("bench.report"):
                    assert module in allowed or module.endswith("_record"), f"{path.name} imports {module}"


def test_the_synthetic_records_are_sound(full_folder: Path) -> None:
    assert len(load(full_folder).devices[0].measured) == len(full_set())
