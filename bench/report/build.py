"""Build the report from records alone: a page (HTML, Markdown), tables (CSV, Markdown), figure (PNG, SVG).

python bench/report/build.py --records results/records --out results/report
"""

import sys
from pathlib import Path

if not __package__:
    # Started as a script, this folder is first on sys.path; the repository root belongs there.
    sys.path[0] = str(Path(__file__).resolve().parents[2])

import argparse
from collections.abc import Sequence

from bench.core.record_file import write_files
from bench.report import page, summary
from bench.report.charts.points import plotted_dataset
from bench.report.charts.quality import quality_charts
from bench.report.contents import DeviceReport
from bench.report.document import files as files_of_parts
from bench.report.headline import headline_rows
from bench.report.lookup import DeviceRecords, Loaded, load
from bench.report.paper.differences import known_differences
from bench.report.paper.explain import NEEDS_RECORDS, Finding, judge
from bench.report.paper.table1 import table1
from bench.report.paper.tables import parameter_table, table2, table6, table9
from bench.report.studies.load import SHOWN, Studies, load_studies
from bench.report.studies.sections import drawn_sections, study_sections
from bench.report.trust import LeftOut
from bench.report.web.page import PAGE, html_page
from bench.report.web.plain_words import sentences
from bench.studies.kinds import KINDS
from models.errors import EsrError

TABLES = (table1, table2, table6, table9, parameter_table)
NO_STUDIES = Studies()


def build(loaded: Loaded, studies: Studies = NO_STUDIES, paper: bool = False) -> dict[str, bytes]:
    """Path below the output folder -> content. The same records always give the same bytes.

    Several devices share the HTML page and get a folder each for the rest and an index. Raises EsrError as `contents`.
    """
    return files_of(contents(loaded, studies, paper), loaded, studies)


def contents(loaded: Loaded, studies: Studies = NO_STUDIES, paper: bool = False) -> list[DeviceReport]:
    """What there is to say of each device. Raises EsrError if no record is left to report.

    Args:
        paper: whether to show the paper's tables of which nothing was measured, too.
    """
    if not loaded.devices:
        raise EsrError(
            f"no usable record: {loaded.left_out[0].file} {loaded.left_out[0].reason} "
            f"({len(loaded.left_out)} left out); measure again with ./run_all.sh --fresh"
        )
    return [_contents(device, studies.of(device), paper) for device in loaded.devices]


def files_of(reports: Sequence[DeviceReport], loaded: Loaded, studies: Studies) -> dict[str, bytes]:
    """See `build`."""
    left_out = [*loaded.left_out, *studies.left_out, *studies.homeless(loaded.devices)]
    files = {PAGE: html_page(reports, left_out)}
    if len(reports) == 1:
        return files | _device_files(reports[0], left_out)
    files["report.md"] = page.index_page(loaded.devices, left_out).encode()
    for report in reports:
        own = _device_files(report, left_out)
        files |= {f"{report.device.slug}/{name}": data for name, data in own.items()}
    return files


def judge_all(device: DeviceRecords) -> list[Finding]:
    """Every known difference, judged by one device's records."""
    return [judge(known, device) for known in known_differences(device)]


def _contents(device: DeviceRecords, studies: Studies, paper: bool) -> DeviceReport:
    drawn, others = drawn_sections(device, studies), study_sections(device, studies, paper)
    tables = [make(device) for make in TABLES]
    findings = judge_all(device)
    plotted = plotted_dataset(device)
    judged = paper or any(finding.verdict != NEEDS_RECORDS for finding in findings)
    return DeviceReport(
        device,
        studies,
        plotted=plotted,
        charts={name: quality_charts(device, name) for name in dict.fromkeys([plotted, *device.scored_sets])},
        tables=tuple(table for table in tables if paper or any(one.file for one in table.found)),
        sections=tuple(others),
        drawn=tuple(drawn),
        study_files={name: data for section in [*drawn, *others] for name, data in section.files().items()},
        findings=tuple(findings) if judged else (),
    )


def _device_files(report: DeviceReport, left_out: Sequence[LeftOut]) -> dict[str, bytes]:
    device = report.device
    files = {"report.md": page.device_page(report, left_out).encode()}
    for section in (*report.tables, summary.measured_section(device)):
        files |= section.files()
    files |= files_of_parts(tuple(report.charts[report.plotted].values()))
    return files | dict(report.study_files)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. Returns the exit status."""
    parser = argparse.ArgumentParser(
        description="Build tables, figure and comparison report from records.",
        epilog="example: python bench/report/build.py --records results/records --out results/report",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    beside = ", ".join(dict.fromkeys(f"{KINDS[kind].split('/')[0]}/" for kind in SHOWN))
    parser.add_argument(
        "--records",
        type=Path,
        default=Path("results/records"),
        help=f"folder with records; {beside} beside it are taken too",
    )
    parser.add_argument("--out", type=Path, default=Path("results/report"), help="folder for the report")
    asked = "also the paper's tables, and its known differences, of which nothing was measured"
    parser.add_argument("--paper", action="store_true", help=asked)
    options = parser.parse_args(arguments)
    try:
        loaded = load(options.records)
        if options.out.exists() and not options.out.is_dir():
            raise EsrError(f"--out {options.out} is not a folder; choose another --out")
        studies = load_studies(options.records)
        reports = contents(loaded, studies, options.paper)
        names = write_files(files_of(reports, loaded, studies), options.out)
    except EsrError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return 2
    for line in [*_summary(reports, loaded), f"{options.out / PAGE}, and {len(names) - 1} files beside it"]:
        print(line)  # noqa: T201
    return 0


def _summary(reports: Sequence[DeviceReport], loaded: Loaded) -> list[str]:
    """What the page says first, of every device, and the records that it does not rest on."""
    lines = []
    for report in reports:
        found = sentences(report, headline_rows(report.device))
        lines += ["".join(text for text, _ in sentence) for sentence in found]
    return [*lines, *(f"left out {entry.file}: {entry.reason}" for entry in loaded.left_out)]


if __name__ == "__main__":
    sys.exit(main())
