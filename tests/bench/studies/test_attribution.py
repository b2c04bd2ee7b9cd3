"""Attribution: maps, indices and radii by hand."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy import stats
from torch import Tensor

from bench.studies.attribution.attribution_record import BlurPath, Patch
from bench.studies.attribution.lam import Attribution, attribute, blurred, check_patch, detect, gaussian_kernel
from bench.studies.attribution.map import FLOOR, area_of_contribution, diffusion_index, gini, normalised
from bench.studies.attribution.receptive_field import Sample, centre, draw_samples, field, gradient_sizes, radii_of
from bench.studies.attribution.saved_memory import saved_bytes_per_pixel
from bench.studies.attribution.study import detailed_patch
from models.errors import EsrError

SIDE, N = 12, 144  # of the test image, and its pixels
rng = np.random.default_rng(0)
IMAGE = torch.tensor(rng.random((3, SIDE, SIDE)), dtype=torch.float32)


def nothing(count: int) -> None:
    pass


def whole(network, patch: Patch, path: BlurPath, at_once: int = 7) -> Attribution:  # type: ignore[no-untyped-def]
    return attribute(network, IMAGE, patch, path, at_once, nothing)


def nearest(x: Tensor) -> Tensor:
    """Each LR pixel four times four."""
    return F.interpolate(x, scale_factor=4, mode="nearest")


def copies_one_pixel(x: Tensor) -> Tensor:
    """LR pixel (5, 7) at the output's (20, 20), black elsewhere."""
    spot = torch.zeros(4 * SIDE, 4 * SIDE)
    spot[20, 20] = 1
    return x[:, :, 5:6, 7:8] * spot


# ---- indices ----------------------------------------------------------------------------------


def test_gini_by_hand() -> None:
    assert gini(np.full((4, 5), 0.3)) == pytest.approx(0, abs=1e-12)
    spike = np.zeros((4, 5))
    spike[1, 2] = 1
    assert gini(spike) == pytest.approx(1 - 1 / 20, abs=20 * FLOOR * 20)
    assert gini(np.array([1.0, 3.0])) == pytest.approx(0.25, abs=1e-6)  # |1 - 3| * 2 / (2 * 4 * 2)


def test_diffusion_index_takes_the_absolute_value_and_no_scale() -> None:
    signed = np.array([[1.0, -3.0]])
    assert diffusion_index(signed) == pytest.approx(75, abs=1e-4)
    assert diffusion_index(signed) == pytest.approx(diffusion_index(-5 * signed), abs=1e-9)
    assert normalised(signed).max() == 1
    with pytest.raises(ValueError, match="zero everywhere"):
        normalised(np.zeros((2, 2)))


def test_the_patch_lies_where_the_middle_half_has_most_detail() -> None:
    lr = np.full((32, 40, 3), 90, dtype=np.uint8)
    lr[2:6, 2:6:2] = 255  # more of it, but at the edge
    lr[14:18:2, 21:25:2] = 200
    patch = detailed_patch(lr, 16, 4)
    assert (80 <= patch.x <= 84, 52 <= patch.y <= 56, patch.size) == (True, True, 16)
    for size in ((1, 1), (2, 5), (5, 2), (3, 3)):
        small = detailed_patch(np.zeros((*size, 3), dtype=np.uint8), min(16, 4 * min(size) - 1), 4)
        check_patch(small, 4 * size[0], 4 * size[1])


@pytest.mark.parametrize("shape", [(9, 9), (14, 6)])
def test_area_is_scipys_estimate(shape: tuple[int, int]) -> None:
    signed = rng.normal(size=shape) ** 3
    y, x = np.indices(shape)
    positions = np.vstack([x.ravel(), y.ravel()])
    expected = stats.gaussian_kde(positions, weights=normalised(signed).ravel())(positions).reshape(shape)
    assert np.allclose(area_of_contribution(signed), expected / expected.max(), atol=1e-9)


def test_area_of_a_spike_is_the_spike() -> None:
    signed = np.zeros((5, 6))
    signed[2, 3] = -4
    assert np.array_equal(area_of_contribution(signed), np.abs(signed) / 4)


# ---- the path and the map ----------------------------------------------------------------------------------


def test_path_ends_at_the_image_and_starts_at_the_blur() -> None:
    path = BlurPath(steps=10)
    points = blurred(IMAGE, path, 0, 11)
    assert points.shape == (11, 3, SIDE, SIDE)
    assert torch.equal(points[10], IMAGE)
    kernel = gaussian_kernel(9, 1.2)
    assert kernel.sum() == pytest.approx(1)
    assert kernel[4, 4] / kernel[4, 5] == pytest.approx(math.exp(1 / (2 * 1.2**2)), rel=1e-4)
    padded = F.pad(IMAGE.double()[None], (4, 4, 4, 4), mode="reflect")[0]
    assert points[0, 1, 0, 3] == pytest.approx(float((padded[1, :9, 3:12] * kernel).sum()), abs=1e-6)
    assert torch.equal(blurred(IMAGE, path, 3, 5), points[3:5])


def test_detector_by_hand() -> None:
    output = torch.zeros(1, 1, 5, 5)
    output[0, 0, 2, 2] = 3
    output[0, 0, 2, 3] = 7
    # At (2, 2): down 3, right 4 -> 5. Above it: down 3. Left of it: right 3. At (2, 3): down 7, right 7.
    assert detect(output, Patch(2, 2, 1)).item() == pytest.approx(5)
    assert detect(output, Patch(1, 1, 2)).item() == pytest.approx(3 + 3 + 5)
    assert detect(output, Patch(0, 0, 4)).item() == pytest.approx(5 + 3 + 3 + 7 + math.hypot(7, 7))


def test_a_flat_spot_has_no_gradient_and_harms_no_other() -> None:
    output = torch.zeros(1, 1, 4, 4)
    output[0, 0, 1, 1] = 2
    output.requires_grad_()
    (gradient,) = torch.autograd.grad(detect(output, Patch(0, 0, 3)).sum(), output)
    assert torch.isfinite(gradient).all()
    assert gradient[0, 0, 1, 1] == pytest.approx(2 + math.sqrt(2))  # at (0, 1), (1, 0), and both of (1, 1)


def test_a_copied_pixel_has_all_attribution() -> None:
    found = whole(copies_one_pixel, Patch(16, 16, 8), BlurPath(steps=20))
    assert np.argwhere(found.signed).tolist() == [[5, 7]]
    # The pixel's value times (1 + 1 + sqrt 2) is what the detector sees, so the sum over steps is exact.
    length = 2 + math.sqrt(2)
    assert found.end == pytest.approx(length * float(IMAGE[:, 5, 7].sum()), rel=1e-5)
    assert found.signed[5, 7] == pytest.approx(found.end - found.start, rel=1e-4)
    assert diffusion_index(found.signed) == pytest.approx(100 / N, abs=0.01)


def test_the_map_sums_to_the_change_of_the_detector() -> None:
    """Completeness: the error of the sum over steps shrinks as one over their number."""
    weight = torch.tensor(rng.normal(size=(3, 3, 3, 3)), dtype=torch.float32)

    def network(x: Tensor) -> Tensor:
        return nearest(torch.tanh(F.conv2d(x, weight, padding=1)))

    errors = []
    for steps in (50, 200):
        found = whole(network, Patch(12, 12, 20), BlurPath(steps=steps))
        errors.append(abs(float(found.signed.sum()) / (found.end - found.start) - 1))
    assert errors[0] < 0.1
    assert errors[1] < 0.3 * errors[0]


def test_how_many_steps_share_a_pass_changes_nothing() -> None:
    one, seven = (whole(nearest, Patch(9, 9, 9), BlurPath(steps=10), at_once) for at_once in (1, 7))
    assert np.allclose(one.signed, seven.signed, atol=1e-6)
    assert (one.start, one.end) == pytest.approx((seven.start, seven.end))


@pytest.mark.parametrize(
    ("network", "message"),
    [(lambda x: nearest(x.detach()), "no gradient passes"), (lambda x: nearest(0 * x), "no attribution")],
)
def test_networks_without_gradient(network, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(EsrError, match=message):
        whole(network, Patch(9, 9, 9), BlurPath(steps=2))


@pytest.mark.parametrize("patch", [Patch(0, 0, 0), Patch(32, 0, 16), Patch(0, 32, 16), Patch(0, 0, 48)])
def test_patches_that_do_not_fit(patch: Patch) -> None:
    check_patch(Patch(31, 31, 16), 48, 48)
    with pytest.raises(EsrError, match=r"^--patch [^\n]+$"):
        check_patch(patch, 48, 48)


# ---- receptive field ----------------------------------------------------------------------------------


def test_radii_by_hand() -> None:
    share = np.zeros((5, 5))
    share[2, 2], share[2, 3], share[0, 2] = 0.5, 0.45, 0.05
    assert radii_of(share, (2, 2), (0.5, 0.6, 0.95, 1.0)) == [0, 1, 1, 2]


def test_gradient_belongs_to_the_output_pixel() -> None:
    samples = [Sample(IMAGE[:, :7, :7], 0, 3), Sample(IMAGE[:, 2:9, 2:9], 2, 1)]
    for size, sample in zip(gradient_sizes(nearest, samples, 4), samples, strict=True):
        assert np.argwhere(size.sum(0)).tolist() == [[3, 3]]
        assert centre(sample, 4) == (3 + (sample.row - 1.5) / 4, 3 + (sample.column - 1.5) / 4)


def test_field_of_a_known_blur() -> None:
    """Every LR pixel and its four neighbours by a fifth: the middle and a ring around it at about 1."""
    cross = torch.tensor([[0, 1, 0], [1, 1, 1], [0, 1, 0]]).float().expand(3, 1, 3, 3) / 5

    def network(x: Tensor) -> Tensor:
        return nearest(F.conv2d(x, cross, padding=1, groups=3))

    samples = {"a": draw_samples(IMAGE, 5, 9, 4, np.random.default_rng(1))}
    ((image,), squared, absolute) = field(network, samples, 4, 2, nothing)
    assert squared.sum() == pytest.approx(1)
    assert np.allclose(squared[3:6, 3:6] * 5, cross[0, 0].numpy() * 5, atol=1e-6)
    assert np.allclose(absolute, squared, atol=1e-6)
    assert len(image.most_absolute) == 5
    assert all(1 <= radius < 1 + 3 / 8 * math.sqrt(2) for radius in image.most_absolute)


def test_saved_memory_by_hand() -> None:
    """tanh keeps its output: 3 channels of 4 bytes; multiplying by a constant keeps nothing more."""
    assert saved_bytes_per_pixel(lambda x: torch.tanh(x) * 2.0, IMAGE) == 12
