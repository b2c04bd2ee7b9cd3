"""The Mamba-1 mixer, on this project's selective scan.

b, c, L: batch, channels, tokens; d = expand * c inner channels; n state size. Imports are relative, as in models.scan.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .scan import selective_scan
from .scan.mixer import mamba_mixer
from .scan.mixer_direction import Direction


class Mamba(nn.Module):
    """The Mamba-1 mixer (Gu and Dao 2023, section 3.4), over the whole image as one sequence.

    With `bidirectional`, a second set of state-space parameters runs over the reversed sequence; the outputs are summed
    and in_proj and out_proj are shared (Vision Mamba, Zhu et al. 2024; Table 6 of the DVMSR paper).
    """

    A_log: nn.Parameter
    D: nn.Parameter
    conv1d: nn.Conv1d
    x_proj: nn.Linear
    dt_proj: nn.Linear
    keep_float32 = ("A_log", "A_b_log", "D", "D_b")  # trained A reaches -7216, which half precision cannot resolve

    def __init__(
        self,
        channels: int,
        state: int = 16,
        kernel: int = 4,
        expand: int = 2,
        bidirectional: bool = False,
        scan_backend: str | None = None,
    ) -> None:
        super().__init__()
        d = expand * channels
        self.inner, self.state, self.rank = d, state, -(-channels // 16)
        self.bidirectional, self.scan_backend = bidirectional, scan_backend
        self.in_proj = nn.Linear(channels, 2 * d, bias=False)
        self.suffixes = (
            ("", "_b") if bidirectional else ("",)
        )  # of each direction's parameters, as Vision Mamba has them
        for suffix in self.suffixes:
            A = torch.arange(1, state + 1, dtype=torch.float32).repeat(d, 1)  # S4D-real
            self.register_parameter("A_log" if not suffix else "A_b_log", nn.Parameter(A.log()))
            self.register_parameter("D" + suffix, nn.Parameter(torch.ones(d)))
            self.add_module("conv1d" + suffix, nn.Conv1d(d, d, kernel, groups=d, padding=kernel - 1))
            self.add_module("x_proj" + suffix, nn.Linear(d, self.rank + 2 * state, bias=False))
            self.add_module("dt_proj" + suffix, nn.Linear(self.rank, d))
        self.out_proj = nn.Linear(d, channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:  # (b, L, c)
        x, z = self.in_proj(x).transpose(1, 2).chunk(2, dim=1)  # (b, d, L) each
        y = self._direction(x, z, "")
        if self.bidirectional:
            y = y + self._direction(x.flip(-1), z.flip(-1), "_b").flip(-1)
        out: Tensor = self.out_proj(y.transpose(1, 2))  # (b, L, c)
        return out

    def fused(self, x: Tensor, norm: nn.LayerNorm, backend: str) -> Tensor:
        """`forward(norm(x))` as one operator, without gradients."""
        directions = [tensor for suffix in self.suffixes for tensor in self._parameters_of(suffix)]
        return mamba_mixer(
            x, norm.weight, norm.bias, norm.eps, self.in_proj.weight, self.out_proj.weight, directions, backend
        )

    def _parameters_of(self, suffix: str) -> Direction:
        conv, dt_proj = getattr(self, "conv1d" + suffix), getattr(self, "dt_proj" + suffix)
        return Direction(
            conv.weight,
            conv.bias,
            getattr(self, "x_proj" + suffix).weight,
            dt_proj.weight,
            dt_proj.bias,
            -torch.exp(getattr(self, "A_b_log" if suffix else "A_log").float()),
            getattr(self, "D" + suffix).float(),
        )

    def _direction(self, x: Tensor, z: Tensor, suffix: str) -> Tensor:
        """Causal convolution, input-dependent step, B and C, scan and gate: (b, d, L) -> (b, d, L)."""
        x = F.silu(getattr(self, "conv1d" + suffix)(x)[..., : x.shape[-1]])
        projected = getattr(self, "x_proj" + suffix)(x.transpose(1, 2))  # (b, L, rank + 2 n)
        dt, B, C = projected.split([self.rank, self.state, self.state], dim=-1)
        dt_proj = getattr(self, "dt_proj" + suffix)
        return selective_scan(
            x,
            F.linear(dt, dt_proj.weight).transpose(1, 2),
            -torch.exp(getattr(self, "A_b_log" if suffix else "A_log").float()),
            B.transpose(1, 2),
            C.transpose(1, 2),
            D=getattr(self, "D" + suffix),
            z=z,
            delta_bias=dt_proj.bias,
            delta_softplus=True,
            backend=self.scan_backend,
        )
