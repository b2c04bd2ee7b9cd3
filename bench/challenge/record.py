"""What was measured of one submission <-> one JSON file. Integers are raw and unscaled; nothing derived is stored."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from bench.record import Complexity, Memory, Quality, Runtime, slug
from bench.record_file import read_as

SCHEMA = 1


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


@dataclass
class TeamRecord:
    """One submission."""

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
    peak_resident: int = 0  # bytes, of all its processes
    seconds: float = 0.0  # that it took in all
    schema: int = SCHEMA

    @property
    def file_name(self) -> str:
        """team07__amd-epyc__2t__256x256.json"""
        c = self.conditions
        threads = [f"{c.threads}t"] if c.threads else []
        parts = [f"team{self.team:02}", slug(c.device_name), *threads, f"{c.size}x{c.size}"]
        return "__".join(parts) + ".json"

    @property
    def label(self) -> str:
        """Its name, or its number where it never said one."""
        return self.name or f"{self.team:02}"


def read_team(path: Path) -> TeamRecord:
    """Raises EsrError for a file that is no such record."""
    return read_as(TeamRecord, SCHEMA, path)
