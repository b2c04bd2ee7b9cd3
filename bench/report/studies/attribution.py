"""The section on attribution: what networks' outputs depend on, from attribution records alone."""

from collections.abc import Sequence
from typing import NamedTuple

from bench.core.identity import slug
from bench.core.statistics import interval_of, mean
from bench.core.table import Column, Table, raw, words
from bench.core.wording import interval, option_text, without_paths
from bench.report.document import Data, Part, Section
from bench.report.studies.attribution_pictures import field_chart, field_gallery, lam_gallery
from bench.studies.attribution.attribution_record import FieldImage, FieldRecord, LamRecord
from bench.studies.attribution.map import diffusion_index, gini, normalised

Estimate = tuple[float, float | None, float | None]  # a mean and its interval
FIELD = "receptive_field"  # names its files
LAM_INTRO = """\
Local attribution maps (Gu and Dong, CVPR 2021) by `bench/attribution.py`: how much each LR pixel contributes to the
detail inside one patch of the output, by gradients integrated from the blurred image to the image. Diffusion index
DI = 100 (1 - Gini index): the larger, the more pixels take part. DI depends on image, patch and number of
steps, so compare it within one figure only. Sum: of the map, over the change of the detected detail along the path; 1
without the error of the sum over steps."""
FIELD_INTRO = """\
Effective receptive field: gradient of single output pixels with respect to the LR image, at random positions of many
images. Radius in LR pixels, mean over images [95 % bootstrap interval over images], that holds 50 % or 95 % of the
squared or of the absolute gradient inside the piece of the image that was looked at."""


def attribution_section(lams: Sequence[LamRecord], fields: Sequence[FieldRecord]) -> Section:
    """The report's section."""
    parts: list[Part] = []
    if lams:
        parts += [LAM_INTRO, lam_table(lams, "attribution")]
        parts += [lam_gallery(group, key) for key, group in lam_groups(lams).items()]
        parts.append("\n".join(dict.fromkeys(f"- {r.image}: {without_paths(note)}" for r in lams for note in r.notes)))
    if fields:
        parts += [FIELD_INTRO, field_table(fields), field_chart(fields, FIELD), field_gallery(fields, f"{FIELD}_maps")]
        parts.append(Data(radius_table(fields)))
    return Section("attribution", "Attribution", parts)


def lam_groups(lams: Sequence[LamRecord]) -> dict[str, list[LamRecord]]:
    """Name of a figure's files -> the maps in it, which are of one image, patch and path."""
    groups: dict[str, list[LamRecord]] = {}
    for r in lams:
        patch = f"{r.patch.x}_{r.patch.y}_{r.patch.size}"
        stem, number = "__".join(map(slug, ["lam", r.image, patch])), 1
        while (name := f"{stem}__{number}" if number > 1 else stem) in groups:
            first = groups[name][0]
            if (first.lr_png, first.path) == (r.lr_png, r.path):
                break
            number += 1
        groups.setdefault(name, []).append(r)
    return groups


def patch_text(record: LamRecord) -> str:
    """Corner and size, in pixels of the output."""
    return f"{record.patch.x},{record.patch.y},{record.patch.size}"


def completeness(record: LamRecord) -> float | None:
    """Sum of the map over the change of the detector along the path; None where that is 0."""
    change = record.end - record.start
    return _sum(record) / change if change else None


def _sum(record: LamRecord) -> float:
    return float(record.signed.array().sum(dtype=float))


LAMS: tuple[Column[LamRecord], ...] = (
    raw("model", lambda r: r.network.model),
    raw("options", lambda r: option_text(r.network.options)),
    raw("weights", lambda r: r.network.weights.file),
    raw("device", lambda r: r.network.device_name),
    words("image", lambda r: r.image, "image", write=lambda r: f"{r.image} ({r.signed.width}x{r.signed.height})"),
    raw("lr_width", lambda r: r.signed.width),
    raw("lr_height", lambda r: r.signed.height),
    words("patch", patch_text),
    raw("patch_x", lambda r: r.patch.x),
    raw("patch_y", lambda r: r.patch.y),
    raw("patch_size", lambda r: r.patch.size),
    words("network", lambda r: r.network.label),
    raw("steps", lambda r: r.path.steps),
    raw("sigma", lambda r: r.path.sigma),
    raw("kernel", lambda r: r.path.kernel),
    Column("DI", lambda r: diffusion_index(r.signed.array()), "diffusion_index", decimals=2),
    Column("Gini index", lambda r: gini(normalised(r.signed.array())), "gini", decimals=4),
    Column("detail, blurred", lambda r: r.start, "start", decimals=3),
    Column("detail", lambda r: r.end, "end", decimals=3),
    Column("sum", completeness, decimals=3),
    raw("sum", _sum),
    raw("record", lambda r: r.file_name),
)


def lam_table(lams: Sequence[LamRecord], key: str = "") -> Table:
    """A row a map."""
    return Table.of("Local attribution", LAMS, lams, key)


def radii(record: FieldRecord) -> list[Estimate]:
    """Mean and interval of each of the four radii, in the order of `FieldImage`.

    Positions of one image are no independent samples, so each image counts once, by its mean.
    """
    found = []
    for values in zip(*(_means(image) for image in record.images), strict=True):
        low, high = interval_of("mean", values) or (None, None)
        found.append((mean(values), low, high))
    return found


def _means(image: FieldImage) -> list[float]:
    return [mean(v) for v in (image.half_squared, image.most_squared, image.half_absolute, image.most_absolute)]


class _Seen(NamedTuple):
    """A record, and its radii."""

    record: FieldRecord
    radii: Sequence[Estimate]


def _radius(i: int, title: str) -> Column[_Seen]:
    return Column(title, lambda r: r.radii[i][0], write=lambda r: interval(*r.radii[i], 2))


FIELDS: tuple[Column[_Seen], ...] = (
    words("network", lambda r: r.record.network.label),
    words("data set", lambda r: r.record.dataset),
    Column("images", lambda r: len(r.record.images)),
    Column("positions", lambda r: sum(len(image.half_squared) for image in r.record.images)),
    Column("piece", lambda r: r.record.size, write=lambda r: f"{r.record.size}x{r.record.size}"),
    _radius(0, "50 % squared"),
    _radius(1, "95 % squared"),
    _radius(2, "50 % absolute"),
    _radius(3, "95 % absolute"),
)


def field_table(fields: Sequence[FieldRecord]) -> Table:
    """A row a network and data set."""
    return Table.of("Effective receptive field", FIELDS, [_Seen(record, radii(record)) for record in fields])


class _Row(NamedTuple):
    """An image, and the record that it is in."""

    record: FieldRecord
    image: FieldImage


RADII: tuple[Column[_Row], ...] = (
    raw("model", lambda r: r.record.network.model),
    raw("options", lambda r: option_text(r.record.network.options)),
    raw("weights", lambda r: r.record.network.weights.file),
    raw("device", lambda r: r.record.network.device_name),
    raw("dataset", lambda r: r.record.dataset),
    raw("image", lambda r: r.image.name),
    raw("positions", lambda r: len(r.image.half_squared)),
    raw("piece", lambda r: r.record.size),
    raw("radius_50_squared", lambda r: mean(r.image.half_squared)),
    raw("radius_95_squared", lambda r: mean(r.image.most_squared)),
    raw("radius_50_absolute", lambda r: mean(r.image.half_absolute)),
    raw("radius_95_absolute", lambda r: mean(r.image.most_absolute)),
)


def radius_table(fields: Sequence[FieldRecord]) -> Table:
    """Each image's mean radii."""
    rows = [_Row(record, image) for record in fields for image in record.images]
    return Table.of("Radii of every image", RADII, rows, "receptive_field")
