"""mamba-ssm's LayerNorm and RMSNorm behind an optional sum, for blocks with `fused_add_norm`; plain PyTorch."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

UNUSED = {"x1": None, "weight1": None, "bias1": None, "rowscale": None, "return_dropout_mask": False}


def layer_norm_fn(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    residual: Tensor | None = None,
    eps: float = 1e-6,
    dropout_p: float = 0.0,
    prenorm: bool = False,
    residual_in_fp32: bool = False,
    is_rms_norm: bool = False,
    **others: Any,
) -> Tensor | tuple[Tensor, Tensor]:
    """The norm of dropout(x) + residual over the last axis, in float32, returned in x's dtype.

    Args:
        x, residual: (..., c).
        weight, bias: (c).
        prenorm: return the sum too, in the residual's dtype or, with `residual_in_fp32`, in float32.
        is_rms_norm: do not subtract the mean.
        others: mamba-ssm's arguments for parallel blocks.

    Raises:
        NotImplementedError: for one of `others` that is in use.
    """
    for name, value in others.items():
        if name not in UNUSED or value is not UNUSED[name]:
            raise NotImplementedError(f"layer_norm_fn has no {name}={value} without mamba-ssm's own kernels")
    kept = torch.float32 if residual_in_fp32 else x.dtype if residual is None else residual.dtype
    total = F.dropout(x, dropout_p).float() if dropout_p else x.float()
    if residual is not None:
        total = total + residual.float()
    weight, bias = weight.float(), None if bias is None else bias.float()
    if is_rms_norm:
        out = F.rms_norm(total, total.shape[-1:], weight, eps)
        out = out if bias is None else out + bias
    else:
        out = F.layer_norm(total, total.shape[-1:], weight, bias, eps)
    out = out.to(x.dtype)
    return (out, total.to(kept)) if prenorm else out


def rms_norm_fn(
    x: Tensor, weight: Tensor, bias: Tensor | None, residual: Tensor | None = None, **settings: Any
) -> Tensor | tuple[Tensor, Tensor]:
    """`layer_norm_fn` without the mean."""
    return layer_norm_fn(x, weight, bias, residual, is_rms_norm=True, **settings)


class RMSNorm(nn.Module):
    """x / sqrt(mean(x^2) + eps) * weight."""

    def __init__(
        self,
        hidden_size: int,
        eps: float = 1e-5,
        dropout_p: float = 0.0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.eps = eps
        self.drop = nn.Dropout(dropout_p) if dropout_p > 0 else None
        self.weight = nn.Parameter(torch.ones(hidden_size, device=device, dtype=dtype))
        self.register_parameter("bias", None)

    def forward(
        self, x: Tensor, residual: Tensor | None = None, prenorm: bool = False, residual_in_fp32: bool = False
    ) -> Tensor | tuple[Tensor, Tensor]:
        """As `rms_norm_fn`."""
        dropped = self.drop.p if self.drop is not None and self.training else 0.0
        return rms_norm_fn(
            x,
            self.weight,
            None,
            residual,
            eps=self.eps,
            dropout_p=dropped,
            prenorm=prenorm,
            residual_in_fp32=residual_in_fp32,
        )
