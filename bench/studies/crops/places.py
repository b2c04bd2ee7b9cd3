"""Where to look: the squares of an image in which networks differ most, and in which even the best one errs most.

By measurement, so that no crop flatters a network. The error of a square is the root of the mean squared error of Y, in
grey levels: a ratio, as of PSNR, would favour flat areas whose errors nobody sees.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bench.data.metrics import luma
from bench.measurement.quality import BORDER
from bench.studies.crops.crops_record import Found, How, Searched

STEP = 4  # pixels between squares that are looked at
Pixels = NDArray[np.uint8]
Floats = NDArray[np.float64]


def window_errors(sr: Pixels, hr: Pixels, size: int) -> Floats | None:
    """Error of every square of `size` pixels, STEP apart, inside the border that scores leave out.

    Args:
        sr, hr: (h, w, 3).

    Returns: (rows, columns), or None where no square fits.
    """
    height, width = (side - 2 * BORDER for side in hr.shape[:2])
    if min(height, width) < size:
        return None
    squared = (luma(sr) - luma(hr))[BORDER : BORDER + height, BORDER : BORDER + width] ** 2
    total = np.zeros((height + 1, width + 1))
    total[1:, 1:] = squared.cumsum(axis=0).cumsum(axis=1)
    sums = total[size:, size:] - total[:-size, size:] - total[size:, :-size] + total[:-size, :-size]
    errors: Floats = np.sqrt(np.maximum(sums[::STEP, ::STEP], 0) / size**2)
    return errors


def search_image(name: str, checksums: tuple[str, str], errors: Sequence[Floats], size: int) -> Searched:
    """The best places of one image.

    Args:
        checksums: of the HR and the LR image.
        errors: of each network that is compared, as `window_errors` gives them.
    """
    stacked = np.stack(errors)  # (networks, rows, columns)
    lowest, highest = stacked.min(axis=0), stacked.max(axis=0)
    differ = _largest(highest - lowest, lowest, highest) if len(errors) > 1 else None
    hardest = _largest(lowest, lowest, highest)
    apart = None
    if differ:
        rows, columns = (BORDER + STEP * np.arange(side) for side in lowest.shape)
        clear = (abs(rows - differ.y) >= size)[:, None] | (abs(columns - differ.x) >= size)
        if clear.any():
            apart = _largest(np.where(clear, lowest, -1.0), lowest, highest)
    return Searched(name, *checksums, differ, hardest, apart)


def _largest(of: Floats, lowest: Floats, highest: Floats) -> Found:
    """The square with the largest value of `of`; the first of equal ones."""
    row, column = np.unravel_index(int(of.argmax()), of.shape)
    at = int(row), int(column)
    return Found(BORDER + STEP * at[1], BORDER + STEP * at[0], float(lowest[at]), float(highest[at]))


def choose(images: Sequence[Searched]) -> list[tuple[How, Searched, Found]]:
    """Of a whole data set: where networks differ most, and the hardest place that has nothing in common with it."""
    chosen: list[tuple[How, Searched, Found]] = []
    differing = [(image, image.differ) for image in images if image.differ]
    first = max(differing, key=lambda pair: pair[1].highest - pair[1].lowest, default=None)
    if first:
        chosen.append(("differ", *first))
    hard = [(i, i.apart if first and i is first[0] else i.hardest) for i in images]
    hardest = max(((i, f) for i, f in hard if f), key=lambda pair: pair[1].lowest, default=None)
    if hardest:
        chosen.append(("hardest", *hardest))
    return chosen
