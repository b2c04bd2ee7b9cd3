"""Compare a network's images over scan backends, precisions and fusion: `python bench/accuracy.py`. See --help."""

import sys
from pathlib import Path

if not __package__:
    # Started as a script, this folder is first on sys.path; the repository root belongs there.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import argparse

from bench.core.command import Finished, carry_out_study
from bench.core.console import Tell
from bench.core.record_file import write_files
from bench.core.render import to_csv
from bench.data.datasets import DatasetNotFoundError, canonical_name, find_dataset, find_named
from bench.data.pairs import Dataset
from bench.networks.choice import parse_options
from bench.report.studies.accuracy import accuracy_section, accuracy_table, left_out_lines
from bench.studies.accuracy.accuracy_record import AccuracyRecord
from bench.studies.accuracy.study import AccuracyPlan, list_variants, run
from bench.studies.flags import (
    add_data,
    add_data_dir,
    add_device,
    add_networks,
    add_store,
    check_backends,
    check_positive,
    make_parser,
    settle_device,
)
from models import get_spec
from models.errors import EsrError
from models.scan import list_backends

DATASETS = ("Set5", "Set14", "B100")
EXAMPLES = """examples:
  python bench/accuracy.py                                  DVMSR on Set5, Set14 and B100
  python bench/accuracy.py --data Set5 --limit 2            within a minute
  python bench/accuracy.py --model dvmsr_ntire --device cuda --exact Set5 Set14
"""


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit status: 0, 1 if a variant failed, 2 for a wrong call, 130 if interrupted."""
    arguments = _parser().parse_args(argv)

    def work(tell: Tell) -> Finished:
        records: list[AccuracyRecord] = []
        for plan in make_plans(arguments, tell):
            (record,) = run(plan, tell).records
            stem = Path(record.file_name).stem
            page = f"# Accuracy\n\n{accuracy_section([record]).body}"
            files = {f"{stem}.csv": to_csv(accuracy_table([record])).encode(), f"{stem}.md": page.encode()}
            write_files(files, plan.out)
            records.append(record)
        return Finished(
            [accuracy_table([record]) for record in records],
            [arguments.out / record.file_name for record in records],
            [line for record in records for line in left_out_lines(record)],
            failed=any(record.left_out for record in records),
        )

    return carry_out_study(work, arguments.out)


def _parser() -> argparse.ArgumentParser:
    about = (
        "How far scan backend, precision and fusion move a network's images and PSNR: each variant against float32 "
        "with the backend 'chunked', and against float64."
    )
    parser = make_parser("accuracy.py", about, EXAMPLES)
    add_networks(parser, required=False, default=["dvmsr"], help="networks with a scan (default: dvmsr)")
    add_device(parser)
    add = parser.add_argument
    add("--model-args", nargs="+", default=[], metavar="K=V", help="options of the network in every variant")
    add("--backends", nargs="+", metavar="NAME", help="(default: every one that can run here but reference)")
    add_data(parser, f" (default: those found of {' '.join(DATASETS)})")
    add_data_dir(parser)
    add("--limit", type=int, metavar="N", help="only the first N images of each set")
    add("--exact", nargs="*", default=["Set5"], metavar="NAME", help="sets to run in float64 too (default: Set5)")
    add_store(parser, "accuracy", "the variants")
    return parser


def make_plans(arguments: argparse.Namespace, tell: Tell) -> list[AccuracyPlan]:
    """A plan a network. Raises EsrError that names the flag and the cure."""
    device, threads = settle_device(arguments)
    for name in arguments.model:
        if not get_spec(name).scan:
            raise EsrError(
                f"--model {name} has no selective scan, so backends change nothing; use dvmsr or dvmsr_ntire"
            )
        if not get_spec(name).fuses:
            raise EsrError(f"--model {name} has no fused mixer to compare with; use dvmsr or dvmsr_ntire")
    check_backends(arguments.backends, list_backends(device.type), device)
    check_positive(arguments, "limit")
    exact = frozenset(canonical_name(name) for name in arguments.exact)
    datasets = _datasets(arguments, tell)
    return [
        AccuracyPlan(
            model=model,
            options=parse_options(arguments.model_args),
            device=device,
            threads=threads,
            variants=list_variants(device.type, arguments.backends),
            datasets=datasets,
            limit=arguments.limit,
            exact=exact,
            data_dir=arguments.data_dir,
            out=arguments.out,
            reuse=arguments.reuse,
        )
        for model in dict.fromkeys(arguments.model)
    ]


def _datasets(arguments: argparse.Namespace, tell: Tell) -> list[Dataset]:
    """Those named, which must be there, or those found."""
    if arguments.data or arguments.lr:
        return find_named(arguments.data or [], arguments.data_dir, arguments.lr)
    found = []
    for name in DATASETS:
        try:
            found.append(find_dataset(name, arguments.data_dir))
        except DatasetNotFoundError as error:
            tell(f"{name} left out: {error}")
    if not found:
        raise EsrError(f"none of {', '.join(DATASETS)} was found; name others with --data, such as photos")
    return found


if __name__ == "__main__":
    sys.exit(main())
