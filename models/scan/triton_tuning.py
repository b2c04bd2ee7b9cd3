"""How the Triton scan is cut up: tokens in a chunk, and channels, warps and tokens in flight in a program."""

import functools
import inspect
import math
import os
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import triton  # type: ignore[import-untyped]

from . import triton_kernels as kernels

TUNE_VARIABLE = "ESR_TRITON_TUNE"
INTERPRETED = not isinstance(kernels.scan_chunk, triton.JITFunction)
MULTIPROCESSORS = 132  # where there is no GPU to ask

STATES = (8, 16, 32, 64)
STATES_PER_THREAD = 32
# Four to each scheduler. A scan with fewer cannot hide what it waits for; with more, only the carry grows.
WARPS_PER_MULTIPROCESSOR = 16
# With this many, one pass takes about as long as two that fill the GPU and have twice the exponentials.
ENOUGH_WARPS = 4
TOKENS_MULTIPLE = 16

# The last kernel of the backward pass. A warp has four n by four channels in each thread, 512 states in all.
HELD_CHANNELS = 4
BLOCK_STATES = 4 * 32 * HELD_CHANNELS
SEGMENT = 2  # tokens whose states are in registers; with 4 they spill
MOST_TOKENS = 32  # in a chunk: the states at the segments of all programs are then 38 MB on an H200, and stay in its L2
BACKWARD_REGISTERS = 208
BACKWARD_PROGRAMS = 9  # that fit on a multiprocessor with so many


class Config(NamedTuple):
    """The layout of a program: channels, warps, and tokens whose loads are issued together."""

    channels: int
    warps: int
    tokens: int


def forward_configs(n: int) -> list[Config]:
    """What the tuner may choose from for state n (one of STATES); the first is taken where it may not run.

    A thread holds 32 or 16 states, of one or more whole channels; only with n = 64 do two lanes share a channel. With
    fewer states it may ask for more tokens ahead.
    """
    layouts = []
    for held, tokens in ((STATES_PER_THREAD, 2), (STATES_PER_THREAD // 2, 4)):
        per_warp = 32 * held // n
        if per_warp >= 32:
            layouts += [(per_warp * warps, warps, tokens) for warps in (4, 2, 1) if 64 <= per_warp * warps <= 128]
    if not layouts:
        return [Config(16, 1, 2)]
    # 128 channels first: the 120 of DVMSR are then one block, which reads B and C once.
    channels, warps, tokens = layouts[0]
    return [Config(*layout) for layout in [*layouts, (channels, warps, 2 * tokens)]]


def plan_chunks(batch: int, d: int, n: int, length: int, multiprocessors: int) -> int:
    """Tokens in a chunk: as many chunks as fill the GPU once, or one where whole sequences fill it well enough.

    Chunks are not made shorter than 16 tokens, nor more numerous than fill the GPU: the carry visits each of them.
    """
    warps = batch * math.ceil(d * n / (32 * STATES_PER_THREAD))  # of one chunk of every sequence
    if warps >= ENOUGH_WARPS * multiprocessors:
        return length
    chunks = WARPS_PER_MULTIPROCESSOR * multiprocessors // warps
    return min(length, TOKENS_MULTIPLE * math.ceil(length / chunks / TOKENS_MULTIPLE))


@functools.cache
def multiprocessors(device: torch.device) -> int:
    return torch.cuda.get_device_properties(device).multi_processor_count if device.type == "cuda" else MULTIPROCESSORS


def launch_scan(
    batch: int, d: int, n: int, chunks: int, tokens: int, last_pass: bool, args: tuple[Any, ...], **rest: Any
) -> None:
    """Launch `scan_chunk` in the layout that the tuner found for its like, or finds now."""

    def grid(meta: dict[str, Any]) -> tuple[int]:
        groups = meta["GROUPS"]
        return (batch * chunks * groups * triton.cdiv(d // groups, meta["DB"]),)

    # Powers of two: a new image size seldom tunes anew. The two passes differ in what they read.
    bucket = 128 * tokens.bit_length() + 2 * (batch * chunks).bit_length() + last_pass
    if _may_tune():
        _tuned_scan()[grid](*args, bucket=bucket, d=d, N=n, **rest)
    else:
        c = forward_configs(n)[0]
        kernels.scan_chunk[grid](*args, bucket=bucket, d=d, N=n, DB=c.channels, U=c.tokens, num_warps=c.warps, **rest)


def _may_tune() -> bool:
    if INTERPRETED or os.environ.get(TUNE_VARIABLE) == "0":
        return False
    return not torch.cuda.is_current_stream_capturing()  # timing would break the capture


@functools.cache
def _tuned_scan() -> Any:
    every = {config: None for n in STATES for config in forward_configs(n)}
    choices = {c: triton.Config({"DB": c.channels, "U": c.tokens}, num_warps=c.warps) for c in every}

    def prune(_: Any, arguments: dict[str, Any], **constants: Any) -> list[triton.Config]:
        return [choices[c] for c in forward_configs({**arguments, **constants}["N"])]

    options: dict[str, Any] = {"prune_configs_by": {"early_config_prune": prune}}
    if "cache_results" in inspect.signature(triton.autotune).parameters:
        options["cache_results"] = True  # on disk, beside the compiled kernels
    tune: Callable[[Any], Any] = triton.autotune(list(choices.values()), ["bucket", "d", "N"], **options)
    return tune(kernels.scan_chunk)
