"""The section on training runs: what each reached with its budget, and its curve, from training records alone."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from bench.core.table import Column, Table, raw, words
from bench.core.training_record import Score, TrainingRecord
from bench.core.wording import MEBI, difference, option_text, with_options, without_paths
from bench.report.charts.chart import CATEGORIES, GUIDE, Axis, Chart, Mark, Series
from bench.report.document import Data, Part, Section

DROP = 1.5  # dB below bicubic and every last score, where the axis ends: young networks would flatten all that matters
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
    curves = training_chart(records)
    parts: list[Part] = [INTRO, training_table(records), *([curves] if curves else []), Data(validation_table(records))]
    return Section("training", "Networks trained here", parts)


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


def training_chart(records: Sequence[TrainingRecord]) -> Chart | None:
    """PSNR of Y over the steps, a line a run, with bicubic's as a dashed one; None where nothing was scored."""
    runs = [(record, points) for record in records if (points := _first_set(record))]
    if not runs:
        return None
    level = next((s for record, _ in runs for s in record.bicubic if math.isfinite(s.y_db)), None)
    floor = [level.y_db] if level else []
    low = min([*floor, *(points[-1].y_db for _, points in runs)]) - DROP
    series = [
        Series(role, record.name, tuple(Mark(s.step, s.y_db) for s in points if s.y_db >= low), line="solid")
        for role, (record, points) in zip(CATEGORIES, runs, strict=False)
    ]
    steps = [m.x for s in series for m in s.marks]
    if level:
        ends = (Mark(min(steps), level.y_db), Mark(max(steps), level.y_db))
        series.append(Series(GUIDE, f"bicubic on {level.dataset}", ends, shape="", line="dashed"))
    best, points = max(runs, key=lambda run: run[1][-1].y_db)
    drawn = f" The first {len(series) - bool(level)} of {len(runs)} runs." if len(runs) > len(CATEGORIES) else ""
    over = f", {points[-1].y_db - level.y_db:+.2f} dB over bicubic" if level else ""
    return Chart(
        "training",
        "PSNR while training",
        Axis("Step"),
        Axis(f"PSNR of Y on {points[0].dataset} (dB)"),
        tuple(s for s in series if s.marks),
        f"Validation on whole images of {points[0].dataset}, a point a validation.{drawn}",
        f"The best of them, {best.name}, ends at {points[-1].y_db:.2f} dB{over}.",
    )


def _first_set(record: TrainingRecord) -> list[Score]:
    return [s for s in record.scores if s.dataset == record.scores[0].dataset and math.isfinite(s.y_db)]
