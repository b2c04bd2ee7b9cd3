"""What one operator costs: an explicit dict from aten operators to the function that counts them.

Every function takes the operator's positional arguments and its (first) output. Adding an operator is adding a line. An
operator that is not PyTorch's own brings its formula with it, by `torch.utils.flop_counter.register_flop_formula`.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import flop_registry

aten = torch.ops.aten
Count = Callable[[Sequence[Any], Tensor], int]


def _times(a: Tensor, b: Tensor) -> int:
    """Real products in the product of two numbers: of complex ones each part meets each."""
    return (1 + a.is_complex()) * (1 + b.is_complex())


def _convolution_macs(args: Sequence[Any], out: Tensor) -> int:
    x, weight, transposed = args[0], args[1], args[6]
    positions = x.numel() if transposed else out.numel()
    return int(positions * weight[0].numel())  # weight[0]: what one output (or, transposed, input) element meets


def _product_macs(args: Sequence[Any], out: Tensor) -> int:
    left, right = args[-2:]  # addmm and baddbmm take the bias first
    return int(out.numel() * left.shape[-1] * _times(left, right))


def _quantised_macs(args: Sequence[Any], out: Tensor) -> int:
    return int(out.numel() * args[0].shape[-1])


def _attention_macs(args: Sequence[Any], out: Tensor) -> int:
    q, k, v = args[:3]
    return int(math.prod(q.shape[:-1]) * k.shape[-2] * (q.shape[-1] + v.shape[-1]))


# Multiply-adds: 1 MAC, 2 FLOPs.
MAC_RULES: dict[Any, Count] = {
    aten.convolution: _convolution_macs,
    aten._convolution: _convolution_macs,  # of traced code
    aten.mm: _product_macs,
    aten.addmm: _product_macs,
    aten.bmm: _product_macs,
    aten.baddbmm: _product_macs,
    aten._scaled_dot_product_flash_attention_for_cpu: _attention_macs,
    aten._scaled_dot_product_flash_attention: _attention_macs,
    aten._scaled_dot_product_efficient_attention: _attention_macs,
    torch.ops.quantized.linear_dynamic: _quantised_macs,
    torch.ops.quantized.linear_relu_dynamic: _quantised_macs,
}
CONVOLUTIONS = (aten.convolution, aten._convolution)
PRODUCT_NAMES = {str(packet).replace(".", "::") for packet in MAC_RULES}


def _per_output(flops: int) -> Count:
    return lambda args, out: flops * out.numel()


def _per_input(flops: int) -> Count:
    return lambda args, out: int(flops * args[0].numel())


def _elementwise(per_number: int, both: int, one: int) -> Count:
    """FLOPs of one output: of real operands, of complex ones, of a complex and a real one."""

    def count(args: Sequence[Any], out: Tensor) -> int:
        operands = [a for a in args if isinstance(a, Tensor | complex)]
        complex_ones = sum(a.is_complex() if isinstance(a, Tensor) else True for a in operands)
        each = per_number if not complex_ones else both if complex_ones > 1 else one
        return each * out.numel()

    return count


def _per_number(flops: int, of_complex: int, of_input: bool = False) -> Count:
    """FLOPs of one output, or of one input, that is real or complex."""

    def count(args: Sequence[Any], out: Tensor) -> int:
        x = args[0] if isinstance(args[0], Tensor) else out
        return (of_complex if x.is_complex() else flops) * (x if of_input else out).numel()

    return count


def _topk(args: Sequence[Any], out: Tensor) -> int:
    # Each number is compared with the least of a heap of the k largest.
    return int(args[0].numel() * max(1, math.ceil(math.log2(max(1, args[1])))))


def _grid_sample(args: Sequence[Any], out: Tensor) -> int:
    per_output = {0: 8, 1: 0, 2: 32}[args[2]]  # bilinear, nearest, bicubic: as for enlarging
    return int(per_output * out.numel() + 4 * args[1].numel())  # a coordinate is scaled, shifted, cut off and split


def _weight_norm(args: Sequence[Any], out: Tensor) -> int:
    direction, length = args[:2]
    return int(2 * direction.numel() + length.numel())  # a norm, a quotient for each output, and their product


def _pooling(args: Sequence[Any], out: Tensor) -> int:
    return int(out.numel() * math.prod(args[1]))  # one comparison or addition for each pixel under the kernel


def _sort(args: Sequence[Any], out: Tensor) -> int:
    # Comparisons of a merge sort along the last axis, the only one in use.
    return int(out.numel() * math.ceil(math.log2(max(2, out.shape[-1]))))


def _fft(per_point: float) -> Count:
    # The radix-2 algorithm takes 5 n log2(n) for n complex points, and half of that where one side is real.
    def count(args: Sequence[Any], out: Tensor) -> int:
        points = max(args[0], out, key=lambda x: x.numel())
        return int(per_point * points.numel() * sum(math.log2(points.shape[dim]) for dim in args[1]))

    return count


def _encoder_layer(args: Sequence[Any]) -> tuple[int, int, int]:
    """Tokens, width and length of the input of `nn.TransformerEncoderLayer`'s fused operator."""
    batch, length, width = args[0].shape
    return batch * length, width, length


def encoder_macs(args: Sequence[Any], out: Tensor) -> int:
    """Projections to query, key and value and back, two products of attention, two layers behind it."""
    tokens, width, length = _encoder_layer(args)
    hidden = args[14].shape[0]
    return int(tokens * (4 * width * width + 2 * length * width + 2 * width * hidden))


def encoder_others(args: Sequence[Any], out: Tensor) -> int:
    """Biases, two normalisations, the scale and softmax of attention, the activation, two additions."""
    tokens, width, length = _encoder_layer(args)
    hidden, heads = args[14].shape[0], args[2]
    biases = 5 * width + hidden
    return int(tokens * (biases + 2 * 5 * width + width + 5 * heads * length + hidden + 2 * width))


MAC_RULES[aten._transformer_encoder_layer_fwd] = encoder_macs


def formula_flops(packet: Any, args: Sequence[Any], kwargs: dict[str, Any], out: Any) -> int | None:
    """FLOPs of an operator of someone's own, by the formula registered for it; None where there is none."""
    own = not packet._qualified_op_name.startswith(("aten::", "prim"))
    formula = flop_registry.get(packet) if own else None
    return int(formula(*args, **kwargs, out_val=out)) if formula else None


_ELEMENTWISE = (
    "clamp clamp_max clamp_min cos elu eq erf exponential ge gelu gt hardsigmoid "
    "hardswish hardtanh isnan le leaky_relu log log1p lt maximum minimum mish ne relu round "
    "rsqrt sigmoid sign silu sin softplus sqrt tan tanh where _prelu_kernel"
)
_REDUCTIONS = "amax amin max min prod argmax var std norm linalg_vector_norm"
# FLOPs of everything else. A transcendental function counts one, like an addition.
OTHER_RULES: dict[Any, Count] = {
    **{getattr(aten, name): _per_output(1) for name in _ELEMENTWISE.split()},
    **{getattr(aten, name): _per_input(1) for name in _REDUCTIONS.split()},
    # A complex number is two, and a product of two of them four products and two additions.
    **{getattr(aten, name): _per_number(1, 2) for name in ("add", "sub", "rsub", "neg")},
    **{getattr(aten, name): _per_number(1, 2, of_input=True) for name in ("sum", "mean")},
    aten.mul: _elementwise(1, both=6, one=2),
    aten.div: _elementwise(1, both=11, one=2),  # a product with the conjugate, its square, two quotients
    aten.addcmul: _elementwise(1, both=8, one=4),
    aten.addcdiv: _elementwise(1, both=13, one=4),
    aten.abs: _per_number(1, 4, of_input=True),  # two squares, their sum, its root
    aten.angle: _per_number(1, 1, of_input=True),
    aten.exp: _per_number(1, 5),  # exp, cos, sin, two products
    aten.reciprocal: _per_number(1, 7),
    aten.square: _per_number(1, 6),
    aten.pow: _per_number(1, 6),
    aten._safe_softmax: _per_input(5),
    aten.topk: _topk,
    aten._weight_norm_interface: _weight_norm,
    aten.grid_sampler_2d: _grid_sample,
    aten._softmax: _per_input(5),  # maximum, subtraction, exp, sum, division
    aten._log_softmax: _per_input(5),
    aten.native_layer_norm: _per_input(5),  # as fvcore: mean, variance, normalisation, scale, shift
    aten.native_group_norm: _per_input(5),
    aten.native_batch_norm: _per_input(2),  # in eval mode one scale and one shift
    aten._native_batch_norm_legit_no_training: _per_input(2),
    aten.upsample_bilinear2d: _per_output(8),  # four multiply-adds
    aten.upsample_bicubic2d: _per_output(32),
    aten.max_pool2d_with_indices: _pooling,
    aten.avg_pool2d: _pooling,
    aten._adaptive_avg_pool2d: _per_input(1),
    aten.adaptive_max_pool2d: _per_input(1),
    aten.sort: _sort,
    aten._fft_c2c: _fft(5),
    aten._fft_r2c: _fft(2.5),
    aten._fft_c2r: _fft(2.5),
}
# Moving, naming and making data is no arithmetic.
_FREE = (
    "_conj _reshape_alias _to_copy _unsafe_view alias arange as_strided bitwise_and bitwise_not cat ceil chunk "
    "clone complex constant_pad_nd contiguous copy detach embedding empty empty_like empty_strided expand fill "
    "flip floor full full_like gather im2col index index_put index_select lift_fresh linspace logical_and logical_not "
    "masked_fill native_dropout new_empty new_full new_ones new_zeros ones ones_like permute pixel_shuffle "
    "pixel_unshuffle reflection_pad2d remainder repeat replication_pad2d reshape resize roll scalar_tensor "
    "scatter scatter_add select set slice split split_with_sizes squeeze stack t transpose tril triu unbind unfold "
    "unsafe_split unsqueeze upsample_nearest2d view view_as_complex view_as_real zero zeros zeros_like"
)
FREE = {getattr(aten, name) for name in _FREE.split()}


def rule_key(packet: Any) -> Any:
    """aten.relu for aten.relu_: an in-place operator does the same work."""
    name = packet.__name__
    if name.endswith("_") and not name.endswith("__") and hasattr(aten, name[:-1]):
        return getattr(aten, name[:-1])
    return packet


def has_bias(packet: Any, args: Sequence[Any]) -> bool:
    """Whether a product or convolution adds a bias, one more FLOP for each output element."""
    return packet in (aten.addmm, aten.baddbmm) or (packet in CONVOLUTIONS and args[2] is not None)
