"""Which network is the faster one: `python bench/compare.py A B`. See --help."""

import sys
from pathlib import Path

if not __package__:
    # Started as a script, this folder is first on sys.path; the repository root belongs there.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import argparse
import math
from collections.abc import Sequence

from bench.core.command import carry_out
from bench.core.console import Tell, open_console
from bench.core.render import print_table
from bench.core.store import save
from bench.data.datasets import DatasetNotFoundError, find_dataset, find_named
from bench.data.pairs import Dataset
from bench.networks.choice import parse_choice
from bench.studies.comparison.regression import judge, read_reference
from bench.studies.comparison.rounds import empty_record, measure_rounds, start_networks
from bench.studies.comparison.summary import citation, comparison_table, quality_lines, verdicts
from bench.studies.flags import add_data
from bench.studies.profile.arguments import Plan, add_timing_arguments, make_plan
from models.errors import EsrError

REPEATS = 3
QUICK_SET = "Set5"
EXAMPLES = """examples:
  python bench/compare.py rlfn_ntire span                     which is faster, by how much, and how sure that is
  python bench/compare.py dvmsr@native 'dvmsr(channels=48)@native' rlfn_ntire --repeats 5
  python bench/compare.py dvmsr dvmsr                         a network beside itself: no difference should be shown
  python bench/compare.py dvmsr --against RECORD.json         in CI: fails if dvmsr became more than 5 % slower

RECORD.json is a record of profile.py or of this command, of the same network on the same device, with the same
threads, input size and precision. One of this command is the better one: it has several processes.

exit status: 0; 1 if a network failed, became slower beyond the tolerance or has other counts; 2 for a wrong call;
130 if interrupted, with nothing written.
"""


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit status, as --help lists them."""
    arguments = _parser().parse_args(argv)
    out, tell = open_console()

    def work() -> int:
        tolerance = _check(arguments)
        plan = make_plan(arguments)
        subjects = start_networks([parse_choice(text) for text in arguments.model], plan, tell)
        record = empty_record(subjects, plan, arguments.repeats)
        path = arguments.out / record.file_name
        reference = None
        if arguments.against:
            if path.resolve() == arguments.against.resolve():
                raise EsrError(f"--against {arguments.against} would be overwritten; choose another --out")
            reference = read_reference(arguments.against, record.networks[0])
        measure_rounds(record, subjects, find_sets(plan, arguments.data, tell), plan, tell)
        save(record, arguments.out)
        print_table(out, comparison_table(record))
        failed, lines = any(network.error for network in record.networks), verdicts(record)
        if reference and not failed:
            outcome = judge(reference, record.networks[0], tolerance)
            failed, lines = outcome.failed, outcome.lines
        lines = [*lines, *quality_lines(record)]
        timed = any(network.samples_ms for network in record.networks)
        for line in [*lines, *(["", citation(record), ""] if timed else [])]:
            out.print(line, markup=False, highlight=False, soft_wrap=True)
        out.print(str(path), markup=False, highlight=False, soft_wrap=True)
        return 1 if failed else 0

    return carry_out(work, tell, lambda: "nothing was written")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="compare.py",
        description="Time networks beside one another, in several fresh processes each, and say which is the faster.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("model", nargs="+", metavar="NETWORK", help="as profile.py's --model; the first is compared with each other")
    add("--repeats", type=int, default=REPEATS, metavar="N", help=f"fresh processes a network (default: {REPEATS})")
    add("--against", type=Path, metavar="RECORD", help="an earlier record that the one network is held against")
    add("--tolerance", default="5%", metavar="P%", help="how much slower it may be with --against (default: 5%%)")
    add_data(parser, f", to score the networks on (default: {QUICK_SET}, where it is found)")
    add("--limit", type=int, metavar="N", help="the first N images of each data set only")
    add_timing_arguments(parser, "network in each process")
    add(
        "--out", type=Path, default=Path("results/comparisons"), help="folder of records (default: results/comparisons)"
    )
    # What profile.py offers besides, and a comparison of times has no use for.
    parser.set_defaults(weights=None, model_args=[], ntire_compat=False, measure=["runtime"], reuse=False)
    # Networks of the user's own say these in brackets.
    parser.set_defaults(data_range=None, size_multiple=None, state_key=None, scale=4, allow_unsafe_weights=None)
    return parser


def find_sets(plan: Plan, named: Sequence[str] | None, tell: Tell) -> list[Dataset]:
    """What to score the networks on: the sets that are named, or the quick one if it is here.

    Raises EsrError for a named one that is missing.
    """
    if plan.cuda_graph:
        return []
    try:
        found = find_named(named, plan.data_dir, plan.lr) if named else [find_dataset(QUICK_SET, plan.data_dir, False)]
    except DatasetNotFoundError as error:
        if named:
            raise
        tell(f"quality is not measured: {error}")
        return []
    return [dataset.limited(plan.limit) if plan.limit else dataset for dataset in found]


def _check(arguments: argparse.Namespace) -> float:
    """The tolerance, as a fraction. Raises EsrError that names the flag and the cure."""
    if arguments.against and len(arguments.model) > 1:
        raise EsrError("--against holds one network against its record; name one")
    if not arguments.against and len(arguments.model) < 2:
        raise EsrError("name two networks or more, or one with --against RECORD")
    if arguments.repeats < 1:
        raise EsrError("--repeats must be positive")
    if arguments.out.exists() and not arguments.out.is_dir():
        raise EsrError(f"--out {arguments.out} is not a folder")
    text = arguments.tolerance.strip()
    try:
        tolerance = float(text.removesuffix("%")) / 100
    except ValueError:
        tolerance = math.nan
    if not (text.endswith("%") and 0 <= tolerance < math.inf):
        raise EsrError(f"--tolerance {arguments.tolerance} is no percentage; write one such as 5%")
    return tolerance


if __name__ == "__main__":
    sys.exit(main())
