"""What the report says of one device, made once for every form that it is written in."""

from collections.abc import Mapping
from dataclasses import dataclass

from bench.report.explain import Finding
from bench.report.lookup import DeviceRecords
from bench.report.studies import Studies
from bench.report.tables import Table


@dataclass(frozen=True)
class DeviceReport:
    """The finished parts of one device's report.

    Attributes:
        dataset: of the figure.
        sections: of the studies, as Markdown that starts with a heading of level 2.
        drawn: sections of the same form, which the HTML page shows in a way of its own.
        study_files: name -> content, the figures that `sections` and `drawn` show among them.
    """

    device: DeviceRecords
    studies: Studies
    dataset: str
    tables: tuple[Table, ...]
    sections: tuple[str, ...]
    drawn: tuple[str, ...]
    study_files: Mapping[str, bytes]
    findings: tuple[Finding, ...]
