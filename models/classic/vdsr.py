"""VDSR: Accurate Image Super-Resolution Using Very Deep Convolutional Networks (Kim, Lee and Lee, CVPR 2016).

A chain of 3x3 convolutions that learns what the enlarged luma lacks (section 3.1). b, H, W: batch, height and width of
the enlarged image.
"""

from torch import Tensor, nn


class VDSR(nn.Module):
    """The whole network, Figure 2. Luma in [0, 1], enlarged: (b, 1, H, W) -> (b, 1, H, W).

    Args:
        depth: number of convolutions, at least 2.
        channels: filters of each but the last.
    """

    def __init__(self, *, depth: int = 20, channels: int = 64) -> None:
        super().__init__()
        if depth < 2:
            raise ValueError(f"depth is at least 2, not {depth}")
        widths = [1, *[channels] * (depth - 1), 1]
        self.convs = nn.ModuleList(nn.Conv2d(widths[i], widths[i + 1], 3, padding=1) for i in range(depth))

    def forward(self, x: Tensor) -> Tensor:
        *hidden, last = self.convs
        y = x
        for conv in hidden:
            y = conv(y).relu()  # (b, channels, H, W)
        out: Tensor = x + last(y)
        return out
