"""One training run <-> one JSON file: its settings, loss and validation over its steps, speed, and what it exported.

Written by `train/train.py`; read by the report, which marks every figure with the budget it was reached with.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.core.record import Source
from bench.core.record_file import to_json, write_bytes
from bench.core.statistics import in_db

SCHEMA = 2
FILE = "record.json"


@dataclass
class LossPoint:
    """Losses, of values in [0, 1], as means over the steps since the point before."""

    step: int
    losses: dict[str, float]  # "loss" (what is minimised), "truth", "end", "mid"
    lr: float


@dataclass
class Score:
    """A data set, scored during training. PSNR in dB; means of the per-image values by the rule of `mean_psnr`."""

    step: int
    dataset: str
    images: int
    psnr_y: float | None  # None: infinite, as of an image
    ssim_y: float
    psnr_rgb: float | None

    @property
    def y_db(self) -> float:
        """PSNR of Y, `math.inf` where an image is met exactly."""
        return in_db(self.psnr_y)

    @property
    def rgb_db(self) -> float:
        """PSNR of RGB, likewise."""
        return in_db(self.psnr_rgb)


@dataclass
class Export:
    """The trained network's file, in the run's folder."""

    file: str
    sha256: str


@dataclass
class TrainingRecord:
    """Everything known of one run.

    Attributes:
        config: `train.config.Config` as plain data, networks of the user's own without the folders of the machine.
        source: the trained network's code, where it is the user's own.
        processes: that trained together.
        images: in the training sets.
        steps: done so far; config["steps"] were asked for.
        seconds: of training, without validation and set-up, over all resumed parts.
        validation_seconds: beside them.
        peak_memory: bytes; GPU: allocator peak of the first process; CPU: resident peak. None if unknown.
        bicubic: what bicubic enlargement scores on the same images, for scale.
    """

    name: str
    config: dict[str, Any]
    created: str  # UTC, ISO 8601
    environment: dict[str, Any]
    device: str  # "cpu" or "cuda"
    device_name: str
    threads: int | None
    processes: int
    parameters: int
    teacher_parameters: int | None
    images: int
    steps: int = 0
    seconds: float = 0.0
    validation_seconds: float = 0.0
    resumed: int = 0
    peak_memory: int | None = None
    losses: list[LossPoint] = field(default_factory=list)
    scores: list[Score] = field(default_factory=list)
    bicubic: list[Score] = field(default_factory=list)
    export: Export | None = None
    finished: bool = False
    source: Source | None = None
    schema: int = SCHEMA

    @property
    def patches_per_second(self) -> float | None:
        """Patches of the configured size, over the whole run."""
        batch: int = self.config["batch"]
        return self.steps * batch / self.seconds if self.seconds else None

    def last_scores(self) -> list[Score]:
        """Those of the last validation."""
        last = max((score.step for score in self.scores), default=None)
        return [score for score in self.scores if score.step == last]


def write_training(record: TrainingRecord, run: Path) -> Path:
    """Write `record` into its run's folder, whole or not at all, and return the path."""
    path = run / FILE
    write_bytes(path, to_json(record).encode())
    return path
