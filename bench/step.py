"""Time training steps of a network on every selective-scan backend, interleaved. See --help."""

import sys
from pathlib import Path

if not __package__:
    # Started as a script, this folder is first on sys.path; the repository root belongs there.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import argparse

from bench.core.command import Finished, carry_out_study
from bench.core.console import Tell
from bench.core.environment import device_name
from bench.networks.choice import parse_options
from bench.report.studies.step import step_table
from bench.studies.flags import (
    add_budget,
    add_device,
    add_store,
    check_backends,
    check_positive,
    make_parser,
    settle_device,
)
from bench.studies.step.step_record import StepSettings
from bench.studies.step.study import StepPlan, run
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
        found = run(make_plan(arguments), tell)
        files = [arguments.out / record.file_name for record in found.records]
        return Finished([step_table(record) for record in found.records], files, failed=found.failed)

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


def make_plan(arguments: argparse.Namespace) -> StepPlan:
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
    return StepPlan(
        settings=settings,
        device=device,
        backends=list(dict.fromkeys(arguments.backends or [n for n in known if n != "reference"])),
        batches=arguments.batch,
        runs=arguments.runs or RUNS[device.type],
        time_budget_s=arguments.time_budget,
        out=arguments.out,
        reuse=arguments.reuse,
    )


if __name__ == "__main__":
    sys.exit(main())
