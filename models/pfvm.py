"""PFVM: Parameter-Free Vision Mamba, an entry of NTIRE 2025's efficient super-resolution challenge.

MambaIR (Guo et al., ECCV 2024) in DVMSR's frame, its channel attention replaced by SPAN's parameter-free attention. It
has no paper of its own: the code follows the challenge's release (team 34), whose parameter names it keeps. In training
the release also drops whole branches at random (at most every tenth), which this one does not. b, c, H, W: batch,
channels, LR height and width; L = H W tokens; d = expand * c inner channels.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.directional import DirectionalScan
from models.scan.directions import cross_scan

RGB_MEAN = (0.4488, 0.4371, 0.4040)  # of DIV2K


class SS2D(DirectionalScan):
    """Scan in two dimensions (VMamba, Liu et al. 2024): by rows and by columns, forwards and backwards."""

    def __init__(self, channels: int, state: int, expand: int, scan_backend: str | None) -> None:
        d = expand * channels
        super().__init__(d, state, -(-channels // 16), 4, scan_backend)
        self.in_proj = nn.Linear(channels, 2 * d, bias=False)
        self.conv2d = nn.Conv2d(d, d, 3, padding=1, groups=d)
        self.out_norm = nn.LayerNorm(d)
        self.out_proj = nn.Linear(d, channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:  # (b, H, W, c)
        x, z = self.in_proj(x).chunk(2, dim=-1)  # (b, H, W, d) each
        x = F.silu(self.conv2d(x.permute(0, 3, 1, 2))).permute(0, 2, 3, 1)
        y = cross_scan(x, lambda tokens, direction, reverse: self.scan(tokens, direction, reverse=reverse))
        out: Tensor = self.out_proj(self.out_norm(y) * F.silu(z))
        return out


class ParameterFreeAttention(nn.Module):
    """A convolution weighed by an odd function of itself, as SPAN's block (Wan et al. 2024)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv3x3 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:  # (b, c, H, W)
        y = F.silu(self.conv3x3(x))
        return (y + x) * (y.sigmoid() - 0.5)


class Block(nn.Module):
    """Scan, then attention, each beside a scaled skip, and a third scaled skip around both."""

    def __init__(self, channels: int, state: int, expand: int, scan_backend: str | None) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(channels)
        self.self_attention = SS2D(channels, state, expand, scan_backend)
        self.ln_2 = nn.LayerNorm(channels)
        self.conv_blk = ParameterFreeAttention(channels)
        self.skip_scale = nn.Parameter(torch.ones(channels))
        self.skip_scale2 = nn.Parameter(torch.ones(channels))
        self.skip_scale3 = nn.Parameter(torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:  # (b, H, W, c)
        y = x * self.skip_scale + self.self_attention(self.ln_1(x))
        attended = self.conv_blk(self.ln_2(y).permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        return y * self.skip_scale2 + attended + x * self.skip_scale3


class Group(nn.Module):
    """Blocks, then a convolution, around a skip connection."""

    def __init__(self, channels: int, depth: int, state: int, expand: int, scan_backend: str | None) -> None:
        super().__init__()
        blocks = nn.Sequential(*(Block(channels, state, expand, scan_backend) for _ in range(depth)))
        self.residual_group = nn.ModuleDict({"blocks": blocks})  # the level exists only in the release's names
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:  # (b, H, W, c)
        y = self.residual_group["blocks"](x).permute(0, 3, 1, 2)
        return self.conv(y).permute(0, 2, 3, 1) + x


class PFVM(nn.Module):
    """The whole network. RGB in [0, 1]: (b, 3, H, W) -> (b, 3, scale H, scale W); any H and W.

    Args:
        channels: width c.
        depths: blocks in each group.
        state: state size n of the scan.
        expand: inner channels / channels.
        scale: HR size / LR size.
        scan_backend: see `models.scan.selective_scan`.
    """

    mean: Tensor

    def __init__(
        self,
        *,
        channels: int = 60,
        depths: Sequence[int] = (4,),
        state: int = 16,
        expand: int = 2,
        scale: int = 4,
        scan_backend: str | None = None,
    ) -> None:
        super().__init__()
        if channels < 1 or not depths or min(depths) < 1:
            raise ValueError(f"channels and every depth must be at least 1, not {channels} and {list(depths)}")
        self.register_buffer("mean", torch.tensor(RGB_MEAN).view(1, 3, 1, 1), persistent=False)
        self.conv_first = nn.Conv2d(3, channels, 3, padding=1)
        self.patch_embed = nn.ModuleDict({"norm": nn.LayerNorm(channels)})
        self.layers = nn.Sequential(*(Group(channels, depth, state, expand, scan_backend) for depth in depths))
        self.norm = nn.LayerNorm(channels)
        self.conv_after_body = nn.Conv2d(channels, channels, 3, padding=1)
        self.upsample = nn.Sequential(nn.Conv2d(channels, 3 * scale**2, 3, padding=1), nn.PixelShuffle(scale))
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        shallow = self.conv_first(x - self.mean)  # (b, c, H, W)
        y = self.layers(self.patch_embed["norm"](shallow.permute(0, 2, 3, 1)))  # (b, H, W, c)
        deep = self.conv_after_body(self.norm(y).permute(0, 3, 1, 2)) + shallow
        out: Tensor = self.upsample(deep) + self.mean
        return out
