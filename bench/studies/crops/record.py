"""A small piece of one network's image beside the ground truth <-> one JSON file, and the search that chose the place.

A file a network and place, so that networks measured at different times stand side by side where place and image are
equal, and nowhere else.
"""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bench.record import slug
from bench.record_file import read_as
from bench.studies.attribution.record import Attributed, image_of
from models.errors import EsrError

SCHEMA = 1
CROP, SEARCH = "crop", "search"  # what the files' names begin with
LONGEST_NAME = 80  # characters of the networks in a search's file name

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
class CropRecord:
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
    def file_name(self) -> str:
        """A name that says the provenance."""
        p = self.place
        parts = [CROP, *self.network.name_parts, p.dataset, p.image, f"{p.x}_{p.y}_{p.size}"]
        return "__".join(map(slug, parts)) + ".json"


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
class SearchRecord:
    """A data set, looked through as far as it was."""

    dataset: str
    size: int
    device_name: str
    networks: list[str]  # with what sets them apart from the published ones
    images: list[Searched] = field(default_factory=list)
    schema: int = SCHEMA

    @property
    def file_name(self) -> str:
        """A name that says the provenance."""
        names = "__".join(map(slug, self.networks))
        if len(names) > LONGEST_NAME:
            names = f"{names[:LONGEST_NAME]}-{hashlib.sha256(names.encode()).hexdigest()[:8]}"
        return "__".join([SEARCH, names, *map(slug, [self.device_name, self.dataset, f"{self.size}px"])]) + ".json"


def pixels_sha256(image: NDArray[np.uint8]) -> str:
    """Of an image's size and pixels, whatever file they came from."""
    return hashlib.sha256(f"{image.shape}".encode() + np.ascontiguousarray(image).tobytes()).hexdigest()


def read_crop(path: Path) -> CropRecord:
    """Read a crop back. Raises EsrError for any other file, and one whose pictures are damaged or of another size."""
    record = read_as(CropRecord, SCHEMA, path)
    size = record.place.size
    for png in (record.sr_png, record.hr_png):
        try:
            shape = image_of(png).shape
        except (OSError, ValueError, SyntaxError) as error:
            raise EsrError(f"{path} holds a damaged picture ({error}); delete it and measure again") from None
        if shape != (size, size, 3):
            raise EsrError(f"{path} holds a picture of {shape[1]}x{shape[0]}, not {size}x{size}; measure again")
    return record


def read_search(path: Path) -> SearchRecord:
    """Read a search back. Raises EsrError for any other file."""
    return read_as(SearchRecord, SCHEMA, path)
