"""The parameters that a mixer has for each direction of its scan, as the kernels of `models.scan.mixer` take them."""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from torch import Tensor


class Direction(NamedTuple):
    """The parameters of one direction; d, n, r, k: inner channels, states, rank of the step and taps.

    conv_weight, conv_bias: (d, 1, k) and (d), causal. x_proj: (r + 2 n, d), the rows of dt, B and C in this order.
    dt_proj, dt_bias: (d, r) and (d). A, D: (d, n), negative, and (d); float32.
    """

    conv_weight: Tensor
    conv_bias: Tensor
    x_proj: Tensor
    dt_proj: Tensor
    dt_bias: Tensor
    A: Tensor
    D: Tensor


def split_directions(tensors: Sequence[Any]) -> list[Direction]:
    """One or two directions from the operator's list."""
    size = len(Direction._fields)
    return [Direction(*tensors[i : i + size]) for i in range(0, len(tensors), size)]


def each_way(one_way: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """`forward` of a module in KERNELS from a kernel that knows one direction, given as a Direction."""

    @functools.wraps(one_way)
    def forward(
        x: Tensor,
        norm_weight: Tensor,
        norm_bias: Tensor,
        epsilon: float,
        in_proj: Tensor,
        out_proj: Tensor,
        directions: Sequence[Tensor],
    ) -> Tensor:
        arguments = (norm_weight, norm_bias, epsilon, in_proj, out_proj)
        first, *second = split_directions(directions)
        out = one_way(x, *arguments, first)
        for direction in second:
            out = out + one_way(x.flip(1), *arguments, direction).flip(1)
        return out

    return forward
