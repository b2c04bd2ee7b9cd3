"""Whether a network became slower than an earlier record says, or became another network."""

import math
from dataclasses import dataclass
from pathlib import Path

from bench.core.record import Complexity, Settings
from bench.core.record_file import read_as, read_record
from bench.studies.comparison.comparison_record import Compared, ComparisonRecord, Process
from bench.studies.comparison.intervals import Processes, ratio_apart
from bench.studies.comparison.summary import in_words
from models.errors import EsrError

# Where these differ, so do the times, and not by the network's fault.
SAME = ("device_name", "threads", "height", "width", "precision", "channels_last", "compile", "cuda_graph")
FIXED_COUNTS = ("parameters", "flops_published", "macs", "flops")


@dataclass(frozen=True)
class Reference:
    """What an earlier record has of the network."""

    file: str
    settings: Settings
    complexity: Complexity | None
    processes: Processes


@dataclass(frozen=True)
class Outcome:
    """Whether the check failed, and why, in plain sentences."""

    failed: bool
    lines: list[str]


def read_reference(path: Path, network: Compared) -> Reference:
    """What a record of `bench/profile.py` or `bench/compare.py` has of `network`.

    Raises EsrError if it has none of it, or was measured in another way or elsewhere.
    """
    found = [n for n in _networks(path) if (n.model, n.options) == (network.model, network.options)]
    if not found:
        names = ", ".join(n.label for n in _networks(path))
        raise EsrError(f"--against {path} is of {names}, not of {network.label}")
    # A network that was compared with itself is there twice, which is as many more processes.
    processes = [samples for n in found for samples in n.samples_ms]
    if not processes:
        raise EsrError(f"--against {path} holds no runtime of {network.label}; measure it first")
    if not all(0 < ms < math.inf for samples in processes for ms in samples):
        raise EsrError(f"--against {path} holds a time that is not above zero; measure it anew")
    reference = Reference(path.name, found[0].settings, found[0].complexity, processes)
    _check_same(reference.settings, network.settings, path)
    return reference


def judge(reference: Reference, network: Compared, tolerance: float) -> Outcome:
    """Compare times and counts. `tolerance`: 0.05 lets it be 5 % slower."""
    changed = _changed_counts(reference, network)
    ratio = ratio_apart(network.samples_ms, reference.processes)
    name, limit, words = network.label, f"{100 * tolerance:g} %", in_words(ratio)
    if ratio.low is None or ratio.high is None:
        line = f"not resolved: {name} takes {words} times the recorded time; one process each gives no interval"
    elif ratio.low > 1 + tolerance:
        line = f"{name} is slower: {words} times the recorded time, beyond the tolerance of {limit}"
    elif ratio.high <= 1 + tolerance:
        line = f"{name} is within the tolerance of {limit}: {words} times the recorded time"
    else:
        line = (
            f"not resolved: {name} takes {words} times the recorded time, and the interval holds 1 + {limit}; "
            "more --repeats narrow it"
        )
    slower = ratio.low is not None and ratio.low > 1 + tolerance
    return Outcome(slower or bool(changed), [*changed, *_other_backend(reference, network), line])


def _networks(path: Path) -> list[Compared]:
    try:
        return read_as(ComparisonRecord, path).networks
    except EsrError:
        record = read_record(path)
    as_compared = Compared(
        record.model, record.model, record.options, record.weights, record.settings, record.complexity
    )
    if record.runtime:
        as_compared.processes.append(Process(record.runtime, record.environment))
    return [as_compared]


def _check_same(then: Settings, now: Settings, path: Path) -> None:
    if then.ntire_compat:
        raise EsrError(f"--against {path} was timed as the challenge does, cold start included; measure it without")
    for name in SAME:
        if getattr(then, name) != getattr(now, name):
            raise EsrError(
                f"--against {path} has {name.replace('_', ' ')} {getattr(then, name)}, this run has "
                f"{getattr(now, name)}; their times cannot be compared"
            )


def _changed_counts(reference: Reference, network: Compared) -> list[str]:
    then, now = reference.complexity, network.complexity
    if then is None or now is None:
        return []
    changed = [(name, getattr(then, name), getattr(now, name)) for name in FIXED_COUNTS]
    both = [(name, a, b) for name, a, b in changed if a is not None and b is not None]  # None: not traceable
    return [f"{network.label} changed: {name} {a:,} -> {b:,}" for name, a, b in both if a != b]


def _other_backend(reference: Reference, network: Compared) -> list[str]:
    """Worth saying, but no fault: which scan `auto` takes depends on what is installed."""
    then, now = reference.settings.scan_backend, network.settings.scan_backend
    return [] if then == now else [f"{network.label} ran on the scan {now}, recorded was {then}"]
