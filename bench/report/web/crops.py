"""Crops as the page shows them: pictures in strips, which the script also lays over each other in a viewer."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.report.studies.crops import TRUTH, crop_groups, psnr_text, why
from bench.studies.crops.crops_record import CropRecord

MOST_BYTES = 2_500_000  # of pictures in a page; the rest stays in the records and in the report's figures


@dataclass(frozen=True)
class Shot:
    """One picture: `png` is base64; `file` is its record, "" for the ground truth; figures in dB, as text."""

    name: str
    png: str
    file: str
    psnr_y: str = ""
    psnr_rgb: str = ""


@dataclass(frozen=True)
class Strip:
    """One place, and its pictures: bicubic, the networks, the ground truth."""

    title: str
    why: str
    size: int
    shots: tuple[Shot, ...]


@dataclass(frozen=True)
class Crops:
    """All strips of one device, and the networks that found no room."""

    strips: tuple[Strip, ...]
    left_out: tuple[str, ...]


def crops_view(crops: Sequence[CropRecord]) -> Crops:
    """As many networks as fit into MOST_BYTES, each at all of its places, in the order of the groups."""
    groups = crop_groups(crops)
    room = MOST_BYTES - sum(len(group.records[0].hr_png) for group in groups)
    names = list(dict.fromkeys(record.network.label for group in groups for record in group.records))
    shown: set[str] = set()
    for name in names:
        cost = sum(len(r.sr_png) for group in groups for r in group.records if r.network.label == name)
        if cost <= room:
            shown.add(name)
            room -= cost
    strips = []
    for group in groups:
        shots = [_shot(record) for record in group.records if record.network.label in shown]
        truth = Shot(TRUTH, group.records[0].hr_png, "")
        strips.append(Strip(group.place.text, why(group.chosen), group.place.size, (*shots, truth)))
    return Crops(tuple(strips), tuple(name for name in names if name not in shown))


def _shot(record: CropRecord) -> Shot:
    scores = psnr_text(record.psnr_y), psnr_text(record.psnr_rgb)
    return Shot(record.network.label, record.sr_png, f"crops/{record.file_name}", *scores)
