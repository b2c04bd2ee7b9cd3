"""Statistics of raw samples: every median, interval, mean and verdict of a report is computed here.

The interval is a bootstrap percentile interval of the median (Efron and Tibshirani, An Introduction to the Bootstrap,
chapter 13): resample with replacement, take each resample's median, and cut off equal tails. It takes the samples as
independent, so slow drifts (a warming device) are outside it; the harness interleaves networks for that reason.
Means, which challenges rank by, have intervals of the same kind.
"""

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bench.core.record import ImageQuality

CONFIDENCE = 0.95
RESAMPLES = 2000
FEWEST = 6  # samples; below, the interval covers the median too seldom (52 % of the time with 2, 85 % with 4)
SEED = 0  # fixed, so that the same samples always give the same interval
BLOCK = 1_000_000  # most resampled values held at once

Verdict = Literal["a faster", "b faster", "unresolved"]
Statistic = Literal["median", "mean"]
STATISTICS: dict[Statistic, Callable[..., Any]] = {"median": np.median, "mean": np.mean}


@dataclass(frozen=True)
class Timing:
    """What the samples of one network say, in milliseconds.

    Attributes:
        count: number of samples.
        median_ms: the figure to quote.
        low_ms, high_ms: 95 % bootstrap interval of the median; None below FEWEST samples.
        mean_ms: what the challenge's script prints; one slow sample moves it.
        iqr_ms: distance between the quartiles.
        p5_ms, p95_ms: percentiles, interpolated linearly.
        min_ms, max_ms: the extremes.
    """

    count: int
    median_ms: float
    low_ms: float | None
    high_ms: float | None
    mean_ms: float
    iqr_ms: float
    p5_ms: float
    p95_ms: float
    min_ms: float
    max_ms: float


@dataclass(frozen=True)
class Comparison:
    """Two networks' medians, or means. `ratio` is a / b: below 1, a is the faster one.

    `low` and `high` bound the ratio at 95 %; None where a side has fewer than FEWEST samples. `verdict` is "unresolved"
    whenever the two sides' intervals overlap or one of them is unknown.
    """

    ratio: float
    low: float | None
    high: float | None
    verdict: Verdict


@dataclass(frozen=True)
class QualityMeans:
    """Means over a data set's images. PSNR in dB, `math.inf` by the rule of `mean_psnr`; time in ms."""

    psnr_rgb: float
    psnr_y: float
    ssim_y: float
    psnr_y_rounded: float
    psnr_y_no_border: float
    time_ms: float


def summarise(samples_ms: Sequence[float]) -> Timing:
    """Statistics of raw samples in milliseconds. Raises ValueError for no samples."""
    return _summarised(tuple(samples_ms))


@functools.lru_cache(maxsize=4096)  # a report asks for those of each record many times
def _summarised(samples_ms: tuple[float, ...]) -> Timing:
    samples = _checked(samples_ms)
    p5, q1, median, q3, p95 = (float(v) for v in np.percentile(samples, [5, 25, 50, 75, 95]))
    interval = median_interval(samples_ms)
    return Timing(
        count=samples.size,
        median_ms=median,
        low_ms=interval[0] if interval else None,
        high_ms=interval[1] if interval else None,
        mean_ms=float(samples.mean()),
        iqr_ms=q3 - q1,
        p5_ms=p5,
        p95_ms=p95,
        min_ms=float(samples.min()),
        max_ms=float(samples.max()),
    )


def median_interval(samples: Sequence[float]) -> tuple[float, float] | None:
    """95 % bootstrap percentile interval of the median, or None below FEWEST samples."""
    return interval_of("median", samples)


def interval_of(statistic: Statistic, samples: Sequence[float]) -> tuple[float, float] | None:
    """95 % bootstrap percentile interval of a statistic, or None below FEWEST samples."""
    return _interval_of(statistic, tuple(samples))


@functools.lru_cache(maxsize=4096)
def _interval_of(statistic: Statistic, samples: tuple[float, ...]) -> tuple[float, float] | None:
    values = _checked(samples)
    if values.size < FEWEST:
        return None
    return _percentile_interval(resampled(values, np.random.default_rng(SEED), statistic))


def compare(a: Sequence[float], b: Sequence[float], statistic: Statistic = "median") -> Comparison:
    """Compare two networks by the ratio of their medians, or means. Raises ValueError if either has no samples."""
    values_a, values_b = _checked(a), _checked(b)
    ratio = float(STATISTICS[statistic](values_a) / STATISTICS[statistic](values_b))
    interval_a, interval_b = interval_of(statistic, a), interval_of(statistic, b)
    if interval_a is None or interval_b is None:
        return Comparison(ratio, None, None, "unresolved")
    rng = np.random.default_rng(SEED)
    low, high = _percentile_interval(resampled(values_a, rng, statistic) / resampled(values_b, rng, statistic))
    verdict: Verdict = "unresolved"
    if interval_a[1] < interval_b[0]:
        verdict = "a faster"
    elif interval_b[1] < interval_a[0]:
        verdict = "b faster"
    return Comparison(ratio, low, high, verdict)


def in_db(psnr: float | None) -> float:
    """PSNR as a number: records have None where it is infinite, since the images are equal."""
    return math.inf if psnr is None else psnr


def mean_psnr(values: Sequence[float | None]) -> float:
    """Mean of per-image PSNR in dB. Raises ValueError for no values.

    None stands for an infinite PSNR (the images are identical). The mean with it is infinite too: leaving such an image
    out, or capping it, would make a perfect image count for less than a good one.
    """
    return mean([in_db(v) for v in values])


def mean(values: Sequence[float]) -> float:
    """Arithmetic mean. Raises ValueError for no values."""
    return float(_checked(values).mean())


def quality_means(images: Sequence[ImageQuality]) -> QualityMeans:
    """Per-image values -> the data set's values. Raises ValueError for no images."""
    return QualityMeans(
        psnr_rgb=mean_psnr([i.psnr_rgb for i in images]),
        psnr_y=mean_psnr([i.psnr_y for i in images]),
        ssim_y=mean([i.ssim_y for i in images]),
        psnr_y_rounded=mean_psnr([i.psnr_y_rounded for i in images]),
        psnr_y_no_border=mean_psnr([i.psnr_y_no_border for i in images]),
        time_ms=mean([i.time_ms for i in images]),
    )


def _checked(samples: Sequence[float]) -> NDArray[np.float64]:
    values = np.asarray(samples, dtype=np.float64)
    if values.size == 0:
        raise ValueError("no samples")
    return values


def resampled(
    values: NDArray[np.float64], rng: np.random.Generator, statistic: Statistic = "median"
) -> NDArray[np.float64]:
    """The statistic of each resample, (n,) -> (RESAMPLES,), in blocks so that many samples do not need much memory."""
    rows, of = max(1, BLOCK // values.size), STATISTICS[statistic]
    blocks = [
        of(values[rng.integers(0, values.size, size=(min(rows, RESAMPLES - start), values.size))], axis=1)
        for start in range(0, RESAMPLES, rows)
    ]
    return np.concatenate(blocks)


def _percentile_interval(statistics: NDArray[np.float64]) -> tuple[float, float]:
    tail = 50 * (1 - CONFIDENCE)
    low, high = np.percentile(statistics, [tail, 100 - tail])
    return float(low), float(high)
