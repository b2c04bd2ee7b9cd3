"""The report's sections on studies, each with its files: a page and a CSV of its own, and its figures.

A section is a function here and its key; the order of the two lists is that of the report.
"""

from collections.abc import Callable, Iterator

from bench.report import (
    ablation,
    accuracy,
    attribution,
    backends,
    challenges,
    crops,
    own,
    roofline,
    scaling,
    scan,
    scores,
    step,
    training,
)
from bench.report.document import Section
from bench.report.lookup import DeviceRecords
from bench.report.roofline_plot import draw_roofline
from bench.report.scan_plot import draw_scan
from bench.report.studies import Studies

Make = Callable[[DeviceRecords, Studies], Iterator[Section]]


def drawn_sections(device: DeviceRecords, studies: Studies) -> list[Section]:
    """Those that the HTML page shows in a way of its own; nothing where there are no records."""
    return [section for make in DRAWN for section in make(device, studies)]


def study_sections(device: DeviceRecords, studies: Studies) -> list[Section]:
    """The others; nothing where there are no records."""
    return [section for make in OTHERS for section in make(device, studies)]


def _scores(device: DeviceRecords, studies: Studies) -> Iterator[Section]:
    if years := scores.year_scores(device):
        yield scores.scores_section(years)


def _challenges(device: DeviceRecords, studies: Studies) -> Iterator[Section]:
    for one in studies.challenges:
        yield challenges.challenge_section(one)


def _crops(device: DeviceRecords, studies: Studies) -> Iterator[Section]:
    if found := studies.crops:
        yield crops.crops_section(found)


def _own(device: DeviceRecords, studies: Studies) -> Iterator[Section]:
    if section := own.own_section(device):
        yield section


def _backends(device: DeviceRecords, studies: Studies) -> Iterator[Section]:
    if section := backends.backends_section(device):
        yield section


def _scan(device: DeviceRecords, studies: Studies) -> Iterator[Section]:
    if found := studies.scans:
        figures = [draw_scan(record, f"{device.name}, {scan.settings_text(record)}") for record in found]
        yield scan.scan_section(found, figures)


def _accuracy(device: DeviceRecords, studies: Studies) -> Iterator[Section]:
    if found := studies.accuracies:
        yield accuracy.accuracy_section(found)


def _steps(device: DeviceRecords, studies: Studies) -> Iterator[Section]:
    if found := studies.steps:
        yield step.step_section(found)


def _roofline(device: DeviceRecords, studies: Studies) -> Iterator[Section]:
    if found := studies.roofs:
        yield roofline.roofline_section(found, draw_roofline(found))


def _scaling(device: DeviceRecords, studies: Studies) -> Iterator[Section]:
    if found := studies.scalings:
        yield scaling.scaling_section(found)


def _attribution(device: DeviceRecords, studies: Studies) -> Iterator[Section]:
    if studies.lams or studies.fields:
        yield attribution.attribution_section(studies.lams, studies.fields)


def _ablation(device: DeviceRecords, studies: Studies) -> Iterator[Section]:
    yield ablation.ablation_section(device, studies.trainings)


def _training(device: DeviceRecords, studies: Studies) -> Iterator[Section]:
    if found := studies.trainings:
        yield training.training_section(found)


DRAWN: tuple[Make, ...] = (_scores, _challenges, _crops)
OTHERS: tuple[Make, ...] = (
    _own, _backends, _scan, _accuracy, _steps, _roofline, _scaling, _attribution, _ablation, _training,
)  # fmt: skip
