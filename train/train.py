"""Train a network, from scratch or from a teacher: `python train/train.py --config FILE`. See --help."""

import sys
from pathlib import Path

if not __package__:
    # Started as a script, this folder is first on sys.path; the repository root belongs there.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import logging
import signal
import warnings
from collections.abc import Sequence

from bench.core.console import open_console
from bench.core.out_of_memory import is_out_of_memory
from bench.core.render import print_table
from bench.core.table import Column, Table, words
from bench.core.training_record import Score, TrainingRecord
from bench.core.wording import difference
from models.errors import EsrError
from train.config import build_parser, parse, scaled
from train.finished import finished_record, is_first_process
from train.loop import EXPORT, Run, StoppedError

FILE_WIDTH = 120  # columns, where the output is not a terminal
EXAMPLES = """examples:
  python train/train.py --config train/configs/smoke.yaml                     a small network, in minutes
  python train/train.py --config train/configs/smoke.yaml --seed 1 --name smoke_1 --steps 500
  python train/train.py --config train/configs/smoke_distill.yaml             a student of the one above
  python train/train.py --config results/training/smoke/config.yaml --resume  goes on where it stopped
  torchrun --nproc-per-node 4 train/train.py --config train/configs/dvmsr_teacher.yaml --resume
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns 0, 1 for a run that failed, 2 for a wrong call, 130 or 143 for one that was stopped."""
    out, tell = open_console()
    warnings.simplefilter("ignore")
    logging.getLogger("torch.distributed").setLevel(logging.ERROR)
    parser = build_parser("train.py", "Train a super-resolution network by one YAML file of settings.", EXAMPLES)
    parser.add_argument("--resume", action="store_true", help="go on from the last sound checkpoint, if there is one")
    parser.add_argument("--scale", type=float, default=1.0, help="make every budget and data set smaller by this")
    run = None
    try:
        config, others = parse(parser, argv)
        config = scaled(config, float(others["scale"]))
        record = finished_record(config) if others["resume"] else None
        if record:
            tell(f"{config.name} is finished already")
        else:
            run = Run(config, bool(others["resume"]), tell)
            record = run.train()
    except EsrError as error:
        tell(f"error: {error}")
        return 1 if run and run.done else 2
    except StoppedError as stopped:
        assert run
        tell(f"stopped by {stopped} at step {run.done:,} of {run.config.steps:,}; go on with --resume")
        return 128 + stopped.number
    except KeyboardInterrupt:
        tell("interrupted; go on from the last checkpoint with --resume")
        return 128 + signal.SIGINT
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        tell("error: out of memory; make batch or data.patch smaller, or set accumulate or recompute")
        return 1
    if is_first_process():
        print_table(out, summary_table(record))
        out.print(str(config.folder / EXPORT), markup=False, highlight=False, soft_wrap=True)
    return 0


def summary_table(record: TrainingRecord) -> Table:
    """A row a data set."""
    bicubic = {score.dataset: score.y_db for score in record.bicubic}
    columns: list[Column[Score]] = [
        words("data set", lambda s: s.dataset),
        Column("PSNR Y [dB]", lambda s: s.y_db, decimals=3),
        Column("SSIM Y", lambda s: s.ssim_y, decimals=4),
        Column("PSNR RGB [dB]", lambda s: s.rgb_db, decimals=3),
        Column("over bicubic", lambda s: difference(s.y_db, bicubic.get(s.dataset), 3)),
        Column("steps", lambda _: record.steps),
        Column("minutes", lambda _: record.seconds / 60, decimals=1),
        Column("patches/s", lambda _: record.patches_per_second or 0, decimals=1),
    ]
    return Table.of(f"{record.name}: {record.parameters:,} parameters", columns, record.last_scores())


if __name__ == "__main__":
    sys.exit(main())
