"""A run's logs: log.csv and scores.csv for machines, TensorBoard's events for eyes."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from bench.core.training_record import LossPoint, Score
from train.checkpoint import unwritten, write_atomically

LOSSES = ["step", "loss", "truth", "end", "mid", "lr", "patches_per_second"]
SCORES = ["step", "dataset", "images", "psnr_y", "ssim_y", "psnr_rgb"]


class RunLog:
    """As a context manager. Lines of steps behind `done`, which a killed run wrote and did not save, are dropped.

    Args:
        folder: the run's; None writes nothing (all processes but the first).
    """

    def __init__(self, folder: Path | None, done: int) -> None:
        self.folder = folder
        self.events: Any = None
        if folder is None:
            return
        from torch.utils.tensorboard import SummaryWriter  # here, since it takes a second

        self.events = SummaryWriter(str(folder / "tensorboard"), purge_step=done + 1)
        _drop_after(folder / "log.csv", LOSSES, done)
        _drop_after(folder / "scores.csv", SCORES, done)

    def losses(self, point: LossPoint, patches_per_second: float) -> None:
        """One line, and a point of each curve."""
        if self.folder is None:
            return
        values = [point.losses.get(name, "") for name in LOSSES[1:5]]
        _append(self.folder / "log.csv", [point.step, *values, point.lr, f"{patches_per_second:.2f}"])
        for name, value in point.losses.items():
            self.events.add_scalar(f"loss/{name}", value, point.step)
        self.events.add_scalar("lr", point.lr, point.step)
        self.events.add_scalar("patches per second", patches_per_second, point.step)

    def scores(self, scores: Sequence[Score]) -> None:
        """A line a data set."""
        if self.folder is None:
            return
        for s in scores:
            _append(self.folder / "scores.csv", [s.step, s.dataset, s.images, s.y_db, s.ssim_y, s.rgb_db])
            self.events.add_scalar(f"psnr_y/{s.dataset}", s.y_db, s.step)
            self.events.add_scalar(f"ssim_y/{s.dataset}", s.ssim_y, s.step)

    def __enter__(self) -> "RunLog":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.events is not None:
            self.events.close()


def _drop_after(path: Path, headers: list[str], done: int) -> None:
    kept = []
    if path.is_file():
        with path.open(newline="", encoding="utf-8") as file:
            kept = [row for row in list(csv.reader(file))[1:] if row and row[0].isdigit() and int(row[0]) <= done]
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows([headers, *kept])
    write_atomically(path, buffer.getvalue().encode())


def _append(path: Path, row: list[Any]) -> None:
    try:
        with path.open("a", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerow(row)
    except OSError as error:
        raise unwritten(path, error) from None
