"""The fused mixer on a CPU: `mixer.cpp`, called on the tensors' own memory."""

import ctypes
from collections.abc import Sequence

import torch
from torch import Tensor

from ..mixer_direction import Direction, split_directions
from .build import library
from .cores import usable_cores


class _Direction(ctypes.Structure):
    """`Direction` of mixer.cpp."""

    _fields_ = tuple((name, ctypes.c_void_p) for name in Direction._fields)


class _Mixer(ctypes.Structure):
    """`Mixer` of mixer.cpp."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("batch", "length", "channels", "inner", "state", "rank", "kernel")),
        ("directions", ctypes.c_int64),
        *((name, ctypes.c_void_p) for name in ("x", "norm_weight", "norm_bias", "in_proj", "out_proj")),
        ("direction", _Direction * 2),
        ("out", ctypes.c_void_p),
        ("epsilon", ctypes.c_float),
        *((name, ctypes.c_int32) for name in ("threads", "cores")),
    )


def forward(
    x: Tensor,
    norm_weight: Tensor,
    norm_bias: Tensor,
    epsilon: float,
    in_proj: Tensor,
    out_proj: Tensor,
    directions: Sequence[Tensor],
) -> Tensor:
    """See `models.scan.mixer.mamba_mixer`; float32 only. The same bits for any number of threads."""
    shared = [t.contiguous() for t in (x, norm_weight, norm_bias, in_proj, out_proj)]
    ways = split_directions([t.contiguous() for t in directions])
    out = torch.empty_like(shared[0])
    first = ways[0]
    call = _Mixer(
        *(*x.shape, out_proj.shape[1], first.A.shape[1], first.dt_proj.shape[1], first.conv_weight.shape[-1]),
        len(ways),
        *(t.data_ptr() for t in shared),
        (_Direction * 2)(*(_Direction(*(t.data_ptr() for t in way)) for way in ways)),
        out.data_ptr(),
        epsilon,
        torch.get_num_threads(),
        usable_cores(),
    )
    library().mixer_forward_f32(ctypes.byref(call))
    return out
