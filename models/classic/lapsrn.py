"""LapSRN: Deep Laplacian Pyramid Networks for Fast and Accurate Super-Resolution (Lai et al., CVPR 2017).

Each level doubles the size: features pass through a chain of convolutions and a transposed one, and what they predict
is added to the image that a learnt 4x4 filter enlarges (section 3.1). b, H, W: batch, LR height and width.

The released x4 network has 10 convolutions a level and 3x3 transposed ones. The 502 K (and 251 K for x2) that Table 1
and many others quote is not its count: 5 convolutions a level and 4x4 transposed ones give these numbers.
"""

from typing import cast

import torch.nn.functional as F
from torch import Tensor, nn

SLOPE = 0.2
FEATURES = 64


class Level(nn.Module):
    """One level of the pyramid: feature extraction and image reconstruction."""

    def __init__(self, depth: int, up_kernel: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(FEATURES, FEATURES, 3, padding=1) for _ in range(depth))
        self.up = nn.ConvTranspose2d(FEATURES, FEATURES, up_kernel, stride=2, padding=(up_kernel - 2) // 2)
        self.residual = nn.Conv2d(FEATURES, 1, 3, padding=1)
        self.image_up = nn.ConvTranspose2d(1, 1, 4, stride=2, padding=1, bias=False)

    def forward(self, features: Tensor, image: Tensor) -> tuple[Tensor, Tensor]:
        """(b, 64, H, W) and (b, 1, H, W) -> the same at twice the size."""
        for conv in self.convs:
            features = F.leaky_relu(conv(features), SLOPE)
        size = (2 * image.shape[2], 2 * image.shape[3])
        # An odd kernel makes one row and column too many; the released network cuts the last ones.
        features = F.leaky_relu(self.up(features)[:, :, : size[0], : size[1]], SLOPE)
        return features, self.image_up(image) + self.residual(features)


class LapSRN(nn.Module):
    """The whole network. Luma in [0, 1]: (b, 1, H, W) -> (b, 1, 4H, 4W); the x2 image on the way is not returned.

    Args:
        depth: convolutions of a level, the transposed one not counted.
        up_kernel: size of the transposed convolution, 3 or 4.
        levels: 2 for x4; each doubles the size.
    """

    def __init__(self, *, depth: int = 10, up_kernel: int = 3, levels: int = 2) -> None:
        super().__init__()
        if up_kernel not in (3, 4):
            raise ValueError(f"up_kernel is 3 or 4, not {up_kernel}")
        self.conv_input = nn.Conv2d(1, FEATURES, 3, padding=1)
        self.levels = nn.ModuleList(Level(depth, up_kernel) for _ in range(levels))

    def forward(self, x: Tensor) -> Tensor:
        features, image = F.leaky_relu(self.conv_input(x), SLOPE), x
        for level in self.levels:
            features, image = cast(tuple[Tensor, Tensor], level(features, image))
        return image
