"""Find a data set of HR images with their x4 LR images on this machine, or download it."""

import difflib
import os
import struct
import warnings
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import skimage
from PIL import Image, UnidentifiedImageError

from bench.data.download import SUFFIXES, download_to_cache, not_in_cache
from bench.data.imresize import imresize
from models.cache import cache_dir
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
# HR folder below a root, with the LR folders that go with it.
LAYOUTS = (
    ("images/{}/HR", ("images/{}/LRx4", "images/{}/LR_bicubic/X4")),
    ("{}/HR", ("{}/LRx4", "{}/LR_bicubic/X4")),
    ("{}_HR", ("{}_LR", "{}_LR_bicubic/X4")),
)
NOT_PUBLIC = {
    "Manga109": "may not be redistributed: ask for it at http://www.manga109.org/en/download.html",
    "DIV2K_LSDIR_valid": "has no stable address: see 'The Validation datasets' at "
    "https://github.com/Amazingren/NTIRE2024_ESR",
    "DIV2K_LSDIR_test": "is known to the challenge's organisers only",
}
# The natural colour photographs among the images inside scikit-image's wheel.
PHOTOS = ("astronaut.png", "chelsea.png", "coffee.png", "hubble_deep_field.jpg", "motorcycle_left.png", "rocket.jpg")
PHOTOS_MAX_SIZE = 512


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
            raise EsrError(f"{self.hr} is {_size(hr)} pixels; HR images need at least {SCALE} a side, remove it")
        hr = np.ascontiguousarray(hr[: h * SCALE, : w * SCALE])
        if self.lr is None:
            return LoadedPair(imresize(hr, 1 / SCALE), hr, notes)
        lr, lr_notes = read_rgb(self.lr)
        if lr.shape != (h, w, 3):
            raise EsrError(
                f"{self.lr} is {_size(lr)} pixels, but its HR image needs {w}x{h} (HR / {SCALE}); "
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

    Opens no image: `ImagePair.load` does, and reports what is wrong with it.

    Raises:
        EsrError: unknown name, folder missing or empty, HR and LR files that do not match, set not to be had.
    """
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


def read_rgb(path: Path) -> tuple[npt.NDArray[np.uint8], tuple[str, ...]]:
    """The image at `path` as (h, w, 3) uint8, and notes on what was converted. EXIF rotation is ignored.

    Raises EsrError for anything but an opaque 8-bit RGB, grey or palette image of reasonable size.
    """
    try:
        if path.stat().st_size == 0:
            raise EsrError(f"{path} is empty (0 bytes); copy it again")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about metadata
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                deep = any(";16" in str(tile.args) for tile in image.tile)  # Pillow would drop the lower 8 bits
                if deep or image.mode.startswith(("I", "F")):
                    raise EsrError(f"{path} has more than 8 bits a channel; save it as 8-bit RGB")
                if image.has_transparency_data and (image.mode != "P" or _see_through(image)):
                    raise EsrError(f"{path} has an alpha channel or transparency; save it as plain RGB")
                if image.mode not in ("RGB", "P", "L", "1"):
                    raise EsrError(f"{path} is {image.mode}, not RGB or grey; save it as RGB")
                grey = image.mode in ("L", "1")
                rgb = np.asarray(image.convert("RGB"), dtype=np.uint8)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        limit = (Image.MAX_IMAGE_PIXELS or 0) / 1e6
        raise EsrError(f"{path} claims more than {limit:.0f} million pixels; remove it or crop it") from None
    except UnidentifiedImageError:
        raise EsrError(f"{path} is not an image, whatever its name says; replace it") from None
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error) as error:  # of Pillow's decoders
        if isinstance(error, OSError) and error.errno:
            raise EsrError(f"cannot read {path} ({error.strerror}); check the file and its permissions") from None
        raise EsrError(f"{path} is damaged or cut short ({error}); copy it again") from None
    return rgb, (f"{path.name} is grey; replicated to RGB",) if grey else ()


def _see_through(image: Image.Image) -> bool:
    return bool(np.asarray(image.convert("RGBA"))[..., 3].min() < 255)


def _size(image: npt.NDArray[np.uint8]) -> str:
    return f"{image.shape[1]}x{image.shape[0]}"


def canonical_name(name: str) -> str:
    """A data set's name as it is usually written; raises EsrError with the nearest ones for an unknown one."""
    names = {n.lower(): known for known, others in ALIASES.items() for n in (known, *others)}
    if name.lower() in names:
        return names[name.lower()]
    near = [names[n] for n in difflib.get_close_matches(name.lower(), names)]
    guess = f"did you mean {' or '.join(dict.fromkeys(near))}?" if near else f"known: {', '.join(ALIASES)}"
    raise EsrError(f"unknown data set '{name}'; {guess}")


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
        for hr_layout, lr_layouts in LAYOUTS:
            if hr := _subfolder(root, hr_layout.format(folder_name)):
                lr = next((f for lr in lr_layouts if (f := _subfolder(root, lr.format(folder_name)))), None)
                return _from_folders(name, hr, lr)
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


def _images_in(folder: Path) -> list[Path]:
    files = (f for f in folder.iterdir() if f.suffix.lower() in SUFFIXES and not f.name.startswith("."))
    found = sorted(files, key=lambda file: file.name)
    if not found:
        raise EsrError(f"{folder} holds no images ({', '.join(SUFFIXES)}); fill it or remove it")
    return found


def _from_folders(name: str, hr: Path, lr: Path | None) -> Dataset:
    hr_files = _images_in(hr)
    usual = COUNTS.get(name, len(hr_files))
    notes = (f"{len(hr_files)} images instead of the usual {usual}",) if len(hr_files) != usual else ()
    if lr is None:
        made = tuple(ImagePair(file.stem, file, None) for file in hr_files)
        return Dataset(name, made, "made by bench.imresize", notes)
    lr_files = {file.stem: file for file in _images_in(lr)}
    pairs = []
    for file in hr_files:
        lr_file = lr_files.pop(f"{file.stem}x{SCALE}", None)
        if lr_file is None:
            expected = lr / f"{file.stem}x{SCALE}.png"
            raise EsrError(f"{file} has no LR image {expected}; add it, or remove {lr} to have LR images made")
        pairs.append(ImagePair(file.stem, file, lr_file))
    if lr_files:
        extra = min(lr_files.values())
        raise EsrError(f"{extra} has no HR image in {hr}; add that or remove the LR image")
    return Dataset(name, tuple(pairs), "files", notes)


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
