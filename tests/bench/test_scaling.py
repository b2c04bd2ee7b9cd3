"""Tiles, sizes until nothing fits, and the section made of them."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from bench.core.record import Memory
from bench.core.record_file import read_as
from bench.report.studies.scaling import scaling_section
from bench.report.studies.scaling_chart import exponent, median_ms, peak_bytes, scaling_charts
from bench.scaling import main
from bench.studies.scaling.scaling_record import Point, ScalingRecord, TiledImage
from bench.studies.scaling.tiling import run_tiled, spans
from tests.commands import run
from tests.data import esr_data

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("length", [1, 7, 16, 17, 31, 64, 100])
@pytest.mark.parametrize(("tile", "overlap"), [(16, 4), (16, 0), (7, 3), (64, 8)])
def test_tiles_cover_everything_once_with_their_context(length: int, tile: int, overlap: int) -> None:
    found = list(spans(length, tile, overlap))
    own = [pixel for _, _, begin, end in found for pixel in range(begin, end)]
    assert own == list(range(length))
    for begin, end, own_begin, own_end in found:
        assert 0 < end - begin <= tile
        assert own_begin - begin == min(overlap, own_begin)
        assert end - own_end == min(overlap, length - own_end)


def test_a_tile_without_anything_of_its_own_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing left"):
        list(spans(100, 16, 8))


@pytest.mark.parametrize("size", [(20, 20), (33, 50), (9, 70)])
def test_tiles_with_enough_context_change_nothing(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 8, 5, padding=2), nn.Conv2d(8, 48, 3, padding=1), nn.PixelShuffle(4))
    x = torch.rand(1, 3, *size)
    with torch.no_grad():
        torch.testing.assert_close(run_tiled(network, x, tile=16, overlap=3), network(x))


def test_too_little_context_shows_at_the_seams() -> None:
    def blur(x: Tensor) -> Tensor:
        return nn.functional.avg_pool2d(x, 5, stride=1, padding=2)

    x = torch.rand(1, 1, 40, 40)
    difference = (run_tiled(blur, x, tile=12, overlap=1) - blur(x)).abs()
    assert difference.max() > 0.01
    assert float((difference == 0).float().mean()) > 0.5


def synthetic(power: float) -> ScalingRecord:
    record = ScalingRecord("dvmsr", {}, "DVMSR", "cpu", "AMD EPYC", 2, "fp32", "native", "", {}, 32, 4)
    for size in (64, 128, 256, 512):
        ms = 3.0 * (size**2) ** power
        record.points.append(Point(size, None, 1.5 * ms, [ms] * 8, Memory("x", 1000 * size**2, None, 0)))
    record.points.append(Point(1024, None, problem="out of memory"))
    record.images = [TiledImage("Set5", "baby", 33.0, 32.5, 0.25, 9), TiledImage("Set5", "bird", 35.0, 35.0, 0.0, 0)]
    return record


def test_exponents_are_those_of_the_points() -> None:
    record = synthetic(1.5)
    assert exponent(record.points, median_ms) == pytest.approx(1.5)
    assert exponent(record.points, peak_bytes) == pytest.approx(1.0)
    assert exponent(record.points[:2], median_ms) is None  # 64x64 does not count


def test_section_plot_and_csv() -> None:
    records = [synthetic(1.0), synthetic(2.0)]
    section = scaling_section(records)
    body = section.body
    assert "to the power 2.00" in body
    assert "out of memory" in body
    assert "-0.2500" in body
    assert section.files()["scaling.csv"].count(b"\n") == 11
    time, memory = scaling_charts(records)
    assert time.conclusion == "Time grows with pixels to the power of: DVMSR 1.00, DVMSR 2.00 (1 is a cost per pixel)."
    assert memory.conclusion.startswith("Memory grows with pixels to the power of: DVMSR 1.00")
    assert "Cross: that size did not run" in time.caption
    assert "AMD EPYC, 2 threads" in time.caption
    failed = [series for series in time.series if series.shape == "cross"]
    assert [mark.x for series in failed for mark in series.marks] == [1024**2] * 2
    assert scaling_charts([]) == []


def test_whole_command(tmp_path: Path) -> None:
    words = ["--sizes", "16", "32", "64", "--tile", "24", "--overlap", "4", "--runs", "6", "--time-budget", "2"]
    words += ["--data", "photos", "--limit", "1", "--device", "cpu"]
    done = run("bench/scaling.py", "--model", "bicubic", *words, "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    record = read_as(ScalingRecord, next(tmp_path.glob("*.json")))
    assert [(p.size, p.tile) for p in record.points] == [(s, t) for t in (None, 24) for s in (16, 32, 64)]
    assert all(1 <= len(p.samples_ms) <= 6 and p.memory for p in record.points)
    assert "tiles of 24" in done.stdout
    assert record.images == []  # it has no weights, and says so
    assert "no weights" in done.stderr


def test_tiles_are_compared_on_images_that_are_cut(tmp_path: Path) -> None:
    words = ["--model", "fsrcnn", "--data", "Set5", "--data-dir", str(esr_data()), "--sizes", "16", "--runs", "1"]
    assert main([*words, "--tile", "64", "--overlap", "0", "--out", str(tmp_path), "--device", "cpu"]) == 0
    (path,) = tmp_path.glob("*.json")
    images = read_as(ScalingRecord, path).images
    assert [image.name for image in images] == ["baby", "bird", "head", "woman"]  # butterfly is one tile of 64x64
    assert all(0 < image.changed < 0.2 for image in images)
    assert all(abs((image.psnr_whole or 0) - (image.psnr_tiled or 0)) < 0.3 for image in images)


def test_what_would_take_too_long_is_not_begun(tmp_path: Path) -> None:
    words = ["--model", "fsrcnn", "--sizes", "32", "4096", "--longest", "0.2", "--runs", "2", "--time-budget", "1"]
    assert main([*words, "--out", str(tmp_path), "--device", "cpu"]) == 0
    record = read_as(ScalingRecord, next(tmp_path.glob("*.json")))
    assert record.points[0].samples_ms
    assert record.points[1].problem.startswith("not tried: ")
    kept = record.points[0].samples_ms
    assert main([*words, "--out", str(tmp_path), "--device", "cpu", "--reuse", "--sizes", "16", "32", "4096"]) == 0
    record = read_as(ScalingRecord, next(tmp_path.glob("*.json")))
    assert [(p.size, bool(p.samples_ms)) for p in record.points] == [(16, True), (32, True), (4096, False)]
    assert next(p for p in record.points if p.size == 32).samples_ms == kept


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--tile", "16", "--overlap", "8"], "use a larger tile"),
        (["--data", "Set5"], "give --tile"),
        (["--sizes", "0"], "must be positive"),
    ],
)
def test_wrong_calls(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--model", "bicubic", *words]) == 2
    assert said in capsys.readouterr().err
