"""How long a pass will take, before the first one: so that one of many minutes is not begun by mistake."""

import functools
import time

import torch
import torch.nn.functional as F

from bench.core.record import Record

LONG_PASS_S = 20.0  # a pass that is expected to be shorter is always made, whatever the time budget
SURELY_SHORT_MACS = 5e11  # not worth an estimate
CHANNELS, SIDE, TRIES = 64, 128, 5  # of the convolution that is timed


def pass_estimate_s(record: Record) -> float:
    """Seconds of one pass of a record's fixed input on this CPU, by its multiply-adds; 0 where it is surely short."""
    macs = record.complexity.macs if record.complexity else 0
    if record.settings.device != "cpu" or macs < SURELY_SHORT_MACS:
        return 0.0
    return macs / multiply_add_rate()


@functools.cache
def multiply_add_rate() -> float:
    """Multiply-adds a second of a 3x3 convolution, the best of a few."""
    x, w = torch.rand(1, CHANNELS, SIDE, SIDE), torch.rand(CHANNELS, CHANNELS, 3, 3)
    best = float("inf")
    for _ in range(TRIES):
        begin = time.perf_counter()
        F.conv2d(x, w, padding=1)
        best = min(best, time.perf_counter() - begin)
    return w.numel() * SIDE**2 / best
