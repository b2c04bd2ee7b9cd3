"""What is concluded from the times of a network's answers, with a clock that the test sets."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.core.record import Settings
from bench.measurement.remembering import REPEATS, remembered
from bench.networks.choice import parse_choice
from bench.networks.engine import Job
from bench.networks.worker import Worker
from tests.bench.own_networks import CODE, write_code


def noted(fresh: list[float], again: list[float]) -> tuple[str, int]:
    """What is said after fresh and repeated passes that take these milliseconds, and how many pairs it took."""
    left: Iterator[float] = iter(fresh)
    taken = 0

    def sample() -> float:
        nonlocal taken
        taken += 1
        return next(left)

    return remembered(sample, lambda: again[taken - 1]), taken


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
    note, taken = noted(fresh, again)
    assert taken == REPEATS
    assert ("it remembers outputs" in note) == bool(note) == accused


def test_long_passes_are_repeated_twice() -> None:
    assert noted([3000.0] * 5, [1.0] * 5)[1] == 2


def test_a_network_that_remembers_computes_in_every_timed_pass(tmp_path: Path) -> None:
    """One that answers an input that it has seen from memory is timed on images that it has not seen."""
    log = tmp_path / "computed"
    code = CODE.replace(
        "        return self",
        "        key = x.numpy().tobytes()\n"
        "        if key not in SEEN:\n"
        f"            SEEN.add(key), open({str(log)!r}, 'a').write('.')\n"
        "        return self",
    )
    choice = parse_choice(f"{write_code(tmp_path, 'SEEN = set()' + chr(10) + code)}:TinyNet")
    with Worker(Job(choice.name, {}, None, Settings("cpu", "CPU", 8, 8), "cpu", choice.own)) as worker:
        worker.cold()
        for _ in range(3):
            worker.sample()
        assert log.read_text() == "...."
        worker.ask("again")
        assert log.read_text() == "...."
