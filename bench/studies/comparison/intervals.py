"""Comparison of two networks that were each timed in several fresh processes.

Memory layout and page placement differ from process to process and shift all of a process's passes alike, so the
process is the unit, not the pass (Kalibera and Jones, Rigorous Benchmarking in Reasonable Time, ISMM 2013). A network's
time is the geometric mean over its processes of each one's median.

Its uncertainty is a hierarchical bootstrap's: resample the processes with replacement, and within each the samples.
Networks that were timed side by side are compared round by round, so that what slowed a whole round cancels out.

Percentiles of so few processes would be too narrow (with 3 a side they deny the truth one time in seven), so the
bootstrap gives the standard error of the logarithm, its bias for few processes removed, and Student's t the multiple of
it. That assumes that rounds are independent, and the logarithms about normal. A permutation test would assume less, but
with 3 processes a side its smallest two-sided p is 0.1.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from bench.core.statistics import CONFIDENCE, RESAMPLES, SEED, resampled

Processes = Sequence[Sequence[float]]  # the samples in milliseconds of each process


@dataclass(frozen=True)
class Estimate:
    """A time in milliseconds, or a ratio of two, and its 95 % interval; None where one process a side gives none."""

    value: float
    low: float | None
    high: float | None

    @property
    def resolved(self) -> bool:
        """Of a ratio: whether its interval excludes 1, no difference."""
        return self.low is not None and self.high is not None and not self.low <= 1 <= self.high


def typical_time(processes: Processes) -> Estimate:
    """Geometric mean of the processes' medians. Raises ValueError for no processes, or one without samples."""
    centre, n = _centre(processes), len(processes)
    return _estimate(centre, _unbiased(_resampled_centres(processes), n), n - 1) if n > 1 else _estimate(centre)


def ratio_in_rounds(a: Processes, b: Processes) -> Estimate:
    """Time of `a` over that of `b`, process i of both having run side by side: below 1, a is the faster one.

    Raises ValueError as `typical_time` does, and where one has more processes than the other.
    """
    if len(a) != len(b):
        raise ValueError(f"{len(a)} processes beside {len(b)}")
    centre, n = _centre(a) - _centre(b), len(a)
    if n < 2:
        return _estimate(centre)
    # The same rounds are drawn for both, with samples of their own.
    differences = _resampled_centres(a) - _resampled_centres(b, samples_seed=SEED + 1)
    return _estimate(centre, _unbiased(differences, n), n - 1)


def ratio_apart(a: Processes, b: Processes) -> Estimate:
    """As `ratio_in_rounds`, of processes that did not run side by side, such as today's and a record's.

    Where one side has a single process, its spread between processes is taken to be the other side's.
    """
    centre = _centre(a) - _centre(b)
    if len(a) < 2 and len(b) < 2:
        return _estimate(centre)
    sides = [_side(a, b), _side(b, a)]
    total = sum(variance for variance, _ in sides)
    degrees = total**2 / sum(v**2 / d for v, d in sides) if total else 1.0  # Welch and Satterthwaite
    return _estimate(centre, total, degrees)


def _side(processes: Processes, other: Processes) -> tuple[float, int]:
    """Variance of one side's mean logarithm, and its degrees of freedom."""
    n, centres = len(processes), _resampled_centres(processes)
    if n > 1:
        return _unbiased(centres, n), n - 1
    return float(np.var(_log_medians(other), ddof=1) + np.var(centres)), len(other) - 1


def _unbiased(resampled_centres: NDArray[np.float64], n: int) -> float:
    """Variance over resamples; drawn from n processes with replacement it is (n - 1) / n of the true one."""
    return float(np.var(resampled_centres)) * n / (n - 1)


def _resampled_centres(processes: Processes, samples_seed: int = SEED) -> NDArray[np.float64]:
    """(RESAMPLES,) mean logarithms of n processes drawn with replacement, each with its samples drawn anew."""
    n = len(processes)
    drawn = np.random.default_rng(SEED).integers(0, n, size=(n, RESAMPLES))
    rng = np.random.default_rng([samples_seed, n])
    values = [np.asarray(samples, dtype=np.float64) for samples in processes]
    # A process may be drawn several times, each time with other samples: (process, draw, RESAMPLES).
    medians = np.stack([np.stack([resampled(v, rng) for _ in range(n)]) for v in values])
    return np.log(medians[drawn, np.arange(n)[:, None], np.arange(RESAMPLES)]).mean(axis=0)


def _log_medians(processes: Processes) -> NDArray[np.float64]:
    if not processes or any(len(samples) == 0 for samples in processes):
        raise ValueError("no samples")
    return np.log([np.median(samples) for samples in processes])


def _centre(processes: Processes) -> float:
    return float(_log_medians(processes).mean())


def _estimate(centre: float, variance: float | None = None, degrees: float = 0) -> Estimate:
    if variance is None:
        return Estimate(math.exp(centre), None, None)
    reach = float(stdtrit(degrees, (1 + CONFIDENCE) / 2)) * math.sqrt(variance)
    return Estimate(math.exp(centre), math.exp(centre - reach), math.exp(centre + reach))
