"""Networks that nobody would use, however cheap: known without the challenge's images, from sets that are at hand."""

import math
from collections.abc import Mapping, Sequence

from bench.core.record import Quality, Record
from bench.core.statistics import mean_psnr
from bench.report.lookup import DeviceRecords, Query

MARGIN_DB = 0.3  # below the baseline, which itself passes the gate by 0.02 to 0.04 dB
Scores = Mapping[str, float]  # data set -> PSNR of RGB in dB


def doubt(own: Scores, bicubic: Scores, baseline: Scores, name: str) -> str:
    """Why a network would miss the gate, or "".

    Args:
        own: of the network, on the sets that it was scored on.
        name: of the baseline.
    """
    for dataset, psnr in own.items():
        if dataset in bicubic and psnr <= bicubic[dataset]:
            return f"not above bicubic on {dataset}: {psnr:.2f} dB, {bicubic[dataset]:.2f}"
    for dataset, psnr in own.items():
        if dataset in baseline and psnr < baseline[dataset] - MARGIN_DB:
            return f"{psnr:.2f} dB on {dataset}, {baseline[dataset] - psnr:.2f} below {name}"
    return ""


def rgb_scores(quality: Sequence[Quality]) -> dict[str, float]:
    """Of one record's data sets."""
    return {q.dataset: mean_psnr([image.psnr_rgb for image in q.images]) for q in quality}


def found_scores(device: DeviceRecords, model: str, options: Mapping[str, object] | None = None) -> dict[str, float]:
    """Of one network, from whatever records hold them."""
    found = {d: device.find(Query(model, f"quality.{d}.psnr_rgb", options or {})) for d in device.scored_sets}
    return {dataset: f.value for dataset, f in found.items() if f and math.isfinite(f.value)}


def untrained(record: Record) -> str:
    """What to say of a network of which no weights exist, or ""; of others they are only not on this machine."""
    missing = record.weights.status == "random" and not record.weights.source
    return "it has no weights, so nothing is known of its PSNR" if missing else ""
