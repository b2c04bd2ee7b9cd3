"""A selective scan in Triton that splits every sequence over the whole GPU.

A sequence is cut into chunks of T tokens. Within a chunk the recurrence is linear in the state it starts from,

    h_end = exp(A sum(delta)) h_start + local_end,

so three passes suffice, each with all chunks at once:

 1. every chunk is walked from a zero state, which gives local_end and the sum of its steps;
 2. an associative scan over the chunks, in float32, gives every h_start;
 3. every chunk is walked again from the right state, with the contraction with C, D u and silu(z), and out is written.

If one chunk a sequence fills the GPU (many short sequences), pass 3 alone does it all. The states of all tokens never
exist: what is kept is one state a chunk. Decays are always exp of something negative and nothing is divided by one.

The gradient runs the recurrence in reverse. With g_t the gradient of h_t and r_t = exp(delta_t A) g_t,

    g_t = r_{t+1} + dy_t C_t,

which is linear in the r that enters from the right, with the same decay per chunk, so passes 1 and 2 serve once more.
The last kernel walks each chunk forwards, keeps the state of every second token in a scratch buffer that all chunks of
a program share, then goes backwards over these segments with their states in registers. Every sum has a fixed
order (partial sums for the channel blocks and programs, no atomics), so the same input gives the same bits.
"""

import contextlib
import math
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
import triton  # type: ignore[import-untyped]
from torch import Tensor

from ..errors import EsrError
from . import triton_adjoint as adjoint
from . import triton_kernels as kernels
from . import triton_tuning as tuning
from .arguments import is_constant

CARRY_CHUNKS, CARRY_STATES = 512, 8  # the tile of pass 2
TOKEN_TILE, CHANNEL_TILE = 16, 128  # of the kernels on single tokens


@dataclass
class _Inputs:
    """The arguments of a scan in strides that the kernels take: channels side by side, B and C by groups, n padded."""

    u: Tensor
    delta: Tensor
    A: Tensor  # (d, n)
    B: Tensor
    C: Tensor
    D: Tensor | None
    z: Tensor | None
    bias: Tensor | None
    softplus: bool

    def __post_init__(self) -> None:
        tensors = (self.u, self.delta, self.A, self.B, self.C, self.D, self.z, self.bias)
        if any(x is not None and x.dtype == torch.float64 for x in tensors):
            raise EsrError("scan backend 'triton' does not compute in float64; use 'chunked'")
        if self.u.device.type != "cuda" and not tuning.INTERPRETED:
            raise EsrError(f"scan backend 'triton' does not run on {self.u.device.type}; use 'chunked'")
        if is_constant(self.B, self.C):
            raise EsrError("scan backend 'triton' takes no constant B or C; use 'chunked'")
        self.b, self.d, self.length = self.u.shape
        n = self.A.shape[1]
        if n > tuning.STATES[-1]:
            raise EsrError(f"scan backend 'triton' takes at most {tuning.STATES[-1]} states, not {n}; use 'chunked'")
        self.n = next(size for size in tuning.STATES if size >= n)
        self.B, self.C = (x if x.dim() == 4 else x[:, None] for x in (self.B, self.C))  # (b, g, n, L)
        self.groups = self.B.shape[1]
        if self.n > n:  # states whose B is 0 remain 0
            self.A = F.pad(self.A, (0, self.n - n))
            self.B, self.C = (F.pad(x, (0, 0, 0, self.n - n)) for x in (self.B, self.C))
        self.B, self.C = _channels_last(self.B), _channels_last(self.C)
        self.u, self.delta = _channels_last(self.u), _channels_last(self.delta)
        self.z = None if self.z is None else _channels_last(self.z)
        self.D, self.bias = (None if x is None else x.contiguous() for x in (self.D, self.bias))
        self.align = math.gcd(16, *(v for x in (self.B, self.C) for v in _byte_offsets(x)))

    def plan(self, most_tokens: int) -> None:
        """Fix the chunks."""
        count = tuning.multiprocessors(self.u.device)
        self.tokens = min(most_tokens, tuning.plan_chunks(self.b, self.d, self.n, self.length, count))
        self.chunks = math.ceil(self.length / self.tokens)

    @property
    def device(self) -> contextlib.AbstractContextManager[Any]:
        return torch.cuda.device(self.u.device) if self.u.is_cuda else contextlib.nullcontext()


def _channels_last(x: Tensor) -> Tensor:
    return x if x.stride(-2) == 1 or x.shape[-2] == 1 else x.movedim(-1, 1).contiguous().movedim(1, -1)


def _byte_offsets(x: Tensor) -> list[int]:
    """Where rows of x (b, g, n, L) lie, in bytes."""
    strides = [x.stride(i) for i in (0, 1, 3) if x.shape[i] > 1]
    return [x.data_ptr(), *(stride * x.element_size() for stride in strides)]


def forward(
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
    """See `models.scan.operator.Kernel`. The state is float32.

    Raises EsrError for float64 inputs, for n > 64, for a constant B or C, and for tensors that are not on a GPU.
    """
    u_, delta_, B_, C_, z_ = _flip(reverse, u, delta, B, C, z)
    x = _Inputs(u_, delta_, A, B_, C_, D, z_, delta_bias, delta_softplus)
    x.plan(x.length)
    out = u.new_empty(x.b, x.length, x.d)
    with x.device:
        start = _states(x)[0] if x.chunks > 1 else None
        end = u.new_empty(x.b, 1, x.n, x.d, dtype=torch.float32) if start is None and last_state is not None else None
        _scan(x, x.D, x.z, start, out, end, None)
    behind = end if start is None else start
    if last_state is not None and behind is not None:
        last_state.copy_(behind[:, -1, : A.shape[1]].transpose(1, 2))
    return _flip(reverse, out.transpose(1, 2))[0]


def backward(
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
    """See `models.scan.operator.Kernel`. Raises EsrError as `forward` does."""
    u_, delta_, B_, C_, z_ = _flip(reverse, u, delta, B, C, z)
    x = _Inputs(u_, delta_, A, B_, C_, D, z_, delta_bias, delta_softplus)
    grad = _channels_last(*_flip(reverse, grad))
    behind = 0 if grad_state is None else x.n  # tokens that are put behind the last one
    padded = triton.cdiv(x.length + behind, tuning.SEGMENT) * tuning.SEGMENT
    with x.device:
        steps, dy = _activate(x, grad, padded)
        # From here on the steps are as they enter the recurrence, and 0 behind the end.
        u_, B_, C_ = (_pad_tokens(v, padded) for v in (x.u, x.B, x.C))
        if grad_state is not None:
            # Tokens with a step of 0 keep the state, and one with C = e_n gives its n-th entry as output.
            C_[..., x.length : x.length + behind] = torch.eye(behind, dtype=C_.dtype, device=C_.device)
            dy[:, x.length : x.length + A.shape[1]] = grad_state.transpose(1, 2)
        recurrence = _Inputs(u_, steps.transpose(1, 2), x.A, B_, C_, None, None, None, False)
        recurrence.plan(tuning.MOST_TOKENS)
        y, dx, dsteps, dA, dB, dC = _recurrence_backward(recurrence, dy)
        du, ddelta, dz, dD, dbias = _activate_backward(x, grad, y, dx, dsteps, dy)
    n, none = A.shape[1], u.new_empty(0)
    dB, dC = (
        (v if of.dim() == 4 else v[:, :, 0])[:, : x.length, ..., :n].to(of.dtype).contiguous().movedim(1, -1)
        for v, of in ((dB, B), (dC, C))
    )
    du, ddelta, dB, dC, dz = _flip(reverse, du.transpose(1, 2), ddelta.transpose(1, 2), dB, dC, dz.transpose(1, 2))
    return [
        du,
        ddelta,
        dA[:, :n].to(A.dtype),
        dB,
        dC,
        none if D is None else dD.to(D.dtype),
        none if z is None else dz,
        none if delta_bias is None else dbias.to(delta_bias.dtype),
    ]


def _flip(reverse: bool, *sequences: Any) -> tuple[Any, ...]:
    """Sequences from their last token to their first, channels-last in memory."""
    if not reverse:
        return sequences
    return tuple(None if x is None else x.movedim(-1, 1).flip(1).movedim(1, -1) for x in sequences)


def _pad_tokens(x: Tensor, length: int) -> Tensor:
    """(b, ..., L) -> (b, ..., length), a copy only where they differ."""
    if x.shape[-1] == length:
        return x
    return F.pad(x.movedim(-1, 1), (*(0, 0) * (x.dim() - 2), 0, length - x.shape[-1])).movedim(1, -1)


def _states(x: _Inputs) -> tuple[Tensor, Tensor]:
    """Passes 1 and 2: the states behind all chunks (b, K, n, d), and the sums of their steps (b, K, d)."""
    end = x.u.new_empty(x.b, x.chunks, x.n, x.d, dtype=torch.float32)
    total = x.u.new_empty(x.b, x.chunks, x.d, dtype=torch.float32)
    _scan(x, None, None, None, None, end, total)
    _carry(x, end, total, reverse=False)
    return end, total


def _scan(
    x: _Inputs,
    D: Tensor | None,
    z: Tensor | None,
    start: Tensor | None,
    out: Tensor | None,
    end: Tensor | None,
    total: Tensor | None,
) -> None:
    tuning.launch_scan(
        x.b, x.d, x.n, x.chunks, x.tokens, out is not None,
        (x.u, x.delta, x.A, x.B, x.C, D, z, x.bias, start, out, end, total, x.length, x.tokens, x.chunks),
        u_b=x.u.stride(0), delta_b=x.delta.stride(0), B_b=x.B.stride(0), C_b=x.C.stride(0),
        z_b=0 if z is None else z.stride(0), B_g=x.B.stride(1), C_g=x.C.stride(1), A_d=x.A.stride(0),
        A_n=x.A.stride(1), u_t=x.u.stride(2), delta_t=x.delta.stride(2), B_t=x.B.stride(3), C_t=x.C.stride(3),
        z_t=0 if z is None else z.stride(2), GROUPS=x.groups, ALIGN=x.align, SOFTPLUS=x.softplus,
    )  # fmt: skip


def _carry(x: _Inputs, state: Tensor, total: Tensor, reverse: bool) -> None:
    grid = (x.b * triton.cdiv(x.n * x.d, CARRY_STATES),)
    tile = min(CARRY_CHUNKS, triton.next_power_of_2(x.chunks))
    kernels.carry_chunks[grid](
        state, total, x.A, x.chunks, x.A.stride(0), x.A.stride(1),
        d=x.d, N=x.n, REVERSE=reverse, KB=tile, JB=CARRY_STATES, num_warps=4,
    )  # fmt: skip


def _token_grid(x: _Inputs, length: int) -> tuple[tuple[int], dict[str, int]]:
    """For the kernels on single tokens: the grid, and the tile."""
    tile = {"R": TOKEN_TILE, "DB": min(CHANNEL_TILE, triton.next_power_of_2(x.d))}
    return (x.b * triton.cdiv(length, TOKEN_TILE) * triton.cdiv(x.d, tile["DB"]),), tile


def _activate(x: _Inputs, grad: Tensor, padded: int) -> tuple[Tensor, Tensor]:
    """The steps, and the gradient of the ungated output, (b, padded, d) in float32."""
    steps, dy = (x.u.new_empty(x.b, padded, x.d, dtype=torch.float32) for _ in range(2))
    grid, tile = _token_grid(x, padded)
    z = grad if x.z is None else x.z
    adjoint.activate[grid](
        x.delta, x.bias, grad, x.z, steps, dy, x.length, padded, x.delta.stride(0), grad.stride(0), z.stride(0),
        d=x.d, delta_t=x.delta.stride(2), grad_t=grad.stride(2), z_t=z.stride(2), SOFTPLUS=x.softplus, **tile,
    )  # fmt: skip
    return steps, dy


def _recurrence_backward(x: _Inputs, dy: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """y, and the gradients of u, the steps, A (d, n), B and C (b, L, g, n), in float32. x.delta holds the steps."""
    size = x.d // x.groups
    start = behind = None
    if x.chunks > 1:
        start, total = _states(x)
        behind = torch.empty_like(start)
        config = tuning.forward_configs(x.n)[0]
        grid = (x.b * x.chunks * x.groups * triton.cdiv(size, config.channels),)
        adjoint.adjoint_chunk[grid](
            x.delta, dy, x.A, x.C, behind, x.length, x.tokens, x.chunks, x.C.stride(0), x.C.stride(1),
            x.A.stride(0), x.A.stride(1), d=x.d, C_t=x.C.stride(3), N=x.n, GROUPS=x.groups, ALIGN=x.align,
            DB=config.channels, U=config.tokens, num_warps=config.warps,
        )  # fmt: skip
        _carry(x, behind, total, reverse=True)
    blocks_of_group = triton.cdiv(size * x.n, tuning.BLOCK_STATES)
    blocks = x.groups * blocks_of_group
    y, dx, dsteps = (torch.empty_like(dy) for _ in range(3))
    inputs, sizes = (x.u, x.delta, dy, x.A, x.B, x.C, start, behind), (x.b, x.length, x.tokens, x.chunks)
    strides = (
        x.u.stride(0), x.B.stride(0), x.C.stride(0), x.B.stride(1), x.C.stride(1), x.A.stride(0), x.A.stride(1),
    )  # fmt: skip
    constants = {
        "d": x.d, "u_t": x.u.stride(2), "B_t": x.B.stride(3), "C_t": x.C.stride(3), "N": x.n, "GROUPS": x.groups,
        "CR": tuning.HELD_CHANNELS, "S": tuning.SEGMENT, "num_warps": 1, "maxnreg": tuning.BACKWARD_REGISTERS,
    }  # fmt: skip
    kernel = adjoint.scan_chunk_backward
    programs = tuning.multiprocessors(x.u.device) * tuning.resident_warps(
        ("backward", x.u.device, *(v is not None and v.dtype for v in inputs), *constants.values()),
        # Any tensor of their dtype stands for those whose sizes hang on the answer.
        lambda: [kernel.warmup(*inputs, dy, y, dx, dsteps, dy, dy, dy, *sizes, *strides, grid=(1,), **constants)],
        warps=1,
        interpreted=tuning.BACKWARD_PROGRAMS,
    )
    workers = min(x.b * x.chunks, max(1, programs // blocks))
    dA = dy.new_empty(workers, x.n, x.d)
    dB, dC = (dy.new_empty(blocks_of_group, x.b, x.length, x.groups, x.n) for _ in range(2))
    scratch = dy.new_empty(workers * blocks, x.tokens // tuning.SEGMENT, tuning.BLOCK_STATES)
    kernel[(workers * blocks,)](*inputs, scratch, y, dx, dsteps, dA, dB, dC, *sizes, *strides, **constants)
    return y, dx, dsteps, dA.sum(0).t(), dB.sum(0), dC.sum(0)


def _activate_backward(
    x: _Inputs, grad: Tensor, y: Tensor, dx: Tensor, dsteps: Tensor, dy: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Gradients of u, delta and z (b, L, d), of D and of the bias (d)."""
    grid, tile = _token_grid(x, x.length)
    du, ddelta, dz = (
        y.new_empty(x.b, x.length, x.d, dtype=v.dtype) for v in (x.u, x.delta, x.u if x.z is None else x.z)
    )
    dD, dbias = (y.new_empty(x.b * triton.cdiv(x.length, TOKEN_TILE), x.d) for _ in range(2))
    z = grad if x.z is None else x.z
    adjoint.activate_backward[grid](
        y, dx, dsteps, dy, x.u, x.delta, x.bias, x.D, grad, x.z, du, ddelta, dz, dD, dbias,
        x.length, y.shape[1], x.u.stride(0), x.delta.stride(0), grad.stride(0), z.stride(0),
        d=x.d, u_t=x.u.stride(2), delta_t=x.delta.stride(2), grad_t=grad.stride(2), z_t=z.stride(2),
        SOFTPLUS=x.softplus, **tile,
    )  # fmt: skip
    return du, ddelta, dz, dD.sum(0), dbias.sum(0)
