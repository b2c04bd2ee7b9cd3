"""The interval of a ratio on synthetic processes whose truth is known."""

import numpy as np
import pytest

from bench.studies.comparison.intervals import Processes, ratio_apart, ratio_in_rounds, typical_time


def processes(
    count: int, rng: np.random.Generator, median: float = 10.0, between: float = 0.02, samples: int = 20
) -> list[list[float]]:
    """Log-normal times; `between` is the spread from process to process, beside 2 % from pass to pass."""
    shifts = between * rng.standard_normal(count)
    return [list(median * np.exp(shift + 0.02 * rng.standard_normal(samples))) for shift in shifts]


def covers(low: float | None, high: float | None, truth: float) -> bool:
    assert low is not None
    assert high is not None
    return low <= truth <= high


@pytest.mark.parametrize("compare", [ratio_in_rounds, ratio_apart])
@pytest.mark.parametrize("count", [2, 3, pytest.param(5, marks=pytest.mark.slow("comparisons of five processes"))])
def test_equal_networks_are_told_apart_one_time_in_twenty_at_most(compare, count: int) -> None:  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(count)
    ratios = [compare(processes(count, rng), processes(count, rng)) for _ in range(60)]
    assert sum(r.resolved for r in ratios) <= 3


def test_the_interval_covers_the_true_ratio() -> None:
    rng = np.random.default_rng(4)
    ratios = [ratio_in_rounds(processes(3, rng, 13.2), processes(3, rng)) for _ in range(60)]
    assert sum(covers(r.low, r.high, 1.32) for r in ratios) >= 57
    assert sum(r.resolved for r in ratios) >= 50


def test_passes_alone_do_not_settle_what_processes_differ_in() -> None:
    # 300 passes of each process pin its median to 0.2 %, but processes differ by 5 %.
    rng = np.random.default_rng(5)
    a, b = processes(3, rng, between=0.05, samples=300), processes(3, rng, between=0.05, samples=300)
    ratio = ratio_in_rounds(a, b)
    assert ratio.low is not None
    assert ratio.high is not None
    assert ratio.high / ratio.low > 1.05


def test_what_slows_a_round_cancels_out_of_the_ratio() -> None:
    rng = np.random.default_rng(6)
    slow = (1.0, 3.0, 1.7)
    a, b = processes(3, rng, 13.2, 0.005), processes(3, rng, 10.0, 0.005)
    a, b = [[[ms * f for ms in p] for p, f in zip(side, slow, strict=True)] for side in (a, b)]
    assert ratio_in_rounds(a, b).resolved
    assert not ratio_apart(a, b).resolved


def test_a_record_of_one_process() -> None:
    rng = np.random.default_rng(7)
    ratios = [ratio_apart(processes(3, rng), processes(1, rng)) for _ in range(60)]
    assert sum(r.resolved for r in ratios) <= 5
    assert ratio_apart(processes(3, rng, 20.0), processes(1, rng)).resolved


def test_one_process_a_side_has_no_interval() -> None:
    for ratio in (ratio_in_rounds([[2.0] * 9], [[1.0] * 9]), ratio_apart([[2.0] * 9], [[1.0] * 9])):
        assert ratio.value == pytest.approx(2.0)
        assert (ratio.low, ratio.high, ratio.resolved) == (None, None, False)
    assert typical_time([[2.0] * 9]).low is None


def test_by_hand() -> None:
    # Medians 1, 2 and 4: geometric mean 2. Without spread within, the standard error is that of their logarithms.
    time = typical_time([[1.0] * 6, [2.0] * 6, [4.0] * 6])
    assert time.value == pytest.approx(2.0)
    assert time.low is not None
    reach = 4.3027 * np.log(2) / np.sqrt(3)
    assert np.log(2.0 / time.low) == pytest.approx(reach, rel=0.05)
    same: Processes = [[1.0] * 6, [1.0] * 6]
    assert (typical_time(same).low, typical_time(same).high) == (1.0, 1.0)
    assert not ratio_in_rounds(same, same).resolved
    assert not ratio_apart(same, same).resolved


def test_no_samples_are_refused() -> None:
    for wrong in ([], [[]], [[1.0], []]):
        with pytest.raises(ValueError, match="no samples"):
            typical_time(wrong)
    with pytest.raises(ValueError, match="1 processes beside 2"):
        ratio_in_rounds([[1.0]], [[1.0], [1.0]])
