"""RLFN: Residual Local Feature Network for Efficient Super-Resolution (Kong et al., CVPRW 2022).

Three sizes were released: RLFN (52 channels, 6 blocks) and RLFN-S (48, 6) of the paper's Table 1, and the pruned
challenge network (46 channels, 48 inside the blocks, 4 blocks) that won NTIRE 2022 and was the 2023 and 2024 baseline.
Parameter names are the release's. b, c, H, W: batch, channels, LR height and width.
"""

import torch.nn.functional as F
from torch import Tensor, nn

# ESA shrinks by a stride-2 convolution and pools over 7; below this size nothing would be left to pool.
SMALLEST = 15


class ESA(nn.Module):
    """Enhanced spatial attention (section 3.1, Figure 3c): RFANet's (Liu et al. 2020), with its three convolutions
    after the pooling reduced to one."""

    def __init__(self, channels: int, inner: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, inner, 1)
        self.conv_f = nn.Conv2d(inner, inner, 1)
        self.conv2 = nn.Conv2d(inner, inner, 3, stride=2)
        self.conv3 = nn.Conv2d(inner, inner, 3, padding=1)
        self.conv4 = nn.Conv2d(inner, channels, 1)

    def forward(self, x: Tensor) -> Tensor:  # (b, c, H, W)
        reduced = self.conv1(x)  # (b, inner, H, W)
        pooled = F.max_pool2d(self.conv2(reduced), kernel_size=7, stride=3)
        coarse = F.interpolate(self.conv3(pooled), x.shape[2:], mode="bilinear", align_corners=False)
        return x * self.conv4(coarse + self.conv_f(reduced)).sigmoid()


class RLFB(nn.Module):
    """Residual local feature block (section 3.1, Figure 3b)."""

    def __init__(self, channels: int, inner: int) -> None:
        super().__init__()
        self.c1_r = nn.Conv2d(channels, inner, 3, padding=1)
        self.c2_r = nn.Conv2d(inner, inner, 3, padding=1)
        self.c3_r = nn.Conv2d(inner, channels, 3, padding=1)
        self.c5 = nn.Conv2d(channels, channels, 1)
        self.esa = ESA(channels, 16)

    def forward(self, x: Tensor) -> Tensor:  # (b, c, H, W)
        y = x
        for conv in (self.c1_r, self.c2_r, self.c3_r):
            y = F.leaky_relu(conv(y), 0.05)
        out: Tensor = self.esa(self.c5(y + x))
        return out


class RLFN(nn.Module):
    """The whole network (section 3.1, Figure 3a). RGB, white at 255: (b, 3, H, W) -> (b, 3, scale H, scale W).

    Args:
        channels: width between blocks.
        inner: width inside a block; None for `channels`.
        blocks: number of RLFBs.
        scale: HR size / LR size.
    """

    def __init__(self, *, channels: int = 52, inner: int | None = None, blocks: int = 6, scale: int = 4) -> None:
        super().__init__()
        if blocks < 1 or channels < 1:
            raise ValueError(f"channels and blocks must be at least 1, not {channels} and {blocks}")
        self.blocks, self.scale = blocks, scale
        self.conv_1 = nn.Conv2d(3, channels, 3, padding=1)
        for i in range(1, blocks + 1):
            self.add_module(f"block_{i}", RLFB(channels, inner or channels))
        self.conv_2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.upsampler = nn.Sequential(nn.Conv2d(channels, 3 * scale**2, 3, padding=1), nn.PixelShuffle(scale))

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        shallow = self.conv_1(pad_to_smallest(x))  # (b, c, H, W)
        y = shallow
        for i in range(1, self.blocks + 1):
            y = self.get_submodule(f"block_{i}")(y)
        out: Tensor = self.upsampler(self.conv_2(y) + shallow)
        return out[:, :, : height * self.scale, : width * self.scale]


def pad_to_smallest(x: Tensor) -> Tensor:
    """Repeat the last row and column of (b, c, H, W) until ESA has something to pool; larger inputs are untouched."""
    bottom, right = max(0, SMALLEST - x.shape[2]), max(0, SMALLEST - x.shape[3])
    return F.pad(x, (0, right, 0, bottom), mode="replicate") if bottom or right else x
