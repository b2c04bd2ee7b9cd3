"""PyTorch in the disguise of a machine with one H100: every tensor of the CPU says that it is on the GPU.

What PyTorch computes is computed on the CPU, but for what only tells a GPU's rates; Triton's kernels are compiled and
not launched, and leave zeros where they would write. Events tell the same time whatever happens between them. The
device's name says that it is none, and so does every record.
"""

import contextlib
import functools
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import torch

from gpu.dry import driver, rival

NAME = "dry run, no GPU"
MS = 40.0  # between any two events
MEMORY = 80 * 2**30
GPU = torch.device("cuda:0")
FACTORIES = (
    "empty zeros ones full rand randn randint randperm tensor as_tensor arange linspace logspace eye empty_strided "
    "empty_like zeros_like ones_like full_like rand_like randn_like"
).split()
METHODS = "to new_empty new_zeros new_ones new_full new_tensor".split()
LARGE = 2**26  # elements; copies and matrix products of so many are of a GPU's rates, and are not made
UNWRITTEN = ("empty", "empty_like", "empty_strided", "new_empty")  # what a kernel that is not launched does not fill


class Event:
    """Of a clock that tells `MS` between any two."""

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def record(self, stream: object = None) -> None:
        """Nothing waits for it."""

    def synchronize(self) -> None:
        """Nothing is ever unfinished."""

    def elapsed_time(self, other: "Event") -> float:
        """Always the same."""
        return MS


class Stream(contextlib.nullcontext[None]):
    """All work is done when it is asked for."""

    def __init__(self, *_: object, **__: object) -> None:
        super().__init__()
        self.cuda_stream = 0

    def wait_stream(self, stream: object) -> None:
        """There is nothing to wait for."""

    def synchronize(self) -> None:
        """Nothing is ever unfinished."""


class CUDAGraph:
    """Captures by the driver's rules, and replays nothing."""

    def replay(self) -> None:
        """No kernel was launched, and none is."""


@contextlib.contextmanager
def capture(graph: CUDAGraph, *_: object, **__: object) -> Iterator[None]:
    """torch.cuda.graph."""
    driver.seen.capturing = True
    try:
        yield
    finally:
        driver.seen.capturing = False


def properties(*_: object) -> types.SimpleNamespace:
    """torch.cuda.get_device_properties."""
    p = driver.PROPERTIES
    return types.SimpleNamespace(
        name=NAME,
        total_memory=MEMORY,
        multi_processor_count=p["multiprocessor_count"],
        major=9,
        minor=0,
        uuid="dry",
        clock_rate=p["sm_clock_rate"],
        regs_per_multiprocessor=p["max_num_regs"],
    )


@contextlib.contextmanager
def disguised() -> Iterator[driver.Seen]:
    """With a GPU that is not there; what its driver sees."""
    with contextlib.ExitStack() as stack:
        seen = put_on(stack)
        yield seen


def put_on(stack: contextlib.ExitStack) -> driver.Seen:
    """Disguise this process until `stack` is closed."""
    seen = driver.install()
    stack.callback(driver.uninstall)

    def replace(owner: Any, name: str, value: object) -> None:
        own = vars(owner).get(name, _ABSENT)
        setattr(owner, name, value)
        stack.callback(delattr, owner, name) if own is _ABSENT else stack.callback(setattr, owner, name, own)

    for name, value in _cuda(seen).items():
        replace(torch.cuda, name, value)
    for owner, names in ((torch, FACTORIES), (torch.Tensor, METHODS)):
        for name in names:
            replace(owner, name, _on_the_cpu(getattr(owner, name), name in UNWRITTEN))
    copy, product = torch.Tensor.copy_, torch.mm
    replace(torch.Tensor, "copy_", lambda x, *rest: x if x.numel() >= LARGE else copy(x, *rest))
    replace(torch, "mm", lambda a, b, out=None: _empty_product(a, b) if a.numel() >= LARGE else product(a, b, out=out))
    device = torch._C.TensorBase.device
    replace(torch.Tensor, "device", property(lambda x: _disguise(device.__get__(x))))
    replace(torch.Tensor, "is_cuda", property(lambda x: device.__get__(x).type == "cpu"))
    replace(torch.Tensor, "cuda", lambda x, *_, **__: x)
    replace(torch.Tensor, "pin_memory", lambda x, *_: x)
    for name, module in rival.stand_ins().items():
        was = sys.modules.get(name)
        sys.modules[name] = module
        stack.callback(sys.modules.pop, name) if was is None else stack.callback(sys.modules.update, {name: was})
    return seen


_ABSENT = object()


def _cuda(seen: driver.Seen) -> dict[str, object]:
    def nothing() -> Callable[..., None]:  # another one for each, since the compiler knows functions by themselves
        return lambda *_, **__: None

    silent = (
        "_lazy_init init synchronize empty_cache set_device reset_peak_memory_stats manual_seed manual_seed_all _sleep"
    )
    return {
        **{name: nothing() for name in silent.split()},
        "is_available": lambda: True,
        "is_initialized": lambda: True,
        "is_bf16_supported": lambda *_, **__: True,
        "device_count": lambda: 1,
        "current_device": lambda: 0,
        "get_device_name": lambda *_: NAME,
        "get_device_properties": properties,
        "get_device_capability": lambda *_: (9, 0),
        "memory_allocated": lambda *_: 0,
        "max_memory_allocated": lambda *_: MEMORY // 80,
        "max_memory_reserved": lambda *_: MEMORY // 80,
        "mem_get_info": lambda *_: (MEMORY * 3 // 4, MEMORY),
        "get_rng_state_all": lambda: [],
        "set_rng_state_all": nothing(),
        "is_current_stream_capturing": lambda: seen.capturing,
        "Event": Event,
        "Stream": Stream,
        "CUDAGraph": CUDAGraph,
        "graph": capture,
        "current_stream": Stream,
        "stream": lambda *_: contextlib.nullcontext(),
        "device": lambda *_: contextlib.nullcontext(),
    }


def _empty_product(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return a.new_zeros(a.shape[0], b.shape[1])


def _disguise(device: torch.device) -> torch.device:
    return GPU if device.type == "cpu" else device


def _is_gpu(value: object) -> bool:
    return (isinstance(value, torch.device) and value.type == "cuda") or (
        isinstance(value, str) and value.startswith("cuda")
    )


def _on_the_cpu(function: Callable[..., Any], unwritten: bool) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*arguments: Any, **named: Any) -> Any:
        arguments = tuple("cpu" if _is_gpu(a) else a for a in arguments)
        if _is_gpu(named.get("device")):
            named["device"] = "cpu"
        made = function(*arguments, **named)
        if unwritten and not made.is_meta:
            made.detach().zero_()
        return made

    return call
