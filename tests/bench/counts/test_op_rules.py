"""What single operators cost, worked out by hand."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.core.record import Complexity
from bench.counts.counting import count
from bench.counts.op_counter import ModuleStack, OpCounter


class Applied(nn.Module):
    """A function of the input, as a network."""

    def __init__(self, function: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Any:
        return self.function(x)


def counts_of(function: Callable[[Tensor], Any], shape: tuple[int, int, int, int] = (1, 3, 8, 8)) -> Complexity:
    return count(Applied(function).eval(), shape, (8, 8))


def test_complex_products_are_four_real_ones() -> None:
    w = torch.randn(32, 32, dtype=torch.cfloat)

    def mix(x: Tensor) -> Tensor:
        return torch.fft.irfft2(torch.einsum("bihw,io->bohw", torch.fft.rfft2(x), w.to(x.device)))

    (product,) = [op for op in counts_of(mix, shape=(1, 32, 64, 64)).ops if op.macs]
    assert (product.macs, product.flops) == (8_650_752, 17_301_504)  # 4 x 64 x 33 x 32 x 32


@pytest.mark.parametrize(
    ("function", "flops"),
    [
        (lambda z: z * z, 6),
        (lambda z: z * 2.0, 2),
        (lambda z: z * z.real, 2),
        (lambda z: z + z, 2),
        (lambda z: z - z, 2),
        (lambda z: -z, 2),
        (lambda z: z / z, 11),
        (lambda z: z / 2.0, 2),
        (lambda z: z.abs(), 4),
        (lambda z: z.exp(), 5),
        (lambda z: z.reciprocal(), 7),
        (lambda z: z.square(), 6),
        (lambda z: z.sum(), 2),
        (torch.conj, 0),
        (lambda z: z.real * z.real, 1),
    ],
)
def test_complex_numbers_are_two(function: Callable[[Tensor], Tensor], flops: int) -> None:
    counts = counts_of(lambda x: function(torch.complex(x, x)))
    assert counts.flops == flops * 3 * 8 * 8
    assert counts.uncovered_ops == []


def test_operators_met_in_submissions_by_hand() -> None:
    grid = torch.zeros(1, 4, 4, 2)
    cases: dict[str, tuple[Callable[[Tensor], Any], int]] = {
        "topk": (lambda x: x.topk(5).values, 192 * 3),  # 192 numbers, each into a heap of 5: log2 rounded up
        "grid": (lambda x: F.grid_sample(x, grid.to(x.device), align_corners=False), 8 * 3 * 16 + 4 * 32),
        "linspace": (lambda x: torch.linspace(0, 1, 9, device=x.device), 0),
        "isnan": (lambda x: x.isnan(), 192),
        "safe softmax": (lambda x: torch.ops.aten._safe_softmax(x, -1), 5 * 192),
    }
    for name, (function, flops) in cases.items():
        counts = counts_of(function)
        assert (counts.flops, counts.uncovered_ops) == (flops, []), name


def test_a_traced_convolution_counts_as_it_does_untraced() -> None:
    conv = nn.Conv2d(3, 8, 3, padding=1)
    traced = torch.jit.trace(conv, torch.rand(1, 3, 8, 8))
    macs = 8 * 8 * 8 * 27
    for network in (conv, traced):
        counts = count(network, (1, 3, 8, 8), (8, 8))
        assert (counts.macs, counts.flops) == (macs, 2 * macs + 512)
        assert counts.uncovered_ops == []


def test_the_fused_encoder_layer_by_hand() -> None:
    width, heads, hidden, tokens = 16, 4, 24, 64
    layer = nn.TransformerEncoderLayer(width, heads, hidden, batch_first=True)
    x = torch.rand(1, tokens, width)
    with torch.no_grad(), OpCounter(ModuleStack(layer.eval())) as counter:
        layer(x)
    (counts,) = (op for op in counter.counts() if op.macs)
    assert counts.op == "aten::_transformer_encoder_layer_fwd"
    assert not counter.uncovered
    macs = tokens * (4 * width * width + 2 * tokens * width + 2 * width * hidden)
    others = tokens * (5 * width + hidden + 10 * width + width + 5 * heads * tokens + hidden + 2 * width)
    assert (counts.macs, counts.flops) == (macs, 2 * macs + others)


def test_a_quantised_network_has_its_parameters_and_products() -> None:
    network = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))
    quantised = torch.ao.quantization.quantize_dynamic(network, {nn.Linear})
    counts = count(quantised, (1, 3, 5, 8), (8, 8))
    assert counts.parameters == 8 * 16 + 16 + 16 * 4 + 4
    assert counts.macs == 15 * (8 * 16 + 16 * 4)
    assert counts.uncovered_ops == []
