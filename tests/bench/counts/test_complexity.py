"""Counts: the published integers, hand formulas at other sizes and widths, and a breakdown derived by hand."""

import functools
import logging

import pytest
import torch
from torch import nn

from bench.core.record import Complexity
from bench.counts.complexity import count_complexity
from bench.counts.published import fvcore_total
from bench.counts.published_forms import as_published
from models import create_model, get_spec
from models.mamba import Mamba
from models.scan.mixer import separate_steps

logging.getLogger("fvcore").setLevel(logging.ERROR)


@functools.cache
def count(name: str, height: int = 256, width: int = 256, **options: object) -> Complexity:
    return count_complexity(create_model(name, **options), height, width)


# name: parameters, FLOPs as published, activations as published, convolutions
PUBLISHED = {
    "dvmsr": (424_428, 20_168_048_640, 26_738_688, 7),
    "dvmsr_bi": (484_908, 23_942_922_240, 26_738_688, 7),
    "rlfn_ntire": (317_218, 19_674_859_520, 80_045_184, 39),
    "swinir_light": (929_628, 70_782_812_160, 26_738_688, 7),
    "efdn": (276_192, 16_703_470_848, 111_116_736, 65),
    "span": (150_688, 9_833_807_872, 41_680_896, 22),
    # Not printed anywhere in this convention: what the same counter says of the authors' code.
    "imdn": (715_176, 46_544_194_560, 122_683_800, 46),
    "rfdn_aim": (433_448, 27_046_231_296, 112_034_240, 64),
    "dipnet_ntire": (243_252, 14_886_406_144, 72_967_296, 39),
    "bsrn": (352_400, 21_887_046_144, 404_960_672, 206),
    "mambairv2_light": (789_680, 76_092_342_272, 210_763_776, 87),
    "pfvm": (427_848, 25_877_544_960, 62_128_128, 12),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_counts_to_the_digit(name: str) -> None:
    c = count(name)
    assert (c.parameters, c.flops_published, c.activations_published, c.conv2d) == PUBLISHED[name]


def test_published_counts_as_printed() -> None:
    assert f"{count('dvmsr_bi').flops_published / 1e9:.4f}" == "23.9429"
    ntire = count("rlfn_ntire")
    assert f"{ntire.flops_published / 1e9:.2f} {ntire.activations_published / 1e6:.2f}" == "19.67 80.05"
    assert f"{count('swinir_light').flops_published / 1e9:.4f}" == "70.7828"
    efdn, span = count("efdn"), count("span")
    assert f"{efdn.parameters / 1e6:.3f} {efdn.flops_published / 1e9:.2f}" == "0.276 16.70"
    assert f"{efdn.activations_published / 1e6:.4f} {efdn.conv2d}" == "111.1167 65"
    assert f"{span.parameters / 1e6:.6f} {span.flops_published / 1e9:.6f}" == "0.150688 9.833808"
    assert f"{span.activations_published / 1e6:.6f} {span.conv2d}" == "41.680896 22"


def convolutions(L: int, c: int, out: int = 48) -> int:
    """MACs of DVMSR's and SwinIR-light's seven 3x3 convolutions."""
    return 9 * L * (3 * c + 5 * c * c + c * out)


SIZES = [(256, 256, 60), (64, 96, 60), (64, 96, 48), (33, 50, 48)]


@pytest.mark.parametrize(("height", "width", "c"), SIZES)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_dvmsr_against_hand_formula(height: int, width: int, c: int, bidirectional: bool) -> None:
    L, d, n, rank, mixers, ways = height * width, 2 * c, 16, -(-c // 16), 8, 2 if bidirectional else 1
    got = count("dvmsr", height, width, channels=c, bidirectional=bidirectional)
    mixer = d * n + d + (4 * d + d) + d * (rank + 2 * n) + (rank * d + d)  # A, D, conv1d, x_proj, dt_proj
    assert got.parameters == (
        (27 * c + c) + 5 * (9 * c * c + c) + (9 * c * 48 + 48)  # convolutions
        + mixers * (3 * c * d + ways * mixer)  # in_proj and out_proj are shared by both directions
        + 10 * 2 * c  # LayerNorms
    )  # fmt: skip

    in_proj, out_proj = mixers * L * c * 2 * d, mixers * L * d * c
    norms = 5 * 10 * L * c
    assert got.flops_published == convolutions(L, c) + in_proj + norms + (out_proj if bidirectional else 0)
    assert got.activations_published == L * (6 * c + 48)

    # Complete. The causal conv1d is padded by 3 on both ends, and the 3 outputs too many are computed too.
    conv1d = ways * mixers * 4 * d * (L + 3)
    x_proj, dt_proj = ways * mixers * L * d * (rank + 2 * n), ways * mixers * L * rank * d
    products = in_proj + out_proj + x_proj + dt_proj
    assert got.macs == convolutions(L, c) + conv1d + products
    assert got.flops_fvcore_unfused == got.macs + norms
    assert got.activations == (
        L * (6 * c + 48) + ways * mixers * d * (L + 3)
        + mixers * L * (2 * d + c) + ways * mixers * L * (rank + 2 * n + d) + ways * mixers * L * d
    )  # fmt: skip

    by_op = {op.op: op.flops for op in got.ops}
    biases = L * (6 * c + 48) + ways * mixers * d * (L + 3)
    adds = 5 * L * c + 3 * 16 * L + (mixers * L * d if bidirectional else 0)  # 4 RSSBs, the long skip, + mean
    assert by_op == {
        "aten::convolution": 2 * (convolutions(L, c) + conv1d) + biases,
        "aten::mm": 2 * products,
        "esr::selective_scan": 9 * ways * mixers * L * d * n,
        "aten::native_layer_norm": norms,
        "aten::silu": ways * mixers * L * d,
        "aten::add": adds,
        "aten::sub": 3 * L,
        "aten::exp": ways * mixers * d * n,
        "aten::neg": ways * mixers * d * n,
    }
    assert got.flops == sum(by_op.values())
    assert got.uncovered_ops == []


def test_what_the_fused_mixer_hid() -> None:
    c, L = count("dvmsr"), 65536
    hidden = c.flops_fvcore_unfused - c.flops_published
    assert hidden == 8 * (L * 120 * 36 + L * 4 * 120 + (L + 3) * 480 + L * 120 * 60)
    assert round(hidden / 1e9, 3) == 6.543
    assert round(c.macs / 1e9, 2) == 26.51
    products_and_scan = 2 * c.macs + 9 * 8 * L * 120 * 16
    assert round(products_and_scan / 1e9, 1) == 62.1
    out_proj = 8 * L * 120 * 60
    assert count("dvmsr_bi").flops_published - c.flops_published == out_proj


@pytest.mark.parametrize(
    ("height", "width", "c"),
    [*(pytest.param(*s, marks=pytest.mark.slow("counts at more sizes")) for s in SIZES[:3]), SIZES[3]],
)
def test_swinir_against_hand_formula(height: int, width: int, c: int) -> None:
    heads, blocks = 6, 24
    L = -(-height // 8) * 8 * (-(-width // 8) * 8)  # padded to windows
    got = count("swinir_light", height, width, channels=c)
    linear = blocks * L * (3 * c * c + c * c + 2 * 2 * c * c)
    attention = blocks * 2 * L * 64 * c
    norms = 5 * 50 * L * c
    assert got.flops_published == convolutions(L, c) + linear + attention + norms
    assert got.macs == convolutions(L, c) + linear + attention
    by_op = {op.op: op.flops for op in got.ops}
    assert by_op["aten::_softmax"] == 5 * blocks * heads * L * 64
    assert got.uncovered_ops == []


@pytest.mark.parametrize("size", [(256, 256), (64, 96)])
def test_rlfn_against_hand_formula(size: tuple[int, int]) -> None:
    L, c, inner = size[0] * size[1], 46, 48
    small = ((size[0] - 3) // 2 + 1) * ((size[1] - 3) // 2 + 1)
    pooled = (((size[0] - 3) // 2 + 1 - 7) // 3 + 1) * (((size[1] - 3) // 2 + 1 - 7) // 3 + 1)
    esa = L * (c * 16 + 16 * 16 + 16 * c) + 9 * 256 * (small + pooled)
    block = 9 * L * (c * inner + inner * inner + inner * c) + L * c * c + esa
    macs = 9 * L * (3 * c + c * c + 48 * c) + 4 * block
    got = count("rlfn_ntire", *size)
    assert got.macs == macs
    assert got.flops_published == macs + 4 * 4 * 16 * L  # bilinear resizing, 4 an element
    activations = L * (c + c + 48) + 4 * (L * (2 * inner + 2 * c + 2 * 16 + c) + 16 * (small + pooled))
    assert got.activations_published == got.activations == activations


@pytest.mark.parametrize("name", ["dvmsr", "dvmsr_bi", "rlfn", "swinir_light", "bicubic"])
@pytest.mark.parametrize("size", [pytest.param((48, 64), marks=pytest.mark.slow("counts at more sizes")), (40, 57)])
def test_fvcore_itself_says_the_same(name: str, size: tuple[int, int]) -> None:
    model = create_model(name)
    got = count_complexity(model, *size)
    with separate_steps():
        assert got.flops_published == fvcore_total(as_published(model), *size)
        assert got.flops_fvcore_unfused == fvcore_total(model, *size)


def test_thop_errors_are_reproduced() -> None:
    c = count("dvmsr")
    assert c.thop_parameters == 191_148
    assert c.thop_macs is not None
    assert round(c.thop_macs / 1e9, 2) == 12.58


def test_the_model_is_left_as_it_was() -> None:
    model = create_model("dvmsr")
    before = {k: v.clone() for k, v in model.state_dict().items()}
    count_complexity(model, 32, 32)
    after = model.state_dict()
    assert list(before) == list(after)  # thop would leave buffers behind
    assert all(torch.equal(before[k], after[k]) for k in before)
    assert all(p.device.type == "cpu" for p in model.parameters())
    assert sum(isinstance(m, Mamba) for m in model.modules()) == 8


class Mixed(nn.Module):
    """Every kind of operator that the networks above lack."""

    def __init__(self) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(3, 4, 5, stride=2, padding=2, output_padding=1)
        self.grouped = nn.Conv2d(4, 6, 3, groups=2, bias=False)
        self.norm = nn.BatchNorm2d(6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.norm(self.grouped(self.up(x))).relu_()
        tokens = y.flatten(2).transpose(1, 2)  # (1, L, 6)
        return tokens @ tokens.transpose(1, 2) + torch.special.entr(tokens.abs()).sum()


def test_transposed_grouped_in_place_and_uncovered() -> None:
    h, w = 8, 10
    got = count_complexity(Mixed().eval(), h, w)
    up, L = 4 * 4 * h * w, (2 * h - 2) * (2 * w - 2)
    by_op = {op.op: (op.calls, op.macs, op.flops) for op in got.ops}
    assert by_op["aten::convolution"][:2] == (2, 3 * h * w * 4 * 25 + 6 * L * 2 * 9)
    assert by_op["aten::convolution"][2] == 2 * by_op["aten::convolution"][1] + up  # one bias
    assert by_op["aten::bmm"] == (1, 6 * L * L, 12 * L * L)
    assert by_op["aten::relu"] == (1, 0, 6 * L)
    assert got.uncovered_ops == ["aten::special_entr"]
    assert got.activations_published == up + 6 * L
    assert got.conv2d == 2


class Pools(nn.Module):
    """A mean that fvcore counts, and two that it does not."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.adaptive_avg_pool2d(x, 1) + x.mean((2, 3), keepdim=True) + x.mean()


def test_fvcore_counts_pooling_to_one_pixel_but_no_mean() -> None:
    got = count_complexity(Pools(), 48, 64)
    assert got.flops_published == fvcore_total(Pools(), 48, 64) == 3 * 48 * 64


class Sorts(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(1).sort(dim=-1, stable=True)[0].view_as(x)


def test_a_sort_is_its_comparisons() -> None:
    got = count_complexity(Sorts(), 8, 10)
    assert [(op.op, op.flops) for op in got.ops] == [("aten::sort", 240 * 8)]


def test_every_registered_network_is_fully_covered() -> None:
    rivals = "imdn rfdn rfdn_aim dipnet dipnet_ntire efdn span bsrn mambairv2_light pfvm".split()
    for name in ("bicubic", "rlfn", "rlfn_s", "dvmsr_ntire", *rivals):
        assert get_spec(name)
        c = count(name) if name in PUBLISHED else count(name, 32, 40)  # the same operators, and the first is at hand
        assert c.uncovered_ops == []
