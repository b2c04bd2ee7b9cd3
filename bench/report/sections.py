"""The report's sections on studies, each with its files: a page and a CSV of its own, and its figures.

A section is a function here and its key; the order of the two lists is that of the report.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

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
from bench.report.lookup import DeviceRecords
from bench.report.roofline_plot import draw_roofline
from bench.report.scan_plot import draw_scan
from bench.report.studies import Studies


@dataclass(frozen=True)
class Section:
    """A heading and Markdown below it.

    Attributes:
        key: names its page, `key`.md; "" for a section without a page of its own.
        files: name -> content, the figures that `body` shows among them.
    """

    key: str
    title: str
    body: str
    files: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def markdown(self) -> str:
        """As a part of the report."""
        return f"## {self.title}\n\n{self.body}".rstrip()

    def all_files(self) -> dict[str, bytes]:
        """Its page too."""
        pages = {f"{self.key}.md": f"# {self.title}\n\n{self.body}".encode()} if self.key else {}
        return pages | dict(self.files)


Make = Callable[[DeviceRecords, Studies], Iterator[Section]]


def drawn_sections(device: DeviceRecords, studies: Studies) -> list[Section]:
    """Those that the HTML page shows in a way of its own; nothing where there are no records."""
    return [section for make in DRAWN for section in make(device, studies)]


def study_sections(device: DeviceRecords, studies: Studies) -> list[Section]:
    """The others; nothing where there are no records."""
    return [section for make in OTHERS for section in make(device, studies)]


def _scores(device: DeviceRecords, studies: Studies) -> Iterator[Section]:
    if years := scores.year_scores(device):
        files = {"scores.csv": scores.scores_csv(years).encode()}
        yield Section("scores", "NTIRE scores", scores.scores_body(years), files)


def _challenges(device: DeviceRecords, studies: Studies) -> Iterator[Section]:
    for one in studies.challenges:
        files = {f"{one.key}.csv": challenges.challenge_csv(one).encode()}
        yield Section("", one.title, challenges.challenge_body(one), files)


def _crops(device: DeviceRecords, studies: Studies) -> Iterator[Section]:
    if found := studies.crops:
        yield Section("crops", "Crops side by side", crops.crops_body(found), crops.crops_files(found))


def _own(device: DeviceRecords, studies: Studies) -> Iterator[Section]:
    if body := own.own_body(device):
        yield Section("", "Networks of your own", body)


def _backends(device: DeviceRecords, studies: Studies) -> Iterator[Section]:
    if body := backends.backends_body(device):
        yield Section("backends", "Whole networks by scan backend", body)


def _scan(device: DeviceRecords, studies: Studies) -> Iterator[Section]:
    if found := studies.scans:
        names = [scan.plot_name(record) for record in found]
        figures = [draw_scan(record, f"{device.name}, {scan.settings_text(record)}") for record in found]
        files = {**dict(zip(names, figures, strict=True)), "scan.csv": scan.scan_csv(found).encode()}
        yield Section("scan", "Selective scan", scan.scan_body(found, names), files)


def _accuracy(device: DeviceRecords, studies: Studies) -> Iterator[Section]:
    if found := studies.accuracies:
        files = {"accuracy.csv": accuracy.accuracy_csv(found).encode()}
        yield Section("accuracy", "Accuracy", accuracy.accuracy_body(found), files)


def _steps(device: DeviceRecords, studies: Studies) -> Iterator[Section]:
    if found := studies.steps:
        files = {"step.csv": step.step_csv(found).encode()}
        yield Section("step", "Training steps", step.step_body(found), files)


def _roofline(device: DeviceRecords, studies: Studies) -> Iterator[Section]:
    if found := studies.roofs:
        files = {roofline.PLOT: draw_roofline(found), "roofline.csv": roofline.roofline_csv(found).encode()}
        yield Section("roofline", "Roofline", roofline.roofline_body(found), files)


def _scaling(device: DeviceRecords, studies: Studies) -> Iterator[Section]:
    if found := studies.scalings:
        files = {scaling.PLOT: scaling.scaling_plot(found), "scaling.csv": scaling.scaling_csv(found).encode()}
        yield Section("scaling", "Input sizes", scaling.scaling_body(found), files)


def _attribution(device: DeviceRecords, studies: Studies) -> Iterator[Section]:
    if studies.lams or studies.fields:
        body = attribution.attribution_body(studies.lams, studies.fields)
        files = attribution.attribution_files(studies.lams, studies.fields)
        yield Section("attribution", "Attribution", body, files)


def _ablation(device: DeviceRecords, studies: Studies) -> Iterator[Section]:
    files = {"ablation.csv": ablation.ablation_csv(device, studies.trainings).encode()}
    yield Section("ablation", "Ablations: Tables 3 to 8", ablation.ablation_body(device, studies.trainings), files)


def _training(device: DeviceRecords, studies: Studies) -> Iterator[Section]:
    if found := studies.trainings:
        files = {training.PLOT: training.draw_training(found), "training.csv": training.training_csv(found).encode()}
        yield Section("training", "Networks trained here", training.training_body(found), files)


DRAWN: tuple[Make, ...] = (_scores, _challenges, _crops)
OTHERS: tuple[Make, ...] = (
    _own, _backends, _scan, _accuracy, _steps, _roofline, _scaling, _attribution, _ablation, _training,
)  # fmt: skip
