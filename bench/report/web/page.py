"""The report as one HTML file, which needs nothing but a browser: no network, no other file.

Its scripts run because their checksums stand in its content security policy, which lets no other script run.
"""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import vl_convert
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from bench.report import crops, scores, summary
from bench.report.contents import DeviceReport
from bench.report.explain import Finding, finding_markdown
from bench.report.headline import headline_rows, order_markdown
from bench.report.page import CONVENTIONS
from bench.report.scores import year_scores
from bench.report.tables import missing_notes
from bench.report.trust import LeftOut
from bench.report.web import appendix, images, plain_words, prose, ranks, tables
from bench.report.web.charts import VEGA_LITE, Chart, charts, first_set
from bench.report.web.crops import Crops, crops_view
from bench.report.web.grid import Grid

PAGE = "report.html"
TEMPLATES = Path(__file__).resolve().parents[1] / "templates"
CARRIED = "window.vegaEmbed = vegaEmbed;"  # what the page takes from the charting library


@dataclass(frozen=True)
class Part:
    """A heading with tables and, after them, text."""

    title: str
    grids: tuple[Grid, ...]
    text: Markup


@dataclass(frozen=True)
class Explained:
    """One known difference, folded away under its verdict."""

    title: str
    verdict: str
    body: Markup


@dataclass(frozen=True)
class View:
    """One device as the template shows it; records of two devices never share a table."""

    label: str
    slug: str
    sentences: list[plain_words.Sentence]
    order: Markup
    networks: Grid
    charts: list[Chart]
    first_set: str
    own: bool
    papers: list[Part]
    findings: list[Explained]
    rules: list[ranks.RankPart]
    scoring: Markup
    challenges: list[ranks.RankPart]
    crops: Crops
    cropping: Markup
    measured: list[Grid]
    images: list[Part]
    studies: list[Part]
    environment: Markup
    skipped: Markup
    records: list[appendix.Entry]
    anchors: dict[str, str]


def html_page(reports: Sequence[DeviceReport], left_out: Sequence[LeftOut]) -> bytes:
    """The page. The same records always give the same bytes."""
    scripts = [
        charting_library(),
        *((TEMPLATES / name).read_text(encoding="utf-8") for name in ("page.js", "crops.js", "charts.js")),
    ]
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    text = environment.get_template("report.html.jinja").render(
        devices=[_view(report) for report in reports],
        left_out=left_out,
        conventions=prose.html(CONVENTIONS, {}, {}),
        style=Markup((TEMPLATES / "page.css").read_text(encoding="utf-8")),
        scripts=[Markup(script) for script in scripts],
        policy=" ".join(f"'sha256-{_checksum(script)}'" for script in scripts),
    )
    return text.encode()


@cache
def charting_library() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script."""
    return vl_convert.javascript_bundle(CARRIED, VEGA_LITE).replace("</script", "<\\/script")


def _checksum(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _view(report: DeviceReport) -> View:
    device = report.device
    anchors = appendix.anchors(device, report.studies)
    rows, drawn = headline_rows(device), charts(device, anchors)

    def html(markdown: str, demote: int = 0) -> Markup:
        return prose.html(markdown, anchors, report.study_files, demote)

    return View(
        device.label,
        device.slug,
        plain_words.sentences(report, rows),
        html(order_markdown(rows)),
        tables.networks(rows),
        drawn,
        first_set(drawn[0].fronts) if drawn else "",
        any(m.record.source for m in device.measured),
        [Part(t.title, tuple(tables.comparisons(t)), html(missing_notes(t.entries))) for t in report.tables],
        [Explained(f"({f.known.key}) {f.known.title}", f.verdict, html(_body(f))) for f in report.findings],
        [ranks.score_part(y, *map(html, ranks.score_texts(y))) for y in year_scores(device)],
        html(scores.INTRO),
        [ranks.challenge_part(c, *map(html, ranks.challenge_texts(c))) for c in report.studies.challenges],
        crops_view(report.studies.crops),
        html(crops.INTRO),
        tables.measured(device),
        [_image_part(report, dataset) for dataset in images.datasets(device)],
        [Part(title.removeprefix("## "), (), html(body)) for title, body in map(_split, report.sections)],
        html(summary.environment_markdown(device.measured)),
        html(summary.skipped_markdown(device)),
        appendix.entries(device, report.studies, anchors),
        anchors,
    )


def _image_part(report: DeviceReport, dataset: str) -> Part:
    scored = images.scored(report.device, dataset)
    return Part(
        dataset, (images.extremes(scored, dataset), images.every_image(scored, dataset)) if scored else (), Markup()
    )


def _body(finding: Finding) -> str:
    """Without its heading."""
    return _split(finding_markdown(finding))[1]


def _split(section: str) -> tuple[str, str]:
    title, _, body = section.partition("\n\n")
    return title, body
