"""PSNR and SSIM of an upscaler on a data set, by the challenge's and the classic protocol at once."""

from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

from bench.core.record import ImageQuality, Quality
from bench.data.metrics import Image, crop_border, finite, luma, psnr, ssim
from bench.data.pairs import SCALE, Dataset, ImagePair
from models.errors import EsrError

BORDER = SCALE
Upscale = Callable[[Image], tuple[Image, float]]  # (h, w, 3) uint8 -> (4h, 4w, 3) uint8 and milliseconds


def measure_quality(upscale: Upscale, dataset: Dataset, on_image: Callable[[ImagePair], None]) -> Quality:
    """Upscale and score every image of `dataset`, one at a time.

    Args:
        on_image: called after each image, for progress.

    Raises:
        EsrError: for images that cannot be read or are too small to be scored.
    """
    images, notes = [], list(dataset.notes)
    for pair in dataset.pairs:
        loaded = pair.load()
        sr, milliseconds = upscale(loaded.lr)
        images.append(score(pair.name, loaded.lr, loaded.hr, sr, milliseconds))
        notes.extend(note for note in loaded.notes if note not in notes)
        on_image(pair)
    return Quality(dataset.name, images, dataset.lr_source, notes=notes)


def score(name: str, lr: Image, hr: Image, sr: Image, milliseconds: float) -> ImageQuality:
    """Every figure of one image. Raises EsrError for one that leaves nothing to score inside its border."""
    if min(hr.shape[:2]) < 2 * BORDER + 11:
        raise EsrError(
            f"{name} is {hr.shape[1]}x{hr.shape[0]}; scoring needs at least {2 * BORDER + 11} pixels a side "
            "(a 4-pixel border is cut off, and SSIM has an 11-pixel window); remove it from the set"
        )
    y_sr, y_hr = luma(sr), luma(hr)
    return ImageQuality(
        name=name,
        height=lr.shape[0],
        width=lr.shape[1],
        psnr_rgb=finite(psnr(_inside(sr), _inside(hr))),
        psnr_y=finite(psnr(_inside(y_sr), _inside(y_hr))),
        ssim_y=ssim(_inside(y_sr), _inside(y_hr)),
        psnr_y_rounded=finite(psnr(_inside(y_sr.round()), _inside(y_hr.round()))),
        psnr_y_no_border=finite(psnr(y_sr, y_hr)),
        time_ms=milliseconds,
    )


def _inside(image: NDArray[Any]) -> NDArray[Any]:
    return crop_border(image, BORDER)
