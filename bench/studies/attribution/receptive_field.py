"""Effective receptive field (ERF): how far around it an output pixel's value depends on the LR image, on the average.

Luo et al., "Understanding the Effective Receptive Field in Deep Convolutional Neural Networks", NeurIPS 2016, look at
the gradient of one output pixel with respect to the input. A single map depends on what is in the image, so this one is
taken at many positions of many images: a random piece of an image, in it a random one of the output pixels that belong
to its middle LR pixel, and the gradient of that pixel, summed over colours. Two measures of it, each as a share of its
sum over the piece: the squared gradient, which the few strongest pixels decide, and the absolute one, which counts many
weak ones. A radius is the smallest distance from the output pixel within which a given share lies.

Networks that look at the whole image, such as DVMSR by its scan, reach beyond any piece: the piece's size belongs to
every figure. s: pixels a side of a piece. All distances are in LR pixels.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.studies.attribution.attribution_record import FieldImage
from bench.studies.attribution.lam import Network
from models.errors import EsrError

SHARES = (0.5, 0.95)  # of the gradient, inside the two radii


@dataclass(frozen=True)
class Sample:
    """One piece, (3, s, s) RGB in [0, 1], and which of the scale x scale output pixels of its middle is looked at."""

    piece: Tensor
    row: int
    column: int


def field(
    network: Network,
    samples: Mapping[str, Sequence[Sample]],
    scale: int,
    at_once: int,
    advance: Callable[[int], None],
) -> tuple[list[FieldImage], NDArray[np.float64], NDArray[np.float64]]:
    """Radii by image, and the mean shares of the squared and of the absolute gradient, (s, s) each.

    Args:
        samples: those of each image, by its name.
    """
    found: list[FieldImage] = []
    squared: list[NDArray[np.float64]] = []
    absolute: list[NDArray[np.float64]] = []
    for name, chosen in samples.items():
        radii: list[list[float]] = [[], [], [], []]
        for first in range(0, len(chosen), at_once):
            lot = chosen[first : first + at_once]
            for sample, size in zip(lot, gradient_sizes(network, lot, scale), strict=True):
                for i, (share, kept) in enumerate(((shares(size**2), squared), (shares(size), absolute))):
                    kept.append(share.sum(0))
                    for j, radius in enumerate(radii_of(share.sum(0), centre(sample, scale), SHARES)):
                        radii[2 * i + j].append(radius)
            advance(len(lot))
        found.append(FieldImage(name, *radii))
    return found, np.mean(squared, axis=0), np.mean(absolute, axis=0)


def gradient_sizes(network: Network, lot: Sequence[Sample], scale: int) -> Iterator[NDArray[np.float64]]:
    """For each sample the absolute gradient of its output pixel, (3, s, s). Raises EsrError where there is none."""
    x = torch.stack([sample.piece for sample in lot]).requires_grad_()
    output = network(x)
    middle = x.shape[-1] // 2 * scale
    looked_at = [output[i, :, middle + s.row, middle + s.column].sum() for i, s in enumerate(lot)]
    if not output.requires_grad:
        raise EsrError("no gradient passes through this network")
    (gradient,) = torch.autograd.grad(torch.stack(looked_at).sum(), x)
    for size in gradient.abs().double().cpu().numpy():
        if not np.isfinite(size).all() or not size.any():
            raise EsrError("the network's gradient is zero, NaN or infinite; rounding lets none through")
        yield size


def draw_samples(image: Tensor, count: int, size: int, scale: int, rng: np.random.Generator) -> list[Sample]:
    """`count` random pieces of size x size and output pixels of their middles. The image is no smaller than that."""
    tops = rng.integers(0, image.shape[1] - size + 1, count)
    lefts = rng.integers(0, image.shape[2] - size + 1, count)
    within = rng.integers(0, scale, (count, 2))
    return [
        Sample(image[:, top : top + size, left : left + size], int(row), int(column))
        for top, left, (row, column) in zip(tops, lefts, within, strict=True)
    ]


def centre(sample: Sample, scale: int) -> tuple[float, float]:
    """Row and column of the output pixel's centre, where LR pixels have theirs at whole numbers."""
    middle = sample.piece.shape[-1] // 2
    return middle + (sample.row + 0.5) / scale - 0.5, middle + (sample.column + 0.5) / scale - 0.5


def shares(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """`values` divided by their sum."""
    result: NDArray[np.float64] = values / values.sum()
    return result


def radii_of(share: NDArray[np.float64], at: tuple[float, float], within: Sequence[float]) -> list[float]:
    """The smallest distances from `at` that hold each share in `within`, to a pixel: (s, s) with sum 1."""
    rows, columns = np.indices(share.shape)
    distances = np.hypot(rows - at[0], columns - at[1]).ravel()
    order = np.argsort(distances, kind="stable")
    held = np.cumsum(share.ravel()[order])
    last = distances.size - 1
    return [float(distances[order[min(last, int(np.searchsorted(held, part - 1e-12)))]]) for part in within]
