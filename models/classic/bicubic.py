"""Bicubic enlargement as MATLAB's `imresize` does it: the baseline of every SR table, as a network without parameters.

Keys (1981), "Cubic convolution interpolation for digital image processing", with a = -0.5.
"""

import math

import torch
import torch.nn.functional as F
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
    inside = _mirrored(taps.long(), size)
    return torch.zeros(out, size, dtype=torch.float64, device=device).scatter_add_(1, inside, weights)


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


class CubicUpsampler(nn.Module):
    """`imresize` of float images by a whole factor, nothing rounded: (b, 1, H, W) -> (b, 1, scale H, scale W).

    For networks that add it to what they predict. One small convolution, so that its cost grows with the pixels only.
    """

    kernels: Tensor

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale = scale
        # The rows of a pixel's `scale` outputs, far from any border, and the 5 pixels that they read.
        rows = resize_matrix(11, scale)[5 * scale : 6 * scale, 3:8]
        kernels = torch.einsum("ik,jl->ijkl", rows, rows).flatten(0, 1)[:, None]  # (scale^2, 1, 5, 5)
        self.register_buffer("kernels", kernels.to(torch.get_default_dtype()), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        rows, columns = (_mirrored(torch.arange(-2, n + 2, device=x.device), n) for n in x.shape[2:])
        padded = x[:, :, rows][..., columns]
        return F.pixel_shuffle(F.conv2d(padded, self.kernels), self.scale)


def _mirrored(index: Tensor, size: int) -> Tensor:
    """Where MATLAB reads pixel `index`: outside 0..size-1 the image is mirrored, its border pixel repeated."""
    index = index % (2 * size)
    return torch.where(index < size, index, 2 * size - 1 - index)
