"""Stands in for the CUDA modules of mamba-ssm and causal-conv1d, where those are installed: zeros of their shapes."""

import importlib.util
import sys
from collections.abc import Callable
from types import ModuleType

import torch
from torch import Tensor


def stand_ins() -> dict[str, ModuleType]:
    """Module -> what takes its place; nothing of what is not installed."""
    made: dict[str, list[Callable[..., object]]] = {
        "selective_scan_cuda": [fwd, bwd],
        "causal_conv1d_cuda": [causal_conv1d_fwd, causal_conv1d_bwd],
    }
    found = {}
    for name, functions in made.items():
        if name in sys.modules or importlib.util.find_spec(name):
            found[name] = ModuleType(name)
            for function in functions:
                setattr(found[name], function.__name__, function)
    return found


def fwd(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor | None, z: Tensor | None,
        bias: Tensor | None, softplus: bool) -> list[Tensor]:  # fmt: skip
    """selective_scan_cuda.fwd: the output, its states, and the gated output."""
    states = u.new_zeros(u.shape[0], u.shape[1], 1, 2 * A.shape[1], dtype=torch.float32)
    return [torch.zeros_like(u), states, *([] if z is None else [torch.zeros_like(u)])]


def bwd(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor | None, z: Tensor | None,
        bias: Tensor | None, dout: Tensor, x: Tensor, out: Tensor | None, dz: Tensor | None, softplus: bool,
        recompute: bool) -> list[Tensor | None]:  # fmt: skip
    """selective_scan_cuda.bwd: gradients of the first six, of the bias and of z, and the gated output."""
    gradients = [None if v is None else torch.zeros_like(v) for v in (u, delta, A, B, C, D, bias, z)]
    return [*gradients[: 8 if z is not None else 7], *([torch.zeros_like(u)] if recompute else [])]


def causal_conv1d_fwd(*_: object) -> None:
    """Its output was made by the caller."""


def causal_conv1d_bwd(*_: object) -> None:
    """Its gradients were made by the caller."""
