"""PSNR and SSIM of a network in training, by the bench layer's own functions."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from bench.core.statistics import mean_psnr
from bench.core.training_record import Score
from bench.data.datasets import DatasetNotFoundError, find_dataset
from bench.data.metrics import finite
from bench.data.pairs import Dataset
from bench.measurement.quality import measure_quality
from models import create_model, get_spec
from models.errors import EsrError
from models.input import to_image, to_input
from models.spec import ModelSpec
from train.config import Validation

AVAILABLE = "available"
PREFERRED = ("Set5", "photos")  # the first that is there


@dataclass(frozen=True)
class Scores:
    """Of all data sets, and how long they took."""

    scores: list[Score]
    seconds: float


def validation_sets(settings: Validation) -> list[Dataset]:
    """The data sets to score, cut to `limit`. Raises EsrError for one that is named and cannot be had."""
    found = []
    for name in settings.sets:
        found.append(_first_found() if name == AVAILABLE else find_dataset(name, None))
    return [replace(d, pairs=d.pairs[: settings.limit]) for d in {d.name: d for d in found}.values()]


def _first_found() -> Dataset:
    for name in PREFERRED:
        try:
            return find_dataset(name, None, allow_download=False)
        except DatasetNotFoundError:
            continue
    raise EsrError("no data set to validate on was found; name one in validation.sets")


def validate(
    model: nn.Module,
    spec: ModelSpec,
    datasets: Sequence[Dataset],
    step: int,
    device: torch.device,
    on_image: Callable[[], None] = lambda: None,
) -> Scores:
    """Score `model` on every data set; it is in eval mode meanwhile.

    Args:
        spec: what the network takes in and gives out.

    Raises:
        EsrError: for images that cannot be scored.
    """
    begin, training = time.monotonic(), model.training
    model.eval()

    def upscale(image: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], float]:
        lr = torch.tensor(image)
        with torch.inference_mode():
            y = model(to_input(lr, spec).to(device)).nan_to_num(0.0)
        return to_image(y, lr, spec).numpy(), 0.0

    scores = []
    for dataset in datasets:
        images = measure_quality(upscale, dataset, lambda _: on_image()).images
        scores.append(
            Score(
                step,
                dataset.name,
                len(images),
                finite(mean_psnr([i.psnr_y for i in images])),
                float(np.mean([i.ssim_y for i in images])),
                finite(mean_psnr([i.psnr_rgb for i in images])),
            )
        )
    model.train(training)
    return Scores(scores, time.monotonic() - begin)


def validate_bicubic(datasets: Sequence[Dataset]) -> list[Score]:
    """What bicubic enlargement scores on the same images."""
    return validate(create_model("bicubic"), get_spec("bicubic"), datasets, 0, torch.device("cpu")).scores
