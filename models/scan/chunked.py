"""A selective scan in pure PyTorch that runs on any device: every chunk of the sequence advances at the same time.

The sequence is cut into K chunks of T tokens. Within a chunk the recurrence is linear in the state it starts from,

    h_end = exp(A sum(delta)) h_start + local_end,

so three passes suffice: (1) all chunks advance together from a zero state, T steps, which gives every local_end;
(2) a short recurrence over the K chunks gives every h_start; (3) all chunks advance again from the right state and
write y. Nothing is divided by a decay and no sum of logarithms is exponentiated with a positive sign, so the extreme
values of trained networks (A down to -7216) neither overflow nor lose digits. The backward pass is the same, reversed.

Tensors are channels-last: u, delta (b, L, d); A (d, n); B, C (b, L, g, n), where the d channels are g groups side by
side, or (d, n), the same for all tokens. At most a few states (b, K, d, n) are held, as (b, K, g, s, n) with the s
channels of a group together: what is the same for a group then needs no copies.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

# Elements of the state of all chunks together. On a CPU it should stay in the cache. On a GPU more would fill the chip
# better, but the carry visits chunk after chunk, and what counts there is the number of kernels launched.
STATE_ELEMENTS = {"cpu": 2**19, "cuda": 2**20}


@dataclass
class _Chunks:
    """A sequence (b, L, ...) as steps over time: step t holds token t of every chunk, (b * K, ...)."""

    batch: int
    length: int
    count: int  # K
    steps: int  # T

    @classmethod
    def plan(cls, batch: int, length: int, state: int, device: str) -> "_Chunks":
        count = max(1, min(STATE_ELEMENTS.get(device, 2**20) // (batch * state), length))
        count = 2 ** (count.bit_length() - 1)  # divides the usual lengths, which then need no padding
        steps = math.ceil(length / count)
        return cls(batch, length, math.ceil(length / steps), steps)

    def cut(self, x: Tensor) -> Tensor:
        """(b, L, ...) -> (b, K, T, ...). Zeros behind the end leave the state as it is, since exp(0 A) = 1."""
        missing = self.count * self.steps - self.length
        if missing:
            x = F.pad(x, (*(0, 0) * (x.dim() - 2), 0, missing))
        return x.reshape(self.batch, self.count, self.steps, *x.shape[2:])

    def join(self, x: Tensor) -> Tensor:
        """(b, K, T, ...) -> (b, L, ...)."""
        return x.reshape(self.batch, self.count * self.steps, *x.shape[3:])[:, : self.length]


class _Channels:
    """The d channels as g groups of s."""

    def __init__(self, A: Tensor, B: Tensor, C: Tensor) -> None:
        self.count = next((x.shape[2] for x in (B, C) if x.dim() == 4), 1)  # g
        self.A = self.split(A, 0)

    def split(self, x: Tensor, axis: int = -1) -> Tensor:
        """(..., d, ...) -> (..., g, s, ...)."""
        return x.unflatten(axis, (self.count, -1))


class _Rows:
    """B or C: what it does with states (b, K, g, s, n)."""

    def __init__(self, rows: Tensor, chunks: _Chunks, channels: _Channels) -> None:
        self.constant = rows.dim() == 2
        self.values = channels.split(rows, 0) if self.constant else chunks.cut(rows)

    def at(self, t: int) -> Tensor:
        """As a factor of the states at step t: (b, K, g, 1, n) or, constant, (g, s, n)."""
        return self.values if self.constant else self.values[:, :, t, :, None]

    def contract(self, state: Tensor, t: int) -> Tensor:
        """The sum over n of the states times this at step t: (b, K, g, s)."""
        if self.constant:
            return (state * self.values).sum(-1)
        return torch.matmul(state, self.values[:, :, t, :, :, None])[..., 0]

    def add_gradient(self, gradient: Tensor, state: Tensor, by: Tensor, t: int) -> None:
        """Add to the gradient at step t that of state (b, K, g, s, n) contracted with this and `by` (b, K, g, s)."""
        if self.constant:
            gradient.add_((state * by[..., None]).sum((0, 1)))
        else:
            gradient[:, :, t] = torch.matmul(by[..., None, :], state)[..., 0, :]


class _Recurrence:
    """The recurrence with all chunks side by side; the working tensors are allocated once and written in place."""

    def __init__(self, u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor) -> None:
        self.chunks = chunks = _Chunks.plan(u.shape[0], u.shape[1], A.numel(), u.device.type)
        self.channels = channels = _Channels(A, B, C)
        self.A = channels.A
        self.u, self.delta = self.cut(u), self.cut(delta)
        self.B, self.C = (_Rows(x, chunks, channels) for x in (B, C))
        self.input = self.delta * self.u
        self.decay = u.new_empty(chunks.batch, chunks.count, *self.A.shape)

    def cut(self, x: Tensor) -> Tensor:
        """(b, L, d) -> (b, K, T, g, s)."""
        return self.channels.split(self.chunks.cut(x))

    def join(self, x: Tensor) -> Tensor:
        """The reverse."""
        return self.chunks.join(x.flatten(-2))

    def decay_at(self, t: int, out: Tensor | None = None) -> Tensor:
        """exp(delta_t A), (b, K, g, s, n)."""
        return torch.mul(self.delta[:, :, t, ..., None], self.A, out=self.decay if out is None else out).exp_()

    def advance(self, h: Tensor, t: int, decay: Tensor) -> Tensor:
        """h_t from h_{t-1}, in place."""
        return h.mul_(decay).addcmul_(self.input[:, :, t, ..., None], self.B.at(t))

    def start_states(self) -> Tensor:
        """The state before the first token of every chunk, (b, K, g, s, n): passes 1 and 2."""
        h = torch.zeros_like(self.decay)
        if self.chunks.count == 1:
            return h
        for t in range(self.chunks.steps):
            self.advance(h, t, self.decay_at(t))
        return _carry(h, self.chunk_decay(), range(self.chunks.count), torch.zeros_like(h[:, 0]))

    def chunk_decay(self) -> Tensor:
        """exp(A sum(delta)) of every chunk."""
        return torch.mul(self.delta.sum(2)[..., None], self.A).exp_()


def _carry(local: Tensor, decay: Tensor, order: range, state: Tensor) -> Tensor:
    """What enters every chunk, from what each adds (`local`) and lets through (`decay`), visited in `order`.

    state: what enters the first one.
    """
    entering = torch.empty_like(local)
    for k in order:
        entering[:, k] = state
        state = torch.addcmul(local[:, k], decay[:, k], state)
    return entering


def scan(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor) -> tuple[Tensor, Tensor]:
    """y (b, L, d), and the state behind the last token (b, d, n)."""
    recurrence = _Recurrence(u, delta, A, B, C)
    h = recurrence.start_states()
    y = torch.empty_like(recurrence.input)
    for t in range(recurrence.chunks.steps):
        recurrence.advance(h, t, recurrence.decay_at(t))
        y[:, :, t] = recurrence.C.contract(h, t)
    return recurrence.join(y), h[:, -1].flatten(1, 2)


def scan_backward(
    grad: Tensor, grad_state: Tensor | None, u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """y, and the gradients of u, delta, A, B and C, from those of y (b, L, d) and of the last state (b, d, n); as in
    the reference."""
    recurrence = _Recurrence(u, delta, A, B, C)
    grad, u, delta, A = recurrence.cut(grad), recurrence.u, recurrence.delta, recurrence.A
    y, du, ddelta = torch.empty_like(u), torch.empty_like(u), torch.empty_like(u)
    dB, dC = (torch.zeros_like(x.values) for x in (recurrence.B, recurrence.C))
    dA = torch.zeros_like(recurrence.decay)  # summed over chunks at the end
    product = torch.empty_like(recurrence.decay)
    behind = torch.zeros_like(dA[:, 0]) if grad_state is None else recurrence.channels.split(grad_state, 1)
    carry = _carry_from_the_right(recurrence, grad, behind)
    for t, before, decay, h in _states_reversed(recurrence):
        g = carry.addcmul_(grad[:, :, t, ..., None], recurrence.C.at(t))  # gradient of h_t
        y[:, :, t] = recurrence.C.contract(h, t)
        recurrence.C.add_gradient(dC, h, grad[:, :, t], t)
        recurrence.B.add_gradient(dB, g, recurrence.input[:, :, t], t)
        by_input = recurrence.B.contract(g, t)  # gradient of delta_t u_t
        carry = g.mul_(decay)
        by_decay = torch.mul(carry, before, out=product)  # gradient of delta_t A
        dA.addcmul_(by_decay, delta[:, :, t, ..., None])
        du[:, :, t] = by_input * delta[:, :, t]
        ddelta[:, :, t] = (by_input * u[:, :, t]).add_(by_decay.mul_(A).sum(-1))
    dB, dC = (
        x.flatten(0, 1) if of.constant else recurrence.chunks.join(x)
        for x, of in ((dB, recurrence.B), (dC, recurrence.C))
    )
    join = recurrence.join
    return join(y), join(du), join(ddelta), dA.sum((0, 1)).flatten(0, 1), dB, dC


def _carry_from_the_right(recurrence: _Recurrence, grad: Tensor, behind: Tensor) -> Tensor:
    """exp(delta_{t+1} A) g_{t+1} for the last token t of every chunk: passes 1 and 2, reversed in time.

    behind: that for the last token of all, (b, g, s, n).
    """
    chunks = recurrence.chunks
    if chunks.count == 1:
        return behind[:, None].clone()
    carry = torch.zeros_like(recurrence.decay)
    for t in reversed(range(chunks.steps)):
        carry.addcmul_(grad[:, :, t, ..., None], recurrence.C.at(t)).mul_(recurrence.decay_at(t))
    return _carry(carry, recurrence.chunk_decay(), range(chunks.count)[::-1], behind)


def _states_reversed(recurrence: _Recurrence) -> Iterator[tuple[int, Tensor, Tensor, Tensor]]:
    """(t, h_{t-1}, exp(delta_t A), h_t) from the last step to the first.

    States cannot be run backwards (that would divide by the decay). One is saved every sqrt(T) steps, and those
    between are recomputed, so that 2 sqrt(T) states are held and not T.
    """
    steps = recurrence.chunks.steps
    stride = max(1, math.isqrt(steps))
    h = recurrence.start_states()
    saved = h.new_empty(math.ceil(steps / stride), *h.shape)
    for t in range(steps):
        if t % stride == 0:
            saved[t // stride] = h
        recurrence.advance(h, t, recurrence.decay_at(t))
    states, decays = h.new_empty(stride + 1, *h.shape), h.new_empty(stride, *h.shape)
    for start in reversed(range(0, steps, stride)):
        states[0] = saved[start // stride]
        stop = min(start + stride, steps)
        for i, t in enumerate(range(start, stop)):
            states[i + 1] = states[i]
            recurrence.advance(states[i + 1], t, recurrence.decay_at(t, out=decays[i]))
        for t in reversed(range(start, stop)):
            yield t, states[t - start], decays[t - start], states[t - start + 1]
