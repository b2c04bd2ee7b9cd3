"""The studies beside a folder of records, and what of them belongs to a device."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from bench.core.record import Record
from bench.core.training_record import TrainingRecord
from bench.report.lookup import DeviceRecords
from bench.report.ranks.challenges import Challenge
from bench.report.trust import LeftOut
from bench.studies.challenge.team_record import TeamRecord
from bench.studies.comparison.comparison_record import ComparisonRecord
from bench.studies.kinds import KINDS, read_all
from models.errors import EsrError

SHOWN = tuple(kind for kind in KINDS if kind not in (Record, ComparisonRecord))
R = TypeVar("R")


@dataclass(frozen=True)
class Studies:
    """Every readable record of a study by its file beside the networks' records, and the files that are none."""

    records: Mapping[str, Any] = field(default_factory=dict)
    left_out: tuple[LeftOut, ...] = ()

    def all(self, kind: type[R]) -> Sequence[R]:
        """Those of one kind, in the order of their files."""
        return [record for record in self.records.values() if isinstance(record, kind)]

    @property
    def challenges(self) -> list[Challenge]:
        """A folder of teams each, in the order of their numbers."""
        folders: dict[str, list[TeamRecord]] = {}
        for file, record in self.records.items():
            if isinstance(record, TeamRecord):
                folders.setdefault(file.split("/")[0], []).append(record)
        return [
            Challenge(folder, tuple(sorted(teams, key=lambda team: (team.team, team.file_name))))
            for folder, teams in folders.items()
        ]

    def of(self, device: DeviceRecords) -> "Studies":
        """Those measured on this device, with any number of threads."""
        key = (device.kind, device.name)
        return Studies({file: record for file, record in self.records.items() if _measured_on(record) == key})

    def homeless(self, devices: Iterable[DeviceRecords]) -> list[LeftOut]:
        """Studies of a device without any network's record, which have no page to stand on."""
        homes = {(device.kind, device.name) for device in devices}
        reason = "is of a device without a record of a network; measure one: python bench/profile.py --model dvmsr"
        names = (_name(file, record) for file, record in self.records.items() if _measured_on(record) not in homes)
        return [LeftOut(name, reason) for name in dict.fromkeys(names)]


def _measured_on(study: Any) -> tuple[str, str]:
    """Device and its name, which some kinds keep in their settings, their conditions or with their network."""
    parts = (study, *(getattr(study, name, None) for name in ("settings", "conditions", "network")))
    holder: Any = next(part for part in parts if hasattr(part, "device_name"))
    return holder.device, holder.device_name


def _name(file: str, study: Any) -> str:
    if isinstance(study, TrainingRecord):
        return file.rsplit("/", 1)[0]
    return f"{file.split('/')[0]}/" if isinstance(study, TeamRecord) else file


def load_studies(records: Path) -> Studies:
    """Read what lies beside the folder `records`; nothing need be there."""
    results = records.absolute().parent
    left_out: list[LeftOut] = []

    def refuse(path: Path, error: EsrError) -> None:
        left_out.append(LeftOut.of(path, results, error))

    found = (pair for kind in SHOWN for pair in read_all(results, kind, refuse))
    by_file = {path.relative_to(results).as_posix(): record for path, record in found}
    return Studies(by_file, tuple(left_out))
