"""Triton kernels of the fused mixer: projections of token tiles, and a chunk walk that makes its own inputs.

`models.scan.triton_mixer` tells which of them runs when. Arithmetic is float32 whatever the tensors' precision, but for
the matrix products, which take their operands as the tensors are and add in float32.
"""

import triton
import triton.language as tl

from .triton_kernels import LOG2E, row_of, sigmoid, softplus, spread


@triton.jit(do_not_specialize=["rows"])
def linear(
    x,  # (rows, K)
    norm_weight,  # (K) and norm_bias: a LayerNorm before the product; None for none
    norm_bias,
    epsilon,
    W,  # (N, K)
    out,  # (rows, N)
    rows,
    K: tl.constexpr,
    N: tl.constexpr,
    NB: tl.constexpr,
    R: tl.constexpr,
    PRECISION: tl.constexpr,
    GATE: tl.constexpr,  # of the columns from here on silu is written; 0: of none
    KB: tl.constexpr = 32,  # at once; float32's products in three parts hold six registers for each operand
):
    """out = LayerNorm(x) W^T for R rows."""
    row = tl.program_id(0).to(tl.int64) * R + tl.arange(0, R)
    present = (row < rows)[:, None]
    mean = tl.zeros([R], tl.float32)
    scale = tl.zeros([R], tl.float32)
    if norm_weight is not None:
        for first in range(0, K, KB):
            k = first + tl.arange(0, KB)
            v = tl.load(x + row[:, None] * K + k[None, :], mask=present & (k < K)[None, :], other=0.0)
            mean += tl.sum(v.to(tl.float32), 1) / K
        for first in range(0, K, KB):
            k = first + tl.arange(0, KB)
            v = tl.load(x + row[:, None] * K + k[None, :], mask=present & (k < K)[None, :], other=0.0)
            difference = tl.where((k < K)[None, :], v.to(tl.float32) - mean[:, None], 0.0)
            scale += tl.sum(difference * difference, 1) / K
        scale = tl.rsqrt(scale + epsilon)
    for start in range(0, N, NB):
        n = start + tl.arange(0, NB)
        result = tl.zeros([R, NB], tl.float32)
        for first in range(0, K, KB):
            k = first + tl.arange(0, KB)
            v = tl.load(x + row[:, None] * K + k[None, :], mask=present & (k < K)[None, :], other=0.0)
            if norm_weight is not None:
                weight = tl.load(norm_weight + k, mask=k < K, other=0.0).to(tl.float32)
                bias = tl.load(norm_bias + k, mask=k < K, other=0.0).to(tl.float32)
                v = (v.to(tl.float32) - mean[:, None]) * scale[:, None] * weight[None, :] + bias[None, :]
            w = tl.load(W + n[None, :] * K + k[:, None], mask=(k < K)[:, None] & (n < N)[None, :], other=0.0)
            result = tl.dot(v.to(W.dtype.element_ty), w, result, input_precision=PRECISION)
        if GATE > 0:
            result *= tl.where(n[None, :] >= GATE, sigmoid(result), 1.0)
        tl.store(out + row[:, None] * N + n[None, :], result.to(out.dtype.element_ty), mask=present & (n < N)[None, :])


@triton.jit(do_not_specialize=["length"])
def project(
    xz,  # (b, L, 2 d), of which x' is the first half
    conv_weight,  # (d, TAPS)
    conv_bias,  # (d)
    W,  # (RANK + 2 N, d): rows of dt, B, C
    projected,  # (b, L, WIDTH) float32: B, C, dt, and nothing up to WIDTH, so that each row begins on 16 bytes
    length,
    d: tl.constexpr,
    N: tl.constexpr,
    RANK: tl.constexpr,
    WIDTH: tl.constexpr,
    TAPS: tl.constexpr,
    R: tl.constexpr,
    DB: tl.constexpr,
    PB: tl.constexpr,  # a power of two, at least RANK + 2 N
    PRECISION: tl.constexpr,
):
    """x_proj of the convolved and activated x', R tokens of one sequence; the activation itself is not kept."""
    tiles = tl.cdiv(length, R)
    batch = (tl.program_id(0) // tiles).to(tl.int64)
    t = (tl.program_id(0) % tiles) * R + tl.arange(0, R)
    column = tl.arange(0, PB)
    source = tl.where(column < 2 * N, column + RANK, column - 2 * N)
    result = tl.zeros([R, PB], tl.float32)
    for first in range(0, d, DB):
        c = first + tl.arange(0, DB)
        u = tl.zeros([R, DB], tl.float32) + tl.load(conv_bias + c, mask=c < d, other=0.0).to(tl.float32)[None, :]
        for tap in tl.static_range(TAPS):
            s = t + tap - (TAPS - 1)
            inside = ((s >= 0) & (s < length))[:, None] & (c < d)[None, :]
            x = tl.load(xz + (batch * length + s)[:, None] * (2 * d) + c[None, :], mask=inside, other=0.0)
            weight = tl.load(conv_weight + c * TAPS + tap, mask=c < d, other=0.0).to(tl.float32)
            u += x.to(tl.float32) * weight[None, :]
        u *= sigmoid(u)
        inside = (c < d)[:, None] & (column < RANK + 2 * N)[None, :]
        w = tl.load(W + source[None, :] * d + c[:, None], mask=inside, other=0.0)
        result = tl.dot(u.to(W.dtype.element_ty), w, result, input_precision=PRECISION)
    inside = (t < length)[:, None] & (column < RANK + 2 * N)[None, :]
    tl.store(projected + (batch * length + t)[:, None] * WIDTH + column[None, :], result, mask=inside)


@triton.jit
def mix(
    h,  # (N, DB), before token t
    total,  # (DB), sum of the steps so far
    window,  # x' of the TAPS - 1 tokens before t
    t,
    xz,
    projected,
    out,
    c,
    inside,
    taps,  # of the convolution, and its bias
    conv_bias,
    dt_weights,
    dt_bias,
    decay_rate,
    skip,
    d: tl.constexpr,
    N: tl.constexpr,
    RANK: tl.constexpr,
    WIDTH: tl.constexpr,
    TAPS: tl.constexpr,
    U: tl.constexpr,
):
    """U tokens from t on: convolution, SiLU, dt_proj, softplus, recurrence and, with `out`, skip and gate."""
    xs = window
    gates = ()
    for i in tl.static_range(U):  # what comes from far is asked for first
        xs += (tl.load(xz + (t + i) * (2 * d) + c).to(tl.float32),)
        if out is not None:
            gates += (tl.load(xz + (t + i) * (2 * d) + d + c).to(tl.float32),)
    for i in tl.static_range(U):
        row = projected + (t + i) * WIDTH
        u = conv_bias
        for tap in tl.static_range(TAPS):
            u += taps[tap] * xs[i + tap]
        u *= sigmoid(u)
        step = dt_bias
        for r in tl.static_range(RANK):
            step += dt_weights[r] * tl.load(row + 2 * N + r)
        step = softplus(step)
        h = tl.exp2(step[None, :] * decay_rate) * h + (step * u)[None, :] * row_of(row, 16, N)[:, None]
        if out is None:
            total += step
        else:
            y = tl.sum(h * row_of(row + N, 16, N)[:, None], 0) + skip * u
            tl.store(out + (t + i) * d + c, (y * gates[i]).to(out.dtype.element_ty), mask=inside)
    kept = ()
    for i in tl.static_range(TAPS - 1):
        kept += (xs[U + i],)
    return h, total, kept


@triton.jit(do_not_specialize=["length", "tokens", "chunks"])
def mix_chunk(
    xz,  # (b, L, 2 d): x' and silu(z)
    projected,  # (b, L, WIDTH): B, C, dt
    conv_weight,  # (d, TAPS)
    conv_bias,  # (d)
    dt_weight,  # (d, RANK)
    dt_bias,  # (d)
    A,  # (d, N)
    D,  # (d)
    start,  # as in `scan_chunk`
    out,
    end,
    sums,
    length,
    tokens,
    chunks,
    d: tl.constexpr,
    N: tl.constexpr,
    RANK: tl.constexpr,
    WIDTH: tl.constexpr,
    TAPS: tl.constexpr,
    DB: tl.constexpr,
    U: tl.constexpr,
):
    """`scan_chunk` on inputs that are made on the way, from x' and the few numbers a token that steps need."""
    blocks: tl.constexpr = (d + DB - 1) // DB
    program = tl.program_id(0)
    chunk = (program // blocks) % chunks
    batch = (program // blocks // chunks).to(tl.int64)
    lanes = (program % blocks) * DB + tl.arange(0, DB)
    inside = lanes < d
    c = tl.minimum(lanes, d - 1)
    cell = tl.arange(0, N)[:, None] * d + c[None, :]  # of a state (N, d)
    slot = batch * chunks + chunk

    decay_rate = tl.load(spread(A, c[None, :] * N + tl.arange(0, N)[:, None] * 1)) * LOG2E
    skip = tl.load(D + c).to(tl.float32)
    convolution_bias = tl.load(conv_bias + c).to(tl.float32)
    step_bias = tl.load(dt_bias + c).to(tl.float32)
    taps = ()
    for tap in tl.static_range(TAPS):
        taps += (tl.load(conv_weight + c * TAPS + tap).to(tl.float32),)
    dt_weights = ()
    for r in tl.static_range(RANK):
        dt_weights += (tl.load(dt_weight + c * RANK + r).to(tl.float32),)
    h = tl.zeros([N, DB], tl.float32)
    if start is not None:
        if chunk > 0:
            h = tl.load(spread(start, (slot - 1) * N * d + cell))
    total = tl.zeros([DB], tl.float32)

    xz += batch * length * (2 * d)
    projected += batch * length * WIDTH
    if out is not None:
        out += batch * length * d
    first = chunk.to(tl.int64) * tokens
    last = tl.minimum(first + tokens, length)
    window = ()
    for i in tl.static_range(TAPS - 1):
        t = first + i - (TAPS - 1)
        x = tl.load(xz + tl.maximum(t, 0) * (2 * d) + c).to(tl.float32)
        window += (tl.where(t >= 0, x, 0.0),)
    whole = first + (last - first) // U * U
    for t in range(first, whole, U):
        h, total, window = mix(
            h, total, window, t, xz, projected, out, c, inside, taps, convolution_bias, dt_weights, step_bias,
            decay_rate, skip, d, N, RANK, WIDTH, TAPS, U,
        )  # fmt: skip
    for t in range(whole, last):
        h, total, window = mix(
            h, total, window, t, xz, projected, out, c, inside, taps, convolution_bias, dt_weights, step_bias,
            decay_rate, skip, d, N, RANK, WIDTH, TAPS, 1,
        )  # fmt: skip
    if out is None:
        tl.store(spread(end, slot * N * d + cell), h, mask=inside[None, :])
        tl.store(sums + slot * d + c, total, mask=inside)
