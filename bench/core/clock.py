"""The clock of every measurement: CUDA events on a GPU, wall time on a CPU."""

import time
from collections.abc import Callable
from typing import TypeVar

import torch

Result = TypeVar("Result")


def clocked(run: Callable[[], Result], device: torch.device, calls: int = 1) -> tuple[Result, float]:
    """The result of the last of `calls` calls, and the milliseconds of all, from an idle device to an idle device."""
    if device.type == "cuda":
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        torch.cuda.synchronize(device)
        start.record()
        result = _repeat(run, calls)
        end.record()
        torch.cuda.synchronize(device)
        return result, start.elapsed_time(end)
    begin = time.perf_counter()
    result = _repeat(run, calls)
    return result, (time.perf_counter() - begin) * 1e3


def _repeat(run: Callable[[], Result], calls: int) -> Result:
    for _ in range(calls - 1):
        run()
    return run()
