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
    ) -> Tensor:
        dtype = pointwise.working_dtype(u, delta, A, B, C)
        u_, delta_, B_, C_ = (_tokens_first(x, dtype) for x in (u, delta, B, C))
        steps = pointwise.step_size(delta_, _to(delta_bias, dtype), delta_softplus)
        y = self.scan(u_, steps, A.to(dtype), B_, C_)
        y = pointwise.skip_and_gate(y, u_, _to(D, dtype), None if z is None else _tokens_first(z, dtype))
        return _channels_first(y, u.dtype)

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
        dtype = pointwise.working_dtype(u, delta, A, B, C)
        grad_, u_, delta_, B_, C_ = (_tokens_first(x, dtype) for x in (grad, u, delta, B, C))
        z_ = None if z is None else _tokens_first(z, dtype)
        D_, bias, A_ = _to(D, dtype), _to(delta_bias, dtype), A.to(dtype)
        steps = pointwise.step_size(delta_, bias, delta_softplus)
        grad_y = grad_ if z_ is None else grad_ * F.silu(z_)
        y, du, dsteps, dA, dB, dC = self.scan_backward(grad_y, u_, steps, A_, B_, C_)
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


def _tokens_first(x: Tensor, dtype: torch.dtype) -> Tensor:
    """(b, c, L) -> contiguous (b, L, c)."""
    return x.transpose(1, 2).to(dtype).contiguous()


def _channels_first(x: Tensor, dtype: torch.dtype) -> Tensor:
    """(b, L, c) -> (b, c, L), a view."""
    return x.to(dtype).contiguous().transpose(1, 2)


def _to(x: Tensor | None, dtype: torch.dtype) -> Tensor | None:
    return None if x is None else x.to(dtype)
