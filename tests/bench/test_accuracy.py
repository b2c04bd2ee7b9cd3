"""`bench/accuracy.py`: differences by hand, records, and the command on a small image with the real weights."""

import argparse
import dataclasses
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.accuracy import _parser, main, make_plans
from bench.core.record_file import read_as
from bench.studies.accuracy import study as accuracy_study
from bench.studies.accuracy.accuracy_record import AccuracyRecord, AccuracyVariant, Difference
from bench.studies.accuracy.study import BASE, EXACT, difference, list_variants
from models.errors import EsrError
from tests.bench.report.records import accuracy_record, accuracy_result
from tests.commands import run
from tests.data import esr_data
from tests.kept import write_record

ROOT = Path(__file__).parents[2]
SCRIPT = str(ROOT / "bench" / "accuracy.py")
BF16 = AccuracyVariant("bf16", "chunked", {"fused": False})


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """The real weights, and a Set5 of two pieces of a butterfly's wing."""
    data, mine = esr_data(), tmp_path / "data"
    (mine / "images/Set5/HR").mkdir(parents=True)
    (mine / "weights").mkdir()
    shutil.copy(data / "weights/DVMSR.pth", mine / "weights")
    butterfly = Image.open(data / "images/Set5/HR/butterfly.png")
    for i, size in enumerate((64, 80)):
        butterfly.crop((40, 40, 40 + size, 100)).save(mine / f"images/Set5/HR/piece{i}.png")
    return mine


def arguments(*words: str) -> argparse.Namespace:
    return _parser().parse_args(["--device", "cpu", *words])


def test_difference_by_hand() -> None:
    a = np.array([[[0, 255, 7], [1, 2, 3]]], dtype=np.uint8)
    b = np.array([[[255, 255, 8], [1, 2, 3]]], dtype=np.uint8)
    assert difference(a, b) == Difference(largest=255, changed=2, values=6)
    assert difference(a, a) == Difference(0, 0, 6)


def test_variants(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accuracy_study, "list_backends", lambda device: ["reference", "chunked", "quick"])
    monkeypatch.setattr(accuracy_study, "fuses", lambda options, name, dtype: name == "quick" and dtype.itemsize == 4)
    found = [(v.precision, v.backend, v.options["fused"]) for v in list_variants("cpu", None)]
    assert found == [
        ("fp32", "quick", False),
        ("fp32", "quick", True),
        ("bf16", "chunked", False),
        ("bf16", "quick", False),
    ]
    assert {v.precision for v in list_variants("cuda", ["chunked"])} == {"tf32", "bf16", "fp16"}
    assert [v.text for v in list_variants("cpu", ["quick"])][:2] == ["fp32, quick", "fp32, quick, fused"]


def test_round_trip(tmp_path: Path) -> None:
    record = accuracy_record([accuracy_result(BASE, 32.0, 0), accuracy_result(BF16, 31.9, 90, exact=False)])
    path = write_record(record, tmp_path)
    assert path.name.startswith("accuracy__dvmsr__test-cpu__2t__")
    assert read_as(AccuracyRecord, path) == record


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--model", "rlfn"), "has no selective scan"),
        (("--model", "dvmrs"), "did you mean dvmsr"),
        (("--backends", "warp"), "--backends warp cannot run on cpu here"),
        (("--limit", "0"), "--limit 0"),
        (("--threads", "0"), "--threads 0"),
        (("--device", "tpu"), "--device tpu"),
        (("--data", "Set6"), "unknown data set 'Set6'"),
        (("--exact", "Set99"), "unknown data set 'Set99'"),
        (("--data-dir", "nowhere"), "--data-dir is nowhere"),
        (("--data", "photos", "--model-args", "depths"), "is not K=V"),
    ],
)
def test_bad_arguments(words: tuple[str, ...], message: str) -> None:
    with pytest.raises(EsrError, match=r"^[^\n]+$") as error:
        make_plans(arguments(*words), lambda line: None)
    assert message in str(error.value)


def test_whole_command(data_dir: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = ("--backends", "chunked", "--data", "Set5", "--data-dir", str(data_dir), "--limit", "1", "--exact")
    done = run("bench/accuracy.py", "--device", "cpu", *words, "--out", out, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (path,) = out.glob("*.json")
    record = read_as(AccuracyRecord, path)
    assert [r.variant for r in record.results] == [BASE, BF16]
    base, bf16 = (r.images[0] for r in record.results)
    assert base.psnr_y
    assert bf16.psnr_y
    assert base.from_base.changed == 0
    assert 0.01 < bf16.from_base.changed / bf16.from_base.values < 0.9
    assert bf16.from_base.values == 3 * 64 * 60
    assert abs(bf16.psnr_y - base.psnr_y) < 0.2
    assert "bf16, chunked" in done.stdout
    assert path.with_suffix(".csv").is_file()
    assert str(tmp_path) not in path.with_suffix(".md").read_text(encoding="utf-8")
    assert str(tmp_path) not in path.read_text(encoding="utf-8")


@pytest.fixture
def painted_plan(data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> accuracy_study.AccuracyPlan:
    """A plan whose networks are replaced: each paints its image in one grey, and bf16 fails."""
    greys = {"fp32": 100, "fp64": 101}

    def upscale(plan, weights, variant, sets, progress):  # type: ignore[no-untyped-def]
        if variant == BF16:
            raise EsrError("the network returned NaN or infinite values")
        return {
            name: accuracy_study.Outputs([np.full_like(pair.hr, greys[variant.precision]) for pair in loaded], 1.0)
            for name, loaded in sets.items()
        }

    monkeypatch.setattr(accuracy_study, "_upscale", upscale)
    words = ("--backends", "chunked", "--data", "Set5", "--data-dir", str(data_dir), "--out", str(tmp_path / "out"))
    return make_plans(arguments(*words), lambda line: None)[0]


def test_base_and_float64_are_compared_and_a_failure_is_kept(painted_plan: accuracy_study.AccuracyPlan) -> None:
    record = accuracy_study.run(painted_plan, lambda line: None).records[0]
    assert [r.variant for r in record.results] == [BASE, EXACT]
    values = 3 * 64 * 60
    base, exact = (r.images[0] for r in record.results)
    assert (base.from_base, base.from_exact) == (Difference(0, 0, values), Difference(1, values, values))
    assert (exact.from_base, exact.from_exact) == (Difference(1, values, values), Difference(0, 0, values))
    assert [image.name for image in record.results[0].images] == ["piece0", "piece1"]
    assert [(entry.variant, entry.dataset) for entry in record.left_out] == [(BF16, "Set5")]
    assert "NaN" in record.left_out[0].reason


def test_an_interrupt_keeps_finished_variants(painted_plan: accuracy_study.AccuracyPlan) -> None:
    def tell(line: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        accuracy_study.run(painted_plan, tell)
    record = read_as(AccuracyRecord, next(painted_plan.out.glob("*.json")))
    assert [r.variant for r in record.results] == [BASE]


def test_a_second_run_keeps_what_is_there(
    painted_plan: accuracy_study.AccuracyPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[str] = []

    def upscale(plan, weights, variant, sets, progress):  # type: ignore[no-untyped-def]
        ran.append(variant.text)
        return {
            name: accuracy_study.Outputs([np.full_like(pair.hr, 99) for pair in loaded], 1.0)
            for name, loaded in sets.items()
        }

    monkeypatch.setattr(accuracy_study, "_upscale", upscale)
    first = accuracy_study.run(painted_plan, lambda line: None).records[0]
    assert ran == [BASE.text, EXACT.text, BF16.text]
    again = dataclasses.replace(painted_plan, reuse=True)
    second = accuracy_study.run(again, lambda line: None).records[0]
    assert ran[3:] == [BASE.text, EXACT.text]
    assert second.results == first.results
    fewer = dataclasses.replace(again, limit=1)
    assert [len(r.images) for r in accuracy_study.run(fewer, lambda line: None).records[0].results] == [1, 1, 1]
    assert ran[5:] == [BASE.text, EXACT.text, BF16.text]


def test_help_and_a_refusal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert "python bench/accuracy.py --data Set5 --limit 2" in _parser().format_help()
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    assert main(["--limit", "0"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
