"""The authors' fast path, as a rival: mamba-ssm's `mamba_inner_fn` with causal-conv1d's kernel behind our LayerNorm.

It is what `Mamba.forward` of mamba-ssm runs where causal-conv1d is installed, with the same layouts in memory.
"""

import functools

import torch.nn.functional as F
from torch import Tensor

from .drop_in import stands_in
from .mixer_direction import Direction, each_way


@functools.cache
def available() -> bool:
    """Whether both of the authors' extensions import."""
    try:
        import causal_conv1d_cuda  # noqa: F401
        from mamba_ssm.ops.selective_scan_interface import mamba_inner_fn  # noqa: F401
    except (ImportError, OSError, RuntimeError):
        return False
    return not stands_in("mamba_ssm", "causal_conv1d_cuda", "selective_scan_cuda")


@each_way
def forward(
    x: Tensor,
    norm_weight: Tensor,
    norm_bias: Tensor,
    epsilon: float,
    in_proj: Tensor,
    out_proj: Tensor,
    direction: Direction,
) -> Tensor:
    """See `models.scan.mixer.mamba_mixer`."""
    from mamba_ssm.ops.selective_scan_interface import mamba_inner_fn

    conv_weight, conv_bias, x_proj, dt_proj, dt_bias, A, D = direction
    b, length, c = x.shape
    tokens = F.layer_norm(x, (c,), norm_weight, norm_bias, epsilon)
    xz = (in_proj @ tokens.reshape(b * length, c).t()).unflatten(1, (b, length)).transpose(0, 1)  # (b, 2 d, L)
    weights = (conv_weight, conv_bias, x_proj, dt_proj, out_proj, None)
    out: Tensor = mamba_inner_fn(
        xz, *weights, A.float(), None, None, D.float(), delta_bias=dt_bias.float(), delta_softplus=True
    )
    return out
