"""One comparison of networks, each timed in several fresh processes <-> one JSON file, raw samples included."""

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from bench.core.identity import Kept, Rank
from bench.core.record import Complexity, Quality, Runtime, Settings, WeightsInfo

SCHEMA = 2


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
    quality: list[Quality] = field(default_factory=list)  # of the first round's process, after it was timed
    unscored: str = ""  # why it has none, where it was to be scored

    @property
    def samples_ms(self) -> list[list[float]]:
        """Of each process that has any."""
        return [p.runtime.samples_ms for p in self.processes if p.runtime and p.runtime.samples_ms]

    @property
    def error(self) -> str:
        """Why a process of it failed, if one did."""
        return next((p.error for p in self.processes if p.error), "")


@dataclass
class ComparisonRecord(Kept):
    """Networks sampled in turn, in rounds of fresh processes. The first is what the others are compared with."""

    created: str  # UTC, ISO 8601
    repeats: int  # rounds
    runs: int  # samples asked for in each process
    time_budget_s: float  # of each network in each round
    networks: list[Compared]
    versions: dict[str, Any] = field(default_factory=dict)  # that change times
    schema: int = SCHEMA

    @property
    def rank(self) -> Rank:
        """How much it holds: nothing to keep where a network failed."""
        return Rank.FAILED if any(network.error for network in self.networks) else Rank.WHOLE

    @property
    def identity(self) -> dict[str, Any]:
        """The networks with their weights, in order, and the conditions."""
        networks = [[n.label, n.model, n.options, n.weights.sha256 or n.weights.status] for n in self.networks]
        return {
            "networks": networks,
            "settings": [dataclasses.asdict(n.settings) for n in self.networks],
            "rounds": self.repeats,
            "versions": self.versions,
        }

    @property
    def words(self) -> list[str]:
        """Networks, device, input size, precision, switches."""
        s = self.networks[0].settings
        switches = [n for n in ("channels_last", "compile", "cuda_graph") if getattr(s, n)]
        parts = [s.device_name, f"{s.threads}t" if s.threads else "", f"{s.height}x{s.width}", s.precision, *switches]
        return ["comparison", *parts, *(network.label for network in self.networks)]
