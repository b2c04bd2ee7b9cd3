"""Synthetic crops: noise, worse for one network than for another."""

import numpy as np

from bench.data.metrics import luma, psnr
from bench.studies.attribution.attribution_record import png_text
from bench.studies.crops.crops_record import Chosen, CropRecord, Place
from tests.bench.report.records import attributed

SIZE = 16
CHOSEN = Chosen("differ", 8.04, 12.5, ["RLFN", "DVMSR"], 5)


def place(image: str = "bird", dataset: str = "Set5", x: int = 8, size: int = SIZE) -> Place:
    return Place(dataset, image, x, 4, size, "a" * 64, "b" * 64)


def crop_record(
    model: str, display_name: str, noise: int, at: Place | None = None, chosen: Chosen = CHOSEN
) -> CropRecord:
    """A coloured square with noise of up to `noise` levels; none at all for 0."""
    at = at or place()
    truth = np.indices((at.size, at.size, 3)).sum(axis=0) % 7 * 30 + 20
    off = np.random.default_rng(noise).integers(-noise, noise + 1, truth.shape)
    sr, hr = (np.clip(image, 0, 255).astype(np.uint8) for image in (truth + off, truth))
    scores = [None if noise == 0 else value for value in (psnr(luma(sr), luma(hr)), psnr(sr, hr))]
    return CropRecord(attributed(model, display_name), at, chosen, *scores, png_text(sr), png_text(hr))


def crop_records() -> list[CropRecord]:
    """Bicubic and two networks at two places."""
    hard = Chosen("hardest", 21.0, 22.0, ["RLFN", "DVMSR"], 14)
    return [
        crop_record(model, name, noise, at, chosen)
        for at, chosen in ((place(), CHOSEN), (place("comic", "Set14"), hard))
        for model, name, noise in (("rlfn", "RLFN", 20), ("bicubic", "Bicubic", 60), ("dvmsr", "DVMSR", 10))
    ]
