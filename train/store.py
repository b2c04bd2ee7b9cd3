"""Training images decoded once: HR and LR pixels in memory-mapped shards in the cache, from which crops are slices.

A PNG of DIV2K takes 50 ms to decode and a GPU asks for hundreds of patches a second; a slice of mapped memory takes
microseconds, and what was read stays in the system's page cache. Shards are finished one by one, each written beside
its place and renamed, so an interrupted packing goes on where it stopped.
"""

import errno
import hashlib
import json
import multiprocessing
import os
import shutil
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bench.core.progress import Step, step
from bench.data.datasets import find_dataset
from bench.data.folders import SUFFIXES, images_in, pair_files
from bench.data.pairs import SCALE, ImagePair
from models.cache import cache_dir
from models.errors import EsrError
from models.weights import search_roots

Pixels = NDArray[np.uint8]
VERSION = 1  # of the layout
SHARD_BYTES = 2**30
SPARE_BYTES = 2**28  # free disk that packing leaves
# HR folder of a training set below a root, as its publishers or this project lay it out.
LAYOUTS = ("images/{}/HR", "{}/HR", "{}", "{}/{}_train_HR", "{}/{}_HR", "{}_train_HR", "{}_HR")
AVAILABLE, PREFERRED = "available", ("T91", "BSD200")
SOURCES = {
    "DIV2K": "http://data.vision.ee.ethz.ch/cvl/DIV2K/DIV2K_train_HR.zip",
    "Flickr2K": "https://cv.snu.ac.kr/research/EDSR/Flickr2K.tar",
    "LSDIR": "https://data.vision.ee.ethz.ch/yawli/",
}


@dataclass(frozen=True)
class Entry:
    """One image in a shard: HR pixels at `offset`, LR pixels right behind them."""

    name: str
    offset: int
    height: int  # of the HR image, a multiple of SCALE
    width: int


@dataclass(frozen=True)
class Packed:
    """One folder of images, packed; opened anew in every process that reads it."""

    folder: Path
    shards: tuple[tuple[Entry, ...], ...]

    def __len__(self) -> int:
        return sum(map(len, self.shards))

    def open(self) -> list["PackedImage"]:
        """Every image, in order of its file's name."""
        images = []
        for number, entries in enumerate(self.shards):
            data = np.memmap(_shard_path(self.folder, number), np.uint8, "r")
            images += [PackedImage(data, entry) for entry in entries]
        return images


@dataclass(frozen=True)
class PackedImage:
    """One image with its shard, mapped."""

    data: Pixels
    entry: Entry

    @property
    def hr(self) -> Pixels:
        """(h, w, 3), a view."""
        e = self.entry
        return self.data[e.offset : e.offset + e.height * e.width * 3].reshape(e.height, e.width, 3)

    @property
    def lr(self) -> Pixels:
        """(h / 4, w / 4, 3), a view."""
        e = self.entry
        begin, height, width = e.offset + e.height * e.width * 3, e.height // SCALE, e.width // SCALE
        return self.data[begin : begin + height * width * 3].reshape(height, width, 3)


def resolve_names(names: list[str]) -> list[str]:
    """Training sets by name or folder, `available` replaced by those that are found."""
    resolved: list[str] = []
    for name in names:
        found = [one for one in PREFERRED if _find_folder(one, None)] if name == AVAILABLE else [name]
        resolved += found or ["photos"]
    return resolved


def find_pairs(name: str, lr: str | None, limit: int | None, data_dir: Path | None = None) -> list[ImagePair]:
    """The images of a training set by name or folder, by file name; LR None has LR images made.

    Raises EsrError for a set that is not there, an empty folder, or LR images that do not match.
    """
    if name == "photos":
        return list(find_dataset("photos", None).pairs)[:limit]
    folder = _hr_folder(name, data_dir)
    files = images_in(folder, deep=True)
    if not files:
        raise EsrError(f"{folder} holds no images ({', '.join(SUFFIXES)}); fill it, or name another in data.hr")
    files = files[:limit]
    if lr is None:
        return [ImagePair(f.stem, f, None) for f in files]
    if not Path(lr).is_dir():
        raise EsrError(f"data.lr {lr} is not a folder; correct it, or leave it out to have LR images made")
    low = Path(lr)
    partners = pair_files(files, folder, low, images_in(low, deep=True), "leave data.lr out to have LR images made")
    return [ImagePair(f.stem, f, partner) for f, partner in zip(files, partners, strict=True)]


def _find_folder(name: str, data_dir: Path | None) -> Path | None:
    for root in (*search_roots(data_dir), cache_dir(), cache_dir() / "images"):
        for layout in LAYOUTS:
            if (folder := root / layout.format(name, name)).is_dir():
                return folder
    return None


def _hr_folder(name: str, data_dir: Path | None) -> Path:
    if Path(name).is_dir():
        return Path(name)
    if os.sep in name or name.startswith("."):
        raise EsrError(f"data.hr {name} is not a folder; correct it")
    if folder := _find_folder(name, data_dir):
        return folder
    source = f", from {SOURCES[name]}" if name in SOURCES else ""
    raise EsrError(
        f"the training set {name} is in none of --data-dir, $ESR_DATA and the cache; put its HR images{source} into "
        f"<one of them>/images/{name}/HR, or name a folder, or photos, in data.hr"
    )


def _cropped_size(pair: ImagePair) -> tuple[int, int]:
    try:
        with Image.open(pair.hr) as image:
            width, height = (min(side, pair.max_size or side) // SCALE * SCALE for side in image.size)
    except (OSError, ValueError, SyntaxError):
        raise EsrError(f"{pair.hr} is damaged or not an image; replace or remove it") from None
    return height, width


def _entry_bytes(height: int, width: int) -> int:
    return 3 * height * width + 3 * (height // SCALE) * (width // SCALE)


def pack(label: str, pairs: Sequence[ImagePair], processes: int | None = None) -> Packed:
    """The images in the cache's shards, decoded first where they are not there yet.

    The shards are found again by the files' names, sizes and dates, so a changed folder is packed anew.
    Raises EsrError for a damaged or unfit image, with its name, and where the disk is too small.
    """
    folder = cache_dir() / "packed" / f"{Path(label).name}-{_fingerprint(pairs)}"
    plan = _plan(pairs)
    missing = [number for number in range(len(plan)) if not _shard_path(folder, number).is_file()]
    if missing:
        _check_disk(folder, sum(_end(plan[number]) for number in missing))
        with step(f"decoding {label}", total=sum(len(plan[n]) for n in missing)) as progress:
            _pack_all(folder, pairs, plan, missing, processes, progress)
    return Packed(folder, tuple(tuple(entries) for entries in plan))


def packed_bytes(pairs: Sequence[ImagePair]) -> int:
    """Disk that `pack` takes for these images."""
    return sum(_end(shard) for shard in _plan(pairs))


def _plan(pairs: Sequence[ImagePair]) -> list[list[Entry]]:
    shards: list[list[Entry]] = []
    for pair in pairs:
        height, width = _cropped_size(pair)
        if not shards or _end(shards[-1]) + _entry_bytes(height, width) > SHARD_BYTES:
            shards.append([])
        shards[-1].append(Entry(pair.name, _end(shards[-1]), height, width))
    return shards


def _end(entries: Sequence[Entry]) -> int:
    return entries[-1].offset + _entry_bytes(entries[-1].height, entries[-1].width) if entries else 0


def _shard_path(folder: Path, number: int) -> Path:
    return folder / f"shard_{number:04d}.bin"


def _fingerprint(pairs: Sequence[ImagePair]) -> str:
    digest = hashlib.sha256(json.dumps([VERSION, SCALE]).encode())
    for pair in pairs:
        stats = [(f.name, f.stat().st_size, f.stat().st_mtime_ns) for f in (pair.hr, pair.lr) if f]
        digest.update(json.dumps([pair.name, pair.max_size, stats]).encode())
    return digest.hexdigest()[:16]


def _check_disk(folder: Path, needed: int) -> None:
    parent = next(p for p in folder.absolute().parents if p.exists())
    free = shutil.disk_usage(parent).free
    if needed + SPARE_BYTES > free:
        raise EsrError(
            f"decoding the training images takes {needed / 1e9:.1f} GB, and {cache_dir()} has {free / 1e9:.1f} GB free;"
            " free some, or set $ESR_CACHE to a folder on another disk"
        )


def _pack_all(
    folder: Path,
    pairs: Sequence[ImagePair],
    plan: list[list[Entry]],
    missing: list[int],
    processes: int | None,
    progress: Step,
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    first = [sum(map(len, plan[:number])) for number in range(len(plan))]
    context = multiprocessing.get_context("spawn")
    try:
        # Few images are decoded sooner than a process starts.
        if len(pairs) < 32:
            for number in missing:
                _write_shard(folder, number, [p.load for p in _part(pairs, plan, first, number)], plan, progress)
            return
        with ProcessPoolExecutor(processes or os.cpu_count(), context) as pool:
            for number in missing:
                futures = [pool.submit(pair.load) for pair in _part(pairs, plan, first, number)]
                try:
                    _write_shard(folder, number, [future.result for future in futures], plan, progress)
                except BaseException:
                    pool.shutdown(wait=False, cancel_futures=True)
                    raise
    except BrokenProcessPool:
        raise EsrError("a process that decoded images was killed, most likely out of memory") from None


def _part(pairs: Sequence[ImagePair], plan: list[list[Entry]], first: list[int], number: int) -> Sequence[ImagePair]:
    return pairs[first[number] : first[number] + len(plan[number])]


def _write_shard(folder: Path, number: int, loads: list, plan: list[list[Entry]], progress: Step) -> None:  # type: ignore[type-arg]
    target = _shard_path(folder, number)
    part = target.with_suffix(f".{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            for load in loads:
                pair = load()
                file.write(pair.hr.tobytes())
                file.write(pair.lr.tobytes())
                progress.advance()
            file.flush()
            os.fsync(file.fileno())
        if part.stat().st_size != _end(plan[number]):
            raise EsrError(f"images of {folder.name} changed while they were decoded; start again")
        os.replace(part, target)
    except OSError as error:
        why = "the disk is full" if error.errno == errno.ENOSPC else error.strerror
        raise EsrError(f"cannot write {target}: {why}; free some space or set $ESR_CACHE to another disk") from None
    finally:
        part.unlink(missing_ok=True)
