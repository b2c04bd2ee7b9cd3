"""mamba-ssm's functions for all of the mixer behind in_proj, and those of Vim's fork for two directions.

    y = out_proj(selective_scan(silu(conv1d(x)), ...) silu(z)),   (x, z) = xz

There they are fused for the sake of memory on a GPU; here they are compositions, which autograd differentiates. r is
the rank of the step, c the channels of the output.
"""

from typing import Any

import torch.nn.functional as F
from torch import Tensor

from .. import selective_scan
from .conv import depthwise


def mamba_inner_fn(
    xz: Tensor,
    conv1d_weight: Tensor,
    conv1d_bias: Tensor | None,
    x_proj_weight: Tensor,
    delta_proj_weight: Tensor,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    A: Tensor,
    B: Tensor | None = None,
    C: Tensor | None = None,
    D: Tensor | None = None,
    delta_bias: Tensor | None = None,
    B_proj_bias: Tensor | None = None,
    C_proj_bias: Tensor | None = None,
    delta_softplus: bool = True,
    checkpoint_lvl: int = 1,
    b_rms_weight: Tensor | None = None,
    c_rms_weight: Tensor | None = None,
    dt_rms_weight: Tensor | None = None,
    b_c_dt_rms_eps: float = 1e-6,
) -> Tensor:
    """(b, L, c).

    Args:
        xz: (b, 2 d, L), x above z.
        conv1d_weight, conv1d_bias: (d, 1, w) and (d), causal.
        x_proj_weight: (r + n for each of B and C that is None, d), the rows of the step, B and C in this order.
        delta_proj_weight, delta_bias: (d, r) and (d).
        out_proj_weight, out_proj_bias: (c, d) and (c).
        A, D: (d, n) and (d).
        B, C: None: made from the input, by x_proj; else as `selective_scan` takes them.
        B_proj_bias, C_proj_bias: (n), added to what x_proj makes.
        checkpoint_lvl: what mamba-ssm computes again in its backward pass; without meaning here.
        b_rms_weight, c_rms_weight, dt_rms_weight, b_c_dt_rms_eps: of an RMSNorm of B, C and the step; (n), (n), (d).
    """
    y = mamba_inner_fn_no_out_proj(
        xz,
        conv1d_weight,
        conv1d_bias,
        x_proj_weight,
        delta_proj_weight,
        A,
        B,
        C,
        D,
        delta_bias,
        B_proj_bias,
        C_proj_bias,
        delta_softplus,
        b_rms_weight=b_rms_weight,
        c_rms_weight=c_rms_weight,
        dt_rms_weight=dt_rms_weight,
        b_c_dt_rms_eps=b_c_dt_rms_eps,
    )
    return _project(y, out_proj_weight, out_proj_bias)


# In mamba-ssm the same steps, the same scan among them, unfused.
mamba_inner_ref = mamba_inner_fn


def mamba_inner_fn_no_out_proj(
    xz: Tensor,
    conv1d_weight: Tensor,
    conv1d_bias: Tensor | None,
    x_proj_weight: Tensor,
    delta_proj_weight: Tensor,
    A: Tensor,
    B: Tensor | None = None,
    C: Tensor | None = None,
    D: Tensor | None = None,
    delta_bias: Tensor | None = None,
    B_proj_bias: Tensor | None = None,
    C_proj_bias: Tensor | None = None,
    delta_softplus: bool = True,
    checkpoint_lvl: int = 1,
    *,
    reverse: bool = False,
    **norms: Any,
) -> Tensor:
    """(b, d, L): `mamba_inner_fn` without its last step. reverse: from the last token to the first, without a copy."""
    x, z = xz.chunk(2, dim=1)
    x = convolve(x, conv1d_weight, conv1d_bias, reverse)
    projected = _Projected(x, x_proj_weight, delta_proj_weight, A, B, C, B_proj_bias, C_proj_bias, **norms)
    return selective_scan(
        x, projected.delta, A, projected.B, projected.C, D, z, delta_bias, delta_softplus, reverse=reverse
    )


def bimamba_inner_fn(
    xz: Tensor,
    conv1d_weight: Tensor,
    conv1d_bias: Tensor | None,
    x_proj_weight: Tensor,
    delta_proj_weight: Tensor,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    A: Tensor,
    A_b: Tensor,
    B: Tensor | None = None,
    C: Tensor | None = None,
    D: Tensor | None = None,
    delta_bias: Tensor | None = None,
    B_proj_bias: Tensor | None = None,
    C_proj_bias: Tensor | None = None,
    delta_softplus: bool = True,
    checkpoint_lvl: int = 1,
) -> Tensor:
    """`mamba_inner_fn` with a second scan, by A_b, from the last token to the first; the two are added (Vim's v1)."""
    x, z = xz.chunk(2, dim=1)
    x = convolve(x, conv1d_weight, conv1d_bias)
    p = _Projected(x, x_proj_weight, delta_proj_weight, A, B, C, B_proj_bias, C_proj_bias)
    y, y_b = (
        selective_scan(x, p.delta, rates, p.B, p.C, D, z, delta_bias, delta_softplus, reverse=reverse)
        for rates, reverse in ((A, False), (A_b, True))
    )
    return _project(y + y_b, out_proj_weight, out_proj_bias)


bimamba_inner_ref = bimamba_inner_fn


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None, reverse: bool = False) -> Tensor:
    """`depthwise` by a weight (d, 1, w) with SiLU, in x's dtype."""
    return F.silu(depthwise(x, weight[:, 0], bias, reverse)).to(x.dtype)


class _Projected:
    """The step (b, d, L), before its bias and softplus, B and C of the convolved x (b, d, L)."""

    def __init__(
        self,
        x: Tensor,
        x_proj_weight: Tensor,
        delta_proj_weight: Tensor,
        A: Tensor,
        B: Tensor | None,
        C: Tensor | None,
        B_proj_bias: Tensor | None,
        C_proj_bias: Tensor | None,
        b_rms_weight: Tensor | None = None,
        c_rms_weight: Tensor | None = None,
        dt_rms_weight: Tensor | None = None,
        b_c_dt_rms_eps: float = 1e-6,
    ) -> None:
        rank, n = delta_proj_weight.shape[1], A.shape[1]
        made = F.linear(x.transpose(1, 2), x_proj_weight)  # (b, L, r + n + n)
        delta = _rms_norm(F.linear(made[..., :rank], delta_proj_weight), dt_rms_weight, b_c_dt_rms_eps)
        self.delta = delta.transpose(1, 2)
        self.B = (
            B if B is not None else self._row(made[..., rank : rank + n], B_proj_bias, b_rms_weight, b_c_dt_rms_eps)
        )
        self.C = C if C is not None else self._row(made[..., -n:], C_proj_bias, c_rms_weight, b_c_dt_rms_eps)

    def _row(self, row: Tensor, bias: Tensor | None, norm: Tensor | None, epsilon: float) -> Tensor:
        row = row if bias is None else row + bias.to(row.dtype)
        return _rms_norm(row, norm, epsilon).transpose(1, 2)


def _rms_norm(x: Tensor, weight: Tensor | None, epsilon: float) -> Tensor:
    return x if weight is None else F.rms_norm(x, x.shape[-1:], weight.to(x.dtype), epsilon)


def _project(y: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    out: Tensor = F.linear(y.transpose(1, 2).to(weight.dtype), weight, bias)
    return out
