"""Counts of the classic networks, on their own input, against counts worked out by hand."""

import pytest

from bench.core.record import Complexity
from bench.counts.complexity import count_complexity
from bench.counts.published import fvcore_total
from models import create_model, get_spec
from tests.models.test_classics import CLASSICS
from tests.models.test_networks import SMALL


def count(name: str, height: int, width: int) -> Complexity:
    return count_complexity(create_model(name), height, width, get_spec(name))


@pytest.mark.parametrize("name", CLASSICS)
def test_every_operator_is_covered_and_counts_grow_with_the_pixels(name: str) -> None:
    model, spec = create_model(name, **SMALL.get(name, {})), get_spec(name)
    small, large = count_complexity(model, 12, 16, spec), count_complexity(model, 24, 32, spec)
    assert small.uncovered_ops == []
    assert small.conv2d > 0
    if name not in ("idn", "lapsrn"):  # they pad or cut inside
        assert large.macs == 4 * small.macs
        assert large.flops_published == 4 * small.flops_published
        assert large.activations_published == 4 * small.activations_published


def test_srcnn_by_hand() -> None:
    """Enlarged luma: 16 pixels for each LR pixel; a multiply-add a weight, two ReLUs, three biases."""
    counts, pixels = count("srcnn", 256, 256), 1024 * 1024
    assert counts.macs == counts.flops_published == 8_032 * pixels
    assert counts.flops == (2 * 8_032 + (64 + 32 + 1) + (64 + 32)) * pixels
    assert counts.activations == counts.activations_published == (64 + 32 + 1) * pixels
    assert counts.conv2d == 3


def test_convolutions_at_lr_size_by_hand() -> None:
    weights = 1_552_048 - 11 * 128 - 48
    assert count("srmdnf", 256, 256).macs == weights * 65_536
    # Deconvolution: every LR pixel meets all its weights.
    assert count("fsrcnn", 256, 256).macs == (1_400 + 672 + 4 * 1_296 + 672 + 4_536) * 65_536


def test_recursions_by_hand() -> None:
    pixels, conv = 1024 * 1024, 256 * 256 * 9
    assert count("drcn", 256, 256).flops_published == (2_304 + conv + 16 * (2 * conv + 2_304)) * pixels
    assert count("drrn", 256, 256).flops_published == (2 * 1_152 + 50 * 147_456) * pixels


def test_memnet_counts_batch_normalisation_as_fvcore_does() -> None:
    model = create_model("memnet", blocks=2, recursions=2, channels=8)
    counts = count_complexity(model, 8, 12, get_spec("memnet"))
    assert counts.flops_published == fvcore_total(model, 32, 48, channels=1)
    assert counts.flops_published > counts.macs
