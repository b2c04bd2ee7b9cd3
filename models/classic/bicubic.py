"""Bicubic enlargement as MATLAB's `imresize` does it: the baseline of every SR table, as a network without parameters.

Keys (1981), "Cubic convolution interpolation for digital image processing", with a = -0.5.
"""

import math

import torch
from torch import Tensor, nn


def cubic_kernel(x: Tensor) -> Tensor:
    """Keys' cubic convolution kernel with a = -0.5, support 2 on either side."""
    x = x.abs()
    near = 1.5 * x**3 - 2.5 * x**2 + 1
    far = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return torch.where(x <= 1, near, torch.where(x <= 2, far, torch.zeros_like(x)))


def resize_matrix(size: int, scale: float, device: torch.device | str = "cpu") -> Tensor:
    """(ceil(size * scale), size) float64 weights that resize one axis the way MATLAB's `imresize` does.

    The kernel is widened by 1 / scale when shrinking (antialiasing), pixel centres are aligned, weights are normalised,
    and what falls outside is read from the image mirrored at its border, the border pixel repeated.
    """
    out = math.ceil(size * scale)
    stretch = min(scale, 1.0)
    width = 4.0 / stretch
    centre = (torch.arange(out, dtype=torch.float64, device=device) + 0.5) / scale - 0.5
    first = torch.floor(centre - width / 2) + 1
    taps = first[:, None] + torch.arange(math.ceil(width) + 1, dtype=torch.float64, device=device)  # (out, taps)
    weights = cubic_kernel((centre[:, None] - taps) * stretch)
    weights /= weights.sum(1, keepdim=True)
    mirrored = taps.long() % (2 * size)
    mirrored = torch.where(mirrored < size, mirrored, 2 * size - 1 - mirrored)
    return torch.zeros(out, size, dtype=torch.float64, device=device).scatter_add_(1, mirrored, weights)


def round_to_uint8(x: Tensor) -> Tensor:
    """To 0..255 integers, kept as floats; halves away from zero as MATLAB rounds."""
    return torch.floor(x.clamp(0, 255) + 0.5)


class Bicubic(nn.Module):
    """RGB, white at 255: (b, 3, H, W) -> (b, 3, scale H, scale W), integers.

    MATLAB resizes an 8-bit image rows first and rounds after each axis; so does this.
    """

    def __init__(self, *, scale: int = 4) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        rows = resize_matrix(x.shape[2], self.scale, x.device).to(x.dtype)  # (4 H, H)
        columns = resize_matrix(x.shape[3], self.scale, x.device).to(x.dtype)
        tall = round_to_uint8((x.mT @ rows.T).mT)
        return round_to_uint8(tall @ columns.T)
