"""Train the rows of an ablation table at any budget: `python train/ablation.py --table 3 --steps 200`. See --help."""

import sys
from pathlib import Path

if not __package__:
    # Started as a script, this folder is first on sys.path; the repository root belongs there.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import contextlib
import copy
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from bench.core.console import Tell, open_console
from bench.core.record_file import read_as, write_bytes
from bench.core.render import print_table, to_csv, to_markdown
from bench.core.table import Table
from bench.core.training_record import FILE, TrainingRecord
from bench.report.studies.ablation import ablation_table
from models.errors import EsrError
from train.config import Config, Distillation, Network, build_parser, parse
from train.finished import finished_record
from train.loop import EXPORT, Run, StoppedError

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = ROOT / "train/configs"
TABLES: dict[str, Any] = yaml.safe_load((CONFIGS / "tables.yaml").read_text(encoding="utf-8"))
FILE_WIDTH = 140  # columns, where the output is not a terminal
EXAMPLES = """examples:
  python train/ablation.py --table 3                                        the paper's budget: weeks on one GPU
  python train/ablation.py --table 7 --steps 2000 --batch 16 --data.hr '[photos]' --data.patch 64
  python train/ablation.py --table 4 --row 2 --steps 2000                   one row; a second call keeps what is done
"""


@dataclass(frozen=True)
class Row:
    """One row of a table: the run to make, and the run of its teacher if it has one."""

    label: str
    config: Config
    teacher: Config | None


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status: 0, 2 for a wrong call or a run that failed, 130 if interrupted."""
    out, tell = open_console()
    warnings.simplefilter("ignore")
    description = "Train the rows of one of the paper's Tables 3 to 8, and write the table beside the paper's figures."
    parser = build_parser("ablation.py", description, EXAMPLES)
    parser.add_argument("--table", choices=["3", "4", "5", "6", "7", "8"], help="of the DVMSR paper")
    parser.add_argument("--row", type=int, help="count from 1; all rows are trained without it")
    try:
        words = list(sys.argv[1:] if argv is None else argv)
        config, others = parse(parser, ["--config", str(CONFIGS / "ablation.yaml"), *words])
        if not others["table"]:
            raise EsrError("--table is missing; name one of 3, 4, 5, 6, 7, 8")
        rows = make_rows(f"table{others['table']}", config)
        if others["row"] is not None and not 1 <= others["row"] <= len(rows):
            raise EsrError(f"--row {others['row']} is not in the table, which has {len(rows)} rows")
        for row in rows if others["row"] is None else [rows[others["row"] - 1]]:
            for one in filter(None, (row.teacher, row.config)):
                train_once(one, tell)
            write_table(f"table{others['table']}", rows, Path(config.out))
    except EsrError as error:
        tell(f"error: {error}")
        return 2
    except (StoppedError, KeyboardInterrupt):
        tell("interrupted; the same command goes on where it stopped")
        return 130
    path = write_table(f"table{others['table']}", rows, Path(config.out))
    print_table(out, make_table(f"table{others['table']}", rows))
    out.print(str(path), markup=False, highlight=False, soft_wrap=True)
    return 0


def make_rows(table: str, base: Config) -> list[Row]:
    """The runs of a table, each with what its row sets over `base`. Budgets differ by name, so they never mix."""
    content = TABLES[table]
    budget = f"{base.steps}x{base.batch}x{base.data.patch}_seed{base.seed}"
    rows = []
    for number, (label, values) in enumerate(content["rows"].items(), start=1):
        options = {k: v for k, v in values.items() if k not in ("distillation", "teacher")}
        config = _named(base, f"{table}_row{number}_{budget}", options)
        teacher_options = values.get("teacher") or ("distillation" in values and content["teacher"])
        teacher = None
        if teacher_options:
            size = f"{teacher_options['channels']}x{len(teacher_options['depths'])}"
            teacher = _named(base, f"teacher_{size}_{budget}", teacher_options)
            config.teacher = Network(teacher.model.name, teacher.model.options, str(teacher.folder / EXPORT))
            distillation: dict[str, Any] = values.get("distillation", {})
            # Mid-level: behind each student RSSB, that of the teacher at the same depth.
            pairs = {f"layers.{i}": f"layers.{i}" for i in range(4)} if distillation.get("mid") else {}
            config.distillation = Distillation(**distillation, pairs=pairs)
        rows.append(Row(str(label), config, teacher))
    return rows


def _named(base: Config, name: str, options: dict[str, Any]) -> Config:
    config = copy.deepcopy(base)
    config.name, config.model = name, Network(base.model.name, {**base.model.options, **options})
    return config


def train_once(config: Config, tell: Tell) -> TrainingRecord:
    """Train, go on with, or only read what is finished."""
    if record := finished_record(config):
        tell(f"{config.name} is finished")
        return record
    return Run(config, resume=True, tell=tell).train()


def make_table(table: str, rows: Sequence[Row]) -> Table:
    """The paper's columns, then those of these runs."""
    runs: dict[int, list[TrainingRecord]] = {}
    for number, row in enumerate(rows, start=1):
        with contextlib.suppress(EsrError):  # it is not trained yet
            runs[number] = [read_as(TrainingRecord, row.config.folder / FILE)]
    return ablation_table(table, runs, {})


def write_table(table: str, rows: Sequence[Row], out: Path) -> Path:
    """Write the table as Markdown and CSV into the folder of runs."""
    made = make_table(table, rows)
    write_bytes(out / f"{table}.csv", to_csv(made).encode())
    path = out / f"{table}.md"
    text = f"# {made.title}\n\nPaper and our runs; ours hold for the budget beside them."
    write_bytes(path, f"{text}\n\n{to_markdown(made)}\n".encode())
    return path


if __name__ == "__main__":
    sys.exit(main())
