"""SPAN: Swift Parameter-free Attention Network for Efficient Super-Resolution (Wan et al., CVPRW 2024).

Section 3 of the paper, in the form that is run: each training-time block of 1x1, 3x3, 1x1 convolutions and a 1x1 skip
is merged into one 3x3 convolution, the only one that the released 28-channel file holds (`eval_conv`). That network won
NTIRE 2024 and is the baseline of 2026. Parameter names are the release's. b, c, H, W: batch, channels, LR size.
"""

from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import Tensor, nn

RGB_MEAN = (0.4488, 0.4371, 0.4040)  # of DIV2K


def convolution(inputs: int, outputs: int) -> nn.Sequential:
    """A merged 3x3 convolution under its name in the release."""
    return nn.Sequential(OrderedDict(eval_conv=nn.Conv2d(inputs, outputs, 3, padding=1)))


class SPAB(nn.Module):
    """Swift parameter-free attention block (section 3): the attention is an odd function of the features
    themselves, sigmoid - 1/2."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.c1_r = convolution(channels, channels)
        self.c2_r = convolution(channels, channels)
        self.c3_r = convolution(channels, channels)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(b, c, H, W) -> the output, and what the first convolution gives after its activation; both (b, c, H, W)."""
        first = F.silu(self.c1_r(x))
        y = self.c3_r(F.silu(self.c2_r(first)))
        return (y + x) * (y.sigmoid() - 0.5), first


class SPAN(nn.Module):
    """The whole network (section 3). RGB in [0, 1]: (b, 3, H, W) -> (b, 3, scale H, scale W); any H and W.

    Inside, the input is centred and scaled by 255; the output is in [0, 1] without further ado, as released.

    Args:
        channels: width c; 28 for the challenge, 48 in the paper.
        scale: HR size / LR size.
    """

    mean: Tensor

    def __init__(self, *, channels: int = 28, scale: int = 4) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(RGB_MEAN).view(1, 3, 1, 1), persistent=False)
        self.conv_1 = convolution(3, channels)
        for i in range(1, 7):
            self.add_module(f"block_{i}", SPAB(channels))
        self.conv_cat = nn.Conv2d(4 * channels, channels, 1)
        self.conv_2 = convolution(channels, channels)
        self.upsampler = nn.Sequential(nn.Conv2d(channels, 3 * scale**2, 3, padding=1), nn.PixelShuffle(scale))

    def forward(self, x: Tensor) -> Tensor:
        shallow = self.conv_1((x - self.mean) * 255.0)  # (b, c, H, W)
        outputs, y, first = [], shallow, shallow
        for i in range(1, 7):
            y, first = self.get_submodule(f"block_{i}")(y)
            outputs.append(y)
        # `first` is of the last block; the release takes it after the activation, which works in place.
        fused = self.conv_cat(torch.cat([shallow, self.conv_2(y), outputs[0], first], dim=1))
        out: Tensor = self.upsampler(fused)
        return out
