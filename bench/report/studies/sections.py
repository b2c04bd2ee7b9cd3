"""The report's sections on studies, in its order; a study that is added has a line here and a module that shows it."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from bench.core.training_record import TrainingRecord
from bench.report.document import Section
from bench.report.lookup import DeviceRecords
from bench.report.own import own_section
from bench.report.ranks.challenges import challenge_section
from bench.report.ranks.scores import scores_section, year_scores
from bench.report.studies.ablation import ablation_section
from bench.report.studies.accuracy import accuracy_section
from bench.report.studies.attribution import attribution_section
from bench.report.studies.backends import backends_section
from bench.report.studies.crops import crops_section
from bench.report.studies.load import Studies
from bench.report.studies.roofline import roofline_section
from bench.report.studies.scaling import scaling_section
from bench.report.studies.scan import scan_section
from bench.report.studies.step import step_section
from bench.report.studies.training import training_section
from bench.studies.accuracy.accuracy_record import AccuracyRecord
from bench.studies.attribution.attribution_record import FieldRecord, LamRecord
from bench.studies.crops.crops_record import CropRecord
from bench.studies.roofline.roofline_record import RooflineRecord
from bench.studies.scaling.scaling_record import ScalingRecord
from bench.studies.scan.scan_record import ScanRecord
from bench.studies.step.step_record import StepRecord

R = TypeVar("R")
ABLATED = "dvmsr"  # the network of the paper's ablations
Make = Callable[[DeviceRecords, Studies], Iterable[Section | None]]


def drawn_sections(device: DeviceRecords, studies: Studies) -> list[Section]:
    """Those that the HTML page shows in a way of its own; nothing where there are no records."""
    return [section for make in DRAWN for section in make(device, studies) if section]


def study_sections(device: DeviceRecords, studies: Studies, paper: bool = False) -> list[Section]:
    """The others; nothing where there are no records. `paper`: the paper's ablations too, where none was trained."""
    found = [section for make in OTHERS for section in make(device, studies) if section]
    ablated = paper or studies.all(TrainingRecord) or any(m.record.model == ABLATED for m in device.measured)
    return [*found, ablation_section(device, studies.all(TrainingRecord))] if ablated else found


def _of(kind: type[R], section: Callable[[Sequence[R]], Section]) -> Make:
    """The section on the records of one kind."""
    return lambda device, studies: [section(found)] if (found := studies.all(kind)) else []


def _scores(device: DeviceRecords, studies: Studies) -> list[Section]:
    years = year_scores(device)
    return [scores_section(years)] if years else []


def _attribution(device: DeviceRecords, studies: Studies) -> list[Section]:
    lams, fields = studies.all(LamRecord), studies.all(FieldRecord)
    return [attribution_section(lams, fields)] if lams or fields else []


DRAWN: tuple[Make, ...] = (
    _scores,
    lambda device, studies: map(challenge_section, studies.challenges),
    _of(CropRecord, crops_section),
)
OTHERS: tuple[Make, ...] = (
    lambda device, studies: [own_section(device)],
    lambda device, studies: [backends_section(device)],
    _of(ScanRecord, scan_section),
    _of(AccuracyRecord, accuracy_section),
    _of(StepRecord, step_section),
    _of(RooflineRecord, roofline_section),
    _of(ScalingRecord, scaling_section),
    _attribution,
    _of(TrainingRecord, training_section),
)
