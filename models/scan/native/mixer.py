"""The fused mixer on a CPU: `mixer.cpp`, called on the tensors' own memory."""

import ctypes

import torch
from torch import Tensor

from .build import library


class _Mixer(ctypes.Structure):
    """`Mixer` of mixer.cpp."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("batch", "length", "channels", "inner", "state", "rank", "kernel")),
        *((name, ctypes.c_void_p) for name in ("x", "norm_weight", "norm_bias", "in_proj", "conv_weight", "conv_bias")),
        *((name, ctypes.c_void_p) for name in ("x_proj", "dt_proj", "dt_bias", "A", "D", "out_proj", "out")),
        ("epsilon", ctypes.c_float),
        ("threads", ctypes.c_int32),
    )


def forward(
    x: Tensor,
    norm_weight: Tensor,
    norm_bias: Tensor,
    epsilon: float,
    in_proj: Tensor,
    conv_weight: Tensor,
    conv_bias: Tensor,
    x_proj: Tensor,
    dt_proj: Tensor,
    dt_bias: Tensor,
    A: Tensor,
    D: Tensor,
    out_proj: Tensor,
) -> Tensor:
    """See `models.scan.mixer.mamba_mixer`; float32 only."""
    tensors = (x, norm_weight, norm_bias, in_proj, conv_weight, conv_bias, x_proj, dt_proj, dt_bias, A, D, out_proj)
    kept = [t.contiguous() for t in tensors]
    out = torch.empty_like(kept[0])
    sizes = (*x.shape, in_proj.shape[0] // 2, A.shape[1], dt_proj.shape[1], conv_weight.shape[-1])
    pointers = (t.data_ptr() for t in (*kept, out))
    library().mixer_forward_f32(ctypes.byref(_Mixer(*sizes, *pointers, epsilon, torch.get_num_threads())))
    return out
