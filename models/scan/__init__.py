"""Selective scan (Mamba-1): one public function, several backends behind one registered operator.

    h_t = exp(delta_t A) h_{t-1} + delta_t u_t B_t,     out_t = (h_t C_t + D u_t) silu(z_t)

Mamba (Gu and Dao 2023), Algorithm 2; shapes and argument names as in mamba-ssm's `selective_scan_fn`. `drop_in` gives
networks that import mamba-ssm these scans where it is not installed.

Imports in this package are relative, so that it can be loaded under another name in a process whose `models` is that
of a challenge checkout.
"""

import functools
import importlib.util
import os
from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor

from ..errors import EsrError
from . import arguments, drop_in, operator

BACKEND_VARIABLE = "ESR_SCAN_BACKEND"


class Backend(NamedTuple):
    """Where a backend runs. Its kernels are named in `models.scan.operator`."""

    devices: tuple[str, ...]
    available: Callable[[], bool]
    summary: str
    cure: str = ""  # what to do where it is not available


def _always() -> bool:
    return True


def _native_loads() -> bool:
    from . import native  # compiles on first use

    return native.available()


def _triton_is_there() -> bool:
    return importlib.util.find_spec("triton") is not None


@functools.cache
def _mamba_ssm_imports() -> bool:
    try:
        import mamba_ssm.ops.selective_scan_interface  # noqa: F401  # a wheel for another torch is found but fails here
    except (ImportError, OSError, RuntimeError):
        return False
    return not drop_in.stands_in("mamba_ssm", "selective_scan_cuda")


# A new backend is one file in this folder, one entry here and one in operator.kernel; a fused mixer, one in mixer.py.
BACKENDS: dict[str, Backend] = {
    "reference": Backend(("cpu", "cuda"), _always, "a loop over the tokens; the oracle, slow"),
    "chunked": Backend(("cpu", "cuda"), _always, "pure PyTorch, all chunks of the sequence at once"),
    "native": Backend(("cpu",), _native_loads, "C++, compiled on first use where a compiler is at hand", "install g++"),
    "triton": Backend(
        ("cuda",), _triton_is_there, "our GPU kernels, the sequence split over the whole GPU", "install triton"
    ),
    "mamba_ssm": Backend(
        ("cuda",),
        _mamba_ssm_imports,
        "the authors' CUDA kernel, where mamba-ssm is installed",
        "see requirements-gpu.txt",
    ),
}
# What `auto` takes, by device, best first.
PREFERENCE = {"cpu": ("native", "chunked"), "cuda": ("triton", "mamba_ssm", "chunked")}


def list_backends(device: str | None = None) -> list[str]:
    """Names of the backends that can run here, on `device` ("cpu" or "cuda") if given."""
    return [n for n, b in BACKENDS.items() if b.available() and (device is None or device in b.devices)]


def resolve_backend(name: str | None, device: str) -> str:
    """The backend that `name` means on `device`: the argument, else $ESR_SCAN_BACKEND, else `auto`.

    Raises EsrError for an unknown name, one that does not run on this device, or one that is not installed.
    """
    name = name or os.environ.get(BACKEND_VARIABLE) or "auto"
    if name == "auto":
        return next(n for n in PREFERENCE.get(device, ("chunked",)) if BACKENDS[n].available())
    if name not in BACKENDS:
        raise EsrError(f"unknown scan backend {name!r}; choose one of auto, {', '.join(BACKENDS)}")
    if device != "meta" and device not in BACKENDS[name].devices:
        raise EsrError(f"scan backend {name!r} does not run on {device}; use one of {', '.join(list_backends(device))}")
    if not BACKENDS[name].available():
        raise EsrError(f"scan backend {name!r} is not installed; {BACKENDS[name].cure}, or use --backend auto")
    return name


# What torch.compiler.assume_constant_result does; calling it would import the compiler, which takes seconds, for all.
resolve_backend._dynamo_marked_constant = True  # type: ignore[attr-defined]


def selective_scan(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None = None,
    z: Tensor | None = None,
    delta_bias: Tensor | None = None,
    delta_softplus: bool = False,
    backend: str | None = None,
    reverse: bool = False,
) -> Tensor:
    """Selective scan over the last axis.

    Args:
        u, delta, z: (b, d, L). Views of channels-last (b, L, d) tensors cost no copy.
        A: (d, n), negative.
        B, C: each (b, n, L); or (b, g, n, L), where the d channels are g groups side by side; or constant, (d, n).
        D, delta_bias: (d).
        delta_softplus: take softplus(delta + delta_bias) as the step, else delta + delta_bias.
        backend: one of BACKENDS or "auto"; None reads $ESR_SCAN_BACKEND and falls back to "auto".
        reverse: go from the last token to the first, as if all sequences and the result were flipped.

    Returns:
        (b, d, L) in u's dtype, laid out channels-last. The state is float32, or float64 if an input is.

    Raises:
        EsrError: for a backend that cannot run here or not with these arguments, and for complex tensors.
        ValueError: for shapes that do not fit together.
    """
    return _scan(u, delta, A, B, C, D, z, delta_bias, delta_softplus, backend, reverse, False)[0]


def selective_scan_with_state(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None = None,
    z: Tensor | None = None,
    delta_bias: Tensor | None = None,
    delta_softplus: bool = False,
    backend: str | None = None,
    reverse: bool = False,
) -> tuple[Tensor, Tensor]:
    """`selective_scan`, and the state (b, d, n) behind the token that is visited last, in the state's precision.

    The state has a gradient too, but with the backend `mamba_ssm`.
    """
    return _scan(u, delta, A, B, C, D, z, delta_bias, delta_softplus, backend, reverse, True)


def _scan(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None,
    z: Tensor | None,
    delta_bias: Tensor | None,
    delta_softplus: bool,
    backend: str | None,
    reverse: bool,
    with_state: bool,
) -> tuple[Tensor, Tensor]:
    B, C = arguments.check(u, delta, A, B, C, D, z, delta_bias)
    name = scan_backend(backend, B, C)
    if name == "mamba_ssm" and u.device.type == "cuda":
        from . import mamba_ssm_scan

        return mamba_ssm_scan.scan(u, delta, A, B, C, D, z, delta_bias, delta_softplus, reverse)
    out: tuple[Tensor, Tensor] = operator.selective_scan(
        u, delta, A, B, C, D, z, delta_bias, delta_softplus, name, reverse, with_state
    )
    return out


def scan_backend(name: str | None, B: Tensor, C: Tensor) -> str:
    """`resolve_backend` for one scan: no network has a constant B or C, and so our GPU kernels have none either."""
    found = resolve_backend(name, B.device.type)
    return "chunked" if found == "triton" != name and arguments.is_constant(B, C) else found
