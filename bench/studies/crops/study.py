"""Choose places in images by what the networks do there, and keep a crop of each network's image at each place."""

import contextlib
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import torch

from bench.core.console import Tell
from bench.core.environment import device_name
from bench.core.progress import step
from bench.core.record_file import read_as
from bench.core.store import find, save
from bench.data.metrics import finite, luma, psnr
from bench.data.pairs import Dataset, ImagePair, LoadedPair
from bench.networks.choice import Choice
from bench.studies.attribution.attribution_record import png_text
from bench.studies.crops.contest import REFERENCE, Contest, Contestant, open_contest
from bench.studies.crops.crops_record import (
    CROP,
    Chosen,
    CropRecord,
    Place,
    Searched,
    SearchRecord,
    pixels_sha256,
)
from bench.studies.crops.places import choose, search_image, window_errors
from bench.studies.measured import Measured
from models.errors import EsrError


@dataclass(frozen=True)
class Square:
    """A place that the user names, in pixels of the HR image."""

    x: int
    y: int
    size: int


@dataclass(frozen=True)
class CropsPlan:
    """What to crop; every field is valid on this machine."""

    choices: list[Choice]  # with REFERENCE
    weights: Path | None
    device: torch.device
    threads: int | None
    datasets: list[Dataset]
    square: Square | None  # of the one image of the one data set; None: chosen by measurement
    size: int  # pixels a side of a square that is chosen
    data_dir: Path | None
    out: Path
    reuse: bool


def run(plan: CropsPlan, tell: Tell) -> Measured[CropRecord]:
    """Crops of every network, in the order of the places; `tell` hears of a network that fails.

    A crop is written when it is made, and a search after each image, so that --reuse goes on from there. Raises
    EsrError where no network could run or no place can be had.
    """
    with ExitStack() as stack:
        contest = open_contest(plan.choices, plan.weights, plan.data_dir, plan.device, plan.threads, stack, tell)
        places = [found for dataset in plan.datasets for found in _places(dataset, contest, plan)]
        return Measured(_cut(places, contest, plan), contest.failed > 0)


# ---- places ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Spot:
    """A place in an image that can be loaded, and why it was chosen."""

    pair: ImagePair
    place: Place
    chosen: Chosen


def _places(dataset: Dataset, contest: Contest, plan: CropsPlan) -> list[Spot]:
    if plan.square:
        (pair,), s = dataset.pairs, plan.square
        loaded = pair.load()
        height, width = loaded.hr.shape[:2]
        if s.x + s.size > width or s.y + s.size > height:
            raise EsrError(f"--crop {s.x},{s.y},{s.size} does not fit {pair.name}, which is {width}x{height}")
        place = Place(dataset.name, pair.name, s.x, s.y, s.size, *_checksums(loaded))
        return [Spot(pair, place, Chosen("named"))]
    while True:
        judged = [c for c in contest.running if c.about.model != REFERENCE] or contest.running
        search = _begun(dataset, judged, plan)
        if plan.reuse and not search.images and (kept := _kept(dataset, plan)):
            return kept
        try:
            return _searched(dataset, judged, search, plan)
        except _FailedError as failed:
            contest.drop(failed.contestant, failed.error)  # and once more without it


class _FailedError(Exception):
    def __init__(self, contestant: Contestant, error: EsrError) -> None:
        super().__init__(str(error))
        self.contestant, self.error = contestant, error


def _begun(dataset: Dataset, judged: Sequence[Contestant], plan: CropsPlan) -> SearchRecord:
    """The search as far as an earlier run came with these networks, or a new one."""
    names = sorted(c.identity for c in judged)
    new = SearchRecord(dataset.name, plan.size, device_name(plan.device), names)
    return (find(new, plan.out) if plan.reuse else None) or new


def _searched(dataset: Dataset, judged: Sequence[Contestant], search: SearchRecord, plan: CropsPlan) -> list[Spot]:
    """Look through all images that are not in `search`, and choose."""
    done = {(s.image, s.hr_sha256, s.lr_sha256): s for s in search.images}
    found: list[tuple[ImagePair, Searched]] = []
    with step(f"looking for places in {dataset.name} [images]", len(dataset.pairs)) as progress:
        for pair in dataset.pairs:
            loaded = pair.load()
            sums = _checksums(loaded)
            one = done.get((pair.name, *sums)) or _look(pair.name, loaded, sums, judged, plan.size)
            if one and one not in search.images:
                search.images = [*(s for s in search.images if s.image != pair.name), one]
                save(search, plan.out)
            if one:
                found.append((pair, one))
            progress.advance()
    if not found:
        raise EsrError(f"--size {plan.size} is larger than every image of {dataset.name}; use a smaller one")
    names = [c.about.display_name for c in judged]
    by_image = {one.image: pair for pair, one in found}
    spots = []
    for how, image, at in choose([one for _, one in found]):
        place = Place(dataset.name, image.image, at.x, at.y, plan.size, image.hr_sha256, image.lr_sha256)
        spots.append(Spot(by_image[image.image], place, Chosen(how, at.lowest, at.highest, names, len(found))))
    return spots


def _look(
    name: str, loaded: LoadedPair, sums: tuple[str, str], judged: Sequence[Contestant], size: int
) -> Searched | None:
    errors = []
    for contestant in judged:
        try:
            sr = contestant.upscale(loaded.lr, sums[1])
        except EsrError as error:
            raise _FailedError(contestant, error) from None
        of_windows = window_errors(sr, loaded.hr, size)
        if of_windows is None:
            return None
        errors.append(of_windows)
    return search_image(name, sums, errors, size)


def _kept(dataset: Dataset, plan: CropsPlan) -> list[Spot]:
    """The places that an earlier search chose for other networks, as far as their images are still the same."""
    pairs = {pair.name: pair for pair in dataset.pairs}
    spots: dict[str, Spot] = {}
    for path in sorted(plan.out.glob(f"{CROP}__*.json")):
        old = None
        with contextlib.suppress(EsrError):  # the report names what cannot be read
            old = read_as(CropRecord, path)
        if old is None or old.network.device_name != device_name(plan.device) or old.chosen.how == "named":
            continue
        place = old.place
        if (place.dataset, place.size) == (dataset.name, plan.size) and place.image in pairs:
            spots.setdefault(repr(place), Spot(pairs[place.image], place, old.chosen))
    return [s for s in spots.values() if _checksums(s.pair.load()) == (s.place.hr_sha256, s.place.lr_sha256)]


# ---- crops ----------------------------------------------------------------------------------------------------------


def _cut(spots: Sequence[Spot], contest: Contest, plan: CropsPlan) -> list[CropRecord]:
    records = []
    with step("cropping [crops]", len(spots) * len(contest.running)) as progress:
        for spot in spots:
            loaded = spot.pair.load()
            for contestant in list(contest.running):
                try:
                    records.append(_crop(spot, loaded, contestant, plan))
                except EsrError as error:
                    contest.drop(contestant, error)
                progress.advance()
    return records


def _crop(spot: Spot, loaded: LoadedPair, contestant: Contestant, plan: CropsPlan) -> CropRecord:
    p = spot.place
    record = CropRecord(contestant.about, p, spot.chosen, None, None, "", "", list(loaded.notes))
    if plan.reuse and (old := find(record, plan.out)):
        return old
    rows, columns = slice(p.y, p.y + p.size), slice(p.x, p.x + p.size)
    sr, hr = (image[rows, columns] for image in (contestant.upscale(loaded.lr, p.lr_sha256), loaded.hr))
    record.psnr_y, record.psnr_rgb = finite(psnr(luma(sr), luma(hr))), finite(psnr(sr, hr))
    record.sr_png, record.hr_png = png_text(sr), png_text(hr)
    return save(record, plan.out)


def _checksums(loaded: LoadedPair) -> tuple[str, str]:
    return pixels_sha256(loaded.hr), pixels_sha256(loaded.lr)
