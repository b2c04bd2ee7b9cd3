"""Loads a folder of records, leaves out what cannot be trusted, and finds the record for a question.

Records of different devices (or thread counts) are kept apart from here on, so that no table mixes them.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import models
from bench.core.identity import slug, versions
from bench.core.record import Record
from bench.core.record_file import read_record
from bench.core.statistics import summarise
from bench.core.wording import threads_text
from bench.report import figures
from bench.report.trust import LeftOut, contradictions, disagreements
from models.errors import EsrError


@dataclass(frozen=True)
class Measured:
    """A record and the name it is cited by: its path inside the records folder."""

    file: str
    record: Record


@dataclass(frozen=True)
class Query:
    """One number wanted of one network.

    Attributes:
        model: registry name.
        figure: a figure of `bench.report.figures`, such as "complexity.macs" or "quality.Set5.psnr_y".
        options: model options that differ from the registry's.
        size: input height and width; quality is measured on whole images and ignores it.
        ntire_compat: the challenge script's way of timing instead of the harness's.
        unfused: leave out runs of fused mixers, whose memory says nothing of the authors' code.
    """

    model: str
    figure: str
    options: Mapping[str, Any] = field(default_factory=dict)
    size: tuple[int, int] = (256, 256)
    ntire_compat: bool = False
    unfused: bool = False


@dataclass(frozen=True)
class Found:
    """The answer to a query, with its record for citation."""

    file: str
    record: Record
    value: float


@dataclass(frozen=True)
class DeviceRecords:
    """Every trusted record of one device."""

    kind: str  # "cpu" or "cuda"
    name: str
    threads: int | None
    measured: tuple[Measured, ...]

    @property
    def label(self) -> str:
        """The device in words, with the threads where they matter."""
        return self.name + threads_text(self.threads, ", ")

    @property
    def slug(self) -> str:
        """The device as a folder name."""
        return slug(f"{self.name}-{self.threads}t" if self.threads else self.name)

    @cached_property
    def _of_model(self) -> Mapping[str, Sequence[Measured]]:
        """The records of each network: a report asks thousands of times."""
        found: dict[str, list[Measured]] = defaultdict(list)
        for item in self.measured:
            found[item.record.model].append(item)
        return found

    @cached_property
    def scored_sets(self) -> tuple[str, ...]:
        """The data sets that anything was scored on, by name."""
        return tuple(sorted({q.dataset for item in self.measured for q in item.record.quality}))

    def networks(self) -> list[tuple[str, str, Mapping[str, Any]]]:
        """Model, display name and options of each network: of the registry's without options, of own ones with all."""
        found: dict[tuple[str, str], Mapping[str, Any]] = {}
        for record in (m.record for m in self.measured):
            found.setdefault((record.model, record.display_name), record.options if record.source else {})
        return [(model, name, options) for (model, name), options in found.items()]

    def find(self, query: Query, accept: Callable[[Record], bool] = lambda _: True) -> Found | None:
        """The best record that answers `query`, or None.

        Timing, memory and quality come from plain fp32 runs only (no channels_last, compile or CUDA graph), quality
        from published weights only (of networks that need a user's weights, and of the user's own: also from those).
        Among scan backends the one with the smallest median time is taken. A challenge-style run with scores timed a
        data set's images, so its time is of no size.

        Args:
            accept: what else a record must satisfy.
        """
        part = query.figure.split(".")[0]
        options = canonical(query.model, query.options)
        answers: list[tuple[tuple[bool, float, str], Found]] = []
        for item in self._of_model.get(query.model, ()):
            record, s = item.record, item.record.settings
            if canonical(record.model, record.options) != options:
                continue
            same_size = (s.height, s.width) == query.size
            plain = is_plain(record) and s.ntire_compat == query.ntire_compat
            if (part != "quality" and not same_size) or (part != "complexity" and not plain):
                continue
            if (part == "runtime" and s.timed_on) or (query.unfused and s.fused):
                continue
            if (
                not accept(record)
                or is_of_own_weights(record)
                or (part == "quality" and record.weights.status == "random")
            ):
                continue
            value = figures.value(record, query.figure)
            if value is not None:
                median = summarise(record.runtime.samples_ms).median_ms if record.runtime else math.inf
                answers.append(((not (plain and same_size), median, item.file), Found(item.file, record, value)))
        return min(answers, key=lambda a: a[0])[1] if answers else None


@dataclass(frozen=True)
class Loaded:
    """A records folder, sorted: what can be used, by device, and what was left out."""

    devices: tuple[DeviceRecords, ...]
    left_out: tuple[LeftOut, ...]


def canonical(model: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """`options` without those that say what the registry's network is anyway."""
    defaults = _default_options(model) if options else {}
    return {k: v for k, v in sorted(options.items()) if k not in defaults or defaults[k] != v}


@cache
def _default_options(model: str) -> Mapping[str, Any]:
    """Of a network of the registry; asked thousands of times in a report."""
    return models.default_options(model) if model in models.list_models() else {}


def supersedes(new: Record, old: Record) -> bool:
    """Whether `old` is the same network under the same conditions before its weights were there, and holds no more."""
    if old.weights.status != "random" or new.weights.status == "random":
        return False
    if old.source and new.source:
        same = bool(old.source.code_sha256) and old.source.code_sha256 == new.source.code_sha256
    else:
        same = old.source is None and new.source is None and old.model == new.model
    held = all(getattr(new, part) or not getattr(old, part) for part in ("complexity", "runtime", "memory"))
    conditions = old.options == new.options and old.settings == new.settings
    return same and held and conditions and versions(old.environment) == versions(new.environment)


def is_of_own_weights(record: Record) -> bool:
    """Whether a user's weights stood in for published ones, so that no table may take the record for the network."""
    return record.source is None and record.weights.status == "custom" and not needs_own_weights(record.model)


def needs_own_weights(model: str) -> bool:
    """Whether a user brings the weights of this network of the registry; no other network is anybody else's."""
    return model in models.list_models() and models.needs_own_weights(model)


def is_plain(record: Record) -> bool:
    """Whether the network ran in fp32 as it is, without TF32 or any speed-up switch."""
    s = record.settings
    return s.precision == "fp32" and not (s.channels_last or s.compile or s.cuda_graph)


def load(folder: Path) -> Loaded:
    """Read every record under `folder`. Raises EsrError if the folder is missing or holds no JSON file."""
    if not folder.is_dir():
        raise EsrError(f"--records {folder} is not a folder; measure first: ./run_all.sh or python bench/profile.py")
    paths = sorted(p for p in folder.rglob("*.json") if not p.name.startswith("."))
    if not paths:
        raise EsrError(f"--records {folder} holds no record; measure first: ./run_all.sh or python bench/profile.py")

    left_out: list[LeftOut] = []
    kept: list[Measured] = []
    for path in paths:
        name = path.relative_to(folder).as_posix()
        try:
            record = read_record(path)
        except EsrError as error:
            left_out.append(LeftOut.of(path, folder, error))
            continue
        faults = contradictions(record)
        if faults:
            left_out.append(LeftOut(name, f"contradicts itself: {faults[0]}"))
        else:
            kept.append(Measured(name, record))

    kept = [item for item in kept if not any(supersedes(other.record, item.record) for other in kept)]
    disputed = disagreements([(m.file, m.record, canonical(m.record.model, m.record.options)) for m in kept])
    out = {entry.file for entry in disputed}
    return Loaded(_by_device(m for m in kept if m.file not in out), tuple(sorted([*left_out, *disputed])))


def _by_device(measured: Iterable[Measured]) -> tuple[DeviceRecords, ...]:
    groups: dict[tuple[str, str, int], list[Measured]] = defaultdict(list)
    for item in measured:
        s = item.record.settings
        groups[s.device, s.device_name, s.threads or 0].append(item)
    return tuple(
        DeviceRecords(kind, name, threads or None, tuple(items))
        for (kind, name, threads), items in sorted(groups.items())
    )
