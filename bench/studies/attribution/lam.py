"""Local attribution map (LAM) of a network: which pixels of the LR image the detail in one patch of the SR image uses.

Gu and Dong, "Interpreting Super-Resolution Networks with Local Attribution Maps", CVPR 2021. With F the network, D the
gradient detector of the patch and gamma the progressive-blur path, gamma(a) = w((1 - a) sigma) * I:

    LAM_i = integral over a from 0 to 1 of  dD(F(gamma(a))) / dgamma(a)_i  .  dgamma(a)_i / da

The published code (X-Lowlevel-Vision/LAM_Demo) settles what the formula leaves open, and is followed here:

- The integral is a sum over m steps of the gradient at each step's end, at a = 1/m, ..., 1, times the step. The last
  gradient is that of the image itself; none is taken at the blurred end.
- w is a Gaussian sampled on 9 x 9 pixels (the notebook's size; the function's default is 5) and divided by its sum, so
  with sigma 1.2 it is cut off at 3.3 sigma. 1e-5 is added to sigma, which makes the last kernel a single 1.
- Borders are mirrored without repeating the outermost pixel.
- D sums, over patch and colours, the length of the forward difference (down, right) of F's output; it is not clamped.
- Length has no gradient where a difference is zero. The code gets NaN there, and sets every NaN of that step's input
  gradient to 0, which loses the step wherever the network sees the flat pixel; here that pixel alone counts for 0.

The sum differs from D(F(I)) - D(F(gamma(0))), what the integral is, by the error of the rule; both are in the result.
For RLFN on Set5's butterfly it is 11, 5 and 2 % too large with 20, 50 and 100 steps, and the diffusion index 6.64, 5.94
and 5.75: an index belongs to its number of steps.
b, c, h, w: batch, colours, height and width of the LR image.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from bench.studies.attribution.attribution_record import BlurPath, Patch
from models.errors import EsrError

Network = Callable[[Tensor], Tensor]  # (b, 3, h, w), RGB in [0, 1] -> (b, c, scale h, scale w), white at 1
EPSILON = 1e-5  # of the published kernel


@dataclass(frozen=True)
class Attribution:
    """Result of one network, image and patch.

    Attributes:
        signed: (h, w) float32, summed over path steps and colours; its sum approximates `end` - `start`.
        start: the detector's value where the path starts, at the blurred image.
        end: its value at the image.
    """

    signed: NDArray[np.float32]
    start: float
    end: float


def attribute(
    network: Network, image: Tensor, patch: Patch, path: BlurPath, at_once: int, advance: Callable[[int], None]
) -> Attribution:
    """The map of `image`, (3, h, w) RGB in [0, 1]; `at_once` path steps share a pass, `advance` hears of each lot.

    Raises EsrError where no gradient reaches the image.
    """
    with torch.no_grad():
        start = float(detect(network(blurred(image, path, 0, 1)), patch))
    total, end = torch.zeros(image.shape, dtype=torch.float64, device=image.device), start
    for first in range(1, path.steps + 1, at_once):
        stop = min(first + at_once, path.steps + 1)
        points = blurred(image, path, first - 1, stop)  # the point before the first too
        at = points[1:].detach().requires_grad_()
        detected = detect(network(at), patch)  # (b,)
        if not detected.requires_grad:
            raise EsrError("no gradient passes through this network")
        (gradient,) = torch.autograd.grad(detected.sum(), at)
        total += (gradient.double() * (points[1:].double() - points[:-1].double())).sum(0)
        end = float(detected[-1].detach())
        advance(stop - first)
    signed = total.sum(0).float().cpu().numpy()
    if not np.isfinite(signed).all():
        raise EsrError("the network's gradient is NaN or infinite")
    if not signed.any():
        raise EsrError("no attribution: the network rounds, or the patch is flat; choose another --patch or --model")
    return Attribution(signed, start, end)


def blurred(image: Tensor, path: BlurPath, first: int, stop: int) -> Tensor:
    """Points `first` to `stop` - 1 of the path, of path.steps + 1: (3, h, w) -> (stop - first, 3, h, w).

    Point 0 is the most blurred one, the last one the image. Raises EsrError for an image the kernel does not fit in.
    """
    reach = path.kernel // 2
    if min(image.shape[1:]) <= reach:
        size = f"{image.shape[2]}x{image.shape[1]}"
        raise EsrError(f"the LR image is {size} pixels, too small for a blur of {path.kernel}; give a smaller --kernel")
    sigmas = [path.sigma * (1 - k / path.steps) for k in range(first, stop)]
    kernels = torch.stack([gaussian_kernel(path.kernel, sigma) for sigma in sigmas]).to(image.device)
    padded = F.pad(image.double()[None], (reach, reach, reach, reach), mode="reflect")  # (1, 3, h + 2 r, w + 2 r)
    blur = F.conv2d(padded.transpose(0, 1), kernels[:, None])  # (3, b, h, w)
    return blur.transpose(0, 1).contiguous().float()


def gaussian_kernel(size: int, sigma: float) -> Tensor:
    """(size, size) float64 with sum 1; `size` is odd."""
    offsets = torch.arange(size, dtype=torch.float64) - size // 2
    squares = offsets[:, None] ** 2 + offsets[None] ** 2
    kernel = torch.exp(-squares / (2 * (sigma + EPSILON) ** 2))
    return kernel / kernel.sum()


def detect(output: Tensor, patch: Patch) -> Tensor:
    """The gradient detector: (b, c, H, W) -> (b,), the summed length of the forward difference inside the patch."""
    piece = output[:, :, patch.y : patch.y + patch.size + 1, patch.x : patch.x + patch.size + 1]
    here = piece[:, :, :-1, :-1]
    squared = (piece[:, :, 1:, :-1] - here) ** 2 + (piece[:, :, :-1, 1:] - here) ** 2
    flat = squared == 0
    return squared.masked_fill(flat, 1).sqrt().masked_fill(flat, 0).sum((1, 2, 3))


def check_patch(patch: Patch, height: int, width: int) -> None:
    """Raise EsrError unless the patch and the pixels right of and below it lie in an SR image of height x width."""
    most = min(height, width) - 1
    if (
        patch.size < 1
        or patch.x < 0
        or patch.y < 0
        or max(patch.x + patch.size - width, patch.y + patch.size - height) >= 0
    ):
        raise EsrError(
            f"--patch {patch.x},{patch.y},{patch.size} (x,y,size in SR pixels) needs x + size < {width} and "
            f"y + size < {height} here, the size from 1 to {most} and nothing negative"
        )
