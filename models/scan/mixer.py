"""The fused mixer: LayerNorm and the whole Mamba mixer as one registered operator, for inference.

    y = out_proj(selective_scan(silu(conv1d(x')), ...) silu(z)),   (x', z) = in_proj(LayerNorm(x))

Mamba (Gu and Dao 2023), section 3.4, behind the LayerNorm of DVMSR's ViMM; and the bidirectional one of Vision Mamba
(Zhu et al. 2024), in which a second scan, with parameters of its own, goes from the last token to the first. What the
fusion saves is memory traffic: of the 4.2 GB that one unfused pass of DVMSR moves at 256x256, the scans are a third. It
has no gradient; training takes the unfused modules around `models.scan.selective_scan`, which are also what it is
tested against.
"""

import contextlib
import functools
import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import register_flop_formula

from . import mamba_ssm_mixer
from .mixer_direction import split_directions
from .operator import selective_scan_flops
from .register import no_gradient, operator

FLOATS = (torch.float32, torch.bfloat16, torch.float16)
MIXER = "esr::mamba_mixer"
# Scan backend -> module with a `forward` of the operator's arguments (backend left out), and the precisions it takes.
KERNELS: dict[str, tuple[str, tuple[torch.dtype, ...]]] = {
    "native": (".native.mixer", (torch.float32,)),
    "triton": (".triton_mixer", FLOATS),
    "mamba_ssm": (".mamba_ssm_mixer", FLOATS),
}


_separate: list[None] = []  # one entry for each `separate_steps` that is open


@contextlib.contextmanager
def separate_steps() -> Iterator[None]:
    """Within it no mixer is fused: what counts operators has to see each of them."""
    _separate.append(None)
    try:
        yield
    finally:
        _separate.pop()


def can_fuse(backend: str, dtype: torch.dtype) -> bool:
    """Whether the mixer of this scan backend exists here for this precision."""
    if _separate:
        return False
    if backend == "mamba_ssm" and not mamba_ssm_mixer.available():
        return False
    return backend in KERNELS and dtype in KERNELS[backend][1]


def fuses(options: Mapping[str, Any], backend: str, dtype: torch.dtype) -> bool:
    """Whether a network built with these options will run its mixers fused when no gradient is asked for."""
    return options.get("fused", True) and can_fuse(backend, dtype)


@functools.cache
def _kernel(backend: str) -> Callable[..., Tensor]:
    function: Callable[..., Tensor] = importlib.import_module(KERNELS[backend][0], __package__).forward
    return function


@operator(MIXER)
def mamba_mixer(
    x: Tensor,
    norm_weight: Tensor,
    norm_bias: Tensor,
    epsilon: float,
    in_proj: Tensor,
    out_proj: Tensor,
    directions: Sequence[Tensor],
    backend: str,
) -> Tensor:
    """LayerNorm, then the mixer.

    Args:
        x: (b, L, c).
        norm_weight, norm_bias, epsilon: of the LayerNorm, (c).
        in_proj: (2 d, c); the first d rows make x', the others z.
        out_proj: (c, d).
        directions: the fields of a `Direction`, and of a second one where tokens are scanned both ways.
        backend: a name in KERNELS.

    Returns:
        (b, L, c).
    """
    return _kernel(backend)(x, norm_weight, norm_bias, epsilon, in_proj, out_proj, directions)


no_gradient(MIXER)


@torch.library.register_fake(MIXER)
def _(x: Tensor, *_: Any, **__: Any) -> Tensor:
    return x.new_empty(x.shape)


@register_flop_formula(torch.ops.esr.mamba_mixer)
def mamba_mixer_flops(
    x_shape: list[int],
    norm_weight: list[int],
    norm_bias: list[int],
    epsilon: float,
    in_proj: list[int],
    out_proj: list[int],
    directions: list[list[int]],
    *_: Any,
    **__: Any,
) -> int:
    """Two a multiply-add of the projections and the convolution, and the scan's 9 b L d n, as PyTorch counts them."""
    b, length, c = x_shape
    d = out_proj[1]
    flops = 2 * b * length * c * (in_proj[0] + d)
    way: Any  # with shapes in place of tensors
    for way in split_directions(directions):
        macs = d * (way.conv_weight[2] + way.x_proj[0] + way.dt_proj[1])
        flops += 2 * b * length * macs + selective_scan_flops([b, d, length], [], way.A)
    return flops
