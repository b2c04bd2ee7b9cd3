"""MemNet: A Persistent Memory Network for Image Restoration (Tai et al., ICCV 2017).

M6R6, multi-supervised (section 3.3): six memory blocks, each one residual unit applied six times and a gate that weighs
its six states (short-term memory) and the outputs of all blocks before it (long-term memory). Every block's output is
reconstructed by the same convolution and the six images are added with learnt weights. Convolutions are shared by the
recursions, normalisations are not, as in the authors' files. b, c, H, W: batch, channels, height and width of the
enlarged image.
"""

import torch
from torch import Tensor, nn


class PreActivated(nn.Module):
    """Batch normalisation, ReLU, convolution; a shared convolution is given from outside."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(conv.in_channels)
        self.conv = conv

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv(self.norm(x).relu())
        return out


class MemoryBlock(nn.Module):
    """One memory block, section 3.2: a recursive unit and a gate over `remembered` states."""

    def __init__(self, channels: int, recursions: int, remembered: int) -> None:
        super().__init__()
        first, second = (nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2))
        self.units = nn.ModuleList(nn.Sequential(PreActivated(first), PreActivated(second)) for _ in range(recursions))
        self.gate = PreActivated(nn.Conv2d(channels * remembered, channels, 1))

    def forward(self, memory: list[Tensor]) -> Tensor:
        """`memory`: outputs of the feature extraction and of all blocks before, (b, c, H, W) each."""
        state, states = memory[-1], []
        for unit in self.units:
            state = state + unit(state)
            states.append(state)
        out: Tensor = self.gate(torch.cat([*states, *memory], dim=1))
        return out


class MemNet(nn.Module):
    """The whole network. Luma in [0, 1], enlarged: (b, 1, H, W) -> (b, 1, H, W).

    Args:
        channels: filters of every layer but the last.
        blocks: M, number of memory blocks.
        recursions: R, how often a block's residual unit is applied.
    """

    def __init__(self, *, channels: int = 64, blocks: int = 6, recursions: int = 6) -> None:
        super().__init__()
        self.features = PreActivated(nn.Conv2d(1, channels, 3, padding=1))
        self.blocks = nn.ModuleList(MemoryBlock(channels, recursions, recursions + m + 1) for m in range(blocks))
        reconstruct = nn.Conv2d(channels, 1, 3, padding=1)
        self.reconstructions = nn.ModuleList(PreActivated(reconstruct) for _ in range(blocks))
        self.ensemble = nn.Parameter(torch.full((blocks,), 1 / blocks))

    def forward(self, x: Tensor) -> Tensor:
        memory = [self.features(x)]
        image = torch.zeros_like(x)
        for block, reconstruct, weight in zip(self.blocks, self.reconstructions, self.ensemble, strict=True):
            memory.append(block(memory))
            image = image + weight * (x + reconstruct(memory[-1]))
        return image
