"""Where a network's time goes, and how far from its floor: `python bench/roofline.py --model dvmsr`. See --help."""

import sys
from pathlib import Path

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])  # as in bench/profile.py

import argparse

from bench.core.command import carry_out
from bench.core.console import open_console
from bench.core.render import print_table
from bench.core.store import find
from bench.networks.choice import parse_choice
from bench.report.roofline import kind_table, layer_table, network_table, titles
from bench.studies.arguments import PRECISIONS, parse_device, parse_size, settle_threads
from bench.studies.roofline.roofline_record import RooflineRecord
from bench.studies.roofline.study import RooflinePlan, begin, run
from models.errors import EsrError

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
    out, tell = open_console()

    def work() -> int:
        records: list[RooflineRecord] = []
        failed = 0
        for plan in make_plans(arguments):
            try:
                record = begin(plan)
                records.append((find(record, plan.out) if arguments.reuse else None) or run(plan, record))
            except EsrError as error:
                failed += 1
                tell(f"failed: {error}")
        if records:
            print_table(out, network_table(records))
            print_table(out, kind_table(records))
            for name, record in zip(titles(records), records, strict=True):
                print_table(out, layer_table(record, arguments.layers, f"{name}: slowest layers"))
        for record in records:
            out.print(str(arguments.out / record.file_name), markup=False, highlight=False, soft_wrap=True)
        return 1 if failed else 0

    return carry_out(work, tell, lambda: f"what is finished is in {arguments.out}, and --reuse continues from there")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="roofline.py",
        description="Time, FLOPs, bytes and memory of every layer, beside what the machine can do at best.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--model", nargs="+", required=True, metavar="NAME", help="networks, as in bench/profile.py")
    add("--input-size", default="256", metavar="N|HxW", help="LR input (default: 256)")
    add("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: auto)")
    add("--precision", default="fp32", choices=PRECISIONS, help="(default: fp32)")
    add("--threads", type=int, metavar="N", help="CPU threads (default: all cores)")
    runs = " or ".join(f"{n} on {d}" for d, n in RUNS.items())
    add("--runs", type=int, metavar="N", help=f"profiled passes of each network (default: {runs})")
    add("--time-budget", type=float, default=30.0, metavar="S", help="seconds of passes of each network (default: 30)")
    add("--layers", type=int, default=10, metavar="N", help="slowest layers to print (default: 10)")
    add("--out", type=Path, default=Path("results/roofline"), help="folder of records (default: results/roofline)")
    add("--reuse", action="store_true", help="keep finished records that are in --out")
    return parser


def make_plans(arguments: argparse.Namespace) -> list[RooflinePlan]:
    """A plan a network. Raises EsrError that names the flag and the cure."""
    device = parse_device(arguments.device)
    height, width = parse_size(arguments.input_size)
    given = [n for n in (arguments.runs, arguments.time_budget, arguments.layers) if n is not None]
    if not all(0 < n < float("inf") for n in given):  # false for nan too
        raise EsrError("--runs, --time-budget and --layers must be positive and finite")
    if device.type == "cpu" and arguments.precision == "tf32":
        raise EsrError("--precision tf32 needs a CUDA device; leave it out, or use --device cuda")
    threads = settle_threads(arguments.threads, device)
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
        )
        for choice in map(parse_choice, arguments.model)
    ]


if __name__ == "__main__":
    sys.exit(main())
