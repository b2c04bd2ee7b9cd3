"""The registered operator `esr::selective_scan`: kernels, shapes, gradients and FLOPs for torch.compile and counters.

To PyTorch the scan is one opaque operator whatever the backend: it traces and exports as one node, FLOP counters see
it through its formula, and autograd calls `esr::selective_scan_backward`.
"""

import functools
import importlib
from typing import Any, Protocol, cast

import torch
from torch import Tensor
from torch.utils.flop_counter import register_flop_formula

from . import chunked, reference
from .register import no_gradient, operator
from .unfused import Unfused


class Kernel(Protocol):
    """What a backend provides. Arguments as those of the operator; it may take them in any strides."""

    def forward(
        self,
        u: Tensor,
        delta: Tensor,
        A: Tensor,
        B: Tensor,
        C: Tensor,
        D: Tensor | None,
        z: Tensor | None,
        delta_bias: Tensor | None,
        delta_softplus: bool,
    ) -> Tensor:
        """(b, d, L) in u's dtype, channels-last in memory."""

    def backward(
        self,
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
    ) -> list[Tensor]:
        """Gradients of the tensors in order, an empty one for each that was None; those of u, delta, B, C and z are
        channels-last in memory."""


SCAN, SCAN_BACKWARD = "esr::selective_scan", "esr::selective_scan_backward"
MODULES = {"native": ".native", "triton": ".triton_scan"}


@functools.cache
def kernel(backend: str) -> Kernel:
    """The kernels of a backend, imported when they are first asked for: some need a compiler or a GPU's libraries."""
    if backend == "reference":
        return Unfused(reference)
    if backend == "chunked":
        return Unfused(chunked)
    if backend in MODULES:
        return cast(Kernel, importlib.import_module(MODULES[backend], __package__))
    raise ValueError(f"no kernels for backend {backend!r}")


@operator(SCAN)
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
    return kernel(backend).forward(u, delta, A, B, C, D, z, delta_bias, delta_softplus)


@operator(SCAN_BACKWARD)
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
    grads = kernel(backend).backward(grad, u, delta, A, B, C, D, z, delta_bias, delta_softplus)
    grads[2] = grads[2].contiguous()  # of A: a compiler is told so, and plans with it
    return grads


@torch.library.register_fake(SCAN)
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


@torch.library.register_fake(SCAN_BACKWARD)
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
    long = [_empty_like(u), _empty_like(delta), A.new_empty(A.shape), _empty_like(B), _empty_like(C)]
    return [*long, vector(D), dz, vector(delta_bias)]


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    *tensors, ctx.delta_softplus, ctx.backend = inputs
    ctx.save_for_backward(*tensors)


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    tensors = ctx.saved_tensors
    grads: list[Tensor] = selective_scan_backward(grad, *tensors, ctx.delta_softplus, ctx.backend)
    return *(g if x is not None else None for g, x in zip(grads, tensors, strict=True)), None, None


torch.library.register_autograd(SCAN, _backward, setup_context=_setup_context)
no_gradient(SCAN_BACKWARD)


@register_flop_formula(torch.ops.esr.selective_scan)
def selective_scan_flops(u_shape: list[int], delta_shape: list[int], A_shape: list[int], *_: Any, **__: Any) -> int:
    """9 b L d n: per state element one exp, six multiplications and additions of the recurrence, two of the output.

    The count that Mamba vision papers use (VMamba, Liu et al. 2024, appendix); the D u and z terms are not in it.
    """
    b, d, length = u_shape
    return 9 * b * length * d * A_shape[1]


def _empty_like(x: Tensor) -> Tensor:
    """An empty (b, c, L) tensor with channels-last memory, as the kernels return it."""
    b, c, length = x.shape
    return x.new_empty(b, length, c).transpose(1, 2)
