"""Work that hides from the published counts is counted, and named."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.core.record import Complexity
from bench.counts.complexity import count_complexity
from bench.counts.published import fvcore_total
from bench.counts.text import counts_lines, vanished_lines
from models import create_model

H, W = 16, 20


class Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: object, x: Tensor, weight: Tensor) -> Tensor:
        return x @ weight

    @staticmethod
    def backward(ctx: object, grad: Tensor) -> tuple[None, None]:
        raise NotImplementedError


class Hides(nn.Module):
    """A product inside an autograd Function, where fvcore's tracer does not look."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(5, width))

    def forward(self, x: Tensor) -> Tensor:
        return Product.apply(x.permute(0, 2, 3, 1), self.weight)


class Network(nn.Module):
    """A convolution that everybody sees, and a body."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.conv, self.body = nn.Conv2d(3, 5, 1), body

    def forward(self, x: Tensor) -> Tensor:
        return self.body(self.conv(x))


def test_an_autograd_function_that_hides_nine_tenths() -> None:
    model = Network(Hides(27))
    got = count_complexity(model, H, W)
    assert got.macs == H * W * (15 + 5 * 27)
    assert got.flops_published == fvcore_total(model, H, W) == H * W * 15
    (gone,) = got.vanished
    assert (gone.what, gone.module, gone.ops) == ("FLOPs", "body", ["aten::mm"])
    assert gone.missing == 2 * H * W * 5 * 27
    assert gone.share == pytest.approx(0.9)
    assert vanished_lines(got) == ["not in the published count: 90.0% of its FLOPs (aten::mm in body)"]


class CallsFunctions(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(4, 5, 3, 3))

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight, padding=1)


def test_a_functional_convolution_has_no_published_activations() -> None:
    got = count_complexity(Network(CallsFunctions()), H, W)
    assert (got.activations_published, got.activations) == (5 * H * W, 9 * H * W)
    assert got.flops_published == got.macs  # fvcore sees it
    (gone,) = got.vanished
    assert (gone.what, gone.module, gone.missing) == ("activations", "body", 4 * H * W)
    assert gone.share == pytest.approx(4 / 9)


class UsesNumpy(nn.Module):
    """What C++ or NumPy code does outside PyTorch looks the same from here."""

    def __init__(self, constant: bool) -> None:
        super().__init__()
        self.constant = constant

    def forward(self, x: Tensor) -> Tensor:
        values = np.ones(x.shape, np.float32) if self.constant else x.numpy() * 2
        return torch.from_numpy(values) + x


def test_arithmetic_outside_pytorch_is_named() -> None:
    got = count_complexity(Network(UsesNumpy(constant=False)), H, W)
    assert [(v.what, v.module, v.ops) for v in got.vanished] == [("outside PyTorch", "body", ["before aten.add"])]
    assert vanished_lines(got)[0].startswith("computes outside PyTorch")
    assert got.macs == H * W * 15


def test_a_constant_is_no_work() -> None:
    assert not count_complexity(Network(UsesNumpy(constant=True)), H, W).vanished


class Returns(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.from_numpy(np.sort(x.numpy()))


def test_a_trace_that_is_cut_loses_what_came_before() -> None:
    got = count_complexity(Network(Returns()), H, W)
    assert got.flops_published == 0
    assert [(v.what, v.module, v.share, v.ops) for v in got.vanished] == [
        ("FLOPs", "conv", 1.0, ["aten::convolution"]),
        ("outside PyTorch", "", 0.0, ["before the output"]),
    ]


class DecidesByValue(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * 2 if float(x.mean()) > -1e9 else x


def test_a_network_that_needs_its_values_is_counted_in_a_real_pass() -> None:
    got = count_complexity(Network(DecidesByValue()), H, W)
    assert got.macs == got.flops_published == H * W * 15
    assert ("aten::mul", 5 * H * W) in [(op.op, op.flops) for op in got.ops]
    assert not got.vanished


def test_a_network_of_several_hidden_modules() -> None:
    model = Network(nn.Sequential(Hides(5), nn.Identity()))
    assert [v.module for v in count_complexity(model, H, W).vanished] == ["body.0"]


def test_attention_that_fvcore_does_not_know() -> None:
    class Attends(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            tokens = x.flatten(2).transpose(1, 2)[:, None]
            return F.scaled_dot_product_attention(tokens, tokens, tokens)

    got = count_complexity(Network(Attends()), 4, 5)
    assert got.macs == 20 * 15 + 2 * 20 * 20 * 5
    assert got.flops_published == 20 * 15
    assert [(v.module, v.missing) for v in got.vanished] == [("body", 2 * 2 * 20 * 20 * 5)]


def counts(name: str) -> Complexity:
    return count_complexity(create_model(name), 64, 64)


def test_the_mixer_of_dvmsr_is_what_its_published_count_hid() -> None:
    got = counts("dvmsr")
    hidden = [v for v in got.vanished if v.what == "FLOPs"]
    assert [v.module for v in hidden] == [
        f"layers.{i}.residual_group.blocks.{j}.mixer" for i in range(4) for j in range(2)
    ]
    L = 64 * 64
    conv1d = 120 * 4 * (L + 3)  # with its padding
    inside = conv1d + L * (120 * 36 + 4 * 120 + 120 * 60)  # x_proj, dt_proj, out_proj, in multiply-adds
    assert all(v.missing == 2 * inside + 9 * L * 120 * 16 for v in hidden)
    assert any("esr::selective_scan" in line for line in counts_lines("dvmsr", got))


@pytest.mark.parametrize("name", ["rlfn_ntire", "swinir_light", "span", "carn_m"])
def test_nothing_vanishes_from_a_plain_network(name: str) -> None:
    assert not counts(name).vanished
