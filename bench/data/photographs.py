"""Fresh photographs for passes that only time or check: squares out of those that ship with scikit-image.

Networks are made for photographs. Some return NaN for uniform noise or take another way through their layers, and one
that wants to look fast can tell noise from an image.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from bench.data.datasets import find_dataset

Image = NDArray[np.uint8]


def fresh_photographs(side: int, seed: int = 0) -> Iterator[Image]:
    """Endless squares (side, side, 3) from random places, turned and mirrored; continued where a photo is smaller."""
    random = np.random.default_rng(seed)
    photos = [pair.load().hr for pair in find_dataset("photos", None).pairs]
    while True:
        photo = photos[random.integers(len(photos))]
        missing = [max(0, side - length) for length in photo.shape[:2]]
        photo = np.pad(photo, [(0, missing[0]), (0, missing[1]), (0, 0)], "symmetric")
        y, x = (random.integers(length - side + 1) for length in photo.shape[:2])
        square = np.rot90(photo[y : y + side, x : x + side], int(random.integers(4)))
        yield np.ascontiguousarray(square[:, ::-1] if random.integers(2) else square)
