"""IDN: Fast and Accurate Single Image Super-Resolution via Information Distillation Network (Hui et al., CVPR 2018).

Features, four distillation blocks and one 17x17 deconvolution at LR size predict what the bicubic enlargement lacks
(section 3.1). Layer names follow the authors' Caffe file (conv3_1 is the first block's first). b, H, W: batch, LR
height and width.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.classic.bicubic import CubicUpsampler

SLOPE = 0.05
KEPT = 16  # of the 64 channels after three convolutions: the short path, D3 / s in the paper
GROUPS = 4
# The residual was trained for images without their first 3 rows and columns: output 0 of the deconvolution, centred on
# LR pixel 0, belongs to HR pixel 3. One pixel of padding in front gives 4 outputs more, of which the first falls off.
PADDING = 1


def _conv3(inputs: int, outputs: int, groups: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1, groups=groups)


class DistillationBlock(nn.Module):
    """Enhancement unit and compression unit, sections 3.2 and 3.3."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2, self.conv3 = _conv3(64, 48), _conv3(48, 32, GROUPS), _conv3(32, 64)
        self.conv4, self.conv5, self.conv6 = _conv3(64 - KEPT, 64), _conv3(64, 48, GROUPS), _conv3(48, 64 + KEPT)
        self.down = nn.Conv2d(64 + KEPT, 64, 1)

    def forward(self, x: Tensor) -> Tensor:  # (b, 64, H, W)
        y = x
        for conv in (self.conv1, self.conv2, self.conv3):
            y = F.leaky_relu(conv(y), SLOPE)
        short, long = y[:, :KEPT], y[:, KEPT:]
        for conv in (self.conv4, self.conv5, self.conv6):
            long = F.leaky_relu(conv(long), SLOPE)
        return F.leaky_relu(self.down(long + torch.cat([x, short], dim=1)), SLOPE)


class IDN(nn.Module):
    """The whole network for x4. Luma in [0, 1]: (b, 1, H, W) -> (b, 1, 4H, 4W).

    The bicubic enlargement is part of it. At the border the residual sees the image's outermost pixel repeated; the
    authors leave the border out instead.

    Args:
        blocks: number of distillation blocks.
    """

    def __init__(self, *, blocks: int = 4) -> None:
        super().__init__()
        self.conv1, self.conv2 = _conv3(1, 64), _conv3(64, 64)
        self.blocks = nn.ModuleList(DistillationBlock() for _ in range(blocks))
        self.upsample = nn.ConvTranspose2d(64, 1, 17, stride=4, padding=8)
        self.bicubic = CubicUpsampler(4)

    def forward(self, x: Tensor) -> Tensor:
        y = F.pad(x, [PADDING] * 4, mode="replicate")
        for conv in (self.conv1, self.conv2):
            y = F.leaky_relu(conv(y), SLOPE)
        for block in self.blocks:
            y = block(y)
        residual = self.upsample(y)  # (b, 1, 4H + 5, 4W + 5)
        height, width = 4 * x.shape[2], 4 * x.shape[3]
        out: Tensor = self.bicubic(x) + residual[:, :, 1 : height + 1, 1 : width + 1]
        return out
