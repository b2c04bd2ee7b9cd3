"""One comparison of networks, each timed in several fresh processes <-> one JSON file, raw samples included."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.record import Complexity, Runtime, Settings, WeightsInfo, slug
from bench.record_file import read_as

SCHEMA = 1
LONGEST_NAME = 120  # characters of the networks in a file name


@dataclass
class Process:
    """One fresh process of one network. `runtime` is None where it failed; `error` then says why."""

    runtime: Runtime | None
    environment: dict[str, Any]
    error: str = ""


@dataclass
class Compared:
    """One network and all its processes, in the order of the rounds."""

    label: str  # as it was named; a second one of the same name has a number
    model: str
    options: dict[str, Any]
    weights: WeightsInfo
    settings: Settings
    complexity: Complexity | None
    processes: list[Process] = field(default_factory=list)

    @property
    def samples_ms(self) -> list[list[float]]:
        """Of each process that has any."""
        return [p.runtime.samples_ms for p in self.processes if p.runtime and p.runtime.samples_ms]

    @property
    def error(self) -> str:
        """Why a process of it failed, if one did."""
        return next((p.error for p in self.processes if p.error), "")


@dataclass
class ComparisonRecord:
    """Networks sampled in turn, in rounds of fresh processes. The first is what the others are compared with."""

    created: str  # UTC, ISO 8601
    repeats: int  # rounds
    runs: int  # samples asked for in each process
    time_budget_s: float  # of each network in each round
    networks: list[Compared]
    schema: int = SCHEMA

    @property
    def file_name(self) -> str:
        """A name that says the provenance: networks, device, input size, precision, switches."""
        s = self.networks[0].settings
        names = "__".join(slug(network.label) for network in self.networks)
        if len(names) > LONGEST_NAME:
            names = f"{names[:LONGEST_NAME]}-{hashlib.sha256(names.encode()).hexdigest()[:8]}"
        threads = [f"{s.threads}t"] if s.threads else []
        switches = [n for n in ("channels_last", "compile", "cuda_graph") if getattr(s, n)]
        parts = [slug(s.device_name), *threads, f"{s.height}x{s.width}", s.precision, *switches]
        return "__".join(["comparison", names, *parts]) + ".json"


def read_comparison(path: Path) -> ComparisonRecord:
    """Read a record back. Raises EsrError for any other file."""
    return read_as(ComparisonRecord, SCHEMA, path)
