"""What is concluded from the times of a submission, with a clock that the test sets."""

from collections.abc import Iterator

import pytest
import torch

from bench.studies.challenge.submission import REPEATS, Submission


def noted(fresh: list[float], again: list[float]) -> tuple[list[str], int]:
    """The notes after fresh and repeated passes that take these milliseconds, in turn; and how many pairs it took."""
    subject = Submission.__new__(Submission)
    subject.notes, subject.fixed = [], torch.zeros(1)
    left: Iterator[tuple[float, float]] = iter(zip(fresh, again, strict=True))
    now: tuple[float, float] = (0.0, 0.0)
    taken = 0

    def sample() -> float:
        nonlocal now, taken
        now, taken = next(left), taken + 1
        return now[0]

    subject.sample = sample  # type: ignore[method-assign]
    subject._timed = lambda x: (None, now[1])  # type: ignore[method-assign]
    return subject.remembers(), taken


@pytest.mark.parametrize(
    ("fresh", "again", "accused"),
    [
        ([50.0] * 5, [0.1] * 5, True),
        ([50.0] * 5, [50.0] * 5, False),
        ([50.0] * 5, [90.0, 80.0, 70.0, 0.1, 85.0], True),  # a busy machine delayed its answers
        ([500.0, 400.0, 50.0, 450.0, 480.0], [50.0] * 5, False),  # or its fresh passes
        ([50.0] * 5, [16.0] * 5, False),
    ],
)
def test_one_delayed_pass_decides_nothing(fresh: list[float], again: list[float], accused: bool) -> None:
    notes, taken = noted(fresh, again)
    assert taken == REPEATS
    assert [("it remembers outputs" in note) for note in notes] == [True] * accused


def test_long_passes_are_repeated_twice() -> None:
    assert noted([3000.0] * 5, [1.0] * 5)[1] == 2
