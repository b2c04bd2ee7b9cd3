"""BSRN: Blueprint Separable Residual Network for Efficient Image Super-Resolution (Li et al., CVPRW 2022).

Section 3 of the paper: RFDN with separable convolutions and both attentions. Parameter names are the release's.
b, c, H, W: batch, channels, LR height and width.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.classic.imdn import CCA
from models.classic.rfdn import ESA
from models.rlfn import pad_to_smallest


class BSConv(nn.Module):
    """Blueprint separable convolution (section 3): 1x1 over channels first, then 3x3 in each channel."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, padding: int = 0) -> None:
        super().__init__()
        self.pw = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.dw = nn.Conv2d(outputs, outputs, kernel, stride, padding, groups=outputs)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.dw(self.pw(x))
        return out


class ESDB(nn.Module):
    """Efficient separable distillation block (section 3): RFDN's block with BSConv and GELU, spatial then
    channel attention, and a skip connection."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        for i in (1, 2, 3):
            self.add_module(f"c{i}_d", nn.Conv2d(channels, half, 1))
            self.add_module(f"c{i}_r", BSConv(channels, channels, 3, padding=1))
        self.c4 = BSConv(channels, half, 3, padding=1)
        self.c5 = nn.Conv2d(4 * half, channels, 1)
        self.esa = ESA(channels, BSConv, F.gelu)
        self.cca = CCA(channels)

    def forward(self, x: Tensor) -> Tensor:  # (b, c, H, W)
        distilled, rest = [], x
        for i in (1, 2, 3):
            distilled.append(F.gelu(self.get_submodule(f"c{i}_d")(rest)))
            rest = F.gelu(self.get_submodule(f"c{i}_r")(rest) + rest)
        distilled.append(F.gelu(self.c4(rest)))
        out: Tensor = self.cca(self.esa(self.c5(torch.cat(distilled, dim=1)))) + x
        return out


class BSRN(nn.Module):
    """The whole network (section 3). RGB in [0, 1]: (b, 3, H, W) -> (b, 3, scale H, scale W); any H and W.

    Args:
        channels: width c, even and at least 16.
        blocks: number of ESDBs.
        scale: HR size / LR size.
    """

    def __init__(self, *, channels: int = 64, blocks: int = 8, scale: int = 4) -> None:
        super().__init__()
        if blocks < 1 or channels < 16 or channels % 2:
            raise ValueError(f"channels must be even and at least 16 and blocks at least 1, not {channels, blocks}")
        self.blocks, self.scale = blocks, scale
        self.fea_conv = BSConv(12, channels, 3, padding=1)
        for i in range(1, blocks + 1):
            self.add_module(f"B{i}", ESDB(channels))
        self.c1 = nn.Conv2d(channels * blocks, channels, 1)
        self.c2 = BSConv(channels, channels, 3, padding=1)
        one_step = nn.Sequential(nn.Conv2d(channels, 3 * scale**2, 3, padding=1), nn.PixelShuffle(scale))
        self.upsampler = nn.ModuleDict({"upsampleOneStep": one_step})  # the level exists only in the release's names

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        shallow = self.fea_conv(pad_to_smallest(x).repeat(1, 4, 1, 1))  # the image four times over, as in the paper
        outputs, y = [], shallow
        for i in range(1, self.blocks + 1):
            y = self.get_submodule(f"B{i}")(y)
            outputs.append(y)
        deep = self.c2(F.gelu(self.c1(torch.cat(outputs, dim=1)))) + shallow
        out: Tensor = self.upsampler["upsampleOneStep"](deep)
        return out[:, :, : height * self.scale, : width * self.scale]
