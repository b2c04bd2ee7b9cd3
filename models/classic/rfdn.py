"""RFDN: Residual Feature Distillation Network for Lightweight Image Super-Resolution (Liu et al., ECCVW 2020).

Two networks share the name. The paper's (48 channels, 6 blocks, channel attention) was released neither as code nor as
weights; its E-RFDN, which won the AIM 2020 challenge (50 channels, 4 blocks, spatial attention), was. Parameter names
are the release's. b, c, H, W: batch, channels, LR height and width.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.classic.imdn import CCA, SLOPE
from models.rlfn import pad_to_smallest


class ESA(nn.Module):
    """Enhanced spatial attention of RFANet (Liu et al., CVPR 2020), at a quarter of the channels.

    Args:
        channels: c, in and out.
        conv: makes the 3x3 convolutions; called as `nn.Conv2d` is.
        activation: between them.
    """

    def __init__(
        self,
        channels: int,
        conv: Callable[..., nn.Module] = nn.Conv2d,
        activation: Callable[[Tensor], Tensor] = F.relu,
    ) -> None:
        super().__init__()
        inner = channels // 4
        self.activation = activation
        self.conv1 = nn.Conv2d(channels, inner, 1)
        self.conv_f = nn.Conv2d(inner, inner, 1)
        self.conv_max = conv(inner, inner, 3, padding=1)
        self.conv2 = conv(inner, inner, 3, stride=2, padding=0)
        self.conv3 = conv(inner, inner, 3, padding=1)
        self.conv3_ = conv(inner, inner, 3, padding=1)
        self.conv4 = nn.Conv2d(inner, channels, 1)

    def forward(self, x: Tensor) -> Tensor:  # (b, c, H, W)
        reduced = self.conv1(x)  # (b, c / 4, H, W)
        pooled = F.max_pool2d(self.conv2(reduced), kernel_size=7, stride=3)
        coarse = self.conv3_(self.activation(self.conv3(self.activation(self.conv_max(pooled)))))
        coarse = F.interpolate(coarse, x.shape[2:], mode="bilinear", align_corners=False)
        return x * self.conv4(coarse + self.conv_f(reduced)).sigmoid()


class RFDB(nn.Module):
    """Residual feature distillation block (section 3): 1x1 convolutions distil half of the channels
    beside shallow residual blocks. Unlike in an IMDB, nothing is added to its end in the release."""

    def __init__(self, channels: int, attention: str) -> None:
        super().__init__()
        half = channels // 2
        for i in (1, 2, 3):
            self.add_module(f"c{i}_d", nn.Conv2d(channels, half, 1))
            self.add_module(f"c{i}_r", nn.Conv2d(channels, channels, 3, padding=1))
        self.c4 = nn.Conv2d(channels, half, 3, padding=1)
        self.c5 = nn.Conv2d(4 * half, channels, 1)
        if attention == "esa":
            self.esa = ESA(channels)
        else:
            self.cca = CCA(channels, reduction=4)
        self.attention = attention

    def forward(self, x: Tensor) -> Tensor:  # (b, c, H, W)
        distilled, rest = [], x
        for i in (1, 2, 3):
            distilled.append(F.leaky_relu(self.get_submodule(f"c{i}_d")(rest), SLOPE))
            rest = F.leaky_relu(self.get_submodule(f"c{i}_r")(rest) + rest, SLOPE)
        distilled.append(F.leaky_relu(self.c4(rest), SLOPE))
        out: Tensor = self.get_submodule(self.attention)(self.c5(torch.cat(distilled, dim=1)))
        return out


class RFDN(nn.Module):
    """The whole network (section 3). RGB: (b, 3, H, W) -> (b, 3, scale H, scale W); any H and W.

    The defaults are the paper's network. Its counts were printed without the attention's width; contrast-aware channel
    attention with a reduction of 4 behind the 1x1 convolution is what meets all six of them, rounded: 534, 541, 550 K
    at x2, x3, x4 with 48 channels, and 626, 633, 643 K with the 52 of RFDN-L.

    Args:
        channels: width c, even.
        blocks: number of RFDBs.
        attention: "cca" (the paper) or "esa" (the challenge's E-RFDN).
        scale: HR size / LR size.
    """

    def __init__(self, *, channels: int = 48, blocks: int = 6, attention: str = "cca", scale: int = 4) -> None:
        super().__init__()
        if attention not in ("cca", "esa"):
            raise ValueError(f"attention is 'cca' or 'esa', not {attention!r}")
        if blocks < 1 or channels < 4 or channels % 2:
            raise ValueError(f"channels must be even and at least 4 and blocks at least 1, not {channels, blocks}")
        self.blocks, self.scale, self.pools = blocks, scale, attention == "esa"
        self.fea_conv = nn.Conv2d(3, channels, 3, padding=1)
        for i in range(1, blocks + 1):
            self.add_module(f"B{i}", RFDB(channels, attention))
        self.c = nn.Sequential(nn.Conv2d(channels * blocks, channels, 1), nn.LeakyReLU(SLOPE))
        self.LR_conv = nn.Conv2d(channels, channels, 3, padding=1)
        self.upsampler = nn.Sequential(nn.Conv2d(channels, 3 * scale**2, 3, padding=1), nn.PixelShuffle(scale))

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        shallow = self.fea_conv(pad_to_smallest(x) if self.pools else x)  # (b, c, H, W)
        outputs, y = [], shallow
        for i in range(1, self.blocks + 1):
            y = self.get_submodule(f"B{i}")(y)
            outputs.append(y)
        out: Tensor = self.upsampler(self.LR_conv(self.c(torch.cat(outputs, dim=1))) + shallow)
        return out[:, :, : height * self.scale, : width * self.scale]
