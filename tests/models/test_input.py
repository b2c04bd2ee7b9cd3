"""From 8-bit RGB to a network's input, and back."""

import numpy as np
import pytest
import torch

from bench.data.datasets import find_dataset
from bench.data.imresize import imresize
from bench.data.metrics import luma
from models import create_model, get_spec, list_models
from models.classic.bicubic import resize_matrix
from models.input import input_shape, output_shape, to_image, to_input


def photo(height: int, width: int) -> torch.Tensor:
    """An image without extreme colours, so that nothing is clipped."""
    generator = torch.Generator().manual_seed(0)
    return torch.randint(90, 160, (height, width, 3), generator=generator, dtype=torch.uint8)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("dvmsr", (1, 3, 256, 200)),
        ("fsrcnn", (1, 1, 256, 200)),
        ("vdsr", (1, 1, 1024, 800)),
        ("srmdnf", (1, 3, 256, 200)),
    ],
)
def test_shapes(name: str, expected: tuple[int, ...]) -> None:
    spec = get_spec(name)
    assert input_shape(spec, 256, 200) == expected
    assert output_shape(spec, 256, 200) == (1, expected[1], 1024, 800)
    assert to_input(photo(16, 12), spec).shape == input_shape(spec, 16, 12)


def test_rgb_is_scaled_to_the_range() -> None:
    image = photo(4, 5)
    for name, white in (("dvmsr", 1.0), ("rlfn", 255.0)):
        spec = get_spec(name)
        x = to_input(image, spec)
        torch.testing.assert_close(x[0].permute(1, 2, 0) * 255 / white, image.float())
        enlarged = x.repeat_interleave(4, dim=2).repeat_interleave(4, dim=3)
        back = to_image(enlarged, image, spec)
        assert torch.equal(back, image.repeat_interleave(4, dim=0).repeat_interleave(4, dim=1))


def test_luma_is_matlabs_and_not_rounded() -> None:
    image = photo(6, 7)
    x = to_input(image, get_spec("fsrcnn"))
    np.testing.assert_allclose(255 * x[0, 0].numpy(), luma(image.numpy()), rtol=1e-6)


def test_enlarged_luma_is_imresize_of_the_float_image() -> None:
    image = photo(6, 7)
    y = torch.from_numpy(luma(image.numpy()))
    exact = resize_matrix(6, 4) @ y @ resize_matrix(7, 4).T
    torch.testing.assert_close(255 * to_input(image, get_spec("vdsr"))[0, 0].double(), exact, rtol=1e-6, atol=1e-6)


def test_a_network_that_does_nothing_gives_the_bicubic_image() -> None:
    image, spec = photo(20, 24), get_spec("vdsr")
    out = to_image(to_input(image, spec), image, spec)
    assert out.dtype == torch.uint8
    difference = out.int() - torch.from_numpy(imresize(image.numpy(), 4)).int()
    assert difference.abs().max() <= 1  # imresize rounds after each axis


def test_luma_survives_the_way_through_rgb() -> None:
    image, spec = photo(20, 24), get_spec("vdsr")
    y = to_input(image, spec) + 0.02 * torch.rand(input_shape(spec, 20, 24))
    error = luma(to_image(y, image, spec).numpy()) - 255 * y[0, 0].numpy()
    assert abs(error).max() < 0.5
    assert (error**2).mean() == pytest.approx((0.257**2 + 0.504**2 + 0.098**2) / 12, rel=0.2)  # three roundings


@pytest.mark.parametrize("name", list_models())
def test_every_network_takes_and_returns_rgb(name: str) -> None:
    """What it makes of a photograph is what the harness scores, up to the rounding of one grey level."""
    image = torch.tensor(find_dataset("photos", None).pairs[0].load().lr[40:64, 30:62])
    torch.manual_seed(0)
    network = create_model(name, rgb=True)
    spec = get_spec(name)
    x = image.permute(2, 0, 1)[None].float() / 255
    with torch.no_grad():
        y = network(x)
        scored = to_image(network.network(to_input(image, spec)), image, spec)
    assert y.shape == (1, 3, 4 * 24, 4 * 32)
    assert 0 <= y.min() <= y.max() <= 1
    rounded = (y[0].permute(1, 2, 0) * 255).round().to(torch.uint8)
    different = (rounded.int() - scored.int()).abs()
    assert different.max() <= 1
    assert (different > 0).double().mean() < 1e-3


def test_rgb_networks_take_batches_of_rgb_alone() -> None:
    network = create_model("fsrcnn", rgb=True)
    x = torch.rand(2, 3, 6, 5)
    with torch.no_grad():
        both, second = network(x), network(x[1:])
    assert torch.allclose(both[1:], second, atol=1e-6)
    with pytest.raises(ValueError, match=r"takes \(b, 3, h, w\) RGB"):
        network(torch.rand(1, 1, 6, 5))
