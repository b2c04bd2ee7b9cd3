"""Statistics on synthetic samples whose answers are known."""

import math

import numpy as np
import pytest

from bench.core.record import ImageQuality
from bench.core.statistics import RESAMPLES, compare, mean, mean_psnr, median_interval, quality_means, summarise


def test_summarise_known_samples() -> None:
    t = summarise([5.0, 1.0, 4.0, 2.0, 3.0])
    assert (t.count, t.median_ms, t.mean_ms, t.min_ms, t.max_ms) == (5, 3.0, 3.0, 1.0, 5.0)
    assert t.iqr_ms == pytest.approx(2.0)  # quartiles 2 and 4
    assert t.p5_ms == pytest.approx(1.2)
    assert t.p95_ms == pytest.approx(4.8)


def test_one_sample_has_no_interval() -> None:
    t = summarise([7.5])
    assert (t.median_ms, t.low_ms, t.high_ms, t.iqr_ms) == (7.5, None, None, 0.0)


def test_equal_samples_have_an_interval_without_width() -> None:
    assert median_interval([2.0] * 10) == (2.0, 2.0)


def test_too_few_samples_have_no_interval() -> None:
    # The interval of five can reach from the smallest to the largest at most, which holds the median in 1 - 2 / 2**5
    # of all cases: less than 95 %.
    assert median_interval([1.0, 2.0, 9.0, 3.0, 4.0]) is None
    assert median_interval([1.0, 2.0, 9.0, 3.0, 4.0, 5.0]) is not None


@pytest.mark.parametrize("n", [6, 9, 20])
def test_interval_of_few_samples_covers_the_true_median(n: int) -> None:
    rng = np.random.default_rng(n)
    intervals = [median_interval(rng.normal(10.0, 1.0, n).tolist()) or (0.0, 0.0) for _ in range(200)]
    assert sum(low <= 10.0 <= high for low, high in intervals) >= 180


def test_interval_covers_the_true_median_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(7)
    covered = 0
    for _ in range(200):
        interval = median_interval(rng.normal(10.0, 1.0, 41).tolist())
        assert interval is not None
        covered += interval[0] <= 10.0 <= interval[1]
    assert 180 <= covered <= 200


def test_interval_narrows_with_the_root_of_the_sample_size() -> None:
    rng = np.random.default_rng(3)
    widths = []
    for n in (100, 1600):
        low, high = median_interval(rng.normal(0.0, 1.0, n).tolist()) or (0.0, 0.0)
        widths.append(high - low)
    assert 2.5 < widths[0] / widths[1] < 6.5  # 4 expected


def test_same_samples_give_the_same_interval() -> None:
    samples = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0]
    assert summarise(samples) == summarise(samples)


def test_many_samples_are_resampled_in_blocks() -> None:
    low, high = median_interval(list(np.linspace(0.0, 1.0, 4000))) or (0.0, 0.0)
    assert RESAMPLES * 4000 > 1_000_000
    assert 0.45 < low < 0.5 < high < 0.55


def test_compare_apart() -> None:
    fast, slow = [1.0, 1.01, 1.02, 0.99, 1.0, 1.0], [2.0, 2.02, 1.98, 2.0, 2.01, 2.0]
    c = compare(fast, slow)
    assert c.ratio == pytest.approx(0.5)
    assert c.verdict == "a faster"
    assert c.low is not None
    assert c.high is not None
    assert 0.48 < c.low <= 0.5 <= c.high < 0.52
    assert compare(slow, fast).verdict == "b faster"


def test_compare_overlapping_is_unresolved() -> None:
    assert compare([1.0, 1.2, 1.4, 1.6, 1.0, 1.2], [1.1, 1.3, 1.5, 1.7, 1.1, 1.3]).verdict == "unresolved"
    assert compare([1.0] * 6, [1.0] * 6).verdict == "unresolved"


def test_compare_with_one_sample_is_unresolved() -> None:
    c = compare([1.0], [100.0, 101.0, 102.0])
    assert (c.verdict, c.low, c.high) == ("unresolved", None, None)
    assert c.ratio == pytest.approx(1 / 101)


def test_no_samples_are_refused() -> None:
    for function in (summarise, median_interval, mean, mean_psnr):
        with pytest.raises(ValueError, match="no samples"):
            function([])


def test_mean_psnr_with_an_identical_image_is_infinite() -> None:
    assert mean_psnr([30.0, 32.0]) == 31.0
    assert mean_psnr([30.0, None]) == math.inf


def test_quality_means_by_hand() -> None:
    def image(psnr: float | None, ssim: float, time_ms: float) -> ImageQuality:
        return ImageQuality("x", 8, 8, psnr, psnr, ssim, 30.0, 31.0, time_ms)

    q = quality_means([image(20.0, 0.8, 5.0), image(30.0, 0.9, 7.0)])
    assert (q.psnr_rgb, q.psnr_y, q.psnr_y_rounded, q.psnr_y_no_border, q.time_ms) == (25.0, 25.0, 30.0, 31.0, 6.0)
    assert q.ssim_y == pytest.approx(0.85)
    assert quality_means([image(None, 1.0, 1.0)]).psnr_rgb == math.inf
