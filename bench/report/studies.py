"""Finds the studies beside a folder of records, each kind in its own folder, and what of them belongs to a device."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from bench.core.training_record import FILE, TrainingRecord, read_training
from bench.report.challenges import Challenge
from bench.report.lookup import DeviceRecords
from bench.report.trust import LeftOut
from bench.studies.accuracy.accuracy_record import AccuracyRecord, read_accuracy
from bench.studies.attribution.attribution_record import FIELD, LAM, FieldRecord, LamRecord, read_field, read_lam
from bench.studies.challenge.team_record import read_team
from bench.studies.crops.crops_record import CROP, CropRecord, read_crop
from bench.studies.roofline.roofline_record import RooflineRecord, read_roofline
from bench.studies.scaling.scaling_record import ScalingRecord, read_scaling
from bench.studies.scan.scan_record import ScanRecord, read_scan
from bench.studies.step.step_record import StepRecord, read_step
from models.errors import EsrError

FOLDERS = ("scan", "accuracy", "step", "training", "scaling", "roofline", "attribution", "crops")  # beside the records
CHALLENGES = "ntire*"  # likewise, each with records of its own

T = TypeVar("T")


@dataclass(frozen=True)
class Studies:
    """Every readable study, and the files that are none."""

    scans: tuple[ScanRecord, ...] = ()
    accuracies: tuple[AccuracyRecord, ...] = ()
    steps: tuple[StepRecord, ...] = ()
    trainings: tuple[TrainingRecord, ...] = ()
    scalings: tuple[ScalingRecord, ...] = ()
    lams: tuple[LamRecord, ...] = ()
    fields: tuple[FieldRecord, ...] = ()
    roofs: tuple[RooflineRecord, ...] = ()
    crops: tuple[CropRecord, ...] = ()
    challenges: tuple[Challenge, ...] = ()
    left_out: tuple[LeftOut, ...] = ()

    def of(self, device: DeviceRecords) -> "Studies":
        """Those measured on this device, with any number of threads."""
        key = (device.kind, device.name)
        return Studies(**{kind: tuple(r for r in getattr(self, kind) if _measured_on(r) == key) for kind in KINDS})

    def homeless(self, devices: Iterable[DeviceRecords]) -> list[LeftOut]:
        """Studies of a device without any network's record, which have no page to stand on."""
        homes = {(device.kind, device.name) for device in devices}
        reason = "is of a device without a record of a network; measure one: python bench/profile.py --model dvmsr"
        studies = (study for kind in KINDS for study in getattr(self, kind))
        return [LeftOut(_name(study), reason) for study in studies if _measured_on(study) not in homes]


KINDS = tuple(field.name for field in fields(Studies) if field.name != "left_out")


def _measured_on(study: Any) -> tuple[str, str]:
    """Device and its name, which some kinds keep in their settings or with their network."""
    parts = (study, getattr(study, "settings", None), getattr(study, "network", None))
    holder: Any = next(part for part in parts if hasattr(part, "device_name"))
    return holder.device, holder.device_name


def _name(study: Any) -> str:
    if isinstance(study, TrainingRecord):
        return f"training/{study.name}"
    return f"{study.folder}/" if isinstance(study, Challenge) else str(study.file_name)


def load_studies(records: Path) -> Studies:
    """Read what lies beside the folder `records`; nothing need be there."""
    left_out: list[LeftOut] = []
    folders = (records.absolute().parent / name for name in FOLDERS)
    scans, accuracies, steps, trainings, scalings, roofs, attributions, crops = folders
    return Studies(
        tuple(_read_all(scans, read_scan, left_out)),
        tuple(_read_all(accuracies, read_accuracy, left_out)),
        tuple(_read_all(steps, read_step, left_out)),
        tuple(_read_all(trainings, read_training, left_out, f"*/{FILE}")),
        tuple(_read_all(scalings, read_scaling, left_out)),
        tuple(_read_all(attributions, read_lam, left_out, f"{LAM}__*.json")),
        tuple(_read_all(attributions, read_field, left_out, f"{FIELD}__*.json")),
        tuple(_read_all(roofs, read_roofline, left_out)),
        tuple(_read_all(crops, read_crop, left_out, f"{CROP}__*.json")),
        tuple(_challenges(records.absolute().parent, left_out)),
        tuple(left_out),
    )


def _challenges(beside: Path, left_out: list[LeftOut]) -> list[Challenge]:
    """A challenge a folder and device, teams in order."""
    found = []
    for folder in sorted(beside.glob(f"{CHALLENGES}/records")):
        teams = _read_all(folder.parent, read_team, left_out, "records/*.json")
        teams.sort(key=lambda team: (team.team, team.file_name))
        for device in sorted({(t.conditions.device, t.conditions.device_name) for t in teams}):
            of_device = [t for t in teams if (t.conditions.device, t.conditions.device_name) == device]
            found.append(Challenge(folder.parent.name, tuple(of_device)))
    return found


def _read_all(folder: Path, read: Callable[[Path], T], left_out: list[LeftOut], pattern: str = "*.json") -> list[T]:
    """Those of the files that can be read; `left_out` hears of the others, named from beside the records on."""
    found = []
    for path in sorted(folder.glob(pattern)):
        if path.name.startswith("."):
            continue
        try:
            found.append(read(path))
        except EsrError as error:
            left_out.append(LeftOut(str(path.relative_to(folder.parent)), str(error).replace(str(path), "the file")))
    return found
