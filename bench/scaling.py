"""Runtime and memory over input sizes, whole and in tiles: `python bench/scaling.py --model dvmsr`. See --help."""

import sys
from pathlib import Path

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])  # as in bench/profile.py

import argparse

from bench.core.command import carry_out
from bench.core.console import open_console
from bench.core.render import print_table
from bench.data.datasets import find_dataset
from bench.networks.choice import parse_choice
from bench.report.scaling import image_table, point_table
from bench.studies.arguments import PRECISIONS, parse_device, settle_threads
from bench.studies.scaling.scaling_record import ScalingRecord
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
    out, tell = open_console()

    def work() -> int:
        records: list[ScalingRecord] = []
        for plan in make_plans(arguments):
            records.append(run(plan, tell))
        for record in records:
            print_table(out, point_table([record]))
            print_table(out, image_table(record))
            out.print(str(arguments.out / record.file_name), markup=False, highlight=False, soft_wrap=True)
        return 0

    return carry_out(work, tell, lambda: f"what is finished is in {arguments.out}, and --reuse continues from there")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scaling.py",
        description="Runtime and memory of networks from small inputs to the largest that fits, whole and in tiles.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--model", nargs="+", required=True, metavar="NAME", help="networks, as in bench/profile.py")
    sizes = " ".join(map(str, SIZES))
    add("--sizes", nargs="+", type=int, default=SIZES, metavar="N", help=f"LR pixels a side (default: {sizes})")
    add("--tile", type=int, metavar="N", help="also in tiles of N pixels a side, context included (default: not)")
    add("--overlap", type=int, default=16, metavar="N", help="pixels of context on each side of a tile (default: 16)")
    add("--data", nargs="+", default=[], metavar="NAME", help="sets on whose larger images tiles are compared in dB")
    add("--limit", type=int, metavar="N", help="the first N images of each set only")
    add("--data-dir", type=Path, metavar="PATH", help="folder of images/ and weights/ (default: $ESR_DATA, the cache)")
    add("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: auto)")
    add("--precision", default="fp32", choices=PRECISIONS, help="(default: fp32)")
    add("--threads", type=int, metavar="N", help="CPU threads (default: all cores)")
    add("--runs", type=int, default=10, metavar="N", help="samples of each size (default: 10)")
    add("--time-budget", type=float, default=10.0, metavar="S", help="seconds of samples of each size (default: 10)")
    add("--longest", type=float, default=60.0, metavar="S", help="a longer pass is not begun (default: 60)")
    add("--out", type=Path, default=Path("results/scaling"), help="folder of records (default: results/scaling)")
    add("--reuse", action="store_true", help="keep the sizes that a record in --out holds, measure the others")
    return parser


def make_plans(arguments: argparse.Namespace) -> list[ScalingPlan]:
    """A plan a network. Raises EsrError that names the flag and the cure."""
    device = parse_device(arguments.device)
    names = ("runs", "time_budget", "longest", "limit", "tile")
    given = [*arguments.sizes, *(getattr(arguments, name) for name in names)]
    if not all(0 < n < float("inf") for n in given if n is not None) or arguments.overlap < 0:
        raise EsrError("--sizes, --runs, --limit, --tile, budgets and limits must be positive and finite")
    check_tiles(arguments.tile, arguments.overlap)
    if arguments.data and not arguments.tile:
        raise EsrError("--data compares tiles with whole images; give --tile N with it")
    threads = settle_threads(arguments.threads, device)
    datasets = [find_dataset(name, arguments.data_dir) for name in arguments.data]
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
