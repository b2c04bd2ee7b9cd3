"""Records of earlier versions in the form of this one.

Schema 1 -> 2: a CPU's name says its instruction set; a runtime names its run; a challenge-style runtime names the data
set that it timed; what one run wrote into one file is a run. Where the old record does not say, the new one does not
either, and what it holds is then compared with nothing.
"""

import copy
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

from bench.core.identity import versions, with_instructions

Plain = dict[str, Any]
SAME_RUN_S = 60.0  # what two records of one run are written within
UNKNOWN = "unknown"  # data set of a challenge-style runtime, which was that of any of several


def upgraded(kind: str, data: Plain) -> Plain:
    """Plain data of a record in this version's form, as far as its kind is known; `data` itself stays as it is."""
    step = FROM_1.get(kind)
    if step is None or data.get("schema") != 1:
        return data
    new = copy.deepcopy(data)
    try:
        step(new)
    except (KeyError, TypeError, AttributeError, IndexError):
        return data  # which is then refused by its schema
    return {**new, "schema": 2}


def _name(holder: Plain, environment: Plain) -> None:
    """The name of the device, as this version gives it."""
    if holder["device"] == "cpu":
        holder["device_name"] = with_instructions(holder["device_name"], environment.get("cpu_flags") or "")


def _record(r: Plain) -> None:
    settings = r["settings"]
    _name(settings, r["environment"])
    if settings["ntire_compat"] and r["quality"]:
        settings["timed_on"] = r["quality"][0]["dataset"] if len(r["quality"]) == 1 else UNKNOWN
    if r.get("source"):
        r["source"] |= {"code_sha256": f"{r['source']['sha256']}-alone", "code_files": 1}


def _scan(r: Plain) -> None:
    _name(r["settings"], r["environment"])
    r.pop("complete", None)
    for m in r["measurements"]:
        cell = m["cell"]
        m["runtime"]["run"] = f"{r['created']} {cell['direction']} {cell['batch']}x{cell['length']}"


def _step(r: Plain) -> None:
    _name(r["settings"], r["environment"])
    for m in r["measurements"]:
        if m["runtime"]:
            m["runtime"]["run"] = f"{r['created']} batch {m['batch']}"


def _accuracy(r: Plain) -> None:
    _name(r, r["environment"])
    r.pop("complete", None)


def _plain(r: Plain) -> None:
    _name(r, r["environment"])


def _roofline(r: Plain) -> None:
    _name(r["settings"], r["environment"])


def _network(r: Plain) -> None:
    _name(r["network"], r["network"]["environment"])


def _search(r: Plain) -> None:
    """Its networks are named otherwise now, so that it is of nothing that could go on."""


def _comparison(r: Plain) -> None:
    for network in r["networks"]:
        for number, process in enumerate(network["processes"]):
            if process["runtime"]:
                process["runtime"]["run"] = f"{r['created']} round {number + 1}"
        environments = [process["environment"] for process in network["processes"] if process["environment"]]
        _name(network["settings"], environments[0] if environments else {})
        r["versions"] = versions(environments[0]) if environments else r.get("versions", {})


def _team(r: Plain) -> None:
    _name(r["conditions"], r["environment"])
    r["conditions"]["versions"] = versions(r["environment"])
    if r["runtime"]:
        r["runtime"]["run"] = f"{r['created']} {r['baseline']}"


FROM_1: dict[str, Callable[[Plain], None]] = {
    "Record": _record,
    "ScanRecord": _scan,
    "StepRecord": _step,
    "AccuracyRecord": _accuracy,
    "ScalingRecord": _plain,
    "RooflineRecord": _roofline,
    "LamRecord": _network,
    "FieldRecord": _network,
    "CropRecord": _network,
    "SearchRecord": _search,
    "ComparisonRecord": _comparison,
    "TeamRecord": _team,
    "TrainingRecord": _plain,
}


def name_runs(records: list[Any]) -> None:
    """Name the runs of `Record`s of schema 1, in place, where the records together tell them.

    They were timed in one run where each names the other and both the same third ones, on one device under the same
    conditions, and both were done within a minute.
    """
    for group in _runs([r for r in records if r.runtime and not r.runtime.run]):
        done = min(r.provenance["runtime"]["created"] for r in group)
        for r in group:
            r.runtime.run = f"{done} {len(group)} networks"


def _runs(records: list[Any]) -> Iterator[list[Any]]:
    left = [r for r in records if "runtime" in r.provenance]
    while left:
        first, *others = left
        group = [first, *(r for r in others if _together(first, r))]
        yield group
        left = [r for r in left if not any(r is member for member in group)]


def _together(a: Any, b: Any) -> bool:
    conditions = [replace(r.settings, scan_backend=None, fused=False) for r in (a, b)]
    seconds = [datetime.fromisoformat(r.provenance["runtime"]["created"]).timestamp() for r in (a, b)]
    of_a, of_b = set(a.runtime.interleaved_with), set(b.runtime.interleaved_with)
    return (
        conditions[0] == conditions[1]
        and abs(seconds[0] - seconds[1]) <= SAME_RUN_S
        and _names(a, b)
        and _names(b, a)
        and len(of_a - of_b) == len(of_b - of_a) == 1
    )


def _names(a: Any, b: Any) -> bool:
    """Whether `a` says that a network of `b`'s name, with options and scan or without, was sampled in turn with it."""
    if b.source:
        return b.display_name in a.runtime.interleaved_with
    return any(re.split(r"[@(]", label)[0] == b.model for label in a.runtime.interleaved_with)
