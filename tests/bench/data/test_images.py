"""Image arithmetic: MATLAB's imresize bit for bit, and PSNR and SSIM by both protocols."""

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from bench.data.datasets import find_dataset
from bench.data.images import read_rgb
from bench.data.imresize import imresize
from bench.data.metrics import crop_border, luma, psnr, ssim
from bench.measurement.quality import score
from models import create_model
from models.classic.bicubic import cubic_kernel, resize_matrix, round_to_uint8
from models.errors import EsrError
from tests.data import esr_data

rng = np.random.default_rng(0)


def noise(height: int, width: int) -> NDArray[np.uint8]:
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_imresize_reproduces_the_published_set5() -> None:
    pairs = find_dataset("Set5", esr_data()).pairs
    assert len(pairs) == 5
    for pair in pairs:
        assert pair.lr
        published, _ = read_rgb(pair.lr)
        hr, _ = read_rgb(pair.hr)
        assert np.array_equal(imresize(hr, 1 / 4), published), pair.name


def test_imresize_depends_on_its_details() -> None:
    """Each detail of MATLAB's way changes some pixels: rounding between passes, order, border, antialiasing."""
    image = noise(40, 48)
    got = imresize(image, 1 / 4).astype(np.float64)
    x = torch.tensor(image).double().permute(2, 0, 1)
    rows, columns = resize_matrix(40, 1 / 4), resize_matrix(48, 1 / 4)
    unrounded = round_to_uint8(rows @ x @ columns.T)
    columns_first = round_to_uint8(rows @ round_to_uint8(x @ columns.T))
    for other in (unrounded, columns_first):
        difference = np.abs(other.permute(1, 2, 0).numpy() - got)
        assert 0 < difference.max() <= 1


def test_resize_matrix() -> None:
    down = resize_matrix(16, 1 / 4)
    assert down.shape == (4, 16)
    torch.testing.assert_close(down.sum(1), torch.ones(4, dtype=torch.float64))
    # Output 2 of a long row is centred between pixels 9 and 10 and sees 16 of them, the kernel widened by 4.
    row = resize_matrix(64, 1 / 4)[2]
    expected = cubic_kernel((torch.arange(64, dtype=torch.float64) - 9.5) / 4)
    torch.testing.assert_close(row, expected / expected.sum())
    assert int((row != 0).sum()) == 16
    up = resize_matrix(4, 4)
    assert up.shape == (16, 4)
    torch.testing.assert_close(up.flip(0, 1), up)  # symmetric border
    assert cubic_kernel(torch.tensor([0.0, 0.5, 1.0, 1.5, 2.0, 3.0])).tolist() == [1, 0.5625, 0, -0.0625, 0, 0]


def test_odd_sizes_and_wrong_arrays() -> None:
    assert imresize(noise(41, 30), 1 / 4).shape == (11, 8, 3)  # ceil, as MATLAB
    assert imresize(noise(4, 4), 1 / 4).shape == (1, 1, 3)
    with pytest.raises(ValueError, match="uint8"):
        imresize(noise(8, 8).astype(np.float32), 1 / 4)  # type: ignore[arg-type]


def test_bicubic_network_is_imresize() -> None:
    lr = noise(13, 17)
    out = create_model("bicubic")(torch.tensor(lr).permute(2, 0, 1)[None].double())
    assert np.array_equal(out[0].permute(1, 2, 0).numpy().astype(np.uint8), imresize(lr, 4))


def test_luma() -> None:
    image = np.array([[[0, 0, 0], [255, 255, 255], [255, 0, 0]]], dtype=np.uint8)
    assert luma(image)[0].tolist() == pytest.approx([16, 235, 16 + 65.481])


def test_psnr() -> None:
    a = noise(20, 20).astype(np.float64)
    assert psnr(a, a) == math.inf
    assert psnr(a, a + 1) == pytest.approx(20 * math.log10(255))
    assert psnr(a, a + 255) == pytest.approx(0)


def gaussian_ssim(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """SSIM by its definition, one window at a time."""
    offset = np.arange(11) - 5
    kernel = np.exp(-(offset**2) / (2 * 1.5**2))
    window = np.outer(kernel, kernel) / kernel.sum() ** 2
    c1, c2, values = (0.01 * 255) ** 2, (0.03 * 255) ** 2, []
    for i in range(a.shape[0] - 10):
        for j in range(a.shape[1] - 10):
            x, y = a[i : i + 11, j : j + 11], b[i : i + 11, j : j + 11]
            mx, my = (window * x).sum(), (window * y).sum()
            vx, vy = (window * x * x).sum() - mx**2, (window * y * y).sum() - my**2
            cov = (window * x * y).sum() - mx * my
            values.append((2 * mx * my + c1) * (2 * cov + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2)))
    return float(np.mean(values))


@pytest.mark.parametrize("size", [(24, 31), (11, 40)])
def test_ssim_by_its_definition(size: tuple[int, int]) -> None:
    a = luma(noise(*size))
    b = np.clip(a + rng.normal(0, 20, a.shape), 0, 255)
    assert ssim(a, b) == pytest.approx(gaussian_ssim(a, b), abs=1e-12)
    assert ssim(a, a) == pytest.approx(1)


def test_too_small_for_ssim_or_border() -> None:
    with pytest.raises(ValueError, match="at least 11x11"):
        ssim(np.zeros((10, 20)), np.zeros((10, 20)))
    with pytest.raises(ValueError, match="nothing left"):
        crop_border(np.zeros((8, 20)), 4)


def test_score_knows_both_protocols_and_their_common_slips() -> None:
    hr = noise(40, 44)
    sr = np.clip(hr.astype(np.int16) + rng.integers(-9, 10, hr.shape), 0, 255).astype(np.uint8)
    sr[:4] = 0  # a border that must not count
    got = score("x", noise(10, 11), hr, sr, 1.5)
    inner_sr, inner_hr = sr[4:-4, 4:-4], hr[4:-4, 4:-4]
    assert got.psnr_rgb == pytest.approx(psnr(inner_sr, inner_hr))
    assert got.psnr_y == pytest.approx(psnr(luma(inner_sr), luma(inner_hr)))
    assert got.ssim_y == pytest.approx(ssim(luma(inner_sr), luma(inner_hr)))
    assert got.psnr_y_rounded == pytest.approx(psnr(np.rint(luma(inner_sr)), np.rint(luma(inner_hr))))
    assert got.psnr_y_no_border == pytest.approx(psnr(luma(sr), luma(hr)))
    assert got.psnr_y_no_border < got.psnr_y - 5
    assert (got.height, got.width, got.time_ms) == (10, 11, 1.5)


def test_identical_images_have_no_finite_psnr() -> None:
    hr = noise(20, 20)
    got = score("same", noise(5, 5), hr, hr, 0.0)
    assert (got.psnr_rgb, got.psnr_y) == (None, None)
    assert got.ssim_y == pytest.approx(1)


def test_image_too_small_to_be_scored() -> None:
    with pytest.raises(EsrError, match=r"tiny is 16x16; scoring needs at least 19 pixels"):
        score("tiny", noise(4, 4), noise(16, 16), noise(16, 16), 0.0)
