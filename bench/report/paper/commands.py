"""The commands that fill what a report could not show."""

import shlex
from collections.abc import Sequence

from bench.report.lookup import Query, needs_own_weights

# Data sets that cannot be downloaded, and how to come by them.
NOT_PUBLIC = {
    "Manga109": "ask for the images at http://www.manga109.org/en/download.html",
    "DIV2K_LSDIR_valid": "the challenge's validation images: see https://github.com/Amazingren/NTIRE2024_ESR",
    "DIV2K_LSDIR_test": "only the challenge's organisers have the originals of its test images",
}

# Part of a record -> the flag that measures it.
MEASURE = {
    "complexity": "--measure counts",
    "runtime": "--measure runtime memory",
    "memory": "--measure runtime memory",
    "quality": "--measure quality",
}


def fill(queries: Sequence[Query]) -> str:
    """The command that measures `queries`, which differ in their models and in one part of the record at most."""
    first = queries[0]
    part, dataset, *_ = first.figure.split(".")
    words = ["python bench/profile.py --model", *dict.fromkeys(q.model for q in queries)]
    if first.options:
        words += ["--model-args", *(shlex.quote(f"{k}={v}".replace(" ", "")) for k, v in first.options.items())]
    words.append(MEASURE[part])
    if part == "quality":
        words.append(f"--data {dataset}")
        if dataset in NOT_PUBLIC:
            words.append("--data-dir PATH")
    if part == "quality" and needs_own_weights(first.model):
        words.append("--weights FILE")
    if first.figure.endswith("peak_memory"):
        words.append("--device cuda")
    if first.size != (256, 256):
        words.append("--input-size {}x{}".format(*first.size))
    if first.unfused:
        words.append("--backend chunked")
    if first.ntire_compat:
        words.append("--ntire-compat")
    return " ".join([*words, "--reuse"])  # what the record already holds stays


def remark(query: Query) -> str:
    """What the command needs besides itself, in brackets; "" where it needs nothing."""
    part, dataset, *_ = query.figure.split(".")
    if part != "quality" or dataset not in NOT_PUBLIC:
        return ""
    return f" ({NOT_PUBLIC[dataset]}; put them into `PATH/images/{dataset}/HR`)"
