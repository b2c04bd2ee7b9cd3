"""The one list of what a report could not show, each with the reason or the command that measures it."""

from collections.abc import Sequence
from typing import NamedTuple

from bench.report.contents import DeviceReport
from bench.report.paper.explain import NEEDS_RECORDS
from bench.report.summary import skipped_lines


class Missing(NamedTuple):
    """What is missing of one part of the report, a Markdown line each."""

    title: str
    lines: Sequence[str]


def missing(report: DeviceReport) -> list[Missing]:
    """Skipped measurements, empty cells, rows that nobody trained, and differences that lack a record."""
    parts = [Missing("Skipped by the measurements", skipped_lines(report.device))]
    parts += [Missing(section.title, section.missing) for section in (*report.tables, *report.drawn, *report.sections)]
    lacking = [f for f in report.findings if f.verdict == NEEDS_RECORDS]
    parts.append(Missing("Known differences that lack a record", [line for f in lacking for line in f.needs]))
    return [part for part in parts if part.lines]


def missing_markdown(report: DeviceReport) -> str:
    """The list under small headings."""
    parts = ["\n".join([f"**{part.title}**\n", *part.lines]) for part in missing(report)]
    return "\n\n".join(parts) or "Nothing."
