"""Find a data set of HR images with their x4 LR images on this machine, or download it."""

import difflib
import hashlib
import itertools
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import skimage

from bench.data.download import download_to_cache, not_in_cache
from bench.data.folders import (
    HR_NAMES,
    SUFFIXES,
    hr_folder,
    image_name,
    images_below,
    images_in,
    lr_folder,
    pair_files,
    split_by_name,
)
from bench.data.pairs import Dataset, ImagePair
from models.cache import cache_dir, sha256_of
from models.errors import EsrError

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
# Of HR images below a root; bench.data.folders finds the LR images.
LAYOUTS = ("images/{}/HR", "{}/HR", "{}_HR", "{}/GT", "{}/GTmod12", "{}/image_SRF_4", "{}")
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


def list_datasets() -> tuple[str, ...]:
    """The names `find_dataset` knows, quickest first."""
    return tuple(ALIASES)


def find_dataset(name: str, data_dir: Path | None, allow_download: bool = True, lr: Path | None = None) -> Dataset:
    """Find the data set `name` (in any case, or an alias) in `data_dir`, $ESR_DATA or the cache, or download it.

    A `name` that is a folder is that folder: its HR images, or those in its HR, with LR images where it has any.

    Opens no image: `ImagePair.load` does, and reports what is wrong with it.

    Args:
        lr: folder of the LR images that go with a folder of HR images.

    Raises:
        EsrError: unknown name, folder missing or empty, HR and LR files that do not match, set not to be had.
    """
    if is_folder(name):
        return _own(Path(name), lr)
    if lr:
        raise EsrError(f"--lr {lr} goes with a folder of HR images, and --data {name} is none; name that folder")
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


def find_named(names: Sequence[str], data_dir: Path | None, lr: Path | None = None) -> list[Dataset]:
    """Each of the sets once. Raises EsrError as `find_dataset` does, and for LR images of more than one set."""
    if lr and len(names) != 1:
        raise EsrError(f"--lr {lr} is of one folder of images; name one --data with it")
    if lr and not lr.is_dir():
        raise EsrError(f"--lr {lr} is not a folder; name the one that holds the LR images")
    found = (find_dataset(name, data_dir, lr=lr) for name in names)
    return list({dataset.name: dataset for dataset in found}.values())


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
            hr = _subfolder(root, layout.format(folder_name))
            if hr and (layout != "{}" or images_in(hr)):  # a folder of that name may hold anything
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


def _from_folder(name: str, hr: Path, given_lr: Path | None = None) -> Dataset:
    files, lr_files = split_by_name(images_below(hr))
    if not files:
        raise EsrError(f"{hr} holds no images ({', '.join(SUFFIXES)}); fill it or remove it")
    names = [image_name(file, hr) for file in files]
    for (before, one), (after, other) in itertools.pairwise(sorted(zip(names, files, strict=True))):
        if before == after:
            raise EsrError(f"{one} and {other.name} are images of one name; rename or remove one")
    usual = COUNTS.get(name, len(files))
    notes: tuple[str, ...] = (f"{len(files)} images instead of the usual {usual}",) if len(files) != usual else ()
    if match := re.fullmatch(r"gtmod(\d+)", hr.name, re.IGNORECASE):
        notes += (f"HR images cropped to multiples of {match[1]}, by whatever made {hr.name}",)
    found = (given_lr, False) if given_lr else (hr, False) if lr_files else lr_folder(hr)
    if found is None:
        made = tuple(ImagePair(name, file, None) for name, file in zip(names, files, strict=True))
        return Dataset(name, made, "made by bench.imresize", notes)
    lr, bicubic = found
    if not bicubic:
        place = lr.name if given_lr or lr == hr else lr.relative_to(hr.parent).as_posix()
        notes += (f"LR images from {place}, of whatever made them",)
    lr_files = lr_files or images_below(lr)
    instead = "leave --lr out" if given_lr else f"remove {lr}"
    partners = pair_files(files, hr, lr, lr_files, f"{instead} to have LR images made")
    if extra := sorted(set(lr_files) - set(partners)):
        raise EsrError(f"{extra[0]} has no HR image in {hr}; add that or remove the LR image")
    pairs = (ImagePair(name, file, lr_file) for name, file, lr_file in zip(names, files, partners, strict=True))
    return Dataset(name, tuple(pairs), "files", notes)


def _own(folder: Path, lr: Path | None) -> Dataset:
    """A folder of images, under its name and a checksum of all that is scored: no two sets share figures."""
    hr = hr_folder(folder)
    title = (hr.resolve().parent if HR_NAMES.fullmatch(hr.name) else hr.resolve()).name
    found = _from_folder(title, hr, lr)
    checksum = hashlib.sha256()
    for pair in found.pairs:
        checksum.update(pair.name.encode())
        for file in (pair.hr, *([pair.lr] if pair.lr else [])):
            checksum.update(sha256_of(file).encode())
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
