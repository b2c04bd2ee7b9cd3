"""Where a network's time goes, and how far from its floor: `python bench/roofline.py --model dvmsr`. See --help."""

import sys
from pathlib import Path

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])  # as in bench/profile.py

import argparse

from bench.core.command import Finished, carry_out_study
from bench.core.console import Tell
from bench.networks.choice import parse_choice
from bench.report.studies.roofline import kind_table, layer_table, network_table, titles
from bench.studies.flags import (
    PRECISIONS,
    add_budget,
    add_device,
    add_networks,
    add_size,
    add_store,
    check_positive,
    make_parser,
    settle_device,
    settle_size,
)
from bench.studies.roofline.study import RooflinePlan, run

RUNS = {"cpu": 5, "cuda": 20}
EXAMPLES = """examples:
  python bench/roofline.py --model dvmsr rlfn swinir_light
  python bench/roofline.py --model dvmsr@chunked dvmsr --input-size 128   one network on two scans
  python bench/roofline.py --model span --precision bf16 --time-budget 60

The floor of an operator is the time that its bytes take at the rate of a large copy, or its operations at the rate of
a large matrix product, whichever is longer; both rates are measured here, in the same process.
"""


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns 0, 1 if a network failed, 2 for a wrong call, 130 if interrupted."""
    arguments = _parser().parse_args(argv)

    def work(tell: Tell) -> Finished:
        found = [run(plan, tell) for plan in make_plans(arguments)]
        records = [record for one in found for record in one.records]
        failed = any(one.failed for one in found)
        tables = [network_table(records), kind_table(records)] if records else []
        for name, record in zip(titles(records), records, strict=True) if records else ():
            tables.append(layer_table(record, arguments.layers, f"{name}: slowest layers"))
        return Finished(tables, [arguments.out / record.file_name for record in records], failed=failed)

    return carry_out_study(work, arguments.out)


def _parser() -> argparse.ArgumentParser:
    about = "Time, FLOPs, bytes and memory of every layer, beside what the machine can do at best."
    parser = make_parser("roofline.py", about, EXAMPLES)
    add_networks(parser)
    add = parser.add_argument
    add_size(parser, "each pass")
    add_device(parser, PRECISIONS)
    add_budget(parser, RUNS, 30.0, "network")
    add("--layers", type=int, default=10, metavar="N", help="slowest layers to print (default: 10)")
    add_store(parser, "roofline", "the networks")
    return parser


def make_plans(arguments: argparse.Namespace) -> list[RooflinePlan]:
    """A plan a network. Raises EsrError that names the flag and the cure."""
    height, width = settle_size(arguments)
    check_positive(arguments, "runs", "time_budget", "layers")
    device, threads = settle_device(arguments)
    return [
        RooflinePlan(
            choice=choice,
            height=height,
            width=width,
            device=device,
            threads=threads,
            precision=arguments.precision,
            runs=arguments.runs or RUNS[device.type],
            time_budget_s=arguments.time_budget,
            out=arguments.out,
            reuse=arguments.reuse,
        )
        for choice in map(parse_choice, arguments.model)
    ]


if __name__ == "__main__":
    sys.exit(main())
