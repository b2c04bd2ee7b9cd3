"""Measure the selective scan's backends: time against the floors, memory, errors. See --help."""

import sys
from pathlib import Path

if not __package__:
    # Started as a script, this folder is first on sys.path; the repository root belongs there.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import argparse

from bench.core.command import Finished, carry_out_study
from bench.core.console import Tell
from bench.core.environment import device_name
from bench.core.record_file import write_bytes
from bench.core.render import to_csv
from bench.measurement.runtime import RUNS
from bench.report.studies.scan import error_table, left_out_lines, scan_data, time_table
from bench.studies.flags import (
    add_budget,
    add_data_dir,
    add_device,
    add_store,
    check_backends,
    check_paths,
    check_positive,
    make_parser,
    settle_device,
)
from bench.studies.scan.contender import list_variants
from bench.studies.scan.figures import NUMBER_BYTES
from bench.studies.scan.scan_record import BOTH, FORWARD, ScanCell, ScanSettings
from bench.studies.scan.study import ScanPlan, run

DIV2K = 339 * 510  # tokens of a typical LR image
LENGTHS = [1024, 4096, 16_384, 65_536, DIV2K, 262_144, 1_048_576]
TRAINING = (64, 4096)  # batch and L of 64x64 patches
TIME_BUDGET_S = 20.0
PARTS = ("time", "memory", "errors")
EXAMPLES = """examples:
  python bench/scan.py                                                  everything, some minutes
  python bench/scan.py --lengths 65536 --directions forward             one cell
  python bench/scan.py --backends chunked native --threads 1
  python bench/scan.py --device cuda --precision bf16 --batch 1 16 64 --lengths 4096
  python bench/scan.py --measure errors --error-length 16384
"""


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit status: 0, 1 if a backend failed, 2 for a wrong call, 130 if interrupted."""
    arguments = _parser().parse_args(argv)

    def work(tell: Tell) -> Finished:
        plan = make_plan(arguments)
        found = run(plan, tell)
        (record,) = found.records
        path = plan.out / record.file_name
        write_bytes(path.with_suffix(".csv"), to_csv(scan_data([record])).encode())
        return Finished([time_table(record), error_table(record)], [path], left_out_lines(record), found.failed)

    return carry_out_study(work, arguments.out)


def _parser() -> argparse.ArgumentParser:
    about = (
        "Measure every backend of the selective scan, in turn, against what the machine can do at best. What would "
        "take longer than its budget is left out, with its estimate."
    )
    parser = make_parser("scan.py", about, EXAMPLES)
    add_device(parser, list(NUMBER_BYTES), "of the sequences (default: fp32)")
    add = parser.add_argument
    add("--backends", nargs="+", metavar="NAME", help="(default: every one that can run here)")
    add("--lengths", nargs="+", type=int, metavar="L", help=f"tokens (default: {' '.join(map(str, LENGTHS))})")
    add(
        "--batch",
        nargs="+",
        type=int,
        metavar="B",
        help=f"with every length (default: 1, and without --lengths also {TRAINING[0]} with L = {TRAINING[1]})",
    )
    add("--directions", nargs="+", choices=[FORWARD, BOTH], default=[FORWARD, BOTH], help="(default: both)")
    add("--channels", type=int, default=120, metavar="D", help="(default: 120, DVMSR's)")
    add("--state", type=int, default=16, metavar="N", help="(default: 16)")
    add("--measure", nargs="+", choices=PARTS, default=list(PARTS), help="memory goes with time (default: everything)")
    add_budget(parser, RUNS, TIME_BUDGET_S, "backend in each cell")
    add("--error-length", type=int, default=4096, metavar="L", help="tokens, of the errors (default: 4096)")
    add_data_dir(parser, "weights/")
    add_store(parser, "scan", "the cells")
    return parser


def make_plan(arguments: argparse.Namespace) -> ScanPlan:
    """Check the arguments against this machine. Raises EsrError that names the flag and the cure."""
    check_positive(arguments, "lengths", "batch", "channels", "state", "runs", "time_budget", "error_length")
    check_paths(arguments)
    device, threads = settle_device(arguments)
    found = list_variants(device.type)
    check_backends(arguments.backends, list(dict.fromkeys(v.backend for v in found)), device)
    return ScanPlan(
        device=device,
        settings=ScanSettings(
            device.type, device_name(device), arguments.precision, arguments.channels, arguments.state, threads
        ),
        variants=[v for v in found if arguments.backends is None or v.backend in arguments.backends],
        cells=_cells(arguments),
        measure=frozenset(arguments.measure),
        runs=arguments.runs or RUNS[device.type],
        time_budget_s=arguments.time_budget,
        error_length=arguments.error_length,
        data_dir=arguments.data_dir,
        out=arguments.out,
        reuse=arguments.reuse,
    )


def _cells(arguments: argparse.Namespace) -> list[ScanCell]:
    """Short ones first, since they say how long the others will take."""
    lengths = sorted(set(arguments.lengths or LENGTHS))
    sizes = [(batch, length) for batch in arguments.batch or [1] for length in lengths]
    if not arguments.lengths and not arguments.batch:
        sizes.append(TRAINING)
    return [ScanCell(*size, direction) for direction in arguments.directions for size in dict.fromkeys(sizes)]


if __name__ == "__main__":
    sys.exit(main())
