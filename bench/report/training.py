"""The section on training runs: what each reached with its budget, and its curve, from training records alone."""

import io
import math
from collections.abc import Sequence
from typing import NamedTuple

import matplotlib as mpl
from matplotlib.figure import Figure

from bench.core.table import Column, Table, raw, words
from bench.core.training_record import Score, TrainingRecord
from bench.core.wording import MEBI, difference, option_text, with_options, without_paths
from bench.report.document import Data, Drawing, Section

PLOT = "training.png"
INTRO = """\
Networks trained from scratch by `train/train.py`, each figure with the budget it was reached with: none of them is the
paper's unless the budget is. Scores are of whole images by the classic protocol, with the weights that were exported.
Runs on photos that are also scored on photos say nothing of other images."""


class _Row(NamedTuple):
    """A score, and the run that reached it."""

    run: TrainingRecord
    score: Score


TRAININGS: tuple[Column[_Row], ...] = (
    words("run", lambda r: r.run.name),
    words("network", lambda r: _network(r.run)),
    Column("parameters", lambda r: r.run.parameters),
    Column("teacher", lambda r: r.run.teacher_parameters),
    words("budget", lambda r: _budget(r.run)),
    words("data", lambda r: without_paths(f"{', '.join(r.run.config['data']['hr'])} ({r.run.images} images)")),
    words("data set", lambda r: r.score.dataset),
    Column("PSNR Y [dB]", lambda r: r.score.y_db, decimals=3),
    Column(
        "over bicubic [dB]",
        lambda r: None if (level := _bicubic(r)) is None else r.score.y_db - level,
        write=lambda r: difference(r.score.y_db, _bicubic(r), 3),
    ),
    Column("SSIM Y", lambda r: r.score.ssim_y, decimals=4),
    Column("minutes", lambda r: r.run.seconds / 60, decimals=1),
    Column("patches/s", lambda r: r.run.patches_per_second, decimals=1),
    Column("memory [MiB]", lambda r: r.run.peak_memory, decimals=0, scale=MEBI),
)
VALIDATIONS: tuple[Column[_Row], ...] = (
    raw("run", lambda r: r.run.name),
    raw("model", lambda r: r.run.config["model"]["name"]),
    raw("options", lambda r: option_text(r.run.config["model"]["options"])),
    raw("teacher", lambda r: r.run.teacher_parameters),
    raw("steps_asked", lambda r: r.run.config["steps"]),
    raw("batch", lambda r: r.run.config["batch"]),
    raw("patch", lambda r: r.run.config["data"]["patch"]),
    raw("seed", lambda r: r.run.config["seed"]),
    raw("step", lambda r: r.score.step),
    raw("dataset", lambda r: r.score.dataset),
    raw("images", lambda r: r.score.images),
    raw("psnr_y", lambda r: r.score.y_db),
    raw("ssim_y", lambda r: r.score.ssim_y),
    raw("psnr_rgb", lambda r: r.score.rgb_db),
    raw("seconds", lambda r: r.run.seconds),
    raw("patches_per_s", lambda r: r.run.patches_per_second),
    raw("peak_bytes", lambda r: r.run.peak_memory),
    raw("finished", lambda r: str(r.run.finished)),
)


def training_section(records: Sequence[TrainingRecord]) -> Section:
    """The report's section."""
    figure = Drawing(PLOT, "PSNR of Y while training", draw_training(records))
    return Section(
        "training",
        "Networks trained here",
        [INTRO, training_table(records), figure, Data(validation_table(records))],
    )


def training_table(records: Sequence[TrainingRecord]) -> Table:
    """What each run reached, a row a data set."""
    rows = [_Row(record, score) for record in records for score in record.last_scores()]
    return Table.of("Networks trained here", TRAININGS, rows)


def validation_table(records: Sequence[TrainingRecord]) -> Table:
    """Every validation of every run."""
    rows = [_Row(record, score) for record in records for score in record.scores]
    return Table.of("Validations", VALIDATIONS, rows, "training")


def _network(run: TrainingRecord) -> str:
    model = run.config["model"]
    return with_options(model["name"], model["options"])


def _budget(run: TrainingRecord) -> str:
    size = run.config["data"]["patch"]
    text = f"{run.steps:,} steps of {run.config['batch']} patches of {size}x{size}"
    return text if run.finished else f"{text}, unfinished"


def _bicubic(row: _Row) -> float | None:
    return next((s.y_db for s in row.run.bicubic if s.dataset == row.score.dataset), None)


def draw_training(records: Sequence[TrainingRecord]) -> bytes:
    """PSNR of Y over the steps, a line a run, with bicubic's as a dashed one; PNG."""
    with mpl.rc_context({"svg.hashsalt": "esr-bench"}):
        figure = Figure(figsize=(7, 4.2), layout="constrained")
        axes = figure.subplots()
        for record in records:
            points = _first_set(record)
            axes.plot([s.step for s in points], [s.y_db for s in points], marker="o", markersize=3, label=record.name)
        level = next((s for record in records for s in record.bicubic), None)
        if level and math.isfinite(level.y_db):
            axes.axhline(level.y_db, color="grey", linestyle="--", linewidth=1, label=f"bicubic on {level.dataset}")
            low = min([level.y_db, *(s.y_db for r in records for s in _first_set(r)[-1:])]) - 1.5
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
