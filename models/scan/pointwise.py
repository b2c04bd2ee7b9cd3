"""The parts of a selective scan that act on each token alone, with their gradients.

All tensors are channels-last, (b, L, d), in the working precision. Mamba (Gu and Dao 2023), Algorithm 2.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def working_dtype(*tensors: Tensor) -> torch.dtype:
    """float64 if any input is, else float32: the state is never kept in half precision."""
    return torch.float64 if any(t.dtype == torch.float64 for t in tensors) else torch.float32


def step_size(delta: Tensor, bias: Tensor | None, softplus: bool) -> Tensor:
    """The discretisation step: softplus(delta + bias). F.softplus uses log1p, exact for the tiny steps of DVMSR."""
    if bias is not None:
        delta = delta + bias
    return F.softplus(delta) if softplus else delta


def step_size_backward(grad: Tensor, delta: Tensor, bias: Tensor | None, softplus: bool) -> Tensor:
    """Gradient with respect to delta (that of the bias is its sum over b and L)."""
    if not softplus:
        return grad
    # F.softplus is the identity above 20; sigmoid is 1 there to the last bit of float32, and within 3e-9 in float64.
    return grad * torch.sigmoid(delta if bias is None else delta + bias)


def skip_and_gate(y: Tensor, u: Tensor, D: Tensor | None, z: Tensor | None) -> Tensor:
    """(y + D u) silu(z), in place of y."""
    if D is not None:
        y.addcmul_(u, D)
    if z is not None:
        y.mul_(F.silu(z))
    return y


def skip_and_gate_backward(grad: Tensor, y: Tensor, u: Tensor, D: Tensor | None, z: Tensor) -> Tensor:
    """Gradient with respect to z. With respect to y it is grad * silu(z); the caller has it already."""
    if D is not None:
        y = torch.addcmul(y, u, D)
    s = torch.sigmoid(z)
    return grad * y * s * (1 + z * (1 - s))
