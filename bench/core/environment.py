"""What a measurement depends on besides the network: hardware, clocks, other processes, versions, our own commit."""

import datetime
import os
import platform
import re
import secrets
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil
import torch

from bench.core.identity import with_instructions

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("torch", "triton", "numpy", "fvcore", "thop", "scikit-image", "mamba-ssm", "causal-conv1d")


def now() -> str:
    """UTC, ISO 8601, as records date what they hold."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def new_run() -> str:
    """A name for what is sampled in turn from now on; no two runs share one."""
    return f"{re.sub('[^0-9T]', '', now()[:19])}-{secrets.token_hex(3)}"


def device_name(device: torch.device) -> str:
    """The processor's name as people write it, such as "NVIDIA H200" or "AMD EPYC (AVX2)".

    A CPU's has the instruction set that PyTorch uses on it: the name alone, which cloud providers cut short, stands for
    processors that differ by half in speed.
    """
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return with_instructions(_cpu_name(), torch.backends.cpu.get_cpu_capability())


def describe(device: torch.device) -> dict[str, Any]:
    """The environment as plain data for a record. Values that cannot be read here are None."""
    commit, dirty = _git_state()
    return {
        "device": device_name(device),
        "gpu": _gpu(device) if device.type == "cuda" else None,
        "cpu": _cpu_name(),
        "cpu_flags": torch.backends.cpu.get_cpu_capability(),
        "cores": psutil.cpu_count(logical=False),
        "logical_cores": psutil.cpu_count(),
        "threads": torch.get_num_threads(),
        "load_average": [round(x, 2) for x in os.getloadavg()],
        "memory_bytes": psutil.virtual_memory().total,
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version() if torch.backends.cudnn.is_available() else None,
        "tf32_matmul": torch.backends.cuda.matmul.allow_tf32,
        "tf32_cudnn": torch.backends.cudnn.allow_tf32,
        "cudnn_benchmark": torch.backends.cudnn.benchmark,
        "git_commit": commit,
        "git_dirty": dirty,
    }


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _gpu(device: torch.device) -> dict[str, Any]:
    properties = torch.cuda.get_device_properties(device)
    known: dict[str, Any] = {
        "name": properties.name,
        "memory_bytes": properties.total_memory,
        "multiprocessors": properties.multi_processor_count,
        "capability": f"{properties.major}.{properties.minor}",
    }
    return {**known, **_nvml(str(properties.uuid))}


def _nvml(uuid: str) -> dict[str, Any]:
    """Driver, clocks (MHz), temperature (degrees C), power (W) and other processes, where NVML answers."""
    found: dict[str, Any] = {}
    try:
        import pynvml

        pynvml.nvmlInit()
        found["driver"] = pynvml.nvmlSystemGetDriverVersion()  # first: it is part of what a record is of
        # By identity: NVML's order of devices is not CUDA's.
        handle = pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid.removeprefix('GPU-')}")
        # Ours are this process, the one that started it, and the workers of the networks measured in turn with it.
        parent = psutil.Process(os.getppid())
        ours = {os.getpid(), parent.pid, *(child.pid for child in parent.children(recursive=True))}
        running = {p.pid for p in pynvml.nvmlDeviceGetComputeRunningProcesses(handle)}
        # In a container NVML may report the host's process numbers, which say nothing here.
        others = len(running - ours) if os.getpid() in running else None
        return {
            **found,
            "sm_clock_mhz": pynvml.nvmlDeviceGetClockInfo(handle, pynvml.NVML_CLOCK_SM),
            "memory_clock_mhz": pynvml.nvmlDeviceGetClockInfo(handle, pynvml.NVML_CLOCK_MEM),
            "temperature_c": pynvml.nvmlDeviceGetTemperature(handle, pynvml.NVML_TEMPERATURE_GPU),
            "power_w": pynvml.nvmlDeviceGetPowerUsage(handle) / 1000,
            "other_processes": others,
        }
    except Exception as error:  # NVML is absent or forbidden in many containers, and a record is still worth having
        return {**found, "nvml": f"not available ({type(error).__name__})"}


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _git_state() -> tuple[str | None, bool | None]:
    """Commit, and whether tracked files differ from it; (None, None) outside a git checkout."""
    commit = _git("rev-parse", "HEAD")
    status = _git("status", "--porcelain", "--untracked-files=no")
    return (commit or None, None if status is None else bool(status)) if commit else (None, None)


def _git(*arguments: str) -> str | None:
    try:
        command = ["git", "-C", str(ROOT), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
