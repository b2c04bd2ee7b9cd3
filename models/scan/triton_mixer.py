"""The fused mixer on a GPU, in five kernels a layer:

 1. `linear`: LayerNorm, in_proj and the gate's SiLU, one read of the tokens;
 2. `project`: convolution, SiLU and x_proj, of which only B, C and the r numbers behind the step are kept;
 3. `mix_chunk` from zero states, `carry_chunks`, `mix_chunk` again: the three passes of `triton_scan`, with the
    convolution, dt_proj and softplus done anew for each token as it is reached, and the skip and the gate at the end;
 4. `linear`: out_proj.

Of the (b, L, d) intermediates u, delta and the ungated y none is ever written; x', silu(z) and the gated y are. At
256x256 in float32 a layer of DVMSR moves 79 + 41 + 41 + 103 + 47 = 311 MB, where the separate steps move about 470.
"""

import contextlib
import math

import torch
import triton
from torch import Tensor

from ..errors import EsrError
from . import triton_kernels as kernels
from . import triton_mixer_kernels as mixer
from . import triton_tuning as tuning
from .mixer_direction import Direction, each_way
from .triton_scan import CARRY_CHUNKS, CARRY_STATES

ROWS, WARPS = 64, 8  # of a tile of a matrix product


@each_way
def forward(
    x: Tensor,
    norm_weight: Tensor,
    norm_bias: Tensor,
    epsilon: float,
    in_proj: Tensor,
    out_proj: Tensor,
    direction: Direction,
) -> Tensor:
    """See `models.scan.mixer.mamba_mixer`. float32, bfloat16 or float16; the state is float32.

    Raises EsrError for a state size other than 8, 16, 32 or 64, and for tensors that are not on a GPU.
    """
    conv_weight, conv_bias, x_proj, dt_proj, dt_bias, A, D = direction
    b, length, _ = x.shape
    d, n = A.shape
    rank, taps = dt_proj.shape[1], conv_weight.shape[-1]
    if n not in tuning.STATES:
        raise EsrError(f"the fused mixer takes {tuning.STATES} states, not {n}; use fused=False")
    if not x.is_cuda and not tuning.INTERPRETED:
        raise EsrError(f"scan backend 'triton' does not run on {x.device.type}; use 'chunked'")
    precision = _precision(x)
    x, A, D, conv_weight = x.contiguous(), A.float().contiguous(), D.contiguous(), conv_weight.contiguous()
    with torch.cuda.device(x.device) if x.is_cuda else contextlib.nullcontext():
        xz = _linear(x, in_proj, precision, (norm_weight, norm_bias, epsilon), gate=d)
        width = 4 * math.ceil((rank + 2 * n) / 4)
        projected = x.new_empty(b, length, width, dtype=torch.float32)
        mixer.project[(b * triton.cdiv(length, ROWS),)](
            xz, conv_weight, conv_bias, x_proj.contiguous(), projected, length,
            d=d, N=n, RANK=rank, WIDTH=width, TAPS=taps, R=ROWS, DB=32,
            PB=max(16, triton.next_power_of_2(rank + 2 * n)), PRECISION=precision, num_warps=WARPS, num_stages=2,
        )  # fmt: skip
        y = x.new_empty(b, length, d)
        config = tuning.walk_config(n)
        weights = (conv_weight, conv_bias, dt_proj.contiguous(), dt_bias, A, D)
        constants = {
            "d": d, "N": n, "RANK": rank, "WIDTH": width, "TAPS": taps, "DB": config.channels, "U": config.tokens,
            "num_warps": config.warps,
        }  # fmt: skip
        # Any tensor of their dtype stands for those that the answer is needed for.
        passes = ((None, None, projected, projected), (projected, y, None, None))
        resident = tuning.resident_warps(
            ("mix", x.device, *(v.dtype for v in (xz, *weights)), *constants.values()),
            lambda: [
                mixer.mix_chunk.warmup(xz, projected, *weights, *p, length, 1, 1, grid=(1,), **constants)
                for p in passes
            ],
            warps=config.warps,
            interpreted=tuning.WARPS_PER_MULTIPROCESSOR,
        )
        multiprocessors, blocks = tuning.multiprocessors(x.device), triton.cdiv(d, config.channels)
        at_once = resident * multiprocessors // (config.warps * blocks)
        tokens = tuning.plan_chunks(b, d, n, length, multiprocessors, at_once)
        chunks = triton.cdiv(length, tokens)
        grid = (b * chunks * blocks,)

        def walk(start: Tensor | None, out: Tensor | None, end: Tensor | None, sums: Tensor | None) -> None:
            mixer.mix_chunk[grid](xz, projected, *weights, start, out, end, sums, length, tokens, chunks, **constants)

        states = None
        if chunks > 1:
            states = x.new_empty(b, chunks, n, d, dtype=torch.float32)
            sums = x.new_empty(b, chunks, d, dtype=torch.float32)
            walk(None, None, states, sums)
            kernels.carry_chunks[(b * triton.cdiv(n * d, CARRY_STATES),)](
                states, sums, A, chunks, n, 1, d=d, N=n, REVERSE=False,
                KB=min(CARRY_CHUNKS, triton.next_power_of_2(chunks)), JB=CARRY_STATES, num_warps=4,
            )  # fmt: skip
        walk(states, y, None, None)
        return _linear(y, out_proj, precision, None)


def _precision(x: Tensor) -> str:
    """How `tl.dot` multiplies float32: three TF32 products keep float32's digits at several times its speed."""
    if x.dtype != torch.float32:
        return "ieee"
    return "tf32" if x.is_cuda and torch.backends.cuda.matmul.allow_tf32 else "tf32x3"


def _linear(
    x: Tensor, weight: Tensor, precision: str, norm: tuple[Tensor, Tensor, float] | None, gate: int = 0
) -> Tensor:
    outputs, inputs = weight.shape
    out = x.new_empty(*x.shape[:2], outputs)
    rows = x.shape[0] * x.shape[1]
    norm_weight, norm_bias, epsilon = norm or (None, None, 0.0)
    columns = 128 if outputs > 64 else 64
    mixer.linear[(triton.cdiv(rows, ROWS),)](
        x, norm_weight, norm_bias, epsilon, weight.contiguous(), out, rows,
        K=inputs, N=outputs, NB=columns, R=ROWS, PRECISION=precision, GATE=gate, num_warps=WARPS,
    )  # fmt: skip
    return out
