"""IMDN: Lightweight Image Super-Resolution with Information Multi-distillation Network (Hui et al., ACM MM 2019).

Section 3 of the paper. Parameter names are the release's. b, c, H, W: batch, channels, LR height and width.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SLOPE = 0.05  # of every LeakyReLU


class CCA(nn.Module):
    """Contrast-aware channel attention (section 3): the squeeze is a channel's deviation plus its mean."""

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        inner = channels // reduction
        self.conv_du = nn.Sequential(
            nn.Conv2d(channels, inner, 1), nn.ReLU(), nn.Conv2d(inner, channels, 1), nn.Sigmoid()
        )

    def forward(self, x: Tensor) -> Tensor:  # (b, c, H, W)
        mean = F.adaptive_avg_pool2d(x, 1)  # (b, c, 1, 1)
        # The floor changes no image; it keeps the root's gradient finite where a channel is constant.
        contrast = (x - mean).square().mean((2, 3), keepdim=True).clamp(min=1e-20).sqrt()
        return x * self.conv_du(contrast + mean)


class IMDB(nn.Module):
    """Information multi-distillation block (section 3): every step keeps a quarter and refines the rest."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.kept = channels // 4
        self.refined = channels - self.kept
        self.c1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.c2 = nn.Conv2d(self.refined, channels, 3, padding=1)
        self.c3 = nn.Conv2d(self.refined, channels, 3, padding=1)
        self.c4 = nn.Conv2d(self.refined, self.kept, 3, padding=1)
        self.cca = CCA(4 * self.kept)
        self.c5 = nn.Conv2d(4 * self.kept, channels, 1)

    def forward(self, x: Tensor) -> Tensor:  # (b, c, H, W)
        distilled, rest = [], x
        for conv in (self.c1, self.c2, self.c3):
            keep, rest = F.leaky_relu(conv(rest), SLOPE).split([self.kept, self.refined], dim=1)
            distilled.append(keep)
        distilled.append(self.c4(rest))
        out: Tensor = self.c5(self.cca(torch.cat(distilled, dim=1))) + x
        return out


class IMDN(nn.Module):
    """The whole network (section 3). RGB in [0, 1]: (b, 3, H, W) -> (b, 3, scale H, scale W); any H, W.

    Args:
        channels: width c, a multiple of 4.
        blocks: number of IMDBs.
        scale: HR size / LR size.
    """

    def __init__(self, *, channels: int = 64, blocks: int = 6, scale: int = 4) -> None:
        super().__init__()
        if blocks < 1 or channels < 16 or channels % 4:
            raise ValueError(
                f"channels must be a multiple of 4 from 16 on and blocks at least 1, not {channels, blocks}"
            )
        self.blocks = blocks
        self.fea_conv = nn.Conv2d(3, channels, 3, padding=1)
        for i in range(1, blocks + 1):
            self.add_module(f"IMDB{i}", IMDB(channels))
        self.c = nn.Sequential(nn.Conv2d(channels * blocks, channels, 1), nn.LeakyReLU(SLOPE))
        self.LR_conv = nn.Conv2d(channels, channels, 3, padding=1)
        self.upsampler = nn.Sequential(nn.Conv2d(channels, 3 * scale**2, 3, padding=1), nn.PixelShuffle(scale))

    def forward(self, x: Tensor) -> Tensor:
        shallow = self.fea_conv(x)  # (b, c, H, W)
        outputs, y = [], shallow
        for i in range(1, self.blocks + 1):
            y = self.get_submodule(f"IMDB{i}")(y)
            outputs.append(y)
        deep = self.LR_conv(self.c(torch.cat(outputs, dim=1))) + shallow
        out: Tensor = self.upsampler(deep)
        return out
