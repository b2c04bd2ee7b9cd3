"""Find a data set of HR images with their x4 LR images on this machine, or download it."""

import difflib
import hashlib
import itertools
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import skimage
from PIL import Image

from bench.data.download import download_to_cache, not_in_cache
from bench.data.folders import SUFFIXES, images_in, lr_folder, pair_files
from bench.data.images import read_rgb, size_text
from bench.data.imresize import imresize
from models.cache import cache_dir, sha256_of
from models.errors import EsrError

SCALE = 4

# Every set, with the other folder names in use for it.
ALIASES: dict[str, tuple[str, ...]] = {
    "photos": (),
    "Set5": (),
    "Set14": (),
    "B100": ("BSD100", "BSDS100"),
    "Urban100": (),
    "Manga109": (),
    "DIV2K_valid": (),
    "DIV2K_LSDIR_valid": (),
    "DIV2K_LSDIR_test": (),
}
COUNTS = {"Set5": 5, "Set14": 14, "B100": 100, "Urban100": 100, "Manga109": 109, "DIV2K_valid": 100}
LAYOUTS = ("images/{}/HR", "{}/HR", "{}_HR")  # of HR images below a root; bench.data.folders finds the LR images
NOT_PUBLIC = {
    "Manga109": "may not be redistributed: ask for it at http://www.manga109.org/en/download.html",
    "DIV2K_LSDIR_valid": "has no stable address: see 'The Validation datasets' at "
    "https://github.com/Amazingren/NTIRE2024_ESR",
    "DIV2K_LSDIR_test": "is known to the challenge's organisers only",
}
# The natural colour photographs among the images inside scikit-image's wheel.
PHOTOS = ("astronaut.png", "chelsea.png", "coffee.png", "hubble_deep_field.jpg", "motorcycle_left.png", "rocket.jpg")
PHOTOS_MAX_SIZE = 512
KEY_DIGITS = 8  # of the checksum in the name of a user's own images


class DatasetNotFoundError(EsrError):
    """The data set is neither on this machine nor to be had from a public address."""


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
        name: stem of the HR file.
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


def list_datasets() -> tuple[str, ...]:
    """The names `find_dataset` knows, quickest first."""
    return tuple(ALIASES)


def find_dataset(name: str, data_dir: Path | None, allow_download: bool = True) -> Dataset:
    """Find the data set `name` (in any case, or an alias) in `data_dir`, $ESR_DATA or the cache, or download it.

    A `name` that is a folder is that folder: its HR images, or those in its HR, with LR images where it has any.

    Opens no image: `ImagePair.load` does, and reports what is wrong with it.

    Raises:
        EsrError: unknown name, folder missing or empty, HR and LR files that do not match, set not to be had.
    """
    if is_folder(name):
        return _own(Path(name))
    name = canonical_name(name)
    if name == "photos":
        return _photos()
    try:
        roots = dict(_user_roots(data_dir))
        for root in roots.values():
            if found := _look_in(root, name):
                return found
        missing = not_in_cache(name)
        if missing and allow_download:
            try:
                download_to_cache(name, missing)
            except EsrError as error:
                raise DatasetNotFoundError(str(error)) from None
        if (allow_download or not missing) and (found := _look_in(cache_dir(), name)):
            return found
    except OSError as error:
        raise EsrError(f"cannot read {error.filename} ({error.strerror}); check its permissions") from None
    raise DatasetNotFoundError(_not_found(name, roots))


def canonical_name(name: str) -> str:
    """A data set's name as it is usually written; raises EsrError with the nearest ones for an unknown one."""
    names = {n.lower(): known for known, others in ALIASES.items() for n in (known, *others)}
    if name.lower() in names:
        return names[name.lower()]
    near = [names[n] for n in difflib.get_close_matches(name.lower(), names)]
    guess = f"did you mean {' or '.join(dict.fromkeys(near))}?" if near else f"known: {', '.join(ALIASES)}"
    raise EsrError(f"unknown data set '{name}', and no folder of images; {guess}")


def is_folder(name: str) -> bool:
    """Whether a data set is meant as a folder of anybody's images; a known name is that set unless it is a path."""
    known = {n.lower() for name, others in ALIASES.items() for n in (name, *others)}
    return (os.sep in name or name.lower() not in known) and Path(name).is_dir()


def _user_roots(data_dir: Path | None) -> Iterator[tuple[str, Path]]:
    """The folders in which the user keeps data, each under the name by which the user gave it."""
    variable = os.environ.get("ESR_DATA")
    for name, root in (("--data-dir", data_dir), ("$ESR_DATA", Path(variable) if variable else None)):
        if root is None:
            continue
        if not root.is_dir():
            raise EsrError(f"{name} is {root}, which is not a folder; correct it")
        yield name, root


def _look_in(root: Path, name: str) -> Dataset | None:
    """The data set if one of the known layouts of it exists under `root`."""
    for folder_name in (name, *ALIASES[name]):
        for layout in LAYOUTS:
            if hr := _subfolder(root, layout.format(folder_name)):
                return _from_folder(name, hr)
    return None


def _subfolder(root: Path, relative: str) -> Path | None:
    """The folder `relative` under `root`, with names compared in any case; an exact name goes first."""
    folder = root
    for part in relative.split("/"):
        if not folder.is_dir():
            return None
        children = sorted(folder.iterdir(), key=lambda child: (child.name != part, child.name))
        match = next((child for child in children if child.name.lower() == part.lower()), None)
        if match is None:
            return None
        folder = match
    return folder if folder.is_dir() else None


def _from_folder(name: str, hr: Path) -> Dataset:
    files = images_in(hr)
    if not files:
        raise EsrError(f"{hr} holds no images ({', '.join(SUFFIXES)}); fill it or remove it")
    for before, after in itertools.pairwise(sorted(files, key=lambda file: file.stem)):
        if before.stem == after.stem:
            raise EsrError(f"{before} and {after.name} are images of one name; rename or remove one")
    usual = COUNTS.get(name, len(files))
    notes: tuple[str, ...] = (f"{len(files)} images instead of the usual {usual}",) if len(files) != usual else ()
    found = lr_folder(hr) if hr.name.lower().endswith("hr") else None
    if found is None:
        made = tuple(ImagePair(file.stem, file, None) for file in files)
        return Dataset(name, made, "made by bench.imresize", notes)
    lr, bicubic = found
    if not bicubic:
        notes += (f"LR images from {lr.relative_to(hr.parent).as_posix()}, of whatever made them",)
    lr_files = images_in(lr)
    partners = pair_files(files, hr, lr, lr_files, f"remove {lr} to have LR images made")
    if extra := sorted(set(lr_files) - set(partners)):
        raise EsrError(f"{extra[0]} has no HR image in {hr}; add that or remove the LR image")
    pairs = (ImagePair(file.stem, file, lr_file) for file, lr_file in zip(files, partners, strict=True))
    return Dataset(name, tuple(pairs), "files", notes)


def _own(folder: Path) -> Dataset:
    """A folder of images, under its name and a checksum of the HR images: no two sets share figures."""
    hr = _subfolder(folder, "HR") or folder
    title = folder.resolve().parent.name if hr == folder and folder.name.lower() == "hr" else folder.resolve().name
    found = _from_folder(title, hr)
    checksum = hashlib.sha256()
    for pair in found.pairs:
        checksum.update(pair.name.encode())
        checksum.update(sha256_of(pair.hr).encode())
    name = f"{re.sub(r'[^A-Za-z0-9_-]+', '-', title)[:40]}-{checksum.hexdigest()[:KEY_DIGITS]}"
    return replace(found, name=name)


def _photos() -> Dataset:
    folder = Path(skimage.__file__).parent / "data"
    for photo in PHOTOS:
        if not (folder / photo).is_file():
            raise EsrError(f"{folder / photo} is missing; install scikit-image again")
    pairs = tuple(ImagePair(Path(photo).stem, folder / photo, None, PHOTOS_MAX_SIZE) for photo in PHOTOS)
    notes = (f"photographs shipped with scikit-image, cropped to {PHOTOS_MAX_SIZE}: no published figures exist",)
    return Dataset("photos", pairs, "made by bench.imresize", notes)


def _not_found(name: str, roots: dict[str, Path]) -> str:
    places = [f"{flag} {root}" for flag, root in roots.items()] + [f"the cache {cache_dir()}"]
    put = f"put it into <--data-dir or $ESR_DATA>/images/{name}/HR (and LRx4)"
    reason = f"; it {NOT_PUBLIC[name]}, and" if name in NOT_PUBLIC else "; allow the download, or"
    return f"{name} is not in {' or '.join(places)}{reason} {put}"
