"""Finds the studies beside a folder of records, each kind in its own folder, and what of them belongs to a device."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from bench.challenge.record import read_team
from bench.report.challenges import Challenge
from bench.report.lookup import DeviceRecords
from bench.report.trust import LeftOut
from bench.studies.accuracy.record import AccuracyRecord, read_accuracy
from bench.studies.attribution.record import FIELD, LAM, FieldRecord, LamRecord, read_field, read_lam
from bench.studies.crops.record import CROP, CropRecord, read_crop
from bench.studies.roofline.record import RooflineRecord, read_roofline
from bench.studies.scaling.record import ScalingRecord, read_scaling
from bench.studies.scan.record import ScanRecord, read_scan
from bench.studies.step.record import StepRecord, read_step
from bench.training_record import FILE, TrainingRecord, read_training
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
        return Studies(
            scans=tuple(r for r in self.scans if (r.settings.device, r.settings.device_name) == key),
            accuracies=tuple(r for r in self.accuracies if (r.device, r.device_name) == key),
            steps=tuple(r for r in self.steps if (r.settings.device, r.settings.device_name) == key),
            trainings=tuple(r for r in self.trainings if (r.device, r.device_name) == key),
            scalings=tuple(r for r in self.scalings if (r.device, r.device_name) == key),
            lams=tuple(r for r in self.lams if (r.network.device, r.network.device_name) == key),
            fields=tuple(r for r in self.fields if (r.network.device, r.network.device_name) == key),
            roofs=tuple(r for r in self.roofs if (r.settings.device, r.settings.device_name) == key),
            crops=tuple(r for r in self.crops if (r.network.device, r.network.device_name) == key),
            challenges=tuple(c for c in self.challenges if (c.device, c.device_name) == key),
        )

    def homeless(self, devices: Iterable[DeviceRecords]) -> list[LeftOut]:
        """Studies of a device without any network's record, which have no page to stand on."""
        homes = [self.of(device) for device in devices]
        reason = "is of a device without a record of a network; measure one: python bench/profile.py --model dvmsr"
        lost = [r.settings.file_name for r in self.scans if not any(r in home.scans for home in homes)]
        lost += [r.file_name for r in self.accuracies if not any(r in home.accuracies for home in homes)]
        lost += [r.settings.file_name for r in self.steps if not any(r in home.steps for home in homes)]
        lost += [f"training/{r.name}" for r in self.trainings if not any(r in home.trainings for home in homes)]
        lost += [r.file_name for r in self.scalings if not any(r in home.scalings for home in homes)]
        lost += [r.file_name for r in self.lams if not any(r in home.lams for home in homes)]
        lost += [r.file_name for r in self.fields if not any(r in home.fields for home in homes)]
        lost += [r.file_name for r in self.roofs if not any(r in home.roofs for home in homes)]
        lost += [r.file_name for r in self.crops if not any(r in home.crops for home in homes)]
        lost += [f"{c.folder}/" for c in self.challenges if not any(c in home.challenges for home in homes)]
        return [LeftOut(file, reason) for file in lost]


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
