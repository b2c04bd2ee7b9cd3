"""Images in HR and LR, on disk and in memory, and sets of them."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from bench.data.images import read_rgb, size_text
from bench.data.imresize import imresize
from models.errors import EsrError

SCALE = 4


@dataclass(frozen=True)
class LoadedPair:
    """One image in memory.

    Attributes:
        lr: (h, w, 3) uint8.
        hr: (4h, 4w, 3) uint8.
        notes: what was changed on the way from the files, such as a grey image replicated to RGB.
    """

    lr: npt.NDArray[np.uint8]
    hr: npt.NDArray[np.uint8]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class ImagePair:
    """One image on disk.

    Attributes:
        name: stem of the HR file, behind the folders that it lies in below the set's.
        hr: HR file.
        lr: LR file, or None to make the LR image from the HR image.
        max_size: the HR image is cropped to at most this many pixels a side, around its centre; None leaves it whole.
    """

    name: str
    hr: Path
    lr: Path | None
    max_size: int | None = None

    def lr_pixels(self) -> int:
        """Pixels of the LR image, from the header of the HR file; 0 where it cannot be read (`load` says why)."""
        try:
            with Image.open(self.hr) as image:
                sides = [min(side, self.max_size or side) // SCALE for side in image.size]
        except (OSError, ValueError):
            return 0
        return sides[0] * sides[1]

    def load(self) -> LoadedPair:
        """Read both images, crop HR to a multiple of the scale (bottom and right, as the field does) and check LR.

        Raises EsrError for a file that is no sound 8-bit RGB or grey image, is too small, or does not fit the other.
        """
        hr, notes = read_rgb(self.hr)
        if self.max_size:
            top, left = (max(0, side - self.max_size) // 2 for side in hr.shape[:2])
            hr = hr[top : top + self.max_size, left : left + self.max_size]
        h, w = hr.shape[0] // SCALE, hr.shape[1] // SCALE
        if not h or not w:
            raise EsrError(f"{self.hr} is {size_text(hr)} pixels; HR images need at least {SCALE} a side, remove it")
        hr = np.ascontiguousarray(hr[: h * SCALE, : w * SCALE])
        if self.lr is None:
            return LoadedPair(imresize(hr, 1 / SCALE), hr, notes)
        lr, lr_notes = read_rgb(self.lr)
        if lr.shape != (h, w, 3):
            raise EsrError(
                f"{self.lr} is {size_text(lr)} pixels, but its HR image needs {w}x{h} (HR / {SCALE}); "
                f"replace it, or remove its folder to have LR images made"
            )
        return LoadedPair(lr, hr, notes + lr_notes)


@dataclass(frozen=True)
class Dataset:
    """A set of images, sorted by file name; `notes` say what keeps its figures from being compared with others'."""

    name: str
    pairs: tuple[ImagePair, ...]
    lr_source: Literal["files", "made by bench.imresize"]
    notes: tuple[str, ...] = ()

    def limited(self, count: int) -> "Dataset":
        """The first `count` images, under a name that says so, since their figures are not the set's."""
        return replace(self, name=f"{self.name}[:{count}]", pairs=self.pairs[:count])
