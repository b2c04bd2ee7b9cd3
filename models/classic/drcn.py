"""DRCN: Deeply-Recursive Convolutional Network for Image Super-Resolution (Kim, Lee and Lee, CVPR 2016).

One convolution is applied D times; every intermediate state is reconstructed by the same two layers, and the D images
are averaged with learnt weights (section 3.2). b, c, H, W: batch, channels, height and width of the enlarged
image.
"""

import torch
from torch import Tensor, nn


class DRCN(nn.Module):
    """The whole network. Luma in [0, 1], enlarged: (b, 1, H, W) -> (b, 1, H, W).

    The skip connection is the paper's own choice, f3(x, H_d) = x + f2(H_d). Weights are averaged with their sum as the
    divisor, so that only their ratios matter.

    Args:
        channels: filters of every layer but the last.
        recursions: D, how often the shared convolution is applied.
    """

    def __init__(self, *, channels: int = 256, recursions: int = 16) -> None:
        super().__init__()
        if recursions < 1:
            raise ValueError(f"recursions are at least 1, not {recursions}")
        self.embedding = nn.Sequential(
            nn.Conv2d(1, channels, 3, padding=1), nn.ReLU(), nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU()
        )
        self.recursive = nn.Conv2d(channels, channels, 3, padding=1)
        self.reconstruction = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU(), nn.Conv2d(channels, 1, 3, padding=1)
        )
        self.ensemble = nn.Parameter(torch.full((recursions,), 1 / recursions))

    def forward(self, x: Tensor) -> Tensor:
        state = self.embedding(x)  # (b, c, H, W)
        total = torch.zeros_like(x)
        for weight in self.ensemble:
            state = self.recursive(state).relu()
            total = total + weight * (x + self.reconstruction(state))
        return total / self.ensemble.sum()
