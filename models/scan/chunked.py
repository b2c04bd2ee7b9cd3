"""A selective scan in pure PyTorch that runs on any device: every chunk of the sequence advances at the same time.

The sequence is cut into K chunks of T tokens. Within a chunk the recurrence is linear in the state it starts from,

    h_end = exp(A sum(delta)) h_start + local_end,

so three passes suffice: (1) all chunks advance together from a zero state, T steps, which gives every local_end;
(2) a short recurrence over the K chunks gives every h_start; (3) all chunks advance again from the right state and
write y. Nothing is divided by a decay and no sum of logarithms is exponentiated with a positive sign, so the extreme
values of trained networks (A down to -7216) neither overflow nor lose digits. The backward pass is the same, reversed.

Tensors are channels-last: u, delta (b, L, d); A (d, n); B, C (b, L, n). At most a few states (b, K, d, n) are held.
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
        """(b, L, c) -> (b, K, T, c). Zeros behind the end leave the state as it is, since exp(0 A) = 1."""
        missing = self.count * self.steps - self.length
        if missing:
            x = F.pad(x, (0, 0, 0, missing))
        return x.reshape(self.batch, self.count, self.steps, -1)

    def join(self, x: Tensor) -> Tensor:
        """(b, K, T, c) -> (b, L, c)."""
        return x.reshape(self.batch, self.count * self.steps, -1)[:, : self.length]


class _Recurrence:
    """The recurrence with all chunks side by side; the working tensors are allocated once and written in place."""

    def __init__(self, chunks: _Chunks, u: Tensor, delta: Tensor, A: Tensor, B: Tensor) -> None:
        self.chunks, self.A = chunks, A
        self.delta, self.B = chunks.cut(delta), chunks.cut(B)
        self.input = self.delta * chunks.cut(u)
        self.decay = u.new_empty(chunks.batch, chunks.count, *A.shape)

    def decay_at(self, t: int, out: Tensor | None = None) -> Tensor:
        """exp(delta_t A), (b, K, d, n)."""
        return torch.mul(self.delta[:, :, t, :, None], self.A, out=self.decay if out is None else out).exp_()

    def advance(self, h: Tensor, t: int, decay: Tensor) -> Tensor:
        """h_t from h_{t-1}, in place."""
        return h.mul_(decay).addcmul_(self.input[:, :, t, :, None], self.B[:, :, t, None, :])

    def start_states(self) -> Tensor:
        """The state before the first token of every chunk, (b, K, d, n): passes 1 and 2."""
        h = torch.zeros_like(self.decay)
        if self.chunks.count == 1:
            return h
        for t in range(self.chunks.steps):
            self.advance(h, t, self.decay_at(t))
        return _carry(h, self.chunk_decay(), range(self.chunks.count))

    def chunk_decay(self) -> Tensor:
        """exp(A sum(delta)) of every chunk."""
        return torch.mul(self.delta.sum(2)[..., None], self.A).exp_()


def _carry(local: Tensor, decay: Tensor, order: range) -> Tensor:
    """What enters every chunk, from what each adds (`local`) and lets through (`decay`), visited in `order`."""
    entering = torch.empty_like(local)
    state = torch.zeros_like(local[:, 0])
    for k in order:
        entering[:, k] = state
        state = torch.addcmul(local[:, k], decay[:, k], state)
    return entering


def _contract(state: Tensor, vector: Tensor) -> Tensor:
    """Sum over n of state (b, K, d, n) times vector (b, K, n): (b, K, d)."""
    return torch.matmul(state, vector[..., None])[..., 0]


def _contract_channels(state: Tensor, vector: Tensor) -> Tensor:
    """Sum over d of state (b, K, d, n) times vector (b, K, d): (b, K, n)."""
    return torch.matmul(vector[..., None, :], state)[..., 0, :]


def scan(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor) -> Tensor:
    """y (b, L, d)."""
    chunks = _Chunks.plan(u.shape[0], u.shape[1], A.numel(), u.device.type)
    recurrence = _Recurrence(chunks, u, delta, A, B)
    h = recurrence.start_states()
    C = chunks.cut(C)
    y = torch.empty_like(recurrence.input)
    for t in range(chunks.steps):
        recurrence.advance(h, t, recurrence.decay_at(t))
        y[:, :, t] = _contract(h, C[:, :, t])
    return chunks.join(y)


def scan_backward(
    grad: Tensor, u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """y, and the gradients of u, delta, A, B and C, from the gradient of y (b, L, d); as in the reference."""
    chunks = _Chunks.plan(u.shape[0], u.shape[1], A.numel(), u.device.type)
    recurrence = _Recurrence(chunks, u, delta, A, B)
    u, grad, C, B, delta = chunks.cut(u), chunks.cut(grad), chunks.cut(C), recurrence.B, recurrence.delta
    y, du, ddelta = torch.empty_like(u), torch.empty_like(u), torch.empty_like(u)
    dB, dC = torch.empty_like(B), torch.empty_like(C)
    dA = torch.zeros_like(recurrence.decay)  # summed over chunks at the end
    product = torch.empty_like(recurrence.decay)
    carry = _carry_from_the_right(recurrence, grad, C)
    for t, before, decay, h in _states_reversed(recurrence):
        g = carry.addcmul_(grad[:, :, t, :, None], C[:, :, t, None, :])  # gradient of h_t
        y[:, :, t] = _contract(h, C[:, :, t])
        dC[:, :, t] = _contract_channels(h, grad[:, :, t])
        dB[:, :, t] = _contract_channels(g, recurrence.input[:, :, t])
        by_input = _contract(g, B[:, :, t])  # gradient of delta_t u_t
        carry = g.mul_(decay)
        by_decay = torch.mul(carry, before, out=product)  # gradient of delta_t A
        dA.addcmul_(by_decay, delta[:, :, t, :, None])
        du[:, :, t] = by_input * delta[:, :, t]
        ddelta[:, :, t] = (by_input * u[:, :, t]).add_(by_decay.mul_(A).sum(-1))
    join = chunks.join
    return join(y), join(du), join(ddelta), dA.sum((0, 1)), join(dB), join(dC)


def _carry_from_the_right(recurrence: _Recurrence, grad: Tensor, C: Tensor) -> Tensor:
    """exp(delta_{t+1} A) g_{t+1} for the last token t of every chunk: passes 1 and 2, reversed in time."""
    chunks = recurrence.chunks
    carry = torch.zeros_like(recurrence.decay)
    if chunks.count == 1:
        return carry
    for t in reversed(range(chunks.steps)):
        carry.addcmul_(grad[:, :, t, :, None], C[:, :, t, None, :]).mul_(recurrence.decay_at(t))
    return _carry(carry, recurrence.chunk_decay(), range(chunks.count)[::-1])


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
