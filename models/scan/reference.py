"""The oracle: the recurrence of a selective scan, one token after the other, in the precision of its inputs.

    h_t = exp(delta_t A) h_{t-1} + delta_t u_t B_t        (b, d, n)
    y_t = h_t C_t                                         (b, d)

Mamba (Gu and Dao 2023), Eq. (2a, 2b) with the zero-order hold for A and Euler's rule for B, as in its released code.
Tensors are channels-last: u, delta (b, L, d); A (d, n); B, C (b, L, g, n), where the d channels are g groups side by
side, or (d, n), the same for all tokens. Slow on purpose of being plain.
"""

import math

import torch
from torch import Tensor


def scan(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor) -> tuple[Tensor, Tensor]:
    """y (b, L, d), and the state behind the last token (b, d, n)."""
    h = u.new_zeros(u.shape[0], *A.shape)
    y = torch.empty_like(u)
    for t in range(u.shape[1]):
        h = _step(h, u, delta, A, B, t)
        y[:, t] = (h * _at(C, t, A)).sum(-1)
    return y, h


def scan_backward(
    grad: Tensor, grad_state: Tensor | None, u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """y, and the gradients of u, delta, A, B and C, from those of y (b, L, d) and of the last state (b, d, n).

    With g_t the gradient of h_t:  g_t = C_t grad_t + exp(delta_{t+1} A) g_{t+1}.
    States are recomputed from one saved state every sqrt(L) tokens, so that no (b, L, d, n) tensor is ever held.
    """
    length = u.shape[1]
    stride = max(1, math.isqrt(length))
    saved = _states_before(u, delta, A, B, stride)
    y, du, ddelta = torch.empty_like(u), torch.empty_like(u), torch.empty_like(u)
    dA, dB, dC = torch.zeros_like(A), torch.zeros_like(B), torch.zeros_like(C)
    carry = torch.zeros_like(saved[0]) if grad_state is None else grad_state  # exp(delta_{t+1} A) g_{t+1}
    for segment in reversed(range(len(saved))):
        start = segment * stride
        states = [saved[segment]]  # states[i] is h before token start + i
        for t in range(start, min(start + stride, length)):
            states.append(_step(states[-1], u, delta, A, B, t))
        for t in reversed(range(start, min(start + stride, length))):
            before, h = states[t - start], states[t - start + 1]
            g = carry + grad[:, t, :, None] * _at(C, t, A)
            a = torch.exp(delta[:, t, :, None] * A)
            carry = a * g
            by_decay = carry * before  # gradient of delta_t A
            by_input = (g * _at(B, t, A)).sum(-1)  # gradient of delta_t u_t
            y[:, t] = (h * _at(C, t, A)).sum(-1)
            du[:, t] = by_input * delta[:, t]
            ddelta[:, t] = by_input * u[:, t] + (by_decay * A).sum(-1)
            dA += (by_decay * delta[:, t, :, None]).sum(0)
            _add_at(dB, t, g * (delta[:, t] * u[:, t])[..., None])
            _add_at(dC, t, h * grad[:, t, :, None])
    return y, du, ddelta, dA, dB, dC


def _at(rows: Tensor, t: int, A: Tensor) -> Tensor:
    """B or C at token t for every channel, (b, d, n) or, where it is constant, (d, n)."""
    if rows.dim() == 2:
        return rows
    return rows[:, t].repeat_interleave(A.shape[0] // rows.shape[2], 1)


def _add_at(rows: Tensor, t: int, gradient: Tensor) -> None:
    """Add what every channel (b, d, n) contributes to the gradient of B or C at token t."""
    if rows.dim() == 2:
        rows += gradient.sum(0)
    else:
        rows[:, t] += gradient.unflatten(1, (rows.shape[2], -1)).sum(2)


def _step(h: Tensor, u: Tensor, delta: Tensor, A: Tensor, B: Tensor, t: int) -> Tensor:
    decay = torch.exp(delta[:, t, :, None] * A)
    return decay * h + (delta[:, t] * u[:, t])[:, :, None] * _at(B, t, A)


def _states_before(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, stride: int) -> list[Tensor]:
    """The states before tokens 0, stride, 2 stride, ..., each (b, d, n)."""
    h = u.new_zeros(u.shape[0], *A.shape)
    saved = []
    for t in range(u.shape[1]):
        if t % stride == 0:
            saved.append(h)
        h = _step(h, u, delta, A, B, t)
    return saved
