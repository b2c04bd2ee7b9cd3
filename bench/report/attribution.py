"""The section on attribution: what networks' outputs depend on, from attribution records alone."""

from collections.abc import Sequence

from bench.identity import slug
from bench.report import markup
from bench.report.attribution_plot import draw_fields, draw_lams
from bench.statistics import interval_of, mean
from bench.studies.attribution.map import diffusion_index, gini, normalised
from bench.studies.attribution.record import Attributed, FieldImage, FieldRecord, LamRecord

FIELD_PLOT = "receptive_field.png"
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
LAM_HEADERS = ["image", "patch", "network", "DI", "Gini index", "detail, blurred", "detail", "sum"]
FIELD_HEADERS = ["network", "data set", "images", "positions", "piece", "50 % squared", "95 % squared", "50 % absolute",
                 "95 % absolute"]  # fmt: skip


def attribution_body(lams: Sequence[LamRecord], fields: Sequence[FieldRecord]) -> str:
    """The section without its heading."""
    parts: list[str] = []
    if lams:
        parts += [LAM_INTRO, markup.markdown_table(*lam_cells(lams), left=3)]
        parts += [
            f"![Attribution of networks on {group[0].image}, patch {patch_text(group[0])}]({name})"
            for name, group in lam_groups(lams).items()
        ]
        parts.append("Upper row: the map, square root of its absolute value; lower row: area of contribution.")
        notes = dict.fromkeys(f"- {r.image}: {markup.without_paths(note)}" for r in lams for note in r.notes)
        parts += ["\n".join(notes)] if notes else []
    if fields:
        parts += [FIELD_INTRO, markup.markdown_table(*field_cells(fields), left=2)]
        parts.append(f"![Effective receptive field]({FIELD_PLOT})")
        parts.append("Left: share of the absolute gradient within a distance; right: where it lies, logarithmic.")
    return "\n\n".join(parts) + "\n"


def attribution_files(lams: Sequence[LamRecord], fields: Sequence[FieldRecord]) -> dict[str, bytes]:
    """Figures and CSV, by name."""
    files = {name: draw_lams(group, list(map(label, group))) for name, group in lam_groups(lams).items()}
    if lams:
        files["attribution.csv"] = lam_csv(lams).encode()
    if fields:
        files[FIELD_PLOT] = draw_fields(fields, list(map(label, fields)))
        files["receptive_field.csv"] = field_csv(fields).encode()
    return files


def lam_groups(lams: Sequence[LamRecord]) -> dict[str, list[LamRecord]]:
    """File name of a figure -> the maps in it, which are of one image, patch and path."""
    groups: dict[str, list[LamRecord]] = {}
    for r in lams:
        patch = f"{r.patch.x}_{r.patch.y}_{r.patch.size}"
        stem, number = "__".join(map(slug, ["lam", r.image, patch])), 1
        while (name := f"{stem}__{number}.png" if number > 1 else f"{stem}.png") in groups:
            first = groups[name][0]
            if (first.lr_png, first.path) == (r.lr_png, r.path):
                break
            number += 1
        groups.setdefault(name, []).append(r)
    return groups


def label(record: LamRecord | FieldRecord) -> str:
    """The network's name, with what sets it apart from the published one."""
    n: Attributed = record.network
    extra = [markup.option_text(n.options)] if n.options else []
    extra += [n.weights.file or "own weights"] if n.weights.status == "custom" else []
    return f"{n.display_name} ({', '.join(extra)})" if extra else n.display_name


def patch_text(record: LamRecord) -> str:
    """Corner and size, in pixels of the output."""
    return f"{record.patch.x},{record.patch.y},{record.patch.size}"


def lam_cells(lams: Sequence[LamRecord]) -> tuple[list[str], list[list[str]]]:
    """Headers and text cells, a row a map."""
    rows = []
    for r in lams:
        signed = r.signed.array()
        size = f"{r.signed.width}x{r.signed.height}"
        figures = [(diffusion_index(signed), 2), (gini(normalised(signed)), 4), (r.start, 3), (r.end, 3)]
        rows.append([f"{r.image} ({size})", patch_text(r), label(r), *(markup.number(v, d) for v, d in figures)])
        rows[-1].append(markup.number(completeness(r), 3))
    return LAM_HEADERS, rows


def completeness(record: LamRecord) -> float | None:
    """Sum of the map over the change of the detector along the path; None where that is 0."""
    change = record.end - record.start
    return float(record.signed.array().sum(dtype=float)) / change if change else None


def lam_csv(lams: Sequence[LamRecord]) -> str:
    """Every map's figures as raw numbers."""
    headers = ["model", "options", "weights", "device", "image", "lr_width", "lr_height", "patch_x", "patch_y"]
    headers += ["patch_size", "steps", "sigma", "kernel", "diffusion_index", "gini", "start", "end", "sum", "record"]
    lines: list[list[markup.Value]] = []
    for r in lams:
        n, signed = r.network, r.signed.array()
        line: list[markup.Value] = [n.model, markup.option_text(n.options), n.weights.file, n.device_name, r.image]
        line += [r.signed.width, r.signed.height, r.patch.x, r.patch.y, r.patch.size]
        line += [r.path.steps, r.path.sigma, r.path.kernel, diffusion_index(signed), gini(normalised(signed))]
        lines.append([*line, r.start, r.end, float(signed.sum(dtype=float)), r.file_name])
    return markup.csv_text(headers, lines)


def field_cells(fields: Sequence[FieldRecord]) -> tuple[list[str], list[list[str]]]:
    """Headers and text cells, a row a network and data set."""
    rows = []
    for r in fields:
        positions = sum(len(image.half_squared) for image in r.images)
        rows.append([label(r), r.dataset, str(len(r.images)), str(positions), f"{r.size}x{r.size}"])
        rows[-1] += [markup.interval(*radius, 2) for radius in radii(r)]
    return FIELD_HEADERS, rows


def radii(record: FieldRecord) -> list[tuple[float, float | None, float | None]]:
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


def field_csv(fields: Sequence[FieldRecord]) -> str:
    """Each image's mean radii as raw numbers."""
    headers = ["model", "options", "weights", "device", "dataset", "image", "positions", "piece"]
    headers += [f"radius_{share}_{of}" for of in ("squared", "absolute") for share in (50, 95)]
    lines: list[list[markup.Value]] = []
    for r in fields:
        n = r.network
        key: list[markup.Value] = [n.model, markup.option_text(n.options), n.weights.file, n.device_name, r.dataset]
        lines += [[*key, image.name, len(image.half_squared), r.size, *_means(image)] for image in r.images]
    return markup.csv_text(headers, lines)
