"""Time and disk that runs will take, before they start: `python train/estimate.py --config FILE ...`. See --help."""

import sys
from pathlib import Path

if not __package__:
    # Started as a script, this folder is first on sys.path; the repository root belongs there.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import argparse
import shutil
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from bench.core.console import open_console
from bench.core.out_of_memory import is_out_of_memory
from bench.core.progress import step
from bench.core.render import print_table
from bench.core.table import Column, Table, words
from bench.data.pairs import SCALE, ImagePair
from models.cache import cache_dir
from models.errors import EsrError
from train.config import Config, read_yaml, scaled
from train.networks import Built, build_network, build_objective, count_parameters, student
from train.store import find_pairs, packed_bytes, resolve_names
from train.throughput import measure_steps

FILE_WIDTH = 120  # columns, where the output is not a terminal
GIGA = 1e9
PARTS_OF_A_CHECKPOINT = 4  # weights, averaged weights, and Adam's two moments, each of the parameters' size
MOST_AT_ONCE = {"cpu": 1, "cuda": 16}  # patches timed: time grows in proportion from here on
EXAMPLES = """examples:
  python train/estimate.py --config train/configs/dvmsr_teacher.yaml train/configs/dvmsr_student.yaml
  python train/estimate.py --config train/configs/rlfn.yaml --gpus 8
"""


@dataclass(frozen=True)
class Estimate:
    """What one run will take.

    Attributes:
        parameters: of the network to train.
        images: in its training sets.
        patches_per_second: of one process, as just timed.
        hours: of all its steps.
        run_bytes: its folder, most of it checkpoints.
    """

    config: Config
    parameters: int
    images: int
    patches_per_second: float
    hours: float
    run_bytes: int


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status: 0, or 2 for a wrong call, data that is missing or a disk too small."""
    out, tell = open_console()
    warnings.simplefilter("ignore")
    arguments = _parser().parse_args(argv)
    try:
        if not 0 < arguments.seconds < float("inf") or arguments.gpus < 1:
            raise EsrError("--seconds and --gpus must be positive")
        flags = ["--out", arguments.out] if arguments.out else []
        configs = [scaled(read_yaml(path, flags), arguments.scale) for path in arguments.config]
        missing = list(dict.fromkeys(text for c in configs for text in missing_data(c)))
        if missing:
            raise EsrError("; ".join(missing))
        with step("estimating", total=len(configs)) as progress:
            estimates = []
            for config in configs:
                progress.describe(f"estimating {config.name}")
                estimates.append(estimate(config, configs, arguments.gpus, arguments.seconds))
                progress.advance()
        data = data_bytes(configs)
        needed = {Path(c.out): sum(e.run_bytes for e in estimates if e.config.out == c.out) for c in configs}
        needed[cache_dir()] = needed.get(cache_dir(), 0) + data
        print_table(out, Table.of("Before it starts, by steps just timed", COLUMNS, estimates))
        hours = sum(e.hours for e in estimates)
        total = f"in all: {duration(hours)}, {sum(needed.values()) / GIGA:.2f} GB of disk, {data / GIGA:.2f} of them "
        out.print(f"{total}decoded images in {cache_dir()}", markup=False, highlight=False, soft_wrap=True)
        check_disk(needed)
    except EsrError as error:
        tell(f"error: {error}")
        return 2
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        tell("error: out of memory while timing a step; set recompute in the configuration")
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="estimate.py",
        description="Time and disk that training runs will take on this machine, and whether their data is there.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--config", type=Path, nargs="+", required=True, metavar="FILE", help="YAML files of runs, made in this order")
    add("--scale", type=float, default=1.0, help="as of train.py (default: 1)")
    add("--out", metavar="DIR", help="folder of runs (default: as the files say)")
    gpus = torch.cuda.device_count()
    add("--gpus", type=int, default=max(1, gpus), help=f"that train together (default: those of this machine, {gpus})")
    add("--seconds", type=float, default=5.0, metavar="S", help="of timing for each run (default: 5)")
    return parser


def estimate(config: Config, runs: Sequence[Config], processes: int, seconds: float) -> Estimate:
    """Time some steps of a run on random patches. Raises EsrError as the run itself would.

    Args:
        runs: those to be made; a teacher that is still to come out of one of them is built untrained.
    """
    device = "cuda" if torch.cuda.is_available() and config.device != "cpu" else "cpu"
    patch, count = config.data.patch, min(config.batch, MOST_AT_ONCE[device])
    lr = torch.randint(0, 256, (count, 3, patch // SCALE, patch // SCALE), dtype=torch.uint8)
    hr = torch.randint(0, 256, (count, 3, patch, patch), dtype=torch.uint8)
    objective = build_objective(config, student(config), lr[:1].float() / 255, _teacher_to_come(config, runs))
    parameters = count_parameters(objective.model) or 0
    rate = measure_steps(lr, hr, objective, config, seconds)
    return Estimate(
        config,
        parameters,
        sum(map(len, training_images(config))),
        rate,
        config.steps * config.batch / (rate * processes) / 3600,
        # Beside those kept there are the best one and one that is being written; then the exported network.
        4 * parameters * (PARTS_OF_A_CHECKPOINT * (config.keep + 2) + 1),
    )


def _teacher_to_come(config: Config, runs: Sequence[Config]) -> Built | None:
    if config.teacher is None or Path(config.teacher.weights).is_file():
        return None
    made = {run.name: run for run in runs}
    run = made.get(Path(config.teacher.weights).parent.name)
    return build_network(run.model, "teacher") if run else None


def training_images(config: Config) -> list[list[ImagePair]]:
    """The images of each training set. Raises EsrError for the first that is not there."""
    data = config.data
    return [
        find_pairs(name, data.lr[i] if data.lr else None, data.limit) for i, name in enumerate(resolve_names(data.hr))
    ]


def missing_data(config: Config) -> list[str]:
    """A line for each training set that is not there, with what to do."""
    lines = []
    for i, name in enumerate(config.data.hr):
        one = replace(config.data, hr=[name], lr=config.data.lr and [config.data.lr[i]])
        try:
            training_images(replace(config, data=one))
        except EsrError as error:
            lines.append(str(error))
    return lines


def data_bytes(configs: Sequence[Config]) -> int:
    """Disk of the decoded images of all runs, which share what they have in common."""
    sets = {tuple(pair.hr for pair in pairs): pairs for c in configs for pairs in training_images(c)}
    return sum(map(packed_bytes, sets.values()))


def check_disk(needed: dict[Path, int]) -> None:
    """Raise EsrError where a folder's disk has not that many bytes free."""
    for folder, size in needed.items():
        parent = next(p for p in (folder.absolute(), *folder.absolute().parents) if p.exists())
        free = shutil.disk_usage(parent).free
        if free < size:
            raise EsrError(f"{folder} needs {size / GIGA:.1f} GB and has {free / GIGA:.1f} GB free; free some")


def budget(config: Config) -> str:
    """Steps, batch and patch."""
    return f"{config.steps:,} x {config.batch} of {config.data.patch}x{config.data.patch}"


def duration(hours: float) -> str:
    """In the unit that fits."""
    for unit, size in (("days", 24.0), ("hours", 1.0), ("minutes", 1 / 60)):
        if hours >= 2 * size:
            return f"{hours / size:,.1f} {unit}"
    return f"{hours * 3600:.0f} seconds"


COLUMNS: tuple[Column[Estimate], ...] = (
    words("run", lambda e: e.config.name),
    Column("parameters", lambda e: e.parameters),
    Column("budget", lambda e: budget(e.config)),
    Column("images", lambda e: e.images),
    Column("patches/s, each process", lambda e: e.patches_per_second, decimals=2),
    Column("time", lambda e: e.hours, write=lambda e: duration(e.hours)),
    Column("disk [GB]", lambda e: e.run_bytes / GIGA, decimals=2),
)

if __name__ == "__main__":
    sys.exit(main())
