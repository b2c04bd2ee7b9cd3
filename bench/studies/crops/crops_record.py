"""A small piece of one network's image beside the ground truth <-> one JSON file, and the search that chose the place.

A file a network and place, so that networks measured at different times stand side by side where place and image are
equal, and nowhere else.
"""

import dataclasses
import hashlib
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from bench.core.identity import Kept
from bench.studies.attribution.attribution_record import Attributed, image_of

SCHEMA = 2
CROP, SEARCH = "crop", "search"  # what the files' names begin with

How = Literal["differ", "hardest", "named"]


@dataclass
class Place:
    """A square of one image, in pixels of the HR image, from its upper left corner; and which image that is."""

    dataset: str
    image: str
    x: int
    y: int
    size: int
    hr_sha256: str  # of the HR image's pixels
    lr_sha256: str  # and of those that the networks were given

    @property
    def text(self) -> str:
        """Image, corner and size in words."""
        return f"{self.image} ({self.dataset}), {self.size} pixels at {self.x},{self.y}"


@dataclass
class Chosen:
    """Why this place: where networks differ most, where all of them err most, or named by the user.

    Errors are the root of the mean squared error of Y inside the square, in grey levels of 255.
    """

    how: How
    lowest: float | None = None  # of the network that errs least here
    highest: float | None = None  # and of the one that errs most
    networks: list[str] = field(default_factory=list)  # that were looked at
    images: int = 0  # that were searched


@dataclass
class CropRecord(Kept):
    """One network, one place."""

    network: Attributed
    place: Place
    chosen: Chosen
    psnr_y: float | None  # dB over the square, Y as float; None where it is equal to the ground truth
    psnr_rgb: float | None  # dB over the square
    sr_png: str  # (size, size, 3) as base64 of a PNG
    hr_png: str
    notes: list[str] = field(default_factory=list)  # what was changed on the way from the files
    schema: int = SCHEMA

    @property
    def identity(self) -> dict[str, Any]:
        """The network, and the place with the checksums of its images."""
        return {CROP: self.network.identity, "place": dataclasses.asdict(self.place)}

    @property
    def words(self) -> list[str]:
        """Network, image, corner and size."""
        p = self.place
        return [CROP, *self.network.words, p.dataset, p.image, f"{p.x}_{p.y}_{p.size}"]

    def check(self) -> None:
        """Raise ValueError or OSError for pictures that are damaged or of another size."""
        size = self.place.size
        for png in filter(None, (self.sr_png, self.hr_png)):
            height, width, _ = image_of(png).shape
            if (height, width) != (size, size):
                raise ValueError(f"it holds a picture of {width}x{height}, not {size}x{size}")


@dataclass
class Found:
    """A square of an image, and the errors there as in `Chosen`."""

    x: int
    y: int
    lowest: float
    highest: float


@dataclass
class Searched:
    """The best places of one image. `apart` is the hardest that has nothing in common with `differ`."""

    image: str
    hr_sha256: str
    lr_sha256: str
    differ: Found | None
    hardest: Found
    apart: Found | None


@dataclass
class SearchRecord(Kept):
    """A data set, looked through as far as it was."""

    dataset: str
    size: int
    device_name: str
    networks: list[str]  # with what sets them apart from the published ones
    images: list[Searched] = field(default_factory=list)
    schema: int = SCHEMA

    CELLS: ClassVar = {"images": lambda image: image.image}

    @property
    def identity(self) -> dict[str, Any]:
        """The networks that are judged, the data set, and the machine."""
        return {SEARCH: self.networks, "where": [self.dataset, self.size, self.device_name]}

    @property
    def words(self) -> list[str]:
        """Data set, device, networks."""
        return [SEARCH, self.dataset, f"{self.size}px", self.device_name, *self.networks]


def pixels_sha256(image: NDArray[np.uint8]) -> str:
    """Of an image's size and pixels, whatever file they came from."""
    return hashlib.sha256(f"{image.shape}".encode() + np.ascontiguousarray(image).tobytes()).hexdigest()
