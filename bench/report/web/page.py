"""The report as one HTML file, which needs nothing but a browser: no network, no other file.

Its scripts run because their checksums stand in its content security policy, which lets no other script run.
"""

import base64
import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import vl_convert
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from bench.core.table import Table
from bench.report import summary
from bench.report.charts.chart import Chart
from bench.report.charts.gallery import Gallery
from bench.report.charts.points import PREFERRED, TIME
from bench.report.charts.vega import VEGA_LITE, specification
from bench.report.contents import DeviceReport
from bench.report.document import Data, Fold, Section
from bench.report.headline import HEADLINE_SET, headline_rows, headline_table, order_markdown
from bench.report.lookup import DeviceRecords
from bench.report.missing import missing_markdown
from bench.report.page import CONVENTIONS
from bench.report.paper.explain import NEEDS_RECORDS, finding_section
from bench.report.paper.paper_table import PaperTable
from bench.report.paper.published import read
from bench.report.paper.table1 import MODELS
from bench.report.ranks import scores
from bench.report.ranks.scores import year_scores
from bench.report.references import references
from bench.report.studies import crops
from bench.report.trust import LeftOut
from bench.report.web import appendix, images, plain_words, prose, ranks
from bench.report.web.chooser import Chooser, chooser
from bench.report.web.crops import Crops, crops_view
from bench.report.web.side_by_side import Line, side_by_side
from bench.studies.crops.crops_record import CropRecord

PAGE = "report.html"
TEMPLATES = Path(__file__).resolve().parents[1] / "templates"
SCRIPTS = ("link.js", "tables.js", "take.js", "chooser.js", "crops.js", "charts.js", "page.js")
CARRIED = "window.vegaEmbed = vegaEmbed;"  # what the page takes from the charting library


@dataclass(frozen=True)
class Images:
    """What is shown of one data set's images; no table where only variants were scored."""

    title: str
    tables: tuple[Table, ...]


@dataclass(frozen=True)
class Explained:
    """One known difference, folded away under its verdict."""

    section: Section
    verdict: str


@dataclass(frozen=True)
class View:
    """One device as the template shows it; records of two devices never share a table."""

    label: str
    slug: str
    sentences: list[plain_words.Sentence]
    chooser: Chooser
    time: Chart | None
    order: Markup
    networks: Table
    sides: list[Line]
    charts: dict[str, dict[str, Chart]]
    first_set: str
    papers: Sequence[PaperTable]
    findings: list[Explained]
    rules: list[ranks.RankPart]
    scoring: Markup
    challenges: list[ranks.RankPart]
    crops: Crops
    cropping: Markup
    measured: Sequence[Table]
    images: list[Images]
    studies: Sequence[Section]
    environment: Table
    missing: Markup
    records: list[appendix.Shown]
    anchors: dict[str, str]


def html_page(reports: Sequence[DeviceReport], left_out: Sequence[LeftOut]) -> bytes:
    """The page. The same records always give the same bytes."""
    scripts = [
        charting_library(),
        *((TEMPLATES / name).read_text(encoding="utf-8") for name in SCRIPTS),
    ]
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {
        "prose": prose.html,
        "base64": lambda data: base64.b64encode(data).decode(),
        "specification": specification,
    }
    environment.tests |= {kind.__name__.lower(): _is_a(kind) for kind in (Table, Chart, Gallery, Data, Fold)}
    text = environment.get_template("report.html.jinja").render(
        devices=[_view(report) for report in reports],
        left_out=left_out,
        references=_references(report.device for report in reports),
        conventions=prose.html(CONVENTIONS, {}),
        style=Markup((TEMPLATES / "page.css").read_text(encoding="utf-8")),
        scripts=[Markup(script) for script in scripts],
        policy=" ".join(f"'sha256-{_checksum(script)}'" for script in scripts),
    )
    return text.encode()


def _is_a(kind: type) -> Callable[[object], bool]:
    return lambda part: isinstance(part, kind)


@cache
def charting_library() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script."""
    return vl_convert.javascript_bundle(CARRIED, VEGA_LITE).replace("</script", "<\\/script")


def _checksum(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _references(devices: Iterable[DeviceRecords]) -> dict[str, str]:
    """What networks are called in the page -> their papers as BibTeX; "" -> this benchmark's own entry."""
    entries = references()
    called = {row.label: MODELS.get(row.label, row.label.lower()) for row in read("table1")}
    called |= {name: model for device in devices for model, name, _ in device.networks()}
    return {"": entries[""], **{name: entries[model] for name, model in called.items() if model in entries}}


def _view(report: DeviceReport) -> View:
    device = report.device
    anchors = appendix.anchors(device, report.studies)
    rows, years = headline_rows(device), year_scores(device)
    drawn = {dataset: dict(made) for dataset in device.scored_sets if (made := report.charts[dataset])}
    first_set = PREFERRED if PREFERRED in drawn else next(iter(drawn), "")
    time = drawn[first_set].pop(TIME.key, None) if drawn else None  # it stands beside the first table

    def html(markdown: str) -> Markup:
        return prose.html(markdown, anchors)

    return View(
        device.label,
        device.slug,
        plain_words.sentences(report, rows),
        chooser(device, rows, HEADLINE_SET if HEADLINE_SET in device.scored_sets else report.plotted, years),
        time,
        html(order_markdown(rows)),
        headline_table(rows),
        side_by_side(device, rows, years),
        drawn,
        first_set,
        report.tables,
        [Explained(finding_section(f), f.verdict) for f in report.findings if f.verdict != NEEDS_RECORDS],
        [ranks.score_part(y, *map(html, ranks.score_texts(y))) for y in years],
        html(scores.INTRO),
        [ranks.challenge_part(c, *map(html, ranks.challenge_texts(c))) for c in report.studies.challenges],
        crops_view(report.studies.all(CropRecord)),
        html(crops.INTRO),
        summary.measured_tables(device),
        [_images(report, dataset) for dataset in device.scored_sets],
        [section for section in report.sections if section.parts],
        summary.environment_table(device.measured),
        html(missing_markdown(report)),
        appendix.entries(device, report.studies, anchors),
        anchors,
    )


def _images(report: DeviceReport, dataset: str) -> Images:
    scored = images.scored(report.device, dataset)
    tables = (images.extremes(scored, dataset), images.every_image(scored, dataset)) if scored else ()
    return Images(dataset, tables)
