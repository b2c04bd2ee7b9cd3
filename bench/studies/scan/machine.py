"""What a machine can do at best: its copy rate, and on a GPU its multiprocessors and clock."""

import importlib
from typing import Any

import torch

from bench.core.clock import clocked
from bench.studies.scan.scan_record import Machine

COPY_BYTES = {"cpu": 2**28, "cuda": 2**30}  # of the source: many times any cache
COPIES = {"cpu": 8, "cuda": 30}
RIVALS = ("mamba_ssm", "causal_conv1d")


def measure_machine(device: torch.device) -> Machine:
    """Time a big copy within the device's memory, and read what the other floors need."""
    source = torch.ones(COPY_BYTES[device.type], dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    target.copy_(source)  # touches every page
    samples = [clocked(lambda: target.copy_(source), device)[1] for _ in range(COPIES[device.type])]
    machine = Machine(2 * source.nbytes, samples)
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        machine.multiprocessors = properties.multi_processor_count
        machine.max_clock_mhz = _max_clock_mhz(properties)
        # CUDA C++ Programming Guide, table of arithmetic throughput: 64 on 7.x and 8.0, 128 since 8.6.
        machine.lanes = 128 if (properties.major, properties.minor) >= (8, 6) else 64
    return machine


def find_rivals() -> dict[str, bool]:
    """Optional packages -> whether they import here; a wheel for another torch is found but does not."""
    return {name: _imports(name) for name in RIVALS}


def _max_clock_mhz(properties: Any) -> float | None:
    try:
        import pynvml

        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{str(properties.uuid).removeprefix('GPU-')}")
        return float(pynvml.nvmlDeviceGetMaxClockInfo(handle, pynvml.NVML_CLOCK_SM))
    except Exception:  # NVML is absent or forbidden in many containers
        khz = getattr(properties, "clock_rate", None)
        return khz / 1e3 if khz else None


def _imports(name: str) -> bool:
    try:
        importlib.import_module(name)
    except (ImportError, OSError, RuntimeError):
        return False
    return True
