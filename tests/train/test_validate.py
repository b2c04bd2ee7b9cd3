"""Scores during training follow the same rules as those of bench/profile.py."""

import math
from pathlib import Path

import pytest
from PIL import Image

from bench.core.record import Settings
from bench.core.statistics import quality_means
from bench.core.wording import difference
from bench.data.datasets import find_dataset
from bench.measurement.quality import measure_quality
from bench.networks.engine import Engine, Job
from train.validate import validate_bicubic


def folder(path: Path, *greys: int) -> str:
    path.mkdir()
    for grey in greys:
        Image.new("RGB", (48, 48), (grey,) * 3).save(path / f"{grey}.png")
    Image.radial_gradient("L").convert("RGB").resize((48, 48)).save(path / "round.png")
    if len(greys) > 1:
        (path / "round.png").unlink()
    return str(path)


@pytest.mark.parametrize("greys", [(7, 90), (7,)])
def test_a_flat_image_is_infinite_as_in_profile(tmp_path: Path, greys: tuple[int, ...]) -> None:
    """Alone it is no 0.0 dB, and beside others it is not left out."""
    dataset = find_dataset(folder(tmp_path / "flat", *greys), None)
    (score,) = validate_bicubic([dataset])
    engine = Engine(Job("bicubic", {}, None, Settings("cpu", "x", 12, 12, threads=1), "cpu"))
    means = quality_means(measure_quality(engine.upscale, dataset, lambda _: None).images)
    assert (score.psnr_y, score.psnr_rgb) == (None, None)
    assert score.y_db == score.rgb_db == means.psnr_y == means.psnr_rgb == math.inf
    assert score.ssim_y == pytest.approx(means.ssim_y)


def test_differences_with_infinite_psnr() -> None:
    assert difference(math.inf, 30.0, 3) == "+∞"
    assert difference(30.0, math.inf, 3) == "-∞"
    assert difference(math.inf, math.inf, 3) == "0.000"
