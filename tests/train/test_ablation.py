"""The ablation driver: rows trained at a tiny budget, kept on a second call, and the table beside the paper's."""

import csv
from pathlib import Path

import pytest

from bench.core.record_file import read_as
from bench.core.training_record import FILE, TrainingRecord
from train import ablation
from train.ablation import main


def words(images: Path, out: Path) -> list[str]:
    return [
        "--steps", "2", "--batch", "1", "--data.hr", f"[{images}]", "--data.patch", "32", "--data.workers", "0",
        "--validation.sets", "[photos]", "--validation.limit", "1", "--validation.every", "0", "--device", "cpu",
        "--model.options", "{channels: 8, depths: [1, 1, 1, 1]}", "--out", str(out),
    ]  # fmt: skip


@pytest.mark.slow("a row of an ablation, trained")
def test_a_row_with_its_teacher_and_the_table(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    small = {"channels": 12, "depths": [1, 1, 1, 1]}
    monkeypatch.setitem(ablation.TABLES["table7"], "teacher", small)
    out = tmp_path / "runs"
    assert main(["--table", "7", "--row", "2", *words(images, out)]) == 0
    runs = {folder.name: read_as(TrainingRecord, folder / FILE) for folder in out.iterdir() if folder.is_dir()}
    assert set(runs) == {"teacher_12x4_2x1x32_seed0", "table7_row2_2x1x32_seed0"}
    student = runs["table7_row2_2x1x32_seed0"]
    assert student.finished
    assert student.teacher_parameters == runs["teacher_12x4_2x1x32_seed0"].parameters
    losses = student.losses[-1].losses
    assert losses["loss"] == pytest.approx(losses["truth"] + losses["mid"], rel=1e-5)
    with (out / "table7.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert (rows[1]["position"], rows[1]["loss"], rows[1]["set5_psnr"]) == ("mid", "L1", "32.11")
    assert rows[1]["budget"] == "2 steps of 1 patches of 32x32, seed 0"
    assert rows[1]["parameters"] == str(student.parameters)
    assert rows[1]["trained_here"].startswith("photos ")
    assert rows[0]["trained_here"] == ""  # whose command is in the report's list of what is missing
    capsys.readouterr()
    assert main(["--table", "7", "--row", "2", *words(images, out)]) == 0
    assert capsys.readouterr().err.count("is finished") == 2


def test_wrong_calls(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "--table is missing" in capsys.readouterr().err
    assert main(["--table", "3", "--row", "9"]) == 2
    assert "has 4 rows" in capsys.readouterr().err
    assert main(["--table", "2"]) == 2
