"""A driver for Triton that compiles for an H100 and launches nothing.

It shows what is compiled, what is loaded and when, and how often what is launched. As CUDA does, it refuses to load a
binary while a graph is captured.
"""

import re
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.runtime import driver
from triton.runtime.autotuner import Autotuner

CUOBJDUMP = Path(triton.__file__).parent / "backends/nvidia/bin/cuobjdump"
TARGET = GPUTarget("cuda", 90, 32)
# Of an H100 SXM5, as its driver reports them.
PROPERTIES = {
    "max_shared_mem": 232_448,
    "max_num_regs": 65_536,
    "multiprocessor_count": 132,
    "warpSize": 32,
    "sm_clock_rate": 1_980_000,
    "mem_clock_rate": 2_619_000,
    "mem_bus_width": 5120,
}
MAX_THREADS = 1024


@dataclass
class Launch:
    """A kernel that would have run."""

    kernel: str
    grid: tuple[int, int, int]
    captured: bool


@dataclass
class Seen:
    """What has been asked of the driver."""

    capturing: bool = False
    loads: list[str] = field(default_factory=list)
    launches: list[Launch] = field(default_factory=list)
    benchmarks: int = 0


seen = Seen()


def install() -> Seen:
    """Make it this process's driver; returns what will have been seen, which starts anew."""
    seen.__init__()  # type: ignore[misc]
    driver.set_active(_Driver())
    Autotuner.check_disk_cache = _no_disk_cache
    return seen


def uninstall() -> None:
    """Give this process its own driver back."""
    driver._active = None
    Autotuner.check_disk_cache = _disk_cache


_disk_cache = Autotuner.check_disk_cache


def _no_disk_cache(tuner: Any, key: Any, configs: Any, benchmark: Callable[[], None]) -> bool:
    benchmark()  # whose times nobody is to believe later
    return False


def resource_usage(cubin: bytes) -> dict[str, int]:
    """What cuobjdump says of a binary's kernel: REG and STACK, SHARED and LOCAL in bytes."""
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin)
        file.flush()
        text = subprocess.run([CUOBJDUMP, "-res-usage", file.name], capture_output=True, text=True, check=True).stdout
    return {name: int(value) for name, value in re.findall(r"\b(REG|STACK|SHARED|LOCAL):(\d+)", text)}


def loop_instructions(cubin: bytes) -> list[str]:
    """The names of the instructions in a binary's longest loop, without their predicates, as cuobjdump writes them."""
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin)
        file.flush()
        text = subprocess.run([CUOBJDUMP, "-sass", file.name], capture_output=True, text=True, check=True).stdout
    found = [(int(place, 16), words) for place, words in re.findall(r"/\*([0-9a-f]{4,})\*/\s+(.*?) ;", text)]
    longest: list[str] = []
    for place, words in found:
        back = re.search(r"\bBRA\b.*?0x([0-9a-f]+)", words)
        if back and int(back[1], 16) < place:
            body = [re.sub(r"^@!?U?P\d+ ", "", w).split()[0] for at, w in found if int(back[1], 16) <= at <= place]
            longest = max(longest, body, key=len)
    return longest


class _Utils:
    def load_binary(self, name: str, cubin: bytes, shared: int, device: int) -> tuple[int, int, int, int, int]:
        if seen.capturing:
            raise RuntimeError("Triton Error [CUDA]: operation not permitted when stream is capturing")
        seen.loads.append(name)
        return 1, 1, resource_usage(cubin)["REG"], 0, MAX_THREADS

    def get_device_properties(self, device: int) -> dict[str, int]:
        return PROPERTIES


class _Driver:
    utils = _Utils()

    @staticmethod
    def launcher_cls(src: Any, metadata: Any) -> Callable[..., None]:
        def launch(x: int, y: int, z: int, *_: Any) -> None:
            seen.launches.append(Launch(metadata.name, (x, y, z), seen.capturing))

        return launch

    def get_current_stream(self, device: int) -> int:
        return 0

    def get_current_device(self) -> int:
        return 0

    def set_current_device(self, device: int) -> None:
        pass

    def get_current_target(self) -> GPUTarget:
        return TARGET

    def get_active_torch_device(self) -> torch.device:
        return torch.device("cpu")

    def get_device_interface(self) -> Any:
        return torch.cpu

    def get_benchmarker(self) -> Callable[..., list[float]]:
        def benchmark(call: Callable[[], object], quantiles: Any = None) -> list[float]:
            call()
            seen.benchmarks += 1
            return [1.0 + 1e-3 * seen.benchmarks] * 3  # the first is the quickest

        return benchmark

    def get_empty_cache_for_benchmark(self) -> torch.Tensor:
        return torch.empty(1)

    def clear_cache(self, cache: torch.Tensor) -> None:
        pass

    def map_python_to_cpp_type(self, kind: str) -> str:
        return kind
