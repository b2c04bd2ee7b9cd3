"""The section on training runs: what each reached with its budget, and its curve, from training records alone."""

import io
from collections.abc import Sequence

import matplotlib as mpl
from matplotlib.figure import Figure

from bench.report import markup
from bench.training_record import Score, TrainingRecord

MEBI = 2**20
PLOT = "training.png"
HEADERS = ["run", "network", "parameters", "teacher", "budget", "data", "data set", "PSNR Y [dB]", "over bicubic [dB]",
           "SSIM Y", "minutes", "patches/s", "memory [MiB]"]  # fmt: skip
INTRO = """\
Networks trained from scratch by `train/train.py`, each figure with the budget it was reached with: none of them is the
paper's unless the budget is. Scores are of whole images by the classic protocol, with the weights that were exported.
Runs on photos that are also scored on photos say nothing of other images."""


def training_body(records: Sequence[TrainingRecord]) -> str:
    """The section without its heading."""
    rows = [row for record in records for row in _rows(record)]
    return f"{INTRO}\n\n{markup.markdown_table(HEADERS, rows, left=7)}\n\n![PSNR of Y while training]({PLOT})\n"


def training_csv(records: Sequence[TrainingRecord]) -> str:
    """Every validation of every run as raw numbers."""
    headers = [
        "run",
        "model",
        "options",
        "teacher",
        "steps_asked",
        "batch",
        "patch",
        "seed",
        "step",
        "dataset",
        "images",
    ]
    headers += ["psnr_y", "ssim_y", "psnr_rgb", "seconds", "patches_per_s", "peak_bytes", "finished"]
    lines: list[list[markup.Value]] = []
    for r in records:
        c = r.config
        key: list[markup.Value] = [r.name, c["model"]["name"], markup.option_text(c["model"]["options"]), _teacher(r)]
        key += [c["steps"], c["batch"], c["data"]["patch"], c["seed"]]
        end: list[markup.Value] = [r.seconds, r.patches_per_second, r.peak_memory, str(r.finished)]
        lines += [[*key, s.step, s.dataset, s.images, s.psnr_y, s.ssim_y, s.psnr_rgb, *end] for s in r.scores]
    return markup.csv_text(headers, lines)


def draw_training(records: Sequence[TrainingRecord]) -> bytes:
    """PSNR of Y over the steps, a line a run, with bicubic's as a dashed one; PNG."""
    with mpl.rc_context({"svg.hashsalt": "esr-bench"}):
        figure = Figure(figsize=(7, 4.2), layout="constrained")
        axes = figure.subplots()
        for record in records:
            points = _first_set(record)
            axes.plot([s.step for s in points], [s.psnr_y for s in points], marker="o", markersize=3, label=record.name)
        level = next((s for record in records for s in record.bicubic), None)
        if level:
            axes.axhline(level.psnr_y, color="grey", linestyle="--", linewidth=1, label=f"bicubic on {level.dataset}")
            low = min([level.psnr_y, *(s.psnr_y for r in records for s in _first_set(r)[-1:])]) - 1.5
            axes.set_ylim(bottom=low)  # the first validations of a young network would flatten all that matters
        axes.set_xlabel("step")
        axes.set_ylabel("PSNR of Y [dB]")
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=130, metadata={"Software": None})
    return buffer.getvalue()


def _first_set(record: TrainingRecord) -> list[Score]:
    return [s for s in record.scores if s.dataset == record.scores[0].dataset]


def _teacher(record: TrainingRecord) -> str:
    return f"{record.teacher_parameters:,}" if record.teacher_parameters else markup.NONE


def _rows(r: TrainingRecord) -> list[list[str]]:
    c, bicubic = r.config, {s.dataset: s.psnr_y for s in r.bicubic}
    options = markup.option_text(c["model"]["options"])
    network = f"{c['model']['name']} ({options})" if options else c["model"]["name"]
    size = c["data"]["patch"]
    budget = f"{r.steps:,} steps of {c['batch']} patches of {size}x{size}" + ("" if r.finished else ", unfinished")
    data = f"{', '.join(c['data']['hr'])} ({r.images} images)"
    memory = markup.number(r.peak_memory / MEBI if r.peak_memory else None, 0)
    speed = [markup.number(r.seconds / 60, 1), markup.number(r.patches_per_second, 1), memory]
    key = [r.name, network, f"{r.parameters:,}", _teacher(r), budget, markup.without_paths(data)]
    return [
        [*key, s.dataset, markup.number(s.psnr_y, 3), markup.difference(s.psnr_y, bicubic.get(s.dataset), 3),
         markup.number(s.ssim_y, 4), *speed]
        for s in r.last_scores()
    ]  # fmt: skip
