"""EFDN: Edge-enhanced Feature Distillation Network for Efficient Super-Resolution (Wang, CVPRW 2022).

Section 3 of the paper, in the form that is run: the parallel branches of an edge-enhanced diverse branch block (3x3,
1x1, Sobel and Laplacian) are merged into one 3x3 convolution, as in the weights that the NTIRE 2025 challenge released
as its baseline. Parameter names are theirs. b, c, H, W: batch, channels, LR height and width.
"""

import torch
from torch import Tensor, nn

from models.classic.rfdn import ESA
from models.rlfn import pad_to_smallest


def convolution(name: str, channels: int, kernel: int) -> nn.Module:
    """A convolution under its name in the release, then a PReLU with a slope for each channel."""
    layers = nn.Sequential()
    layers.add_module(name, nn.Conv2d(channels, channels, kernel, padding=kernel // 2))
    layers.add_module("act", nn.PReLU(channels))
    return layers


class Cell(nn.Module):
    """Edge-enhanced feature distillation block (section 3): the input and each step give half of their
    channels to the fusion."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = convolution("conv1x1", channels, 1)
        self.conv2 = convolution("rep_conv", channels, 3)
        self.conv3 = convolution("rep_conv", channels, 3)
        self.branch = nn.ModuleList(nn.Conv2d(channels, channels // 2, 1) for _ in range(4))
        self.fuse = nn.Conv2d(4 * (channels // 2), channels, 1)
        self.att = ESA(channels)

    def forward(self, x: Tensor) -> Tensor:  # (b, c, H, W)
        steps = [x]
        for conv in (self.conv1, self.conv2, self.conv3):
            steps.append(conv(steps[-1]))
        distilled = [branch(step) for branch, step in zip(self.branch, steps, strict=True)]
        out: Tensor = self.att(self.fuse(torch.cat(distilled, dim=1))) + x
        return out


class EFDN(nn.Module):
    """The whole network (section 3). RGB in [0, 1]: (b, 3, H, W) -> (b, 3, scale H, scale W); any H, W.

    Outside training the output is clamped to [0, 1], as released; training would get no gradient beyond the range.

    Args:
        channels: width c, even.
        scale: HR size / LR size.
    """

    def __init__(self, *, channels: int = 48, scale: int = 4) -> None:
        super().__init__()
        if channels < 4 or channels % 2:
            raise ValueError(f"channels must be even and at least 4, not {channels}")
        self.scale = scale
        self.head = nn.Conv2d(3, channels, 3, padding=1)
        self.cells = nn.ModuleList(Cell(channels) for _ in range(4))
        self.local_fuse = nn.ModuleList(nn.Conv2d(2 * channels, channels, 1) for _ in range(3))
        self.tail = nn.Sequential(nn.Conv2d(channels, 3 * scale**2, 3, padding=1), nn.PixelShuffle(scale))

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        shallow = self.head(pad_to_smallest(x))  # (b, c, H, W)
        previous = self.cells[0](shallow)
        y = self.cells[1](previous)
        fused = self.local_fuse[0](torch.cat([previous, y], dim=1))
        for cell, fuse in zip(list(self.cells)[2:], list(self.local_fuse)[1:], strict=True):
            # The release fuses the last two cells both with what came before the fusion, `y`, and not with each other.
            deeper = cell(fused)
            fused = fuse(torch.cat([y, deeper], dim=1))
        out: Tensor = self.tail(fused + shallow)
        out = out[:, :, : height * self.scale, : width * self.scale]
        return out if self.training else out.clamp(0, 1)
