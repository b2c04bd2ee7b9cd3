"""What Table 1 needs said: rows that are only reported, counts by another convention, scores that differ."""

from collections.abc import Sequence

from bench.core.wording import without_paths
from bench.report.lookup import DeviceRecords
from bench.report.paper.paper_table import Line
from bench.report.paper.reproduction import Reproduction

TOLERANCE_DB = 0.05  # above, a difference is explained, or said not to be

# Row of the paper -> which count its thousands are; tests/models/test_classics.py asserts each as an integer.
COUNTS = {
    "SRCNN": "the 9-1-5 network; the usual 30.48 dB on Set5 is the 9-5-5 network's, srcnn_955",
    "FSRCNN": "rounded",
    "VDSR": "rounded",
    "DRCN": "convolution weights without biases and ensemble weights",
    "LapSRN": "a network of half the depth with smaller deconvolutions (502,306), not the one that was released",
    "DRRN": "rounded, with biases, which the released network has none of",
    "MemNet": "convolutions alone, without normalisation and ensemble weights",
    "IDN": "rounded",
    "CARN": "rounded, with the upsamplers of all three scales",
    "RFDN": "rounded",
    "DIPNet": "of a network of which no weights were published; its NTIRE 2023 form is dipnet_ntire",
}
SCORES = {
    "FSRCNN": "the weights are a third party's, since the authors' are not to be had in a readable form",
    "IDN": "the authors' Caffe weights, converted to another framework by a third party; with the original the cause "
    "could not be checked",
    "DRRN": "a third party's re-implementation and weights",
    "Bicubic": "on Set5 the LR images are MATLAB's bit for bit and the paper's value is met to the digit; how "
    "the quoted value of this set was made is not known",
}


def reported_notes(device: DeviceRecords, found: Sequence[Reproduction]) -> str:
    """Rows of the paper that were measured but for their quality, with the reason; "" where there are none."""
    reasons = {m.record.model: m.record.weights.note for m in device.measured if m.record.weights.status == "random"}
    labels = {one.network.label: one.network.model for one in found if one.network.published}
    lines = [
        f"- {label}: reported, not measured: {without_paths(reasons[model] or 'no weights')}"
        for label, model in labels.items()
        if model in reasons
    ]
    return "Scores that are the paper's alone:\n\n" + "\n".join(lines) if lines else ""


def count_note(line: Line) -> str:
    """What the paper's thousands count, where it is not what the measured ones do."""
    return COUNTS.get(line.name, "") if line.found[0].measured is not None else ""


def score_note(one: Reproduction) -> str:
    """Why a PSNR is not the paper's; "" where it is, give or take TOLERANCE_DB."""
    difference = one.difference
    if difference is None or not one.quantity.name.startswith("PSNR") or abs(difference) <= TOLERANCE_DB:
        return ""
    return SCORES.get(one.network.label, "the cause was not established")
