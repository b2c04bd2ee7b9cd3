"""What was measured of one submission <-> one JSON file. Integers are raw and unscaled; nothing derived is stored."""

import dataclasses
from collections.abc import Collection
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, ClassVar, Literal

from bench.core.identity import Kept
from bench.core.record import Complexity, Memory, Quality, Runtime

SCHEMA = 2
BESIDE = {
    "runtime": ("baseline", "baseline_samples_ms"),
    "complexity": ("their_counts",),
}  # a cell -> what goes with it


@dataclass
class Conditions:
    """What has to be the same for two submissions to be compared, and for a record to be taken over."""

    commit: str  # of the checkout
    device: str  # "cpu" or "cuda"
    device_name: str
    threads: int | None
    size: int  # pixels a side of the fixed input
    time_limit_s: float
    memory_limit: int  # bytes
    versions: dict[str, Any] = field(default_factory=dict)  # that change times or results
    unsafe: bool = False  # whether weights may be unpickled, which runs code of theirs


@dataclass
class TeamRecord(Kept):
    """One submission."""

    CELLS: ClassVar = {"complexity": None, "runtime": None, "memory": None, "quality": attrgetter("dataset")}

    team: int
    year: int | None
    status: Literal["measured", "failed"]
    reason: str  # why it failed, and in which part, else ""
    conditions: Conditions
    created: str  # UTC, ISO 8601
    name: str = ""  # as its select_model names it
    network: str = ""  # its class
    data_range: float | None = None
    forward: str = ""  # the script's function that runs it, where it has one of its own
    parameters: int | None = None
    stand_ins: list[str] = field(default_factory=list)  # modules that were absent
    notes: list[str] = field(default_factory=list)  # what it did that a reader should know
    complexity: Complexity | None = None
    their_counts: dict[str, Any] = field(default_factory=dict)  # by the checkout's own code, on this machine
    published: dict[str, Any] = field(default_factory=dict)  # scalars of the checkout's results.json
    runtime: Runtime | None = None
    baseline: str = ""  # the entry that was sampled in turn with it
    baseline_samples_ms: list[float] = field(default_factory=list)
    memory: Memory | None = None
    quality: list[Quality] = field(default_factory=list)
    environment: dict[str, Any] = field(default_factory=dict)
    wall: str = ""  # what stood around its process
    peak_resident: int = 0  # bytes, of all its processes
    seconds: float = 0.0  # that it took in all
    schema: int = SCHEMA

    @property
    def identity(self) -> dict[str, Any]:
        """The entry of its checkout, and the conditions."""
        return {"team": self.team, "conditions": dataclasses.asdict(self.conditions), "forward": self.forward}

    @property
    def words(self) -> list[str]:
        """Team, device, input size."""
        c = self.conditions
        threads = f"{c.threads}t" if c.threads else ""
        return [f"team{self.team:02}", c.device_name, threads, f"{c.size}x{c.size}", "unsafe" if c.unsafe else ""]

    def settle(self, old: Any, stayed: Collection[str]) -> None:
        """Stay a measured entry where an earlier run measured it and this one failed; keep together what belongs so."""
        stays = [name for cell, names in BESIDE.items() if cell in stayed for name in names]
        if old and old.status == "measured" and self.status == "failed":
            stays = [kept.name for kept in dataclasses.fields(self)]
        for name in stays:
            setattr(self, name, getattr(old, name))

    @property
    def label(self) -> str:
        """Its name, or its number where it never said one."""
        return self.name or f"{self.team:02}"
