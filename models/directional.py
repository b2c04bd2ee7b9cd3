"""The selective scan with a set of parameters for each direction, as VMamba's SS2D stores them.

VMamba (Liu et al. 2024); the layout that PFVM (four directions) and MambaIRv2 (one) took over. Parameter
names are theirs. b: batch; K directions; d channels; n state size; r rank of the step; L tokens.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.scan import selective_scan

STEP_MIN, STEP_MAX = 1e-3, 1e-1  # range of softplus(bias) at the start of training


class DirectionalScan(nn.Module):
    """Input-dependent step, B and C, and the scan, with own parameters for each of K directions."""

    keep_float32 = ("A_logs", "Ds")  # as in mamba-ssm; half precision cannot resolve a trained A

    def __init__(self, channels: int, state: int, rank: int, directions: int, scan_backend: str | None) -> None:
        super().__init__()
        d, n, k = channels, state, directions
        self.rank, self.state, self.scan_backend = rank, state, scan_backend
        bound = d**-0.5
        self.x_proj_weight = nn.Parameter(torch.empty(k, rank + 2 * n, d).uniform_(-bound, bound))
        self.dt_projs_weight = nn.Parameter(torch.empty(k, d, rank).uniform_(-(rank**-0.5), rank**-0.5))
        step = torch.exp(torch.empty(k, d).uniform_(math.log(STEP_MIN), math.log(STEP_MAX)))
        self.dt_projs_bias = nn.Parameter(step + torch.log(-torch.expm1(-step)))  # softplus gives `step` back
        self.A_logs = nn.Parameter(torch.arange(1, n + 1, dtype=torch.float32).log().repeat(k * d, 1))  # S4D-real
        self.Ds = nn.Parameter(torch.ones(k * d))

    def scan(self, x: Tensor, direction: int = 0, prompt: Tensor | None = None, reverse: bool = False) -> Tensor:
        """Scan (b, L, d) in the order of its tokens, or from the last to the first. Returns (b, L, d).

        prompt: (b, L, n), added to C.
        """
        d = x.shape[2]
        mine = slice(direction * d, (direction + 1) * d)
        projected = F.linear(x, self.x_proj_weight[direction])  # (b, L, r + 2 n)
        step, B, C = projected.split([self.rank, self.state, self.state], dim=-1)
        if prompt is not None:
            C = C + prompt
        y = selective_scan(
            x.transpose(1, 2),
            F.linear(step, self.dt_projs_weight[direction]).transpose(1, 2),
            -torch.exp(self.A_logs[mine].float()),
            B.transpose(1, 2),
            C.transpose(1, 2),
            D=self.Ds[mine],
            delta_bias=self.dt_projs_bias[direction],
            delta_softplus=True,
            backend=self.scan_backend,
            reverse=reverse,
        )
        return y.transpose(1, 2)
