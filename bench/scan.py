"""Measure the selective scan's backends: time against the floors, memory, errors. See --help."""

import sys
from pathlib import Path

if not __package__:
    # Started as a script, this folder is first on sys.path; the repository root belongs there.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import argparse
import math

import torch
from rich.console import Console

from bench.core.command import carry_out
from bench.core.console import open_console
from bench.core.environment import device_name
from bench.core.record_file import write_bytes
from bench.core.render import print_table, to_csv
from bench.core.store import find, merge
from bench.measurement.runtime import RUNS
from bench.report.scan import error_table, left_out_lines, scan_data, time_table
from bench.studies.arguments import MOST_THREADS, parse_device
from bench.studies.scan.contender import Variant, list_variants
from bench.studies.scan.figures import NUMBER_BYTES, copy_rate
from bench.studies.scan.scan_record import BOTH, FORWARD, Cell, ScanRecord, ScanSettings
from bench.studies.scan.study import ScanPlan, new_record, run
from models.errors import EsrError

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
    out, tell = open_console()
    records: list[ScanRecord] = []  # the one that is being filled, for what is said of an interrupt

    def work() -> int:
        plan = make_plan(arguments)
        record = new_record(plan)
        tell(f"one big copy moves {copy_rate(record.machine) / 1e9:,.1f} GB/s")
        if arguments.reuse and (old := find(record, plan.out)):
            tell(f"continuing {old.file_name}")
            record = merge(old, record)
        records.append(record)
        known = list(record.left_out)
        stored = run(plan, record, tell)
        failed = [entry for entry in record.left_out if entry.failed and entry not in known]
        record = stored
        write_bytes((plan.out / record.file_name).with_suffix(".csv"), to_csv(scan_data([record])).encode())
        _print_summary(out, record)
        out.print(str(plan.out / record.file_name), markup=False, highlight=False, soft_wrap=True)
        return 1 if failed else 0

    def kept() -> str:
        finished = f"{len(records[0].measurements)} finished measurements are" if records else "nothing is"
        return f"{finished} in {arguments.out}, and --reuse continues from there"

    return carry_out(work, tell, kept)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scan.py",
        description="Measure every backend of the selective scan, in turn, against what the machine can do at best.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: auto, a GPU where there is one)")
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
    add("--precision", choices=list(NUMBER_BYTES), default="fp32", help="of the sequences (default: fp32)")
    add("--threads", type=int, metavar="N", help="CPU threads (default: all cores)")
    add("--measure", nargs="+", choices=PARTS, default=list(PARTS), help="memory goes with time (default: everything)")
    runs = " or ".join(f"{n} on {d}" for d, n in RUNS.items())
    add("--runs", type=int, metavar="N", help=f"samples of each backend in each cell (default: {runs})")
    add(
        "--time-budget",
        type=float,
        default=TIME_BUDGET_S,
        metavar="S",
        help="seconds for each backend in each cell; what would take longer is left out with its estimate "
        f"(default: {TIME_BUDGET_S:.0f})",
    )
    add("--error-length", type=int, default=4096, metavar="L", help="tokens, of the errors (default: 4096)")
    add("--data-dir", type=Path, metavar="PATH", help="folder of weights/ (default: $ESR_DATA, the cache)")
    add("--out", type=Path, default=Path("results/scan"), help="folder of records (default: results/scan)")
    add("--reuse", action="store_true", help="keep what --out holds of these settings, measure the rest")
    return parser


def make_plan(arguments: argparse.Namespace) -> ScanPlan:
    """Check the arguments against this machine. Raises EsrError that names the flag and the cure."""
    device = parse_device(arguments.device)
    counts = [*(arguments.lengths or ()), *(arguments.batch or ()), arguments.channels, arguments.state]
    numbers = [*counts, arguments.error_length, arguments.time_budget, arguments.runs or 1, arguments.threads or 1]
    if not all(0 < n < math.inf for n in numbers) or arguments.runs == 0 or arguments.threads == 0:
        raise EsrError("lengths, batches, sizes, --runs, --threads and --time-budget must be positive and finite")
    if (arguments.threads or 1) > MOST_THREADS:
        raise EsrError(f"--threads {arguments.threads} is more than any machine has; at most {MOST_THREADS}")
    if arguments.data_dir and not arguments.data_dir.is_dir():
        raise EsrError(f"--data-dir {arguments.data_dir} is not a folder; name one that holds weights/")
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    threads = torch.get_num_threads() if device.type == "cpu" else None
    return ScanPlan(
        device=device,
        settings=ScanSettings(
            device.type, device_name(device), arguments.precision, arguments.channels, arguments.state, threads
        ),
        variants=_variants(arguments.backends, device.type),
        cells=_cells(arguments),
        measure=frozenset(arguments.measure),
        runs=arguments.runs or RUNS[device.type],
        time_budget_s=arguments.time_budget,
        error_length=arguments.error_length,
        data_dir=arguments.data_dir,
        out=arguments.out,
    )


def _variants(names: list[str] | None, device: str) -> list[Variant]:
    found = list_variants(device)
    for name in names or ():
        if name not in {v.backend for v in found}:
            known = ", ".join(dict.fromkeys(v.backend for v in found))
            raise EsrError(f"--backends {name} cannot run on {device} here; choose from {known}")
    return [v for v in found if names is None or v.backend in names]


def _cells(arguments: argparse.Namespace) -> list[Cell]:
    """Short ones first, since they say how long the others will take."""
    lengths = sorted(set(arguments.lengths or LENGTHS))
    sizes = [(batch, length) for batch in arguments.batch or [1] for length in lengths]
    if not arguments.lengths and not arguments.batch:
        sizes.append(TRAINING)
    return [Cell(*size, direction) for direction in arguments.directions for size in dict.fromkeys(sizes)]


def _print_summary(console: Console, record: ScanRecord) -> None:
    print_table(console, time_table(record))
    print_table(console, error_table(record))
    for line in left_out_lines(record):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main())
