"""The section on crops: the same small piece of an image by several networks, from crop records alone."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.identity import slug
from bench.report import markup
from bench.report.crops_plot import draw_crops
from bench.report.headline import MODELS
from bench.studies.crops.record import Chosen, CropRecord, Place

REFERENCE = "bicubic"
TRUTH = "Ground truth"
INTRO = """\
The same piece of an image by each network, by `bench/crops.py`, on 8-bit output; PSNR is of the piece alone, without a
border cut off. Places are chosen by measurement: in each data set the square in which the errors of the networks differ
most, and the square in which even the best of them errs most (error: root of the mean squared error of Y, in grey
levels of 255; bicubic has no part in the choice). Crops stand side by side only where image, place and device are the
same. The eye is no measurement, and a few squares are no data set."""
HEADERS = ["image", "place", "chosen", "network", "PSNR Y [dB]", "PSNR RGB [dB]"]
HOW = {"differ": "networks differ most", "hardest": "hardest for all", "named": "named by hand"}


@dataclass(frozen=True)
class CropGroup:
    """One place, and what the networks made of it: bicubic, then those of the headline, then any other."""

    place: Place
    chosen: Chosen
    records: tuple[CropRecord, ...]

    @property
    def file_name(self) -> str:
        """Of its figure."""
        p = self.place
        parts = ["crops", p.dataset, p.image, f"{p.x}_{p.y}_{p.size}", p.hr_sha256[:6], p.lr_sha256[:6]]
        return "__".join(map(slug, parts)) + ".png"


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


def label(record: CropRecord) -> str:
    """The network's name, with what sets it apart from the published one."""
    n = record.network
    extra = [markup.option_text(n.options)] if n.options else []
    extra += [n.weights.file or "own weights"] if n.weights.status == "custom" else []
    return f"{n.display_name} ({', '.join(extra)})" if extra else n.display_name


def why(chosen: Chosen) -> str:
    """How the place was chosen, as a sentence."""
    if chosen.how == "named" or chosen.lowest is None or chosen.highest is None:
        return "Named by hand."
    over = f"{chosen.images} image{'s' * (chosen.images > 1)}, over {', '.join(chosen.networks)}"
    if chosen.how == "differ":
        return f"Where errors differ most: from {chosen.lowest:.1f} to {chosen.highest:.1f} grey levels ({over})."
    return f"Hardest for all: errors of at least {chosen.lowest:.1f} grey levels ({over})."


def psnr_text(value: float | None) -> str:
    """A record has None for pieces that are equal."""
    return markup.number(float("inf") if value is None else value, 2)


def crop_cells(crops: Sequence[CropRecord]) -> tuple[list[str], list[list[str]]]:
    """Headers and text cells, a row a crop."""
    rows = []
    for group in crop_groups(crops):
        p = group.place
        for r in group.records:
            scores = [psnr_text(r.psnr_y), psnr_text(r.psnr_rgb)]
            where = f"{p.x},{p.y},{p.size}"
            rows.append([f"{p.image} ({p.dataset})", where, HOW[group.chosen.how], label(r), *scores])
    return HEADERS, rows


def crops_body(crops: Sequence[CropRecord]) -> str:
    """The section without its heading."""
    parts = [INTRO]
    for group in crop_groups(crops):
        names = ", ".join([*map(label, group.records), "ground truth"])
        parts += [f"### {group.place.text}", why(group.chosen), f"![{group.place.text}: {names}]({group.file_name})"]
    parts.append(markup.markdown_table(*crop_cells(crops), left=4))
    notes = dict.fromkeys(f"- {r.place.image}: {markup.without_paths(note)}" for r in crops for note in r.notes)
    return "\n\n".join([*parts, *(["\n".join(notes)] if notes else [])]) + "\n"


def crops_files(crops: Sequence[CropRecord]) -> dict[str, bytes]:
    """Figures and CSV, by name."""
    files = {}
    for group in crop_groups(crops):
        titles = [f"{label(r)}\n{psnr_text(r.psnr_y)} / {psnr_text(r.psnr_rgb)} dB" for r in group.records]
        pictures = [*(r.sr_png for r in group.records), group.records[0].hr_png]
        files[group.file_name] = draw_crops(pictures, [*titles, f"{TRUTH}\nPSNR Y / RGB"])
    if files:
        files["crops.csv"] = crops_csv(crops).encode()
    return files


def crops_csv(crops: Sequence[CropRecord]) -> str:
    """Every crop's figures as raw numbers."""
    headers = ["model", "options", "weights", "device", "dataset", "image", "x", "y", "size", "chosen"]
    headers += ["lowest_rmse_y", "highest_rmse_y", "psnr_y", "psnr_rgb", "record"]
    lines: list[list[markup.Value]] = []
    for r in (r for group in crop_groups(crops) for r in group.records):
        n, p, c = r.network, r.place, r.chosen
        line: list[markup.Value] = [n.model, markup.option_text(n.options), n.weights.file, n.device_name]
        line += [p.dataset, p.image, p.x, p.y, p.size, c.how, c.lowest, c.highest]
        lines.append([*line, *("inf" if v is None else v for v in (r.psnr_y, r.psnr_rgb)), r.file_name])
    return markup.csv_text(headers, lines)
