"""DRRN: Image Super-Resolution via Deep Recursive Residual Network (Tai, Yang and Liu, CVPR 2017).

B1U25: one recursive block whose residual unit of two convolutions is applied 25 times with the same weights, each time
around a skip from the block's start (section 3.2). b, H, W: batch, height and width of the enlarged image.

The public weights are those of jt827859032's re-implementation, which has neither biases nor batch normalisation. Its
ReLU works in place on the block's start, so that the skip of every unit carries relu(conv(x)) and not conv(x) as in the
paper: without it, these weights give 28.6 dB on Set5 instead of 31.7.
"""

import torch.nn.functional as F
from torch import Tensor, nn


class DRRN(nn.Module):
    """The whole network. Luma in [0, 1], enlarged: (b, 1, H, W) -> (b, 1, H, W).

    Args:
        channels: filters of every layer but the last.
        units: U, how often the residual unit is applied.
        bias: give the convolutions biases, as the count of Table 1 has them; the public weights have none.
        activated_skip: take the skip after the ReLU, as the public weights were trained; False is the paper's.
    """

    def __init__(
        self, *, channels: int = 128, units: int = 25, bias: bool = False, activated_skip: bool = True
    ) -> None:
        super().__init__()
        self.units, self.activated_skip = units, activated_skip
        self.conv_input = nn.Conv2d(1, channels, 3, padding=1, bias=bias)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=bias)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=bias)
        self.conv_output = nn.Conv2d(channels, 1, 3, padding=1, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        start = self.conv_input(F.relu(x))  # (b, channels, H, W)
        if self.activated_skip:
            start = F.relu(start)
        y = start
        for _ in range(self.units):
            y = self.conv2(F.relu(self.conv1(F.relu(y)))) + start
        out: Tensor = self.conv_output(F.relu(y)) + x
        return out
