"""A whole selective scan made from a backend that knows only the recurrence: what acts on single tokens is shared.

Such a backend is a module with `scan` and `scan_backward` on activated steps and channels-last tensors; the softplus of
the step, the D u skip and the silu(z) gate, with their gradients, are put around it here in plain PyTorch.
"""

from types import ModuleType

import torch
import torch.nn.functional as F
from torch import Tensor

from . import pointwise


class Unfused:
    """`forward` and `backward` as `models.scan.operator` wants them, around a module's `scan` and `scan_backward`."""

    def __init__(self, module: ModuleType) -> None:
        self.scan, self.scan_backward = module.scan, module.scan_backward

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
        dtype = pointwise.working_dtype(u, delta, A, B, C)
        u_, delta_ = (_tokens_first(x, dtype, reverse) for x in (u, delta))
        B_, C_ = (_rows(x, dtype, reverse) for x in (B, C))
        steps = pointwise.step_size(delta_, _to(delta_bias, dtype), delta_softplus)
        y, state = self.scan(u_, steps, A.to(dtype), B_, C_)
        if last_state is not None:
            last_state.copy_(state)
        y = pointwise.skip_and_gate(y, u_, _to(D, dtype), None if z is None else _tokens_first(z, dtype, reverse))
        return _channels_first(y, u.dtype, reverse)

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
        dtype = pointwise.working_dtype(u, delta, A, B, C)
        grad_, u_, delta_ = (_tokens_first(x, dtype, reverse) for x in (grad, u, delta))
        B_, C_ = (_rows(x, dtype, reverse) for x in (B, C))
        z_ = None if z is None else _tokens_first(z, dtype, reverse)
        D_, bias, A_ = _to(D, dtype), _to(delta_bias, dtype), A.to(dtype)
        steps = pointwise.step_size(delta_, bias, delta_softplus)
        grad_y = grad_ if z_ is None else grad_ * F.silu(z_)
        gradients = self.scan_backward(grad_y, _to(grad_state, dtype), u_, steps, A_, B_, C_)
        y, du, dsteps, dA, dB, dC = gradients
        dz = u.new_empty(0) if z_ is None else pointwise.skip_and_gate_backward(grad_, y, u_, D_, z_)
        ddelta = pointwise.step_size_backward(dsteps, delta_, bias, delta_softplus)
        if D_ is not None:
            du = torch.addcmul(du, grad_y, D_)
        return [
            _channels_first(du, u.dtype, reverse),
            _channels_first(ddelta, delta.dtype, reverse),
            dA.to(A.dtype),
            _as_given(dB, B, reverse),
            _as_given(dC, C, reverse),
            u.new_empty(0) if D is None else (grad_y * u_).sum((0, 1)).to(D.dtype),
            dz if z is None else _channels_first(dz, z.dtype, reverse),
            u.new_empty(0) if delta_bias is None else ddelta.sum((0, 1)).to(delta_bias.dtype),
        ]


def _tokens_first(x: Tensor, dtype: torch.dtype, reverse: bool) -> Tensor:
    """(b, ..., L) -> contiguous (b, L, ...), in the order of the visits."""
    x = x.movedim(-1, 1).to(dtype)
    return (x.flip(1) if reverse else x).contiguous()


def _channels_first(x: Tensor, dtype: torch.dtype, reverse: bool) -> Tensor:
    """(b, L, ...) -> (b, ..., L), a view of what is contiguous."""
    x = x.to(dtype)
    return (x.flip(1) if reverse else x).contiguous().movedim(1, -1)


def _rows(x: Tensor, dtype: torch.dtype, reverse: bool) -> Tensor:
    """B or C as the recurrence takes it: (b, g, n, L) or (b, n, L) -> (b, L, g, n); constant ones stay (d, n)."""
    if x.dim() == 2:
        return x.to(dtype)
    return _tokens_first(x if x.dim() == 4 else x[:, None], dtype, reverse)


def _as_given(grad: Tensor, x: Tensor, reverse: bool) -> Tensor:
    """The gradient of `_rows(x)` as that of x."""
    if x.dim() == 2:
        return grad.to(x.dtype)
    return _channels_first(grad if x.dim() == 4 else grad[:, :, 0], x.dtype, reverse)


def _to(x: Tensor | None, dtype: torch.dtype) -> Tensor | None:
    return None if x is None else x.to(dtype)
