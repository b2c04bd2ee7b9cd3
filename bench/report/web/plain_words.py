"""What the records say, in sentences: the first thing that a reader of the page meets."""

from collections.abc import Sequence

from bench.core.record import Complexity
from bench.core.wording import number
from bench.report.contents import DeviceReport
from bench.report.headline import COLUMNS, HeadlineRow
from bench.report.paper.paper_table import PaperTable
from bench.report.ranks.teams import team_name
from bench.report.web.chooser import hidden_sentences

Sentence = list[tuple[str, str]]  # pieces: a text, and the record of a measured number
PSNR = [figure for _, figure, *_ in COLUMNS].index("quality.Set5.psnr_y")
REPRODUCED = ("DVMSR", "RLFN")  # rows of Table 1 whose networks this project is about


def sentences(report: DeviceReport, rows: Sequence[HeadlineRow]) -> list[Sentence]:
    """Scope, reproduction, the best network and the verdicts; each only where it was measured."""
    first = [table for table in report.tables if table.key == "table1"]
    reproduced = [_reproduced(table, name) for table in first for name in REPRODUCED]
    found = [_scope(report), *hidden_sentences(_counted(report)), *reproduced, _best(rows)]
    return [sentence for sentence in [*found, _verdicts(report)] if sentence]


def _counted(report: DeviceReport) -> dict[str, tuple[Complexity, str]]:
    """Networks and challenge entries by name: their counts, and the record's file where the page holds it."""
    found = {
        item.record.display_name: (item.record.complexity, item.file)
        for item in report.device.measured
        if item.record.complexity and not item.record.options
    }
    for challenge in report.studies.challenges:
        for team in challenge.teams:
            if team.complexity:
                name = f"{team_name(team)} of NTIRE {team.year}" if team.year else team_name(team)
                found[name] = (team.complexity, f"{challenge.folder}/records/{team.file_name}")
    return found


def _piece(text: str, file: str = "") -> tuple[str, str]:
    return text, file


def _scope(report: DeviceReport) -> Sentence:
    records = [m.record for m in report.device.measured]
    days = sorted({r.created[:10] for r in records})
    when = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
    models = len({r.model for r in records})
    return [_piece(f"{len(records)} records of {models} networks, measured on {report.device.label}, {when}.")]


def _reproduced(table: PaperTable, name: str) -> Sentence:
    mine = {c.quantity.name: c for c in table.found if c.network.label == name and c.measured is not None}
    psnr, exact = mine.get("PSNR on Set5"), mine.get("Parameters, exact")
    if psnr is None or psnr.paper is None:
        return []
    pieces = [_piece(f"{name} reaches "), _piece(f"{psnr.measured_text} dB", psnr.file)]
    pieces.append(_piece(f" on Set5 (PSNR of Y), where the paper prints {psnr.paper_text} ({psnr.difference_text} dB)"))
    if exact:
        pieces += [_piece(", with "), _piece(f"{exact.measured_text} parameters", exact.file)]
    return [*pieces, _piece(".")]


def _best(rows: Sequence[HeadlineRow]) -> Sentence:
    """The highest PSNR on Set5."""
    scored = [(row, psnr) for row in rows if (psnr := row.found[PSNR])]
    if not scored:
        return []
    row, psnr = max(scored, key=lambda pair: pair[1].value)
    text = f"{number(psnr.value, 3)} dB"
    return [
        _piece(f"The highest PSNR of Y on Set5 of all that were scored is {row.name}'s, "),
        (text, psnr.file),
        _piece("."),
    ]


def _verdicts(report: DeviceReport) -> Sentence:
    verdicts = [f.verdict for f in report.findings]
    if not verdicts:
        return []
    explained, needing = verdicts.count("explained"), verdicts.count("needs records")
    rest = len(verdicts) - explained - needing
    return [
        _piece(
            f"Of {len(verdicts)} known differences between paper and measurement, these records explain {explained}, "
            f"do not confirm {rest}, and lack a number for {needing}."
        )
    ]
