"""Is the loader faster than the network? `python train/throughput.py --config FILE`. See --help."""

import sys
from pathlib import Path

if not __package__:
    # Started as a script, this folder is first on sys.path; the repository root belongs there.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import time
import warnings
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from bench.core.console import open_console
from bench.core.progress import step
from bench.core.render import print_table
from bench.core.statistics import summarise
from bench.core.table import Column, Table, words
from models.errors import EsrError
from train.config import Config, build_parser, parse
from train.data import Patches, Share, make_loader, make_patches
from train.networks import build_objective, student
from train.objective import Objective

FILE_WIDTH = 100  # columns, where the output is not a terminal
ENDLESS = 10**9  # steps; the time ends it
WARM_UP = 2  # batches and steps that are not counted: workers start, kernels are chosen
EXAMPLES = """examples:
  python train/throughput.py --config train/configs/smoke.yaml
  python train/throughput.py --config train/configs/dvmsr_student.yaml --data.workers 16 --seconds 30
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status: 0, or 2 for a wrong call."""
    out, tell = open_console()
    warnings.simplefilter("ignore")
    description = "Patches a second of the loader alone, beside those that training steps take from memory."
    parser = build_parser("throughput.py", description, EXAMPLES)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement")
    try:
        config, others = parse(parser, argv)
        seconds = float(others["seconds"])
        if not 0 < seconds < float("inf"):
            raise EsrError(f"--seconds is {seconds}; it must be positive")
        patches = make_patches(config.data, config.seed)
        with step("measuring [s]", total=round(2 * seconds)):
            loader = measure_loader(patches, config, seconds)
            lr, hr = next(iter(make_loader(patches, Share(config.batch), 0, 1, 0)))
            steps = measure_steps(
                lr, hr, build_objective(config, student(config), lr[:1, :, :16, :16].float() / 255), config, seconds
            )
    except EsrError as error:
        tell(f"error: {error}")
        return 2
    columns: list[Column[tuple[str, float]]] = [
        words("what", lambda pair: pair[0]),
        Column("patches/s", lambda pair: pair[1], decimals=1),
    ]
    rows = [("loader alone", loader), ("steps alone", steps), ("ratio", loader / steps)]
    print_table(out, Table.of(f"{config.name}: batch {config.batch}, {config.data.workers} workers", columns, rows))
    verdict = "the network is never waiting" if loader > steps else "the network waits: raise data.workers"
    out.print(verdict, markup=False, highlight=False)
    return 0


def measure_loader(patches: Patches, config: Config, seconds: float) -> float:
    """Patches a second that come out of the loader while nothing else runs."""
    batches = iter(make_loader(patches, Share(config.batch), 0, ENDLESS, config.data.workers))
    return config.batch / _typical(lambda: next(batches), seconds)


def measure_steps(lr: Tensor, hr: Tensor, objective: Objective, config: Config, seconds: float) -> float:
    """Patches a second that forward passes, losses and backward passes take, on one batch held in memory.

    Args:
        lr, hr: (b, 3, h, w) and (b, 3, 4h, 4w), uint8.
        config: of the run, for device and precision.
    """
    device = torch.device("cuda" if torch.cuda.is_available() and config.device != "cpu" else "cpu")
    x, y = (v.to(device).float() / 255 for v in (lr, hr))
    objective = objective.to_device(device).train()

    def one_step() -> None:
        objective.zero_grad(set_to_none=True)
        with torch.autocast(device.type, torch.bfloat16, enabled=config.precision == "bf16"):
            loss = objective(x, y)["loss"]
        loss.backward()
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    return len(lr) / _typical(one_step, seconds)


def _typical(work: Callable[[], object], seconds: float) -> float:
    """Mean seconds of one call, after a warm-up: batches come in bursts."""
    for _ in range(WARM_UP):
        work()
    samples: list[float] = []
    end = time.monotonic() + seconds
    while not samples or time.monotonic() < end:
        begin = time.perf_counter()
        work()
        samples.append((time.perf_counter() - begin) * 1e3)
    return summarise(samples).mean_ms / 1e3


if __name__ == "__main__":
    sys.exit(main())
