"""How the Triton scan is cut up: tokens in a chunk, and channels, warps and tokens in flight in a program."""

import functools
import inspect
import math
import os
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import triton  # type: ignore[import-untyped]

from ..errors import EsrError
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


_choices: dict[tuple[Any, ...], dict[str, Any]] = {}  # what a launch is like -> the layout and options it has


def launch_scan(
    batch: int, d: int, n: int, chunks: int, tokens: int, last_pass: bool, args: tuple[Any, ...], **rest: Any
) -> None:
    """Launch `scan_chunk` in the layout that the tuner found for its like, or finds now.

    Raises EsrError while a CUDA graph is captured, where nothing can be tuned nor loaded, for a scan that has no like.
    """

    def grid(meta: dict[str, Any]) -> tuple[int]:
        return (batch * chunks * triton.cdiv(d, meta["DB"]),)

    # Powers of two: a new image size seldom tunes anew. The two passes differ in what they read.
    bucket = 128 * tokens.bit_length() + 2 * (batch * chunks).bit_length() + last_pass
    rest |= {"bucket": bucket, "d": d, "N": n}
    tensors = [x for x in args if isinstance(x, torch.Tensor)]
    like = (bucket, d, n, tensors[0].device, *(x.dtype for x in tensors))
    capturing = not INTERPRETED and torch.cuda.is_current_stream_capturing()
    if like not in _choices and may_tune() and not capturing:
        _tuned_scan()[grid](*args, **rest)
        _choices[like] = _tuned_scan().best_config.all_kwargs()
        return
    # The tuner's options to the letter: others would be another binary, which no capture may load.
    config = forward_configs(n)[0]
    untuned = {"DB": config.channels, "U": config.tokens, "num_warps": config.warps}
    try:
        kernels.scan_chunk[grid](*args, **rest, **_choices.get(like, untuned))
    except RuntimeError as error:
        if not capturing:
            raise
        text = "a CUDA graph cannot be captured of a scan that is not loaded; run it once before"
        raise EsrError(f"{text} ({error})") from error


def may_tune() -> bool:
    """Whether layouts may be timed here."""
    return not INTERPRETED and os.environ.get(TUNE_VARIABLE) != "0"


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
