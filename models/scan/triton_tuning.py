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
# Four to each scheduler, which is what the scan's default layout has room for. With fewer it cannot hide what it waits
# for; with more, only the carry grows. What needs more registers asks `resident_warps`.
WARPS_PER_MULTIPROCESSOR = 16
# With this many, one pass takes about as long as two that fill the GPU and have twice the exponentials.
ENOUGH_WARPS = 4
FEWEST_TOKENS, TOKENS_MULTIPLE = 16, 4  # in a chunk; 4 are in flight at most

# The last kernel of the backward pass. A warp has four n by four channels in each thread, 512 states in all.
HELD_CHANNELS = 4
BLOCK_STATES = 4 * 32 * HELD_CHANNELS
SEGMENT = 2  # tokens whose states are in registers; with 4 they spill
MOST_TOKENS = 32  # in a chunk: the states at the segments of all programs are then 38 MB on an H200, and stay in its L2
BACKWARD_REGISTERS = 208
BACKWARD_PROGRAMS = 8  # that fit on a multiprocessor with so many, where none is compiled
# CUDA C++ Programming Guide, technical specifications of compute capability 7.0 to 9.0: 65,536 registers in four
# partitions, each of which has its own warps; a warp is given them in units of 256.
PARTITIONS, PARTITION_REGISTERS, REGISTER_UNIT = 4, 16_384, 256


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


def walk_config(n: int) -> Config:
    """The layout of the fused mixer's walk for state n.

    It makes its own inputs, and with 32 states besides them a thread would have so many registers that 12 warps fit on
    a multiprocessor. With 16, where that leaves channels whole, 20 do.
    """
    few = [c for c in forward_configs(n) if c.channels * n == 32 * c.warps * STATES_PER_THREAD // 2]
    return few[0]._replace(tokens=2) if few else forward_configs(n)[0]


def plan_chunks(batch: int, d: int, n: int, length: int, multiprocessors: int, at_once: int | None = None) -> int:
    """Tokens in a chunk: as many chunks as fill the GPU once, or one where whole sequences fill it well enough.

    Chunks are not made shorter than 16 tokens, nor more numerous than fill the GPU: the carry visits each of them, and
    those that find no place wait for a whole chunk to end.

    Args:
        at_once: chunks that the GPU has room for; None: those of the scan's default layout.
    """
    warps = math.ceil(d * n / (32 * STATES_PER_THREAD))  # of one chunk of one sequence
    if batch * warps >= ENOUGH_WARPS * multiprocessors:
        return length
    if at_once is None:
        at_once = WARPS_PER_MULTIPROCESSOR * multiprocessors // warps
    chunks = max(1, at_once // batch)
    return min(length, max(FEWEST_TOKENS, TOKENS_MULTIPLE * math.ceil(length / chunks / TOKENS_MULTIPLE)))


def fitting_warps(registers: int, warps: int) -> int:
    """How many warps a multiprocessor has room for, in programs of `warps` with `registers` a thread."""
    of_a_warp = REGISTER_UNIT * math.ceil(32 * registers / REGISTER_UNIT)
    return PARTITIONS * (PARTITION_REGISTERS // of_a_warp) // warps * warps


_fitting: dict[tuple[Any, ...], int] = {}


def resident_warps(like: tuple[Any, ...], compile_all: Callable[[], list[Any]], warps: int, interpreted: int) -> int:
    """How many warps of its programs a multiprocessor has room for, by what the compiler made of it.

    Args:
        like: what the binaries depend on; for one that is known nothing is compiled again.
        compile_all: returns the compiled kernels, of which the one with the most registers counts.
        warps: of a program.
        interpreted: the answer where nothing is compiled.
    """
    if INTERPRETED:
        return interpreted
    if like not in _fitting:
        kernels_ = compile_all()
        for kernel in kernels_:
            kernel.run  # noqa: B018 - loads it, and so reads its registers
        _fitting[like] = fitting_warps(max(kernel.n_regs for kernel in kernels_), warps)
    return _fitting[like]


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
        groups = meta["GROUPS"]
        return (batch * chunks * groups * triton.cdiv(d // groups, meta["DB"]),)

    # Powers of two: a new image size seldom tunes anew. The two passes differ in what they read.
    bucket = 128 * tokens.bit_length() + 2 * (batch * chunks).bit_length() + last_pass
    rest |= {"bucket": bucket, "d": d, "N": n}
    tensors = [x for x in args if isinstance(x, torch.Tensor)]
    like = (bucket, d, n, rest.get("GROUPS"), tensors[0].device, *(x.dtype for x in tensors))
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
    tune: Callable[[Any], Any] = triton.autotune(list(choices.values()), ["bucket", "d", "N", "GROUPS"], **options)
    return tune(kernels.scan_chunk)
