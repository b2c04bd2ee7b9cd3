"""Runtime and memory over input sizes, whole and in tiles: `python bench/scaling.py --model dvmsr`. See --help."""

import sys
from pathlib import Path

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])  # as in bench/profile.py

import argparse

from bench.core.command import Finished, carry_out_study
from bench.core.console import Tell
from bench.data.datasets import find_named
from bench.networks.choice import parse_choice
from bench.report.studies.scaling import image_table, point_table
from bench.studies.flags import (
    PRECISIONS,
    add_budget,
    add_data,
    add_data_dir,
    add_device,
    add_networks,
    add_store,
    check_positive,
    make_parser,
    settle_device,
)
from bench.studies.scaling.study import ScalingPlan, check_tiles, run
from models.errors import EsrError

SIZES = (64, 128, 256, 512, 1024, 2048)
EXAMPLES = """examples:
  python bench/scaling.py --model dvmsr rlfn swinir_light
  python bench/scaling.py --model swinir_light --tile 64 --overlap 16 --data Set5   what tiles cost in time and dB
  python bench/scaling.py --model dvmsr@chunked --sizes 64 128 256 --longest 20
"""


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns 0, 2 for a wrong call, 130 if interrupted."""
    arguments = _parser().parse_args(argv)

    def work(tell: Tell) -> Finished:
        records = [record for plan in make_plans(arguments) for record in run(plan, tell).records]
        tables = [point_table([record]) for record in records]
        tables += [image_table(record) for record in records if record.images]
        return Finished(tables, [arguments.out / record.file_name for record in records])

    return carry_out_study(work, arguments.out)


def _parser() -> argparse.ArgumentParser:
    about = "Runtime and memory of networks from small inputs to the largest that fits, whole and in tiles."
    parser = make_parser("scaling.py", about, EXAMPLES)
    add_networks(parser)
    add = parser.add_argument
    sizes = " ".join(map(str, SIZES))
    add("--sizes", nargs="+", type=int, default=SIZES, metavar="N", help=f"LR pixels a side (default: {sizes})")
    add("--tile", type=int, metavar="N", help="also in tiles of N pixels a side, context included (default: not)")
    add("--overlap", type=int, default=16, metavar="N", help="pixels of context on each side of a tile (default: 16)")
    add_data(parser, ", on whose larger images tiles are compared in dB (default: none)", default=[])
    add("--limit", type=int, metavar="N", help="the first N images of each set only")
    add_data_dir(parser)
    add_device(parser, PRECISIONS)
    add_budget(parser, 10, 10.0, "size")
    add("--longest", type=float, default=60.0, metavar="S", help="a longer pass is not begun (default: 60)")
    add_store(parser, "scaling", "the sizes")
    return parser


def make_plans(arguments: argparse.Namespace) -> list[ScalingPlan]:
    """A plan a network. Raises EsrError that names the flag and the cure."""
    check_positive(arguments, "sizes", "runs", "time_budget", "longest", "limit", "tile")
    if arguments.overlap < 0:
        raise EsrError(f"--overlap {arguments.overlap} must not be negative")
    check_tiles(arguments.tile, arguments.overlap)
    if arguments.data and not arguments.tile:
        raise EsrError("--data compares tiles with whole images; give --tile N with it")
    device, threads = settle_device(arguments)
    datasets = find_named(arguments.data, arguments.data_dir, arguments.lr)
    return [
        ScalingPlan(
            choice=choice,
            sizes=sorted(set(arguments.sizes)),
            tile=arguments.tile,
            overlap=arguments.overlap,
            device=device,
            threads=threads,
            precision=arguments.precision,
            runs=arguments.runs,
            time_budget_s=arguments.time_budget,
            longest_s=arguments.longest,
            datasets=[d.limited(arguments.limit) if arguments.limit else d for d in datasets],
            data_dir=arguments.data_dir,
            out=arguments.out,
            reuse=arguments.reuse,
        )
        for choice in map(parse_choice, arguments.model)
    ]


if __name__ == "__main__":
    sys.exit(main())
