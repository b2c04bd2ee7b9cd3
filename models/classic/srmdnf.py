"""SRMDNF: Learning a Single Convolutional Super-Resolution Network for Multiple Degradations (Zhang, Zuo and Zhang,
CVPR 2018), the noise-free form.

A plain chain of convolutions whose input is the LR image beside 15 constant maps that describe the blur kernel by its
principal components (section 3.3). Bicubic shrinking is the kernel that does nothing but keep the pixel, so here the
maps are constants and the network takes plain RGB. b, H, W: batch, LR height and width.
"""

import torch
from torch import Tensor, nn

# Projection of the 15x15 delta kernel: the middle column (pixel 112) of P in the authors' srmd_pca_matlab.mat.
DELTA_KERNEL = (
    *(0.0, 0.0, 0.0185638, 0.0, 0.0335293, 1e-7, -3e-7, -0.0316235),
    *(-0.0135169, 0.0, 0.0384754, 0.0, -0.2449168, -0.8022135, -0.5405498),
)


class SRMDNF(nn.Module):
    """The whole network. RGB in [0, 1]: (b, 3, H, W) -> (b, 3, scale H, scale W).

    Args:
        channels: filters of every layer but the last.
        depth: number of convolutions, at least 2.
        scale: HR size / LR size.
    """

    degradation: Tensor

    def __init__(self, *, channels: int = 128, depth: int = 12, scale: int = 4) -> None:
        super().__init__()
        if depth < 2:
            raise ValueError(f"depth is at least 2, not {depth}")
        self.register_buffer("degradation", torch.tensor(DELTA_KERNEL).view(1, -1, 1, 1), persistent=False)
        widths = [3 + len(DELTA_KERNEL), *[channels] * (depth - 1)]
        self.convs = nn.ModuleList(nn.Conv2d(n, channels, 3, padding=1) for n in widths[:-1])
        self.tail = nn.Sequential(nn.Conv2d(channels, 3 * scale**2, 3, padding=1), nn.PixelShuffle(scale))

    def forward(self, x: Tensor) -> Tensor:
        maps = self.degradation.expand(x.shape[0], -1, x.shape[2], x.shape[3])
        y = torch.cat([x, maps], dim=1)  # (b, 18, H, W)
        for conv in self.convs:
            y = conv(y).relu()
        out: Tensor = self.tail(y)
        return out
