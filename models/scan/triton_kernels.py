"""Triton kernels of the selective scan: a chunk forwards, the carry over chunks, a chunk backwards.

`models.scan.triton_scan` derives the passes and launches them. Here a program has one chunk of one sequence and a block
of channels, and walks it token by token. Its state is a tensor [N, DB]: Triton spreads the last axis over the lanes, so
a thread keeps all N states of its channels in registers. The sum over n then needs no exchange between threads, and the
row of B and C that a thread loads serves all its channels.

Left to itself Triton would give a thread neighbouring channels, and move every vector through shared memory to the
layout of the state: `spread` and `one_by_one` talk it out of that. Their index comes last, so that what is constant in
each register of a thread becomes part of the load instructions.
"""

# mypy: ignore-errors
import triton
import triton.language as tl

LOG2E = tl.constexpr(1.4426950408889634)
LOG2E_LOW = tl.constexpr(1.925963033500e-8)  # log2(e) minus its float32
LN2 = tl.constexpr(0.6931471805599453)


@triton.jit
def exp_of(x):
    """exp(x) from exp2, with the rounding of x log2(e) made good: for x = -35 alone it would cost 1e-6."""
    high = x * LOG2E
    low = tl.fma(x, LOG2E, -high) + x * LOG2E_LOW
    return tl.exp2(high) * (1.0 + low * LN2)


@triton.jit
def softplus(x):
    """max(x, 0) + log1p(exp(-|x|)). With e in [0, 1], log1p(e)/e is a polynomial (minimax, 5e-9): no digit of a tiny
    step is lost, and no second special function is spent."""
    e = exp_of(-tl.abs(x))
    p = -0.003244024468585849
    p = p * e + 0.019851459190249443
    p = p * e - 0.056959524750709534
    p = p * e + 0.10603653639554977
    p = p * e - 0.15305592119693756
    p = p * e + 0.1967593878507614
    p = p * e - 0.24954134225845337
    p = p * e + 0.3332996368408203
    p = p * e - 0.4999990165233612
    p = p * e + 1.0
    return tl.where(x < 0, 0.0, x) + p * e  # not maximum(): it would hide a NaN


@triton.jit
def sigmoid(x):
    return 1.0 / (1.0 + exp_of(-x))


@triton.jit
def spread(pointer, index):
    """pointer + index, for states that are to be dealt out to the lanes from the last axis on, one by one.

    The hints are no facts about memory: Triton orders the axes by contiguity, and makes vectors of what is aligned too.
    They stick to the addition, so it has to be here.
    """
    pointers = pointer + index
    if len(pointers.shape) == 2:
        return tl.max_contiguous(tl.multiple_of(pointers, [1, 1]), [1, 2])
    elif len(pointers.shape) == 3:  # noqa: RET505 - the branches not taken must not be compiled
        return tl.max_contiguous(tl.multiple_of(pointers, [1, 1, 1]), [1, 2, 4])
    else:
        return tl.max_contiguous(tl.multiple_of(pointers, [1, 1, 1, 1]), [1, 1, 2, 4])


@triton.jit
def row_of(pointer, ALIGN: tl.constexpr, N: tl.constexpr):
    """The N entries of B or C at one token. ALIGN, in bytes, is what its rows are aligned to: loads become vectors."""
    return tl.load(tl.multiple_of(pointer + tl.arange(0, N), ALIGN)).to(tl.float32)


@triton.jit
def one_by_one(pointer, index):
    """pointer + index for a vector over channels, without vectors in a thread: a hint again, for the layout's sake."""
    pointers = pointer + index
    return tl.max_contiguous(tl.multiple_of(pointers, [1]), [1])


@triton.jit
def block_of_channels(block, d: tl.constexpr, GROUPS: tl.constexpr, DB: tl.constexpr):
    """Of a block of DB channels, all of one group: its group, its channels, whether they exist, and some that do."""
    size: tl.constexpr = d // GROUPS
    blocks: tl.constexpr = (size + DB - 1) // DB  # of a group
    inside = block % blocks * DB + tl.arange(0, DB)
    first = block // blocks * size
    return block // blocks, first + inside, inside < size, first + tl.minimum(inside, size - 1)


@triton.jit
def advance(
    h,  # (N, DB), before token t
    total,  # (DB), sum of the steps so far
    t,
    u,
    delta,
    B,
    C,
    z,
    out,
    lanes,  # (DB), channels, and whether they exist
    inside,
    decay_rate,
    bias,
    skip,
    d: tl.constexpr,
    u_t: tl.constexpr,
    delta_t: tl.constexpr,
    B_t: tl.constexpr,
    C_t: tl.constexpr,
    z_t: tl.constexpr,
    N: tl.constexpr,
    ALIGN: tl.constexpr,
    SOFTPLUS: tl.constexpr,
    U: tl.constexpr,
):
    """U tokens from t on: the state and the sum of steps behind them; with `out`, writes their outputs."""
    us = ()
    steps = ()
    gates = ()
    for i in tl.static_range(U):  # what comes from far is asked for first
        us += (tl.load(one_by_one(u + t * u_t + i * u_t, lanes), mask=inside, other=0.0).to(tl.float32),)
        steps += (tl.load(one_by_one(delta + t * delta_t + i * delta_t, lanes), mask=inside, other=0.0).to(tl.float32),)
        if out is not None and z is not None:
            gates += (tl.load(one_by_one(z + t * z_t + i * z_t, lanes), mask=inside, other=0.0).to(tl.float32),)
    for i in tl.static_range(U):
        step = steps[i] + bias
        if SOFTPLUS:
            step = softplus(step)
        b = row_of(B + t * B_t + i * B_t, ALIGN, N)
        h = tl.exp2(step[None, :] * decay_rate) * h + (step * us[i])[None, :] * b[:, None]
        if out is None:
            total += step
        else:
            y = tl.sum(h * row_of(C + t * C_t + i * C_t, ALIGN, N)[:, None], 0)
            if skip is not None:
                y += skip * us[i]
            if z is not None:
                y *= gates[i] * sigmoid(gates[i])
            tl.store(one_by_one(out + t * d + i * d, lanes), y.to(out.dtype.element_ty), mask=inside)
    return h, total


@triton.jit(do_not_specialize=["length", "tokens", "chunks", "bucket", "A_n"])
def scan_chunk(
    u,  # (b, L, d), sequences u_b apart, tokens u_t; so delta and z
    delta,
    A,  # (d, N)
    B,  # (b, L, g, N), groups B_g apart; so C
    C,
    D,  # (d) or None
    z,  # or None
    bias,  # (d) or None
    start,  # states behind the chunks, (b, K, N, d), of which each takes that before it; None: one chunk, from 0
    out,  # (b, L, d); None in the first pass
    end,  # states at the end of the chunks, or None
    total,  # sums of their steps, (b, K, d); None in the last pass
    length,
    tokens,  # in a chunk
    chunks,
    bucket,  # for the tuner only
    u_b,
    delta_b,
    B_b,
    C_b,
    z_b,
    B_g,
    C_g,
    A_d,
    A_n,  # not to be specialised to 1: Triton would lay the state out as it reads A best
    d: tl.constexpr,
    u_t: tl.constexpr,  # compile-time strides become part of the load instructions
    delta_t: tl.constexpr,
    B_t: tl.constexpr,
    C_t: tl.constexpr,
    z_t: tl.constexpr,
    N: tl.constexpr,
    GROUPS: tl.constexpr,
    ALIGN: tl.constexpr,
    SOFTPLUS: tl.constexpr,
    DB: tl.constexpr,
    U: tl.constexpr,
):
    blocks: tl.constexpr = (d // GROUPS + DB - 1) // DB * GROUPS
    program = tl.program_id(0)
    chunk = (program // blocks) % chunks
    batch = (program // blocks // chunks).to(tl.int64)
    group, lanes, inside, c = block_of_channels(program % blocks, d, GROUPS, DB)
    cell = tl.arange(0, N)[:, None] * d + c[None, :]  # of a state (N, d)
    slot = batch * chunks + chunk

    decay_rate = tl.load(spread(A, c[None, :] * A_d + tl.arange(0, N)[:, None] * A_n)).to(tl.float32) * LOG2E
    step_bias = tl.zeros([DB], tl.float32)
    if bias is not None:
        step_bias += tl.load(bias + c).to(tl.float32)
    skip = None
    if D is not None:
        skip = tl.load(D + c).to(tl.float32)
    h = tl.zeros([N, DB], tl.float32)
    if start is not None:  # known when compiled, the next one when run
        if chunk > 0:
            h = tl.load(spread(start, (slot - 1) * N * d + cell))
    sum_of_steps = tl.zeros([DB], tl.float32)

    u += batch * u_b
    delta += batch * delta_b
    B += batch * B_b + group * B_g
    if out is not None:
        C += batch * C_b + group * C_g
        out += batch * length * d
        if z is not None:
            z += batch * z_b
    first = chunk.to(tl.int64) * tokens
    last = tl.minimum(first + tokens, length)
    whole = first + (last - first) // U * U
    for t in range(first, whole, U):
        h, sum_of_steps = advance(
            h, sum_of_steps, t, u, delta, B, C, z, out, lanes, inside, decay_rate, step_bias, skip,
            d, u_t, delta_t, B_t, C_t, z_t, N, ALIGN, SOFTPLUS, U,
        )  # fmt: skip
    for t in range(whole, last):
        h, sum_of_steps = advance(
            h, sum_of_steps, t, u, delta, B, C, z, out, lanes, inside, decay_rate, step_bias, skip,
            d, u_t, delta_t, B_t, C_t, z_t, N, ALIGN, SOFTPLUS, 1,
        )  # fmt: skip
    if end is not None:
        tl.store(spread(end, slot * N * d + cell), h, mask=inside[None, :])
    if total is not None:
        tl.store(total + slot * d + c, sum_of_steps, mask=inside)


@triton.jit
def compose(decay_1, state_1, decay_2, state_2):
    """Two stretches of the recurrence, the second after the first."""
    return decay_1 * decay_2, decay_2 * state_1 + state_2


@triton.jit
def compose_before(decay_1, state_1, decay_before_1, before_1, decay_2, state_2, decay_before_2, before_2):
    """The same for stretches that also know themselves without their last piece."""
    decay, state = compose(decay_1, state_1, decay_2, state_2)
    decay_before, before = compose(decay_1, state_1, decay_before_2, before_2)
    return decay, state, decay_before, before


@triton.jit(do_not_specialize=["chunks", "A_n"])
def carry_chunks(
    state,  # (b, K, N, d): in, what each chunk adds; out, the state when it has been passed. In place.
    total,  # (b, K, d): sums of steps
    A,  # (d, N)
    chunks,
    A_d,
    A_n,
    d: tl.constexpr,
    N: tl.constexpr,
    REVERSE: tl.constexpr,
    KB: tl.constexpr,
    JB: tl.constexpr,
):
    """h <- exp(A total_k) h + state_k over the chunks, KB of them at a time, for JB of the N d states.

    A thread first composes KI successive chunks by itself, then KO threads compose what they have.
    """
    KO: tl.constexpr = 16 if KB >= 16 else KB
    KI: tl.constexpr = KB // KO
    blocks: tl.constexpr = (N * d + JB - 1) // JB
    batch = (tl.program_id(0) // blocks).to(tl.int64)
    j = (tl.program_id(0) % blocks) * JB + tl.arange(0, JB)
    inside = (j < N * d)[None, None, :]
    decay_rate = tl.load(A + (j % d) * A_d + j // d * A_n, mask=j < N * d, other=0.0).to(tl.float32) * LOG2E
    inner = tl.arange(0, KI)[:, None, None]
    outer = tl.arange(0, KO)
    carried = tl.zeros([JB], tl.float32)
    for k0 in range(0, chunks, KB):
        k = k0 + outer[None, :, None] * KI + inner
        valid = (k < chunks) & inside
        if REVERSE:
            k = chunks - 1 - k
        slot = batch * chunks + k
        cell = spread(state + j[None, None, :], slot * (N * d))
        added = tl.load(cell, mask=valid, other=0.0)
        sums = tl.load(spread(total + (j % d)[None, None, :], slot * d), mask=valid, other=0.0)
        decay, added = tl.associative_scan((tl.exp2(sums * decay_rate[None, None, :]), added), 0, compose)
        last = inner == KI - 1
        decay_all = tl.sum(tl.where(last, decay, 0.0), 0)
        added_all = tl.sum(tl.where(last, added, 0.0), 0)
        decay_all, added_all, decay_before, before = tl.associative_scan(
            (decay_all, added_all, tl.full([KO, JB], 1.0, tl.float32), tl.zeros([KO, JB], tl.float32)),
            0,
            compose_before,
        )
        entering = before + decay_before * carried[None, :]
        tl.store(cell, added + decay * entering[None, :, :], mask=valid)
        behind = added_all + decay_all * carried[None, :]
        carried = tl.sum(tl.where((outer == KO - 1)[:, None], behind, 0.0), 0)
