"""The registered operator `esr::selective_scan`: kernels, shapes, gradients and FLOPs for torch.compile and counters.

To PyTorch the scan is one opaque operator whatever the backend: it traces and exports as one node, FLOP counters see
it through its formula, and autograd calls `esr::selective_scan_backward`.
"""

from types import ModuleType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.flop_counter import register_flop_formula

from models.scan import chunked, pointwise, reference

# Backends made of a `scan` and a `scan_backward` on activated steps; what acts on single tokens is shared.
KERNELS: dict[str, ModuleType] = {"reference": reference, "chunked": chunked}


@torch.library.custom_op("esr::selective_scan", mutates_args=())
def selective_scan(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None,
    z: Tensor | None,
    delta_bias: Tensor | None,
    delta_softplus: bool,
    backend: str,
) -> Tensor:
    """See `models.scan.selective_scan`. Returns (b, d, L) in u's dtype, channels-last in memory."""
    dtype = pointwise.working_dtype(u, delta, A, B, C)
    u_, delta_, B_, C_ = (_tokens_first(x, dtype) for x in (u, delta, B, C))
    steps = pointwise.step_size(delta_, _to(delta_bias, dtype), delta_softplus)
    y = KERNELS[backend].scan(u_, steps, A.to(dtype), B_, C_)
    y = pointwise.skip_and_gate(y, u_, _to(D, dtype), None if z is None else _tokens_first(z, dtype))
    return _channels_first(y, u.dtype)


@torch.library.custom_op("esr::selective_scan_backward", mutates_args=())
def selective_scan_backward(
    grad: Tensor,
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None,
    z: Tensor | None,
    delta_bias: Tensor | None,
    delta_softplus: bool,
    backend: str,
) -> list[Tensor]:
    """Gradients of u, delta, A, B, C, D, z and delta_bias; an empty tensor for an argument that was None."""
    dtype = pointwise.working_dtype(u, delta, A, B, C)
    grad_, u_, delta_, B_, C_ = (_tokens_first(x, dtype) for x in (grad, u, delta, B, C))
    z_ = None if z is None else _tokens_first(z, dtype)
    D_, bias, A_ = _to(D, dtype), _to(delta_bias, dtype), A.to(dtype)
    steps = pointwise.step_size(delta_, bias, delta_softplus)
    grad_y = grad_ if z_ is None else grad_ * F.silu(z_)
    y, du, dsteps, dA, dB, dC = KERNELS[backend].scan_backward(grad_y, u_, steps, A_, B_, C_)
    dz = u.new_empty(0) if z_ is None else pointwise.skip_and_gate_backward(grad_, y, u_, D_, z_)
    ddelta = pointwise.step_size_backward(dsteps, delta_, bias, delta_softplus)
    if D_ is not None:
        du = torch.addcmul(du, grad_y, D_)
    return [
        _channels_first(du, u.dtype),
        _channels_first(ddelta, delta.dtype),
        dA.to(A.dtype),
        _channels_first(dB, B.dtype),
        _channels_first(dC, C.dtype),
        u.new_empty(0) if D is None else (grad_y * u_).sum((0, 1)).to(D.dtype),
        dz if z is None else _channels_first(dz, z.dtype),
        u.new_empty(0) if delta_bias is None else ddelta.sum((0, 1)).to(delta_bias.dtype),
    ]


@selective_scan.register_fake
def _(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None,
    z: Tensor | None,
    delta_bias: Tensor | None,
    delta_softplus: bool,
    backend: str,
) -> Tensor:
    return _empty_like(u)


@selective_scan_backward.register_fake
def _(
    grad: Tensor,
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None,
    z: Tensor | None,
    delta_bias: Tensor | None,
    delta_softplus: bool,
    backend: str,
) -> list[Tensor]:
    def vector(x: Tensor | None) -> Tensor:
        return u.new_empty(0) if x is None else torch.empty_like(x)

    dz = u.new_empty(0) if z is None else _empty_like(z)
    long = [_empty_like(u), _empty_like(delta), torch.empty_like(A), _empty_like(B), _empty_like(C)]
    return [*long, vector(D), dz, vector(delta_bias)]


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    *tensors, ctx.delta_softplus, ctx.backend = inputs
    ctx.save_for_backward(*tensors)


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    tensors = ctx.saved_tensors
    grads = selective_scan_backward(grad, *tensors, ctx.delta_softplus, ctx.backend)
    return *(g if x is not None else None for g, x in zip(grads, tensors, strict=True)), None, None


selective_scan.register_autograd(_backward, setup_context=_setup_context)


@register_flop_formula(torch.ops.esr.selective_scan)
def selective_scan_flops(u_shape: list[int], delta_shape: list[int], A_shape: list[int], *_: Any, **__: Any) -> int:
    """9 b L d n: per state element one exp, six multiplications and additions of the recurrence, two of the output.

    The count that Mamba vision papers use (VMamba, Liu et al. 2024, appendix); the D u and z terms are not in it.
    """
    b, d, length = u_shape
    return 9 * b * length * d * A_shape[1]


def _tokens_first(x: Tensor, dtype: torch.dtype) -> Tensor:
    """(b, c, L) -> contiguous (b, L, c)."""
    return x.transpose(1, 2).to(dtype).contiguous()


def _channels_first(x: Tensor, dtype: torch.dtype) -> Tensor:
    """(b, L, c) -> (b, c, L), a view."""
    return x.to(dtype).contiguous().transpose(1, 2)


def _empty_like(x: Tensor) -> Tensor:
    """An empty (b, c, L) tensor with channels-last memory, as `_channels_first` returns it."""
    b, c, length = x.shape
    return x.new_empty(b, length, c).transpose(1, 2)


def _to(x: Tensor | None, dtype: torch.dtype) -> Tensor | None:
    return None if x is None else x.to(dtype)
