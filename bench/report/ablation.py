"""Tables 3 to 8, whose rows are trainings: the paper's figures beside those trained here, each with its budget."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from bench.report import markup
from bench.report.lookup import DeviceRecords, Query
from bench.report.published import PublishedRow, read
from bench.report.variants import published_variants
from bench.training_record import TrainingRecord

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
OURS = ("Parameters, measured", "Trained here: PSNR Y (dB) / SSIM", "Budget")
INTRO = """\
The paper's columns as it prints them; the last three are measured here. Parameters are counted from the network of each
row (in Table 8 the teacher), whether it was trained or not. What was trained here holds for the budget beside it and
for no other; a row that nobody trained has the command that does it, at the paper's budget if no smaller one is
given."""
# Names that `train/ablation.py` gives its runs: table and row, then the budget, so that budgets never mix.
RUN = re.compile(r"(table[3-8])_row(\d+)_")

Runs = Mapping[int, Sequence[TrainingRecord]]  # number of a row, from 1 -> its trainings


def ablation_body(device: DeviceRecords, trainings: Sequence[TrainingRecord]) -> str:
    """The section without its heading."""
    parts = [INTRO]
    for table, runs in _runs(trainings).items():
        headers, rows = ablation_cells(table, runs, _parameters(device, table))
        parts.append(f"### {title(table)}\n\n{markup.markdown_table(headers, rows, left=len(headers))}")
    return "\n\n".join(parts) + "\n"


def title(table: str) -> str:
    """Such as "Table 3: ViMMs in each RSSB"."""
    return f"Table {table[-1]}: {TITLES[table]}"


def ablation_cells(table: str, runs: Runs, parameters: Mapping[int, int]) -> tuple[list[str], list[list[str]]]:
    """The paper's columns, then ours: a line for every row of the paper, and more where it was trained more than once.

    Args:
        parameters: of the rows that are counted; a training brings its own.
    """
    published = read(table)
    headers = [*(HEADERS[column] for column in published[0].cells), *OURS]
    cells = []
    for number, row in enumerate(published, start=1):
        printed = [value or markup.NONE for value in row.cells.values()]
        count = _thousands(parameters.get(number))
        trained = [
            [_parameters_of(run, table), _scores(run), budget_text(run.config, run)] for run in runs.get(number, ())
        ]
        for ours in trained or [[count, f"`{command(table, number)}`", markup.NONE]]:
            cells.append([*printed, *ours])
    return headers, cells


def command(table: str, row: int) -> str:
    """What trains one row."""
    return f"python train/ablation.py --table {table[-1]} --row {row}"


def budget_text(config: Mapping[str, Any], run: TrainingRecord | None = None) -> str:
    """The budget that marks every figure."""
    size = config["data"]["patch"]
    text = f"{config['steps']:,} steps of {config['batch']} patches of {size}x{size}, seed {config['seed']}"
    return text if run is None or run.finished else f"{text}, unfinished at step {run.steps:,}"


def ablation_csv(device: DeviceRecords, trainings: Sequence[TrainingRecord]) -> str:
    """Every score of every row as raw numbers; a row without one has its command."""
    headers = ["table", "row", "published", "parameters", "dataset", "psnr_y", "ssim_y", "steps", "batch", "patch"]
    headers += ["seed", "finished", "run", "command"]
    lines: list[list[markup.Value]] = []
    for table, runs in _runs(trainings).items():
        counts = _parameters(device, table)
        for number, row in enumerate(read(table), start=1):
            key: list[markup.Value] = [table, number, _printed(row)]
            for run in runs.get(number, ()):
                c = run.config
                budget: list[markup.Value] = [c["steps"], c["batch"], c["data"]["patch"], c["seed"], str(run.finished)]
                lines += [
                    [*key, run.parameters, s.dataset, s.psnr_y, s.ssim_y, *budget, run.name, None]
                    for s in run.last_scores()
                ]
            if not runs.get(number):
                lines.append([*key, counts.get(number), *[None] * 9, command(table, number)])
    return markup.csv_text(headers, lines)


def _printed(row: PublishedRow) -> str:
    return "; ".join(f"{column}={value}" for column, value in row.cells.items() if value)


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


def _parameters_of(run: TrainingRecord, table: str) -> str:
    return _thousands(run.teacher_parameters if table == "table8" else run.parameters)


def _thousands(count: int | None) -> str:
    return markup.NONE if count is None else f"{count:,}"


def _scores(run: TrainingRecord) -> str:
    texts = [f"{score.dataset} {score.psnr_y:.2f} / {score.ssim_y:.4f}" for score in run.last_scores()]
    return ", ".join(texts) or "not scored"
