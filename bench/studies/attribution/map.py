"""Figures of an attribution map: its Gini index, its diffusion index, its area of contribution.

After Gu and Dong, "Interpreting Super-Resolution Networks with Local Attribution Maps" (LAM), CVPR 2021, and the code
published with it (X-Lowlevel-Vision/LAM_Demo). h, w: height and width of the LR image; n = h w.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.signal import fftconvolve

Map = NDArray[np.float64]
FLOOR = 1e-7  # of the published `gini`, added to every value of a map whose largest is 1; the paper has none


def normalised(signed: NDArray[np.floating]) -> Map:
    """Signed attribution summed over colours, (h, w) -> its absolute value with 1 as the largest, as the code does.

    The absolute value is taken after the sum over path steps and colours, so what cancels there is no attribution.
    Raises ValueError for a map of zeros, which has no share to show.
    """
    size = np.abs(signed.astype(np.float64))
    if not size.max() > 0:
        raise ValueError("the map is zero everywhere")
    return size / size.max()


def gini(values: NDArray[np.floating]) -> float:
    """Gini index of values >= 0 of any shape: 0 where all are equal, 1 - 1/n where one holds everything.

    The paper's G = sum_ij |g_i - g_j| / (2 n^2 mean(g)), computed from sorted values in n log n; the published code
    adds 1e-7 to each value first, and so do we: on Set5's butterfly that moves the diffusion index by 0.002 to 0.003.
    """
    ordered = np.sort(values.astype(np.float64).ravel()) + FLOOR
    n = ordered.size
    ranks = 2 * np.arange(1, n + 1) - n - 1
    return max(0.0, float((ranks * ordered).sum() / (n * ordered.sum())))  # rounding can leave -1e-17


def diffusion_index(signed: NDArray[np.floating]) -> float:
    """DI = 100 (1 - G) of a signed map: 100 / n where one pixel holds all attribution, 100 where all hold the same."""
    return 100 * (1 - gini(normalised(signed)))


def area_of_contribution(signed: NDArray[np.floating]) -> Map:
    """Where the attribution lies, smoothed: (h, w), 1 as the largest.

    A kernel density estimate over pixel positions weighted by the normalised map, evaluated at every pixel: Gaussian
    kernels with the weighted covariance of the positions times Scott's factor n_eff^(-1/6) squared. The published code
    calls scipy's gaussian_kde, n^2 kernel values; on a grid the same sum is a convolution. The paper shows the area
    without saying how it is made.
    """
    weights = normalised(signed)
    weights /= weights.sum()
    squares = float((weights**2).sum())  # 1 / n_eff
    y, x = (axis.astype(np.float64) for axis in np.indices(weights.shape))
    dx, dy = x - (weights * x).sum(), y - (weights * y).sum()
    if squares < 1:
        covariance = np.array([[(weights * a * b).sum() for b in (dx, dy)] for a in (dx, dy)]) / (1 - squares)
        covariance *= squares ** (2 / 6)
    if squares >= 1 or np.linalg.det(covariance) < np.finfo(np.float64).eps:
        return weights / weights.max()  # all in one pixel or on one line, where scipy's estimate does not exist
    height, width = weights.shape
    v, u = np.mgrid[1 - height : height, 1 - width : width].astype(np.float64)  # every distance between two pixels
    inverse = np.linalg.inv(covariance)
    kernel = np.exp(-0.5 * (inverse[0, 0] * u * u + 2 * inverse[0, 1] * u * v + inverse[1, 1] * v * v))
    whole: Map = fftconvolve(weights, kernel)  # (3h - 2, 3w - 2)
    density = np.clip(whole[height - 1 : 2 * height - 1, width - 1 : 2 * width - 1], 0, None)  # a sum is never negative
    area: Map = density / density.max()
    return area
