"""Scans of images in several directions, without a copy of the sequence where strides allow it.

A scan from the last token to the first needs none. By columns it needs one, which both ways share: tokens of a column
are not equally far apart in memory once there are several columns.
"""

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor

from . import selective_scan

# (tokens (b, L, d), direction, whether from the last to the first) -> (b, L, d)
Run = Callable[[Tensor, int, bool], Tensor]


def cross_scan(x: Tensor, run: Run) -> Tensor:
    """The sum of four scans (b, H, W, d): by rows, by columns, and both of these from the last token to the first.

    VMamba (Liu et al. 2024), its cross-scan and cross-merge with the directions in this order.
    """
    b, height, width, d = x.shape
    rows, columns = x.reshape(b, -1, d), x.transpose(1, 2).reshape(b, -1, d)
    by_rows = run(rows, 0, False) + run(rows, 2, True)
    by_columns = run(columns, 1, False) + run(columns, 3, True)
    return by_rows.view(x.shape) + by_columns.view(b, width, height, d).transpose(1, 2)


def selective_cross_scan(
    x: Tensor,
    x_proj_weight: Tensor,
    dt_projs_weight: Tensor,
    dt_projs_bias: Tensor,
    A: Tensor,
    D: Tensor,
    backend: str | None = None,
) -> Tensor:
    """What VMamba's SS2D does between its convolution and its norm, from its parameters: (b, H, W, d) -> (b, H, W, d).

    Args:
        x: (b, H, W, d); views of (b, d, H, W) cost a copy.
        x_proj_weight: (4, r + 2 n, d), the rows of the step, B and C of every direction.
        dt_projs_weight, dt_projs_bias: (4, d, r) and (4, d).
        A, D: (4 d, n), negative, and (4 d).
        backend: as in `selective_scan`.
    """
    d, n, rank = x.shape[3], A.shape[1], dt_projs_weight.shape[2]

    def run(tokens: Tensor, direction: int, reverse: bool) -> Tensor:
        step, B, C = F.linear(tokens, x_proj_weight[direction]).split([rank, n, n], dim=-1)
        mine = slice(direction * d, (direction + 1) * d)
        y = selective_scan(
            tokens.transpose(1, 2),
            F.linear(step, dt_projs_weight[direction]).transpose(1, 2),
            A[mine],
            B.transpose(1, 2),
            C.transpose(1, 2),
            D[mine],
            delta_bias=dt_projs_bias[direction],
            delta_softplus=True,
            backend=backend,
            reverse=reverse,
        )
        return y.transpose(1, 2)

    return cross_scan(x, run)
