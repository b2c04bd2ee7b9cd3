"""Peak memory of a piece of work.

On a GPU: the allocator's peak, reset after the warm-up, weights and input included. On a CPU: how far the resident set
of a fresh process grows at its peak; it holds what the libraries set up on first use too, which is part of what the
first pass needs.
"""

import contextlib
import ctypes
import os
import resource
from collections.abc import Callable
from pathlib import Path

import psutil
import torch

from bench.core.record import Memory

CPU_METHOD = "peak resident growth of a fresh process"
GPU_METHOD = "cuda allocator peak"
M_MMAP_MAX, M_TRIM_THRESHOLD = -4, -1  # of glibc's malloc.h


def resident_growth(work: Callable[[], object]) -> Memory:
    """Run `work` and measure the peak of the resident set above where it began, in bytes."""
    return_free_memory()
    exact = _reset_resident_peak()
    before = psutil.Process().memory_info().rss
    work()
    peak = _resident_peak() if exact else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return Memory(CPU_METHOD, peak_allocated=max(0, peak - before), peak_reserved=None, before=before)


def allocator_peak(work: Callable[[], object], device: torch.device) -> Memory:
    """Run `work` on a GPU and read the allocator's peak, in bytes."""
    torch.cuda.synchronize(device)
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    work()
    torch.cuda.synchronize(device)
    return Memory(
        GPU_METHOD,
        peak_allocated=torch.cuda.max_memory_allocated(device),
        peak_reserved=torch.cuda.max_memory_reserved(device),
        before=before,
    )


def keep_freed_memory() -> str:
    """Make malloc keep freed blocks for reuse; returns what was set, for the record.

    By default glibc gives large blocks back and the kernel clears each page again on the next pass. Whether that
    happens depends on the order of earlier allocations: passes of DVMSR and SwinIR-light were seen to take 1.3 to 2
    times as long in one process as in the next. A GPU's caching allocator keeps blocks too.
    """
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL("libc.so.6")
        if libc.mallopt(M_MMAP_MAX, 0) and libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1):
            return "freed memory is kept after the cold pass (M_MMAP_MAX=0, M_TRIM_THRESHOLD=2 GiB)"
    return "default"


def return_free_memory() -> None:
    """Give back what malloc keeps for reuse; it would hide the first bytes that a piece of work allocates."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def _reset_resident_peak() -> bool:
    """Linux: make the kernel's high-water mark start again from here. False where that is not possible."""
    try:
        Path(f"/proc/{os.getpid()}/clear_refs").write_text("5", encoding="ascii")
        _resident_peak()
    except (OSError, StopIteration):
        return False
    return True


def _resident_peak() -> int:
    status = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return 1024 * int(next(line.split()[1] for line in status if line.startswith("VmHWM")))
