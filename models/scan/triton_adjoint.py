"""Triton kernels of the gradient of a selective scan: what acts on single tokens, and the recurrence in reverse.

With x_t = delta_t u_t, a_t = exp(delta_t A), g_t the gradient of h_t and r_t = a_t g_t what it hands to h_{t-1},

    g_t = r_{t+1} + dy_t C_t,    dB_t = sum_d g_t x_t,    dx_t = sum_n g_t B_t,    d(delta_t A) = r_t h_{t-1}.

`models.scan.triton_scan` says how the passes fit together. `adjoint_chunk` lays its state out as `scan_chunk` does. The
last kernel sums over channels too, for dB and dC, and would spend its time exchanging sums if a lane held one channel
and all n. Its state is therefore a tensor [4, 4, N/4, 128/N]: four n by four channels in each thread, and a warp's
lanes spread over both. A row-major tensor with as many entries in its last axes as the warp has lanes is laid out by
Triton in just that way.
"""

# mypy: ignore-errors
import triton
import triton.language as tl

from .triton_kernels import LN2, LOG2E, block_of_channels, row_of, sigmoid, softplus, spread


@triton.jit(do_not_specialize=["length", "padded"])
def activate(delta, bias, grad, z, steps, dy, length, padded, delta_b, grad_b, z_b,
             d: tl.constexpr, delta_t: tl.constexpr, grad_t: tl.constexpr, z_t: tl.constexpr,
             SOFTPLUS: tl.constexpr, R: tl.constexpr, DB: tl.constexpr):  # fmt: skip
    """The steps, and the gradient dy = grad silu(z) of the ungated output, (b, padded, d) in float32: 0 behind L."""
    batch, t, c = _tile(padded, d, R, DB)
    inside = (t < length) & (c < d)
    cell = (batch * padded + t) * d + c
    step = tl.load(delta + batch * delta_b + t * delta_t + c, mask=inside, other=0.0).to(tl.float32)
    if bias is not None:
        step += tl.load(bias + c, mask=c < d).to(tl.float32)
    if SOFTPLUS:
        step = softplus(step)
    exists = (t < padded) & (c < d)
    tl.store(steps + cell, tl.where(inside, step, 0.0), mask=exists)
    g = tl.load(grad + batch * grad_b + t * grad_t + c, mask=inside, other=0.0).to(tl.float32)
    if z is not None:
        gate = tl.load(z + batch * z_b + t * z_t + c, mask=inside, other=0.0).to(tl.float32)
        g *= gate * sigmoid(gate)
    tl.store(dy + cell, g, mask=exists)


@triton.jit(do_not_specialize=["length", "padded"])
def activate_backward(y, dx, dsteps, dy, u, delta, bias, D, grad, z, du, ddelta, dz, dD, dbias,
                      length, padded, u_b, delta_b, grad_b, z_b,
                      d: tl.constexpr, u_t: tl.constexpr, delta_t: tl.constexpr, grad_t: tl.constexpr,
                      z_t: tl.constexpr, SOFTPLUS: tl.constexpr, R: tl.constexpr, DB: tl.constexpr):  # fmt: skip
    """From the gradients of the recurrence to those of the inputs.

    y, dx (the gradient of u but for the skip), dsteps and dy are (b, padded, d) in float32; dD and dbias are this
    program's share of the sum, (programs, d).
    """
    batch, t, c = _tile(length, d, R, DB)
    inside = (t < length) & (c < d)
    cell = (batch * padded + t) * d + c
    target = (batch * length + t) * d + c
    row = (batch * tl.cdiv(length, R) + tl.program_id(0) // ((d + DB - 1) // DB) % tl.cdiv(length, R)) * d + c
    g = tl.load(dy + cell, mask=inside, other=0.0)
    x = tl.load(u + batch * u_b + t * u_t + c, mask=inside, other=0.0).to(tl.float32)
    grad_u = tl.load(dx + cell, mask=inside)
    out = tl.load(y + cell, mask=inside)
    if D is not None:
        skip = tl.load(D + c, mask=c < d).to(tl.float32)
        out += skip * x
        grad_u += skip * g
        tl.store(dD + row, tl.sum(g * x, 0)[None, :], mask=c < d)
    tl.store(du + target, grad_u.to(du.dtype.element_ty), mask=inside)
    if z is not None:
        gate = tl.load(z + batch * z_b + t * z_t + c, mask=inside).to(tl.float32)
        s = sigmoid(gate)
        out *= tl.load(grad + batch * grad_b + t * grad_t + c, mask=inside).to(tl.float32)
        tl.store(dz + target, (out * s * (1.0 + gate * (1.0 - s))).to(dz.dtype.element_ty), mask=inside)
    grad_step = tl.load(dsteps + cell, mask=inside, other=0.0)
    if SOFTPLUS:
        raw = tl.load(delta + batch * delta_b + t * delta_t + c, mask=inside, other=0.0).to(tl.float32)
        if bias is not None:
            raw += tl.load(bias + c, mask=c < d).to(tl.float32)
        grad_step *= sigmoid(raw)
    tl.store(ddelta + target, grad_step.to(ddelta.dtype.element_ty), mask=inside)
    if bias is not None:
        tl.store(dbias + row, tl.sum(grad_step, 0)[None, :], mask=c < d)


@triton.jit
def _tile(length, d: tl.constexpr, R: tl.constexpr, DB: tl.constexpr):
    """Batch, tokens (R, 1) and channels (1, DB) of this program."""
    blocks: tl.constexpr = (d + DB - 1) // DB
    tiles = tl.cdiv(length, R)
    program = tl.program_id(0)
    t = (program // blocks % tiles).to(tl.int64) * R + tl.arange(0, R)[:, None]
    c = (program % blocks) * DB + tl.arange(0, DB)[None, :]
    return (program // blocks // tiles).to(tl.int64), t, c


@triton.jit(do_not_specialize=["length", "tokens", "chunks", "A_n"])
def adjoint_chunk(steps, dy, A, C, end, length, tokens, chunks, C_b, C_g, A_d, A_n,
                  d: tl.constexpr, C_t: tl.constexpr, N: tl.constexpr, GROUPS: tl.constexpr, ALIGN: tl.constexpr,
                  DB: tl.constexpr, U: tl.constexpr):  # fmt: skip
    """What each chunk alone hands to the one before it, r (b, K, N, d): pass 1 of the reverse direction."""
    blocks: tl.constexpr = (d // GROUPS + DB - 1) // DB * GROUPS
    program = tl.program_id(0)
    chunk = (program // blocks) % chunks
    batch = (program // blocks // chunks).to(tl.int64)
    group, _, inside, c = block_of_channels(program % blocks, d, GROUPS, DB)
    cell = tl.arange(0, N)[:, None] * d + c[None, :]
    decay_rate = tl.load(spread(A, c[None, :] * A_d + tl.arange(0, N)[:, None] * A_n)).to(tl.float32) * LOG2E
    r = tl.zeros([N, DB], tl.float32)
    first = chunk.to(tl.int64) * tokens
    last = tl.minimum(first + tokens, length)
    steps += batch * length * d
    dy += batch * length * d
    C += batch * C_b + group * C_g
    ragged = (last - first) % U
    for k in range(ragged):
        r = retreat(r, last - 1 - k, steps, dy, C, c, decay_rate, d, C_t, N, ALIGN, 1)
    for k in range(0, last - first - ragged, U):
        r = retreat(r, last - ragged - k - U, steps, dy, C, c, decay_rate, d, C_t, N, ALIGN, U)
    tl.store(spread(end, (batch * chunks + chunk) * N * d + cell), r, mask=inside[None, :])


@triton.jit
def retreat(r, t, steps, dy, C, c, decay_rate, d: tl.constexpr, C_t: tl.constexpr, N: tl.constexpr,
            ALIGN: tl.constexpr, U: tl.constexpr):  # fmt: skip
    """r before the U tokens from t on, given that behind them."""
    loaded = ()
    for i in tl.static_range(U):
        cell = (t + (U - 1)) * d + c - i * d
        loaded += (tl.load(steps + cell), tl.load(dy + cell))
    for i in tl.static_range(U):
        row = row_of(C + t * C_t + (U - 1 - i) * C_t, ALIGN, N)
        r = tl.exp2(loaded[2 * i][None, :] * decay_rate) * (r + loaded[2 * i + 1][None, :] * row[:, None])
    return r


@triton.jit
def over_n(x):
    return tl.sum(tl.sum(x, 0, keep_dims=True), 2, keep_dims=True)


@triton.jit
def over_channels(x):
    return tl.sum(tl.sum(x, 1, keep_dims=True), 3, keep_dims=True)


@triton.jit
def load_tokens(pointer, stride: tl.constexpr, index, mask, S: tl.constexpr):
    """S tokens, from `pointer` on."""
    rows = ()
    for i in tl.static_range(S):
        row = tl.load(spread(pointer + i * stride, index), mask=mask, other=0.0)
        rows += (row.to(tl.float32),)
    return rows


@triton.jit(do_not_specialize=["batch", "length", "tokens", "chunks", "A_n"])
def scan_chunk_backward(u, steps, dy, A, B, C, start, behind, scratch, y, dx, dsteps, dA, dB, dC,
                        batch, length, tokens, chunks, u_b, B_b, C_b, B_g, C_g, A_d, A_n,
                        d: tl.constexpr, u_t: tl.constexpr, B_t: tl.constexpr, C_t: tl.constexpr,
                        N: tl.constexpr, GROUPS: tl.constexpr, CR: tl.constexpr, S: tl.constexpr):  # fmt: skip
    """Chunk after chunk of one block of channels: y, and the gradients of u, the steps, A, B and C.

    length and tokens are multiples of the segment S.
    start, behind: (b, K, N, d), states at the end of each chunk, and r at its beginning; None for a single chunk.
    scratch: (programs, tokens / S, N, DB), the states of the chunk in hand.
    y, dx, dsteps: (b, L, d).  dA: (workers, N, d).  dB, dC: (blocks of a group, b, L, g, N).
    """
    NL: tl.constexpr = N // 4
    CL: tl.constexpr = 128 // N
    DB: tl.constexpr = CR * CL
    size: tl.constexpr = d // GROUPS
    blocks_of_group: tl.constexpr = (size + DB - 1) // DB
    blocks: tl.constexpr = blocks_of_group * GROUPS
    block = tl.program_id(0) % blocks_of_group
    group = tl.program_id(0) % blocks // blocks_of_group
    worker = tl.program_id(0) // blocks
    # Indices are kept apart as what differs between lanes and what is constant in each register of a thread: only the
    # former takes part in address arithmetic, and the latter becomes part of the load instructions.
    lane_n = (tl.arange(0, NL)[:, None] + tl.zeros([NL, CL], tl.int32))[None, None, :, :]
    lane_c = (tl.arange(0, CL)[None, :] + tl.zeros([NL, CL], tl.int32))[None, None, :, :]
    held_n = (tl.arange(0, 4) * NL)[:, None, None, None]
    held_c = (tl.arange(0, CR) * CL)[None, :, None, None]
    inside = block * DB + lane_c + held_c < size
    own_c = group * size + block * DB + lane_c
    writes_c = inside & (lane_n == 0)  # one lane of those that hold the same
    writes_n = (held_n >= 0) & (lane_c == 0)
    every_n = held_n + lane_n >= 0
    own_state, held_state = lane_n * d + own_c, held_n * d + held_c
    own_spot, held_spot = lane_n * DB + lane_c, held_n * DB + held_c
    scratch += tl.program_id(0).to(tl.int64) * (tokens // S * N * DB)
    decay_rate = tl.load(
        spread(A + own_c * A_d + lane_n * A_n, held_c * A_d + held_n * A_n), mask=inside & every_n, other=0.0
    )
    decay_rate = decay_rate.to(tl.float32) * LOG2E
    grad_rate = tl.zeros([4, CR, NL, CL], tl.float32)

    for job in range(worker, batch * chunks, tl.num_programs(0) // blocks):
        chunk = job % chunks
        b = (job // chunks).to(tl.int64)
        first = chunk.to(tl.int64) * tokens
        segments = (tl.minimum(first + tokens, length) - first) // S
        h = tl.zeros([4, CR, NL, CL], tl.float32)
        r = tl.zeros([4, CR, NL, CL], tl.float32)
        if start is not None:
            if chunk > 0:
                h = tl.load(
                    spread(start + (b * chunks + chunk - 1) * (N * d) + own_state, held_state),
                    mask=inside & every_n,
                    other=0.0,
                )
            if chunk + 1 < chunks:
                r = tl.load(
                    spread(behind + (b * chunks + chunk + 1) * (N * d) + own_state, held_state),
                    mask=inside & every_n,
                    other=0.0,
                )
        u_row = u + b * u_b + first * u_t
        B_row = B + b * B_b + group * B_g + first * B_t
        C_row = C + b * C_b + group * C_g + first * C_t
        row = (b * length + first) * d
        share = (((block * batch + b) * length + first) * GROUPS + group) * N  # of dB and dC

        for s in range(segments):  # forwards: the state before every segment
            tl.store(spread(scratch + s * (N * DB) + own_spot, held_spot), h)
            us = load_tokens(u_row + s * (S * u_t) + own_c, u_t, held_c, inside, S)
            dt = load_tokens(steps + row + s * (S * d) + own_c, d, held_c, inside, S)
            bs = load_tokens(B_row + s * (S * B_t) + lane_n, B_t, held_n, every_n, S)
            for i in tl.static_range(S):
                h = tl.exp2(dt[i] * decay_rate) * h + (dt[i] * us[i]) * bs[i]
        tl.debug_barrier()

        for k in range(segments):  # backwards
            s = segments - 1 - k
            h = tl.load(spread(scratch + s * (N * DB) + own_spot, held_spot))
            us = load_tokens(u_row + s * (S * u_t) + own_c, u_t, held_c, inside, S)
            dt = load_tokens(steps + row + s * (S * d) + own_c, d, held_c, inside, S)
            gs = load_tokens(dy + row + s * (S * d) + own_c, d, held_c, inside, S)
            bs = load_tokens(B_row + s * (S * B_t) + lane_n, B_t, held_n, every_n, S)
            before = ()
            decays = ()
            for i in tl.static_range(S):
                a = tl.exp2(dt[i] * decay_rate)
                before += (h,)
                decays += (a,)
                h = a * h + (dt[i] * us[i]) * bs[i]
                cs = load_tokens(C_row + (s * S + i) * C_t + lane_n, C_t, held_n, every_n, 1)[0]
                tl.store(spread(y + row + s * (S * d) + i * d + own_c, held_c), over_n(h * cs), mask=writes_c)
                tl.store(
                    spread(dC + share + s * (S * GROUPS * N) + i * (GROUPS * N) + lane_n, held_n),
                    over_channels(gs[i] * h),
                    mask=writes_n,
                )
            for i in tl.static_range(S - 1, -1, -1):
                cs = load_tokens(C_row + (s * S + i) * C_t + lane_n, C_t, held_n, every_n, 1)[0]
                g = r + gs[i] * cs
                r = decays[i] * g
                by_decay = r * before[i]
                by_input = over_n(g * bs[i])
                grad_rate += by_decay * dt[i]
                grad_step = by_input * us[i] + over_n(by_decay * decay_rate) * LN2
                tl.store(spread(dx + row + s * (S * d) + i * d + own_c, held_c), by_input * dt[i], mask=writes_c)
                tl.store(spread(dsteps + row + s * (S * d) + i * d + own_c, held_c), grad_step, mask=writes_c)
                tl.store(
                    spread(dB + share + s * (S * GROUPS * N) + i * (GROUPS * N) + lane_n, held_n),
                    over_channels(g * (dt[i] * us[i])),
                    mask=writes_n,
                )
    tl.store(spread(dA + worker.to(tl.int64) * (N * d) + own_state, held_state), grad_rate, mask=inside & every_n)
