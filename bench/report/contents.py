"""What the report says of one device, made once for every form that it is written in."""

from collections.abc import Mapping
from dataclasses import dataclass

from bench.report.charts.chart import Chart
from bench.report.document import Section
from bench.report.lookup import DeviceRecords
from bench.report.paper.explain import Finding
from bench.report.paper.paper_table import PaperTable
from bench.report.studies.load import Studies


@dataclass(frozen=True)
class DeviceReport:
    """The finished parts of one device's report.

    Attributes:
        plotted: the data set of the figure.
        charts: of quality against cost: data set -> key of the cost -> chart; of `plotted`, and all that was scored.
        sections: of the studies.
        drawn: those that the HTML page shows in a way of its own.
        study_files: name -> content, the figures that `sections` and `drawn` show among them.
    """

    device: DeviceRecords
    studies: Studies
    plotted: str
    charts: Mapping[str, Mapping[str, Chart]]
    tables: tuple[PaperTable, ...]
    sections: tuple[Section, ...]
    drawn: tuple[Section, ...]
    study_files: Mapping[str, bytes]
    findings: tuple[Finding, ...]
