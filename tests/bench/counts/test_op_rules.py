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


N = 3 * 8 * 8  # numbers of the input
LINEAR = nn.Linear(8, 4)
# Every operator that the submissions of NTIRE 2022 to 2026 run and that is not free: what it does to (1, 3, 8, 8), its
# multiply-adds and its FLOPs. The selective scan has a test of its own.
SUBMITTED: dict[str, tuple[Callable[[Tensor], Any], int, int]] = {
    "aten::_adaptive_avg_pool2d": (lambda x: F.adaptive_avg_pool2d(x, 2), 0, N),
    "aten::_fft_r2c": (torch.fft.rfft2, 0, 5 * N * 6 // 2),  # log2(8) for each of two dimensions, one side real
    "aten::_fft_c2r": (lambda x: torch.fft.irfft2(torch.fft.rfft2(x)), 0, 5 * N * 6 // 2),
    "aten::_log_softmax": (lambda x: x.log_softmax(1), 0, 5 * N),
    "aten::_prelu_kernel": (lambda x: F.prelu(x, torch.full((3,), 0.1, device=x.device)), 0, N),
    "aten::_softmax": (lambda x: x.softmax(-1), 0, 5 * N),
    "aten::_weight_norm_interface": (
        lambda x: torch._weight_norm_interface(torch.ones(5, 3, 3, 3, device=x.device), torch.ones(5, 1, 1, 1))[0],
        0,
        2 * 135 + 5,
    ),
    "aten::adaptive_max_pool2d": (lambda x: F.adaptive_max_pool2d(x, 2), 0, N),
    "aten::add": (lambda x: x + x, 0, N),
    "aten::addmm": (lambda x: F.linear(x.flatten(0, 2), *(p.to(x.device) for p in LINEAR.parameters())), 768, 1632),
    "aten::argmax": (lambda x: x.argmax(1), 0, N),
    "aten::bmm": (lambda x: x[0] @ x[0], 3 * 8**3, 2 * 3 * 8**3),
    "aten::clamp": (lambda x: x.clamp(0, 1), 0, N),
    "aten::clamp_min": (lambda x: x.clamp_min(0), 0, N),
    "aten::convolution": (
        lambda x: F.conv2d(x, torch.zeros(5, 3, 3, 3, device=x.device)),
        5 * 36 * 27,
        2 * 5 * 36 * 27,
    ),
    "aten::div": (lambda x: x / 3, 0, N),
    "aten::elu": (F.elu, 0, N),
    "aten::eq": (lambda x: x == 0, 0, N),
    "aten::exp": (torch.exp, 0, N),
    "aten::exponential": (lambda x: torch.empty_like(x).exponential_(), 0, N),
    "aten::gelu": (F.gelu, 0, N),
    "aten::grid_sampler_2d": (
        lambda x: F.grid_sample(x, torch.zeros(1, 4, 4, 2, device=x.device), align_corners=False),
        0,
        8 * 3 * 16 + 4 * 32,
    ),
    "aten::hardtanh": (F.relu6, 0, N),
    "aten::isnan": (torch.isnan, 0, N),
    "aten::leaky_relu": (F.leaky_relu, 0, N),
    "aten::linalg_vector_norm": (lambda x: torch.linalg.vector_norm(x, dim=1), 0, N),
    "aten::log": (torch.log, 0, N),
    "aten::max": (lambda x: x.max(1).values, 0, N),
    "aten::max_pool2d_with_indices": (lambda x: F.max_pool2d(x, 2), 0, N),
    "aten::mean": (lambda x: x.mean((2, 3)), 0, N),
    "aten::mm": (lambda x: x.flatten(0, 2) @ x[0, 0], 24 * 8 * 8, 2 * 24 * 8 * 8),
    "aten::mul": (lambda x: x * x, 0, N),
    "aten::native_batch_norm": (lambda x: F.batch_norm(x, x[0, 0, 0, :3], x[0, 0, 1, :3]), 0, 2 * N),
    "aten::native_group_norm": (lambda x: F.group_norm(x, 3), 0, 5 * N),
    "aten::native_layer_norm": (lambda x: F.layer_norm(x, (8,)), 0, 5 * N),
    "aten::ne": (lambda x: x != 0, 0, N),
    "aten::neg": (torch.neg, 0, N),
    "aten::pow": (lambda x: x**3, 0, N),
    "aten::relu": (F.relu, 0, N),
    "aten::rsub": (lambda x: 1 - x, 0, N),
    "aten::sigmoid": (torch.sigmoid, 0, N),
    "aten::silu": (F.silu, 0, N),
    "aten::sort": (lambda x: x.sort(-1).values, 0, 3 * N),
    "aten::sqrt": (torch.sqrt, 0, N),
    "aten::sub": (lambda x: x - x.flip(2), 0, N),
    "aten::sum": (lambda x: x.sum(1), 0, N),
    "aten::tanh": (torch.tanh, 0, N),
    "aten::topk": (lambda x: x.topk(5, -1).values, 0, 3 * N),
    "aten::upsample_bicubic2d": (lambda x: F.interpolate(x, scale_factor=2, mode="bicubic"), 0, 32 * 4 * N),
    "aten::upsample_bilinear2d": (lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"), 0, 8 * 4 * N),
    "aten::var": (lambda x: x.var(1), 0, N),
}


@pytest.mark.parametrize("op", SUBMITTED)
def test_operators_of_the_submissions_by_hand(op: str) -> None:
    function, macs, flops = SUBMITTED[op]
    counts = counts_of(function)
    assert counts.uncovered_ops == []
    (found,) = (counted for counted in counts.ops if counted.op == op)
    assert (found.calls, found.macs, found.flops) == (1, macs, flops)


def test_operators_met_elsewhere_by_hand() -> None:
    cases: dict[str, tuple[Callable[[Tensor], Any], int]] = {
        "topk": (lambda x: x.topk(5).values, 192 * 3),  # 192 numbers, each into a heap of 5: log2 rounded up
        "linspace": (lambda x: torch.linspace(0, 1, 9, device=x.device), 0),
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
