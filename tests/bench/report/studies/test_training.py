"""The section on networks trained here."""

from pathlib import Path

from bench.core.render import to_csv
from bench.core.training_record import LossPoint, Score, TrainingRecord, write_training
from bench.report.build import build
from bench.report.lookup import load
from bench.report.studies.load import load_studies
from bench.report.studies.training import training_table, validation_table
from tests.bench.report.records import full_set
from tests.kept import write_record


def run(name: str, steps: int = 100, device: str = "Test CPU") -> TrainingRecord:
    config = {
        "steps": 200, "batch": 8, "seed": 3, "data": {"hr": ["T91"], "patch": 48},
        "model": {"name": "dvmsr", "options": {"channels": 24}},
    }  # fmt: skip
    return TrainingRecord(
        name, config, "2026-01-02T03:04:05Z", {"cpu": device}, "cpu", device, 2, 1, 12_345, 54_321, 91,
        steps=steps, seconds=40.0, peak_memory=2**29, losses=[LossPoint(50, {"loss": 0.1}, 1e-3)],
        scores=[Score(50, "Set5", 5, 28.0, 0.8, 26.0), Score(100, "Set5", 5, 29.5, 0.83, 27.5)],
        bicubic=[Score(0, "Set5", 5, 28.42, 0.81, 26.7)], finished=steps == 200,
    )  # fmt: skip


def test_table_by_hand() -> None:
    (row,) = training_table([run("a")]).rows
    assert [cell.text for cell in row] == [
        "a", "dvmsr (channels=24)", "12,345", "54,321", "100 steps of 8 patches of 48x48, unfinished",
        "T91 (91 images)", "Set5", "29.500", "+1.080", "0.8300", "0.7", "20.0", "512",
    ]  # fmt: skip
    lines = to_csv(validation_table([run("a")])).splitlines()
    assert len(lines) == 3
    assert lines[2].startswith("a,dvmsr,channels=24,54321,200,")


def test_found_beside_the_records_and_kept_with_its_device(tmp_path: Path) -> None:
    for item in full_set():
        write_record(item, tmp_path / "records")
    for name, device in (("a", "Test CPU"), ("b", "Other CPU")):
        write_training(run(name, device=device), tmp_path / "training" / name)
    (tmp_path / "training/c").mkdir()
    (tmp_path / "training/c/record.json").write_text("{")
    files = build(load(tmp_path / "records"), load_studies(tmp_path / "records"))
    report = files["report.md"].decode()
    assert "## Networks trained here" in report
    assert "| a " in report
    assert "| b " not in report
    assert "`training/b`: is of a device without a record" in report
    assert "`training/c/record.json`" in report
    assert files["training.png"].startswith(b"\x89PNG")
