"""A wall around strangers' code: bubblewrap gives it a file system of its own, no network, and nobody else's processes.

Inside there are the system's programs and libraries, this Python and this project to read, a private /tmp and /dev/shm
of fixed size, and the folders that the caller names. No data set, no record, no other folder of the user, and of the
environment only what makes programs run. What it does not keep out: what the processor and the GPU's driver let
neighbours see or slow down, and whatever the code does to its own numbers within its own process.
"""

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from models.cache import cache_dir
from models.errors import EsrError

MODES = ("auto", "bwrap", "none")
ROOT = Path(__file__).resolve().parents[2]
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/opt/rocm", "/sys/devices/system")
SETTINGS = ("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives", "localtime", "fonts")  # of /etc
GPU_NODES = ("/dev/nvidia*", "/dev/nvidia-caps", "/dev/dri", "/dev/kfd")
VARIABLES = ("PATH", "LANG", "TZ", "LD_LIBRARY_PATH", "CXX", "XDG_CACHE_HOME")
PREFIXES = (
    *("LC_", "OMP_", "MKL_", "KMP_", "GOMP_", "ONEDNN_", "DNNL_", "MALLOC_", "ATEN_", "TORCH_", "PYTORCH_"),
    *("CUDA_", "NVIDIA_", "HIP_", "ESR_CACHE", "ESR_NATIVE", "ESR_SCAN_BACKEND"),
)
PRIVATE_BYTES = 2**30  # of /tmp and of /dev/shm


@dataclass(frozen=True)
class Wall:
    """How processes of strangers' code are started.

    Attributes:
        text: for records, such as "bubblewrap 0.8.0" or "none: a container of our own".
        program: bwrap's path; "" without a wall.
    """

    text: str
    program: str = ""

    def command(
        self, command: Sequence[str], writable: Sequence[Path], device: str, environment: Mapping[str, str]
    ) -> list[str]:
        """`command`, to be started with `environment` in the first of the `writable` folders, behind the wall."""
        if not self.program:
            return list(command)
        words = [self.program, *_namespaces(), *_system()]
        native = cache_dir() / "native"  # of the scan; compiled beforehand
        for path in (Path(sys.base_prefix), Path(sys.prefix), ROOT / "bench", ROOT / "models", native):
            words += ["--ro-bind-try", str(path), str(path)]
        if device != "cpu":
            words += [word for node in _gpu_nodes() for word in ("--dev-bind-try", node, node)]
        for path in writable:
            words += ["--bind", str(path), str(path)]
        for name, value in environment.items():
            words += ["--setenv", name, value]
        return [*words, "--chdir", str(writable[0]), "--", *command]


def allowed_environment() -> dict[str, str]:
    """Of this process's environment what a program needs to run as here; keys and tokens are not among it."""
    return {k: v for k, v in os.environ.items() if k in VARIABLES or k.startswith(PREFIXES)}


def choose_wall(mode: str, why: str) -> Wall:
    """The wall of `--wall MODE [WHY]`. Raises EsrError, with the cure, where there is none and no reason for that."""
    if mode == "none":
        if not why.strip():
            raise EsrError('--wall none needs a reason, which the records keep: --wall none "why"')
        return Wall(f"none: {why.strip()}")
    if why:
        raise EsrError(f"--wall {mode} takes no reason")
    found = _bubblewrap()
    if isinstance(found, Wall):
        return found
    cure = 'install it (Debian: apt install bubblewrap), or say --wall none "why", which gives that code your rights'
    raise EsrError(f"bubblewrap, the wall around strangers' code, {found}; {cure}")


@functools.cache
def _bubblewrap() -> Wall | str:
    """The wall, or what is wrong with it here."""
    program = shutil.which("bwrap")
    if program is None:
        return "is not installed"
    try:
        version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True, timeout=30).stdout
        done = subprocess.run(
            [program, *_namespaces(), *_system(), "--", "true"], capture_output=True, text=True, check=False, timeout=30
        )
    except (OSError, subprocess.SubprocessError) as error:
        return f"does not run ({str(error).splitlines()[0]})"
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return f"may not make namespaces here ({said[:200]})"
    return Wall(version.strip(), program)


def _namespaces() -> list[str]:
    size = str(PRIVATE_BYTES)
    return [
        *("--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--clearenv"),
        *("--proc", "/proc", "--dev", "/dev", "--size", size, "--tmpfs", "/dev/shm", "--size", size, "--tmpfs", "/tmp"),
    ]


def _system() -> list[str]:
    """What programs need of the system, to read. /etc has passwords and keys: only what the loader looks at."""
    words = []
    for path in map(Path, SYSTEM):
        if path.is_symlink():
            words += ["--symlink", os.readlink(path), str(path)]
        elif path.is_dir():
            words += ["--ro-bind", str(path), str(path)]
    for name in SETTINGS:
        words += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    return words


def _gpu_nodes() -> list[str]:
    return sorted(str(path) for pattern in GPU_NODES for path in Path("/").glob(pattern.lstrip("/")))
