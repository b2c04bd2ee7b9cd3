"""What Table 1 needs said: rows that are only reported, counts by another convention, scores that differ."""

from collections.abc import Sequence

from bench.report import markup
from bench.report.entries import Entry
from bench.report.lookup import DeviceRecords

TOLERANCE_DB = 0.05  # above, a difference is explained, or said not to be

# Row of the paper -> which count its thousands are; tests/models/test_classics.py asserts each as an integer.
COUNTS = {
    "SRCNN": "the 9-1-5 network; the usual 30.48 dB on Set5 is the 9-5-5 network's, `srcnn_955`",
    "FSRCNN": "rounded",
    "VDSR": "rounded",
    "DRCN": "convolution weights without biases and ensemble weights",
    "LapSRN": "a network of half the depth with smaller deconvolutions (502,306), not the one that was released",
    "DRRN": "rounded, with biases, which the released network has none of",
    "MemNet": "convolutions alone, without normalisation and ensemble weights",
    "IDN": "rounded",
    "CARN": "rounded, with the upsamplers of all three scales",
    "RFDN": "rounded",
    "DIPNet": "of a network of which no weights were published; its NTIRE 2023 form is `dipnet_ntire`",
}
SCORES = {
    "FSRCNN": "the weights are a third party's, since the authors' are not to be had in a readable form",
    "IDN": "the authors' Caffe weights, converted to another framework by a third party; with the original the cause "
    "could not be checked",
    "DRRN": "a third party's re-implementation and weights",
    "Bicubic": "on Set5 the LR images are MATLAB's bit for bit and the paper's value is met to the digit; how "
    "the quoted value of this set was made is not known",
}


def table1_notes(device: DeviceRecords, entries: Sequence[Entry]) -> str:
    """Paragraphs in Markdown; "" where nothing has to be said."""
    return "\n\n".join(filter(None, [_reported(device, entries), _counts(entries), _scores(entries)]))


def _reported(device: DeviceRecords, entries: Sequence[Entry]) -> str:
    """Rows of the paper that were measured but for their quality, with the reason."""
    reasons = {m.record.model: m.record.weights.note for m in device.measured if m.record.weights.status == "random"}
    labels = {e.network.label: e.network.model for e in entries if e.network.published}
    lines = [
        f"- {label}: reported, not measured: {markup.without_paths(reasons[model] or 'no weights')}"
        for label, model in labels.items()
        if model in reasons
    ]
    return "Scores that are the paper's alone:\n\n" + "\n".join(lines) if lines else ""


def _counts(entries: Sequence[Entry]) -> str:
    found = dict.fromkeys(e.network.label for e in entries if e.network.label in COUNTS and e.network.model)
    lines = [f"- {label}: {COUNTS[label]}" for label in found]
    return "What the paper's thousands count:\n\n" + "\n".join(lines) if lines else ""


def _scores(entries: Sequence[Entry]) -> str:
    lines = [
        f"- {e.network.label}, {e.quantity.name}, {e.difference:+.3f} dB: {why}"
        for e in entries
        if (why := score_note(e))
    ]
    return f"Differences over {TOLERANCE_DB} dB:\n\n" + "\n".join(lines) if lines else ""


def score_note(entry: Entry) -> str:
    """Why a PSNR is not the paper's; "" where it is, give or take TOLERANCE_DB."""
    difference = entry.difference
    if difference is None or not entry.quantity.name.startswith("PSNR") or abs(difference) <= TOLERANCE_DB:
        return ""
    return SCORES.get(entry.network.label, "the cause was not established")
