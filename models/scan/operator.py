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
from .pointwise import working_dtype
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
        reverse: bool = False,
        last_state: Tensor | None = None,
    ) -> Tensor:
        """(b, d, L) in u's dtype, channels-last in memory.

        reverse: from the last token to the first. last_state: is filled with the state behind the token visited last,
        (b, d, n) in the working precision.
        """

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
        reverse: bool = False,
        grad_state: Tensor | None = None,
    ) -> list[Tensor]:
        """Gradients of the tensors in order, an empty one for each that was None; those of sequences are channels-last
        in memory.

        grad_state: the gradient of the last state, (b, d, n).
        """


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
    reverse: bool = False,
    with_state: bool = False,
) -> tuple[Tensor, Tensor]:
    """See `models.scan.selective_scan`.

    Returns (b, d, L) in u's dtype, channels-last in memory, and the last state (b, d, n), empty where not asked for.
    """
    state = _new_state(u, delta, A, B, C, with_state)
    wanted = state if with_state else None
    return kernel(backend).forward(u, delta, A, B, C, D, z, delta_bias, delta_softplus, reverse, wanted), state


@operator(SCAN_BACKWARD)
def selective_scan_backward(
    grad: Tensor,
    grad_state: Tensor | None,
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
    reverse: bool,
) -> list[Tensor]:
    """Gradients of u, delta, A, B, C, D, z and delta_bias; an empty tensor for an argument that was None."""
    run = kernel(backend).backward
    grads = run(grad, u, delta, A, B, C, D, z, delta_bias, delta_softplus, reverse, grad_state)
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
    reverse: bool = False,
    with_state: bool = False,
) -> tuple[Tensor, Tensor]:
    return _empty_like(u), _new_state(u, delta, A, B, C, with_state)


@torch.library.register_fake(SCAN_BACKWARD)
def _(
    grad: Tensor,
    grad_state: Tensor | None,
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
    reverse: bool,
) -> list[Tensor]:
    def empty(x: Tensor | None) -> Tensor:
        return u.new_empty(0) if x is None else _empty_like(x)

    return [empty(u), empty(delta), A.new_empty(A.shape), *(empty(x) for x in (B, C, D, z, delta_bias))]


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    *tensors, ctx.delta_softplus, ctx.backend, ctx.reverse, ctx.with_state = inputs
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(*tensors)


def _backward(ctx: Any, grad: Tensor | None, grad_state: Tensor | None) -> tuple[Tensor | None, ...]:
    tensors = ctx.saved_tensors
    if grad is None:
        grad = torch.zeros_like(tensors[0])
    if not ctx.with_state:  # torch.compile gives the empty one a gradient
        grad_state = None
    run = selective_scan_backward
    grads: list[Tensor] = run(grad, grad_state, *tensors, ctx.delta_softplus, ctx.backend, ctx.reverse)
    return *(g if x is not None else None for g, x in zip(grads, tensors, strict=True)), None, None, None, None


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
    """An empty tensor as the kernels return it: a sequence (b, ..., L) has its tokens second in memory."""
    if x.dim() < 3:
        return x.new_empty(x.shape)
    return x.new_empty(x.shape[0], x.shape[-1], *x.shape[1:-1]).movedim(1, -1)


def _new_state(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, wanted: bool) -> Tensor:
    shape = (u.shape[0], *A.shape) if wanted else (0,)
    return u.new_empty(shape, dtype=working_dtype(u, delta, A, B, C))
