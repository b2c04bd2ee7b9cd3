"""Where crops are taken from, worked out on images with errors at known places."""

import numpy as np
import pytest

from bench.studies.crops.crops_record import Searched
from bench.studies.crops.places import choose, search_image, window_errors

GREY = 100
FACTOR = 219 / 255  # of Y for one grey level of RGB


def image(height: int = 64, width: int = 80, **levels: tuple[int, int, int, int]) -> np.ndarray:
    """Grey, with squares of `off`: (x, y, size, levels)."""
    made = np.full((height, width, 3), GREY, dtype=np.uint8)
    for x, y, size, off in levels.values():
        made[y : y + size, x : x + size] += np.uint8(off)
    return made


def test_window_errors_by_hand() -> None:
    errors = window_errors(image(a=(20, 12, 8, 10)), image(), 16)
    assert errors is not None
    assert errors.shape == (11, 15)  # from 4 to 44 and from 4 to 60 in steps of 4
    assert errors[1, 2] == pytest.approx(10 * FACTOR * 8 / 16)  # the window at (12, 8) holds all of it
    assert errors[2, 4] == pytest.approx(10 * FACTOR * 8 / 16)  # at (20, 12) too
    assert errors[3, 5] == pytest.approx(10 * FACTOR * 4 / 16)  # at (24, 16) a quarter
    assert errors[8, 12] == 0
    assert errors.min() >= 0


def test_the_border_that_scores_leave_out_is_left_out() -> None:
    errors = window_errors(image(a=(0, 0, 4, 50)), image(), 16)
    assert errors is not None
    assert errors.max() == 0
    assert window_errors(image(24, 24), image(24, 24), 17) is None
    whole = window_errors(image(24, 24), image(24, 24), 16)
    assert whole is not None
    assert whole.shape == (1, 1)


def searched(name: str, first: np.ndarray, second: np.ndarray) -> Searched:
    errors = [e for sr in (first, second) if (e := window_errors(sr, image(), 16)) is not None]
    return search_image(name, ("hr", "lr"), errors, 16)


def test_differ_hardest_and_apart() -> None:
    # Both err by 20 at (40, 32); the second alone by 30 at (16, 16).
    found = searched("a", image(a=(40, 32, 16, 20)), image(a=(40, 32, 16, 20), b=(16, 16, 16, 30)))
    assert found.differ
    assert (found.differ.x, found.differ.y) == (16, 16)
    assert (found.differ.lowest, found.differ.highest) == (0, pytest.approx(30 * FACTOR))
    assert (found.hardest.x, found.hardest.y, found.hardest.lowest) == (40, 32, pytest.approx(20 * FACTOR))
    assert found.apart == found.hardest


def test_the_hardest_place_of_a_set_never_overlaps_with_the_other() -> None:
    # In one image both places are the same; the hardest one is then taken clear of it, or from another image.
    same = searched("a", image(a=(16, 16, 16, 20)), image(a=(16, 16, 16, 60)))
    assert same.differ
    assert (same.hardest.x, same.hardest.y) == (same.differ.x, same.differ.y) == (16, 16)
    assert same.apart
    assert max(abs(same.apart.x - 16), abs(same.apart.y - 16)) >= 16
    other = searched("b", image(a=(40, 32, 16, 5)), image(a=(40, 32, 16, 5)))
    chosen = [(how, of.image, at.x, at.y) for how, of, at in choose([same, other])]
    assert chosen == [("differ", "a", 16, 16), ("hardest", "b", 40, 32)]


def test_one_network_has_nothing_to_differ_from() -> None:
    errors = window_errors(image(a=(40, 32, 16, 20)), image(), 16)
    assert errors is not None
    found = search_image("a", ("hr", "lr"), [errors], 16)
    assert found.differ is None
    assert found.apart is None
    assert [how for how, *_ in choose([found])] == ["hardest"]
    assert choose([]) == []
