"""Tables 3 to 8, whose rows are trainings: the paper's figures beside those trained here, each with its budget."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from bench.core.table import Column, Table, raw
from bench.core.training_record import Score, TrainingRecord
from bench.report.document import Data, Part, Section
from bench.report.lookup import DeviceRecords, Query
from bench.report.paper.published import PublishedRow, read
from bench.report.paper.variants import published_variants

TITLES = {
    "table3": "ViMMs in each RSSB",
    "table4": "number of RSSBs",
    "table5": "channels",
    "table6": "one direction of the scan or two",
    "table7": "distillation, its position and loss",
    "table8": "size of the teacher",
}
HEADERS = {
    "exp": "Exp.",
    "params_m": "Parameters (M)",
    "vimm_per_rssb": "ViMMs per RSSB",
    "rssb": "RSSBs",
    "channels": "Channels",
    "set5_psnr": "Set5 PSNR",
    "set5_ssim": "SSIM",
    "set14_psnr": "Set14 PSNR",
    "set14_ssim": "SSIM",
    "method": "Method",
    "psnr_div2k_db": "DIV2K PSNR (dB)",
    "time_s": "Time (s)",
    "flops_g": "FLOPs (G)",
    "activations_m": "Activations (M)",
    "memory_mib": "Memory (MiB)",
    "distillation": "Distillation",
    "position": "Position",
    "loss": "Loss",
    "ratio_dis_to_l1": "Distillation : L1",
    "teacher_params_m": "Teacher's parameters (M)",
    "teacher_set5_psnr": "Teacher's Set5 PSNR",
    "teacher_set5_ssim": "SSIM",
    "student_set5_psnr": "Student's Set5 PSNR",
    "student_set5_ssim": "SSIM",
}
INTRO = """\
The paper's columns as it prints them; the last three are measured here. Parameters are counted from the network of each
row (in Table 8 the teacher), whether it was trained or not. What was trained here holds for the budget beside it and
for no other."""
# Names that `train/ablation.py` gives its runs: table and row, then the budget, so that budgets never mix.
RUN = re.compile(r"(table[3-8])_row(\d+)_")

Runs = Mapping[int, Sequence[TrainingRecord]]  # number of a row, from 1 -> its trainings


def ablation_section(device: DeviceRecords, trainings: Sequence[TrainingRecord]) -> Section:
    """The report's section: the tables of which a row was trained, and the commands for the other rows."""
    parts: list[Part] = []
    for table, runs in (every := _runs(trainings)).items():
        if runs:
            parts += [f"### {title(table)}", ablation_table(table, runs, _parameters(device, table))]
    missing = [_untrained(table, runs) for table, runs in every.items()]
    if parts:
        parts = [INTRO, *parts, Data(score_table(device, trainings))]
    return Section("ablation", "Ablations: Tables 3 to 8", parts, [line for line in missing if line])


def _untrained(table: str, runs: Runs) -> str:
    rows = [number for number in range(1, len(read(table)) + 1) if not runs.get(number)]
    if not rows:
        return ""
    which = f"row{'s' * (len(rows) > 1)} {', '.join(map(str, rows))}"
    return f"- {title(table)}: {which} not trained here: `{command(table, rows[0])}`{', and so on' * (len(rows) > 1)}"


def title(table: str) -> str:
    """Such as "Table 3: ViMMs in each RSSB"."""
    return f"Table {table[-1]}: {TITLES[table]}"


class _Row(NamedTuple):
    """A row of the paper's table `table`, and its training and one of its scores, if it has any."""

    table: str
    number: int  # from 1
    paper: PublishedRow
    parameters: int | None
    run: TrainingRecord | None = None
    score: Score | None = None


def _printed(column: str) -> Column[_Row]:
    return Column(HEADERS[column], lambda r: r.paper.cells[column] or None, column, text=True)


OURS: tuple[Column[_Row], ...] = (
    Column("Parameters, measured", lambda r: r.parameters, "parameters"),
    Column(
        "Trained here: PSNR Y (dB) / SSIM",
        lambda r: _scores(r.run) if r.run else None,
        "trained_here",
        text=True,
    ),
    Column("Budget", lambda r: budget_text(r.run.config, r.run) if r.run else None, "budget", text=True),
)


def ablation_table(table: str, runs: Runs, parameters: Mapping[int, int]) -> Table:
    """The paper's columns, then ours: a line for every row of the paper, and more where it was trained more than once.

    Args:
        parameters: of the rows that are counted; a training brings its own.
    """
    rows = []
    for number, paper in enumerate(published := read(table), start=1):
        counted = _Row(table, number, paper, parameters.get(number))
        trained = [counted._replace(run=run, parameters=_parameters_of(run, table)) for run in runs.get(number, ())]
        rows += trained or [counted]
    return Table.of(title(table), [*map(_printed, published[0].cells), *OURS], rows)


def command(table: str, row: int) -> str:
    """What trains one row."""
    return f"python train/ablation.py --table {table[-1]} --row {row}"


def budget_text(config: Mapping[str, Any], run: TrainingRecord | None = None) -> str:
    """The budget that marks every figure."""
    size = config["data"]["patch"]
    text = f"{config['steps']:,} steps of {config['batch']} patches of {size}x{size}, seed {config['seed']}"
    return text if run is None or run.finished else f"{text}, unfinished at step {run.steps:,}"


def _budget(name: str) -> Column[_Row]:
    return raw(name, lambda r: r.run.config[name] if r.run else None)


SCORES: tuple[Column[_Row], ...] = (
    raw("table", lambda r: r.table),
    raw("row", lambda r: r.number),
    raw("published", lambda r: "; ".join(f"{column}={value}" for column, value in r.paper.cells.items() if value)),
    raw("parameters", lambda r: r.parameters),
    raw("dataset", lambda r: r.score.dataset if r.score else None),
    raw("psnr_y", lambda r: r.score.y_db if r.score else None),
    raw("ssim_y", lambda r: r.score.ssim_y if r.score else None),
    _budget("steps"),
    _budget("batch"),
    raw("patch", lambda r: r.run.config["data"]["patch"] if r.run else None),
    _budget("seed"),
    raw("finished", lambda r: str(r.run.finished) if r.run else None),
    raw("run", lambda r: r.run.name if r.run else None),
    raw("command", lambda r: None if r.run else command(r.table, r.number)),
)


def score_table(device: DeviceRecords, trainings: Sequence[TrainingRecord]) -> Table:
    """Every score of every row; a row without one has its command."""
    rows: list[_Row] = []
    for table, runs in _runs(trainings).items():
        counts = _parameters(device, table)
        for number, paper in enumerate(read(table), start=1):
            row = _Row(table, number, paper, counts.get(number))
            if not runs.get(number):
                rows.append(row)
            for run in runs.get(number, ()):
                trained = row._replace(run=run, parameters=run.parameters)
                rows += [trained._replace(score=score) for score in run.last_scores()]
    return Table.of("Scores of every row", SCORES, rows, "ablation")


def _runs(trainings: Sequence[TrainingRecord]) -> dict[str, dict[int, list[TrainingRecord]]]:
    """Every table, with the trainings of its rows."""
    found: dict[str, defaultdict[int, list[TrainingRecord]]] = {table: defaultdict(list) for table in TITLES}
    for training in trainings:
        if match := RUN.match(training.name):
            found[match[1]][int(match[2])].append(training)
    return {table: dict(rows) for table, rows in found.items()}


def _parameters(device: DeviceRecords, table: str) -> dict[int, int]:
    """Counted here, of the network that each row is about."""
    networks: dict[int, tuple[str, Mapping[str, Any]]] = {
        variant.row: ("dvmsr", variant.options) for variant in published_variants() if variant.table == table
    }
    if table == "table6":
        networks = {1: ("dvmsr", {}), 2: ("dvmsr_bi", {})}
    if table == "table7":
        networks = dict.fromkeys(range(1, len(read(table)) + 1), ("dvmsr", {}))
    found = {
        row: device.find(Query(model, "complexity.parameters", dict(options)))
        for row, (model, options) in networks.items()
    }
    return {row: int(one.value) for row, one in found.items() if one}


def _parameters_of(run: TrainingRecord, table: str) -> int | None:
    return run.teacher_parameters if table == "table8" else run.parameters


def _scores(run: TrainingRecord) -> str:
    texts = [f"{score.dataset} {score.y_db:.2f} / {score.ssim_y:.4f}" for score in run.last_scores()]
    return ", ".join(texts) or "not scored"
