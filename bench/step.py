"""Time training steps of a network on every selective-scan backend, interleaved. See --help."""

import sys
from pathlib import Path

if not __package__:
    # Started as a script, this folder is first on sys.path; the repository root belongs there.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import argparse
import math
from contextlib import ExitStack

import torch

from bench.core.command import carry_out
from bench.core.console import Tell, open_console
from bench.core.environment import describe, device_name, now
from bench.core.progress import passes
from bench.core.render import print_table
from bench.core.store import find, merge, save
from bench.measurement.runtime import measure_runtimes
from bench.networks.choice import parse_options
from bench.report.step import step_table
from bench.studies.arguments import parse_device
from bench.studies.step.contender import StepContender, StepJob
from bench.studies.step.step_record import StepMeasurement, StepRecord, StepSettings
from models import get_spec
from models.errors import EsrError
from models.scan import list_backends

RUNS = {"cpu": 5, "cuda": 50}
EXAMPLES = """examples:
  python bench/step.py                                    DVMSR, batches of 16 and 64 patches of 64x64
  python bench/step.py --batch 4 --patch 32 --backends native chunked
  python bench/step.py --device cuda --precision bf16
"""


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit status: 0, 1 if a backend failed, 2 for a wrong call, 130 if interrupted."""
    arguments = _parser().parse_args(argv)
    out, tell = open_console()

    def work() -> int:
        record, device, backends = _prepare(arguments)
        if arguments.reuse and (old := find(record, arguments.out)):
            tell(f"continuing {old.file_name}")
            record = merge(old, record)
        failed: list[str] = []
        for batch in arguments.batch:
            if not _has(record, backends, batch):
                others = [m for m in record.measurements if m.batch != batch or m.backend not in backends]
                found = _measure(record.settings, device, backends, batch, arguments, tell)
                failed += [m.backend for m in found if m.error]
                for m in found:
                    if m.error:
                        tell(f"{m.backend}, batch {batch}, failed: {m.error}")
                record.measurements = [*others, *found]
            record = save(record, arguments.out)
        print_table(out, step_table(record))
        out.print(str(arguments.out / record.file_name), markup=False, highlight=False, soft_wrap=True)
        return 1 if failed else 0

    return carry_out(work, tell, lambda: f"what is finished is in {arguments.out}, and --reuse continues from there")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="step.py",
        description="Time training steps (forward, L1 loss, backward, Adam) on every backend of the selective scan.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--model", default="dvmsr", metavar="NAME", help="(default: dvmsr)")
    add("--model-args", nargs="+", action="extend", metavar="K=V", default=[], help="options of the network")
    add("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: auto, a GPU where there is one)")
    add("--backends", nargs="+", metavar="NAME", help="(default: every one that can run here but the slow reference)")
    add("--batch", nargs="+", type=int, default=[16, 64], metavar="B", help="patches in a step (default: 16 64)")
    add("--patch", type=int, default=64, metavar="N", help="side of an LR patch in pixels (default: 64)")
    add("--precision", choices=["fp32", "tf32", "bf16"], default="fp32", help="bf16 is autocast (default: fp32)")
    add("--threads", type=int, metavar="N", help="CPU threads (default: all cores)")
    runs = " or ".join(f"{n} on {d}" for d, n in RUNS.items())
    add("--runs", type=int, metavar="N", help=f"samples of each backend (default: {runs})")
    add("--time-budget", type=float, default=60.0, metavar="S", help="seconds for each backend and batch (default: 60)")
    add("--out", type=Path, default=Path("results/step"), help="folder of records (default: results/step)")
    add("--reuse", action="store_true", help="keep the batch sizes that --out holds, measure the others")
    return parser


def _prepare(arguments: argparse.Namespace) -> tuple[StepRecord, torch.device, list[str]]:
    """Check the arguments against this machine. Raises EsrError that names the flag and the cure."""
    device = parse_device(arguments.device)
    if not get_spec(arguments.model).scan:
        raise EsrError(f"--model {arguments.model} has no selective scan, whose backends are compared here")
    numbers = [*arguments.batch, arguments.patch, arguments.time_budget]
    numbers += [n for n in (arguments.runs, arguments.threads) if n is not None]
    if not all(0 < n < math.inf for n in numbers):
        raise EsrError("--batch, --patch, --runs, --threads and --time-budget must be positive and finite")
    if arguments.precision == "tf32" and device.type == "cpu":
        raise EsrError("--precision tf32 needs a CUDA device; leave it out, or use --device cuda")
    known = list_backends(device.type)
    for name in arguments.backends or ():
        if name not in known:
            raise EsrError(f"--backends {name} cannot run on {device.type} here; choose from {', '.join(known)}")
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    settings = StepSettings(
        model=arguments.model,
        options=parse_options(arguments.model_args),
        device=device.type,
        device_name=device_name(device),
        precision=arguments.precision,
        patch=arguments.patch,
        threads=torch.get_num_threads() if device.type == "cpu" else None,
    )
    backends = list(dict.fromkeys(arguments.backends or [n for n in known if n != "reference"]))
    return StepRecord(settings, now(), describe(device)), device, backends


def _has(record: StepRecord, backends: list[str], batch: int) -> bool:
    """Whether every backend was measured with this batch size, all of them in one run."""
    measured = (m for m in record.measurements if m.batch == batch and not m.error)
    found = {m.backend: m.runtime.run for m in measured if m.runtime}
    return set(backends) <= found.keys() and len({found[name] for name in backends}) == 1


def _measure(
    settings: StepSettings,
    device: torch.device,
    backends: list[str],
    batch: int,
    arguments: argparse.Namespace,
    tell: Tell,
) -> list[StepMeasurement]:
    runs = arguments.runs or RUNS[device.type]
    with ExitStack() as stack:
        jobs = [StepJob(settings, backend, batch, str(device)) for backend in backends]
        contenders = [stack.enter_context(StepContender(job)) for job in jobs]
        on_pass = stack.enter_context(passes("steps", arguments.time_budget * len(jobs)))
        timed = measure_runtimes(contenders, device.type, runs, arguments.time_budget, False, on_pass, tell)
    measurements = []
    for backend, one in zip(backends, timed, strict=True):
        others = [other for other in backends if other != backend]
        runtime = one.runtime(runs, others) if one.samples_ms else None
        measurements.append(StepMeasurement(backend, batch, runtime, one.memory, one.error))
    return measurements


if __name__ == "__main__":
    sys.exit(main())
