"""Compiles the native kernels where a C++ compiler is at hand, once, into the user's cache.

The sources use nothing but the compiler, so this takes seconds, not the minutes of an extension that includes PyTorch's
headers. OpenMP's runtime is not linked in: PyTorch has loaded one already, and a second would fight it for the cores.
"""

import ctypes
import functools
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import torch  # loads the OpenMP runtime that the library finds its symbols in

from ...cache import cache_dir

SOURCES = ("forward.cpp", "backward.cpp", "mixer.cpp")
FOLDER = Path(__file__).parent
COMPILERS = ("c++", "g++", "clang++")
FLAGS = ("-std=gnu++17", "-O3", "-fPIC", "-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math", "-fopenmp")
NATIVE_VARIABLE = "ESR_NATIVE"  # 0 switches the native kernels off


class BuildError(Exception):
    """The kernels cannot be had here; the text is one line."""


@functools.cache
def library() -> ctypes.CDLL:
    """The compiled kernels, built first where need be. Raises BuildError, each time the same one."""
    found = _try_library()
    if isinstance(found, str):
        raise BuildError(found)
    return found


@functools.cache
def _try_library() -> ctypes.CDLL | str:
    if os.environ.get(NATIVE_VARIABLE) == "0":
        return f"switched off by ${NATIVE_VARIABLE}"
    compiler = find_compiler()
    if compiler is None:
        return f"no C++ compiler found ({', '.join(COMPILERS)}, or $CXX)"
    try:
        target = cache_dir() / "native" / f"scan-{_fingerprint(compiler)}.so"
        if not target.exists():
            _build(compiler, target)
        return ctypes.CDLL(str(target))
    except BuildError as error:
        return str(error)
    except (OSError, subprocess.SubprocessError) as error:
        return f"the native kernels cannot be built or loaded: {str(error).splitlines()[0]}"


def find_compiler() -> str | None:
    """Path of the C++ compiler: $CXX, else the first of COMPILERS on the path."""
    chosen = os.environ.get("CXX")
    return next((path for name in ([chosen] if chosen else COMPILERS) if (path := shutil.which(name))), None)


def _fingerprint(compiler: str) -> str:
    """Changes with the sources, the flags, the compiler and the processor: homes are shared between machines."""
    version = subprocess.run([compiler, "--version"], capture_output=True, text=True, check=True, timeout=60).stdout
    parts = [compiler, version, _processor(), *FLAGS, torch.__version__]
    parts += [path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("*.[ch]pp"))]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _processor() -> str:
    """What -march=native looks at."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine() + platform.processor()
    return "".join(sorted({line for line in lines if line.startswith(("flags", "Features", "model name", "CPU part"))}))


def _build(compiler: str, target: Path) -> None:
    if sys.stderr.isatty():
        print("compiling the CPU kernels of the selective scan (once; a few seconds)", file=sys.stderr)  # noqa: T201
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        tune = "-mcpu=native" if platform.machine() in ("aarch64", "arm64") else "-march=native"
        objects = [str(Path(folder) / f"{source}.o") for source in SOURCES]
        for source, made in zip(SOURCES, objects, strict=True):
            _run([compiler, *FLAGS, tune, "-c", str(FOLDER / source), "-o", made])
        built = Path(folder) / target.name
        _run([compiler, "-shared", *objects, "-o", str(built)])
        try:
            ctypes.CDLL(str(built))
        except OSError:  # a PyTorch that keeps its OpenMP runtime to itself
            _run([compiler, "-shared", "-fopenmp", *objects, "-o", str(built)])
        os.replace(built, target)  # a second process that built the same at the same time does no harm


def _run(command: list[str]) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)
    if done.returncode:
        said = next((line for line in done.stderr.splitlines() if "error" in line), "no message")
        raise BuildError(f"{Path(command[0]).name} failed on the native kernels: {said.strip()}")
