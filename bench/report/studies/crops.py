"""The section on crops: the same small piece of an image by several networks, from crop records alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from bench.core.identity import slug
from bench.core.statistics import in_db
from bench.core.table import Column, Table, raw, words
from bench.core.wording import number, option_text, without_paths
from bench.report.charts.gallery import Gallery, Picture, enlarged, pixels_of
from bench.report.document import Part, Section
from bench.report.headline import MODELS
from bench.studies.crops.crops_record import Chosen, CropRecord, Place

REFERENCE = "bicubic"
SIDE = 256  # pixels of a picture, about
TRUTH = "Ground truth"
INTRO = """\
The same piece of an image by each network, by `bench/crops.py`, on 8-bit output; PSNR is of the piece alone, without a
border cut off. Places are chosen by measurement: in each data set the square in which the errors of the networks differ
most, and the square in which even the best of them errs most (error: root of the mean squared error of Y, in grey
levels of 255; bicubic has no part in the choice). Crops stand side by side only where image, place and device are the
same. The eye is no measurement, and a few squares are no data set."""
HOW = {"differ": "networks differ most", "hardest": "hardest for all", "named": "named by hand"}


@dataclass(frozen=True)
class CropGroup:
    """One place, and what the networks made of it: bicubic, then those of the headline, then any other."""

    place: Place
    chosen: Chosen
    records: tuple[CropRecord, ...]

    @property
    def key(self) -> str:
        """Names its figure's files."""
        p = self.place
        parts = ["crops", p.dataset, p.image, f"{p.x}_{p.y}_{p.size}", p.hr_sha256[:6], p.lr_sha256[:6]]
        return "__".join(map(slug, parts))


def crop_groups(crops: Sequence[CropRecord]) -> list[CropGroup]:
    """By data set, and in it those chosen by measurement first. `crops` are of one device."""
    by_place: dict[str, list[CropRecord]] = {}
    for record in crops:
        by_place.setdefault(repr(record.place), []).append(record)
    groups = []
    for records in by_place.values():
        records.sort(key=_rank)
        once = {record.file_name: record for record in records}  # a copy under another name adds nothing
        chosen = min((r.chosen for r in records), key=lambda c: (list(HOW).index(c.how), c.networks, repr(c)))
        groups.append(CropGroup(records[0].place, chosen, tuple(once.values())))
    return sorted(groups, key=lambda g: (g.place.dataset, list(HOW).index(g.chosen.how), repr(g.place)))


def _rank(record: CropRecord) -> tuple[int, str]:
    order = [REFERENCE, *(m for m in MODELS if m != REFERENCE)]
    model = record.network.model
    return order.index(model) if model in order else len(order), record.file_name


def why(chosen: Chosen) -> str:
    """How the place was chosen, as a sentence."""
    if chosen.how == "named" or chosen.lowest is None or chosen.highest is None:
        return "Named by hand."
    over = f"{chosen.images} image{'s' * (chosen.images > 1)}, over {', '.join(chosen.networks)}"
    if chosen.how == "differ":
        return f"Where errors differ most: from {chosen.lowest:.1f} to {chosen.highest:.1f} grey levels ({over})."
    return f"Hardest for all: errors of at least {chosen.lowest:.1f} grey levels ({over})."


def psnr_text(value: float | None) -> str:
    """In dB, as a record has it."""
    return number(in_db(value), 2)


class _Row(NamedTuple):
    """A crop, and the group that it stands in."""

    group: CropGroup
    record: CropRecord

    @property
    def place(self) -> Place:
        return self.record.place


CROPS: tuple[Column[_Row], ...] = (
    raw("model", lambda r: r.record.network.model),
    raw("options", lambda r: option_text(r.record.network.options)),
    raw("weights", lambda r: r.record.network.weights.file),
    raw("device", lambda r: r.record.network.device_name),
    raw("dataset", lambda r: r.place.dataset),
    words("image", lambda r: r.place.image, "image", write=lambda r: f"{r.place.image} ({r.place.dataset})"),
    words("place", lambda r: f"{r.place.x},{r.place.y},{r.place.size}"),
    raw("x", lambda r: r.place.x),
    raw("y", lambda r: r.place.y),
    raw("size", lambda r: r.place.size),
    words("chosen", lambda r: r.record.chosen.how, "chosen", write=lambda r: HOW[r.group.chosen.how]),
    raw("lowest_rmse_y", lambda r: r.record.chosen.lowest),
    raw("highest_rmse_y", lambda r: r.record.chosen.highest),
    words("network", lambda r: r.record.network.label),
    Column("PSNR Y [dB]", lambda r: in_db(r.record.psnr_y), "psnr_y", decimals=2),
    Column("PSNR RGB [dB]", lambda r: in_db(r.record.psnr_rgb), "psnr_rgb", decimals=2),
    raw("record", lambda r: r.record.file_name),
)


def crop_table(crops: Sequence[CropRecord]) -> Table:
    """A row a crop."""
    rows = [_Row(group, record) for group in crop_groups(crops) for record in group.records]
    return Table.of("PSNR of crops", CROPS, rows, "crops")


def crops_section(crops: Sequence[CropRecord]) -> Section:
    """The report's section."""
    parts: list[Part] = [INTRO]
    for group in crop_groups(crops):
        parts += [f"### {group.place.text}", crop_gallery(group)]
    notes = dict.fromkeys(f"- {r.place.image}: {without_paths(note)}" for r in crops for note in r.notes)
    return Section("crops", "Crops side by side", [*parts, crop_table(crops), "\n".join(notes)])


def crop_gallery(group: CropGroup) -> Gallery:
    """The networks' crops and the ground truth, magnified without smoothing."""
    shots = [(r.network.label, r.sr_png, f"{psnr_text(r.psnr_y)} / {psnr_text(r.psnr_rgb)} dB") for r in group.records]
    shots.append((TRUTH, group.records[0].hr_png, "PSNR Y / RGB"))
    pictures = tuple(Picture(name, enlarged(pixels_of(png), SIDE), figures) for name, png, figures in shots)
    best = max(group.records, key=lambda r: in_db(r.psnr_y))
    return Gallery(
        group.key,
        group.place.text,
        pictures,
        f"The same piece by each network, 8-bit output. {why(group.chosen)}",
        f"The highest PSNR of Y here is {best.network.label}'s, {psnr_text(best.psnr_y)} dB.",
    )
