"""Time training steps of a network on every selective-scan backend, interleaved. See --help."""

import sys
from pathlib import Path

if not __package__:
    # Started as a script, this folder is first on sys.path; the repository root belongs there.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import argparse
from contextlib import ExitStack

import torch

from bench.core.command import Finished, carry_out_study
from bench.core.console import Tell
from bench.core.environment import describe, device_name, now
from bench.core.progress import passes
from bench.core.store import find, merge, save
from bench.measurement.runtime import measure_runtimes
from bench.networks.choice import parse_options
from bench.report.step import step_table
from bench.studies.flags import (
    add_budget,
    add_device,
    add_store,
    check_backends,
    check_positive,
    make_parser,
    settle_device,
)
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

    def work(tell: Tell) -> Finished:
        record, device, backends = _prepare(arguments)
        if arguments.reuse and (old := find(record, arguments.out)):
            tell(f"continuing {old.file_name}")
            record = merge(old, record)
        failed = False
        for batch in arguments.batch:
            if not _has(record, backends, batch):
                others = [m for m in record.measurements if m.batch != batch or m.backend not in backends]
                found = _measure(record.settings, device, backends, batch, arguments, tell)
                for m in found:
                    if m.error:
                        failed = True
                        tell(f"{m.backend}, batch {batch}, failed: {m.error}")
                record.measurements = [*others, *found]
            record = save(record, arguments.out)
        return Finished([step_table(record)], [arguments.out / record.file_name], failed=failed)

    return carry_out_study(work, arguments.out)


def _parser() -> argparse.ArgumentParser:
    about = "Time training steps (forward, L1 loss, backward, Adam) on every backend of the selective scan."
    parser = make_parser("step.py", about, EXAMPLES)
    add = parser.add_argument
    add("--model", default="dvmsr", metavar="NAME", help="(default: dvmsr)")
    add("--model-args", nargs="+", action="extend", metavar="K=V", default=[], help="options of the network")
    add("--backends", nargs="+", metavar="NAME", help="(default: every one that can run here but the slow reference)")
    add("--batch", nargs="+", type=int, default=[16, 64], metavar="B", help="patches in a step (default: 16 64)")
    add("--patch", type=int, default=64, metavar="N", help="side of an LR patch in pixels (default: 64)")
    add_device(parser, ("fp32", "tf32", "bf16"), "bf16 is autocast (default: fp32)")
    add_budget(parser, RUNS, 60.0, "backend and batch")
    add_store(parser, "step", "the batch sizes")
    return parser


def _prepare(arguments: argparse.Namespace) -> tuple[StepRecord, torch.device, list[str]]:
    """Check the arguments against this machine. Raises EsrError that names the flag and the cure."""
    device, threads = settle_device(arguments)
    if not get_spec(arguments.model).scan:
        raise EsrError(f"--model {arguments.model} has no selective scan, whose backends are compared here")
    check_positive(arguments, "batch", "patch", "runs", "time_budget")
    known = list_backends(device.type)
    check_backends(arguments.backends, known, device)
    settings = StepSettings(
        model=arguments.model,
        options=parse_options(arguments.model_args),
        device=device.type,
        device_name=device_name(device),
        precision=arguments.precision,
        patch=arguments.patch,
        threads=threads,
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
