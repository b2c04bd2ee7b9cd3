"""The command line of `bench/profile.py`, read into a checked Plan."""

import argparse
import os
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from bench.measurement.runtime import RUNS
from bench.networks.choice import Choice, parse_choice, parse_options, refuse_options
from bench.networks.external.flags import check_conditions, with_flags
from bench.studies.flags import (
    PRECISIONS,
    add_budget,
    add_data,
    add_data_dir,
    add_device,
    add_size,
    add_store,
    check_paths,
    check_positive,
    make_parser,
    settle_device,
    settle_size,
)
from models.errors import EsrError
from models.scan import BACKENDS
from models.weights import DATA_VARIABLE, options_in

PARTS = ("runtime", "memory", "quality")
TIME_BUDGET_S = 20.0
# As a data set's name: every set on this machine, or scikit-image's photographs if none is; or, beside those that are
# here, every one that has a public address.
ALL_FOUND, ALL_PUBLIC = "available", "all"

EXAMPLES = """examples:
  python bench/profile.py --model dvmsr                         counts, runtime, memory, quality where data is found
  python bench/profile.py --model dvmsr rlfn --data Set5 B100   two networks, interleaved, on two data sets
  python bench/profile.py --model rlfn --weights mine.pth       your own weights
  python bench/profile.py --model dvmsr --model-args vimm_skip=True --measure quality --data Set5
  python bench/profile.py --model dvmsr --input-size 339x510 --time-budget 60
  python bench/profile.py --model dvmsr@native dvmsr@chunked rlfn   one network on two scans, beside another
  python bench/profile.py --model 'dvmsr(channels=48, depths=[2, 2])' dvmsr --measure counts
  python bench/profile.py --model net.py:Net rlfn --weights net.pth --data-range 255   your own beside another
  python bench/profile.py --model 'net.py:Net(channels=48, weights=a.pth)' net.onnx net.pt2 weights.safetensors
"""


@dataclass(frozen=True)
class Plan:
    """What to measure, and how; every field is valid on this machine."""

    choices: list[Choice]
    device: torch.device
    height: int
    width: int
    precision: str
    channels_last: bool
    compile: bool
    cuda_graph: bool
    backend: str | None  # of every network with a scan that does not name its own
    threads: int | None
    runs: int
    time_budget_s: float
    ntire_compat: bool
    measure: frozenset[str]
    datasets: list[str] | None  # None: those that are found
    lr: Path | None  # of the one folder that is named
    limit: int | None
    data_dir: Path | None
    out: Path
    reuse: bool


def build_parser() -> argparse.ArgumentParser:
    """The parser; help shows every default."""
    about = "Measure super-resolution networks: counts, runtime, memory, PSNR and SSIM."
    parser = make_parser("profile.py", about, EXAMPLES)
    add = parser.add_argument
    add(
        "--model",
        nargs="+",
        action="extend",
        metavar="NAME",
        help="networks, with options or a scan: see examples, --list; or your own, by code or file",
    )
    add("--list", action="store_true", help="list networks, data sets and scan backends, and exit")
    add(
        "--model-args",
        nargs="+",
        action="extend",
        metavar="K=V",
        default=[],
        help="options of every network named, such as depths=[2,2]",
    )
    add("--weights", type=Path, metavar="FILE", help="weights of your own, .pth or .safetensors (default: published)")
    add_own(parser)
    add_data(parser, "; 'available': those found, 'all': downloaded too (default: found, within the budget)")
    add("--limit", type=int, metavar="N", help="the first N images of each data set only, which is then called so")
    add_timing_arguments(parser, "measurement of each network")
    add("--ntire-compat", action="store_true", help="time as the challenge script: no warm-up, one pass an image, mean")
    add("--measure", nargs="+", choices=["counts", *PARTS], default=list(PARTS), help="(default: everything)")
    add_store(parser, "records", "the figures")
    add("--json", action="store_true", help="print the records as JSON instead of a table")
    return parser


def add_own(parser: argparse.ArgumentParser) -> None:
    """The flags of a network of the user's own, for every command that makes a Plan."""
    own = parser.add_argument_group("networks of your own", "in brackets too: 'net.py:Net(data_range=255)'")
    own.add_argument("--data-range", type=float, metavar="X", help="white at input and output, 1 or 255 (default: 1)")
    own.add_argument("--size-multiple", type=int, metavar="N", help="pad sides to a multiple of N (default: 1)")
    own.add_argument("--state-key", metavar="KEY", help="entry of the weights file (default: params_ema, params, ...)")
    own.add_argument("--scale", type=int, default=4, metavar="4", help="x4 is the only scale that is measured")
    own.add_argument("--allow-unsafe-weights", metavar="WHY", help="unpickle weights, which can run code; say why")


def add_timing_arguments(parser: argparse.ArgumentParser, budget_of: str) -> None:
    """The flags of a timed pass, for every command that makes a Plan. `budget_of`: what a budget is for."""
    add = parser.add_argument
    add_device(parser, PRECISIONS, "(default: fp32, with TF32 off)")
    add_data_dir(parser)
    add_size(parser, "counts, runtime and memory")
    add("--channels-last", action="store_true", help="NHWC memory format")
    add("--compile", action="store_true", help="torch.compile the network")
    add("--cuda-graph", action="store_true", help="time the fixed input as a replayed CUDA graph; no quality")
    add("--backend", choices=["auto", *BACKENDS], help="selective scan (default: auto, or $ESR_SCAN_BACKEND)")
    add_budget(parser, RUNS, TIME_BUDGET_S, budget_of)


def make_plan(arguments: argparse.Namespace) -> Plan:
    """Check the arguments of `build_parser` against this machine. Raises EsrError that names the flag and the cure."""
    choices = list({choice.label: choice for choice in map(parse_choice, arguments.model)}.values())
    choices = with_flags(choices, arguments)
    own = any(choice.own for choice in choices)
    if arguments.weights and not own and len(choices) > 1:
        raise EsrError("--weights belongs to one network; give one --model with it")
    check_paths(arguments)
    if arguments.lr and not arguments.data:
        raise EsrError(f"--lr {arguments.lr} needs --data, the folder of the HR images")
    named = os.environ.get(DATA_VARIABLE)
    if named and not Path(named).is_dir():
        raise EsrError(f"${DATA_VARIABLE} is {named}, which is not a folder; correct or unset it")
    if arguments.cuda_graph and arguments.data:
        raise EsrError("--cuda-graph replays one input and cannot run --data's images; leave one of them out")
    height, width = settle_size(arguments)
    check_positive(arguments, "runs", "time_budget", "limit")
    device, threads = settle_device(arguments)
    if arguments.cuda_graph and device.type != "cuda":
        raise EsrError("--cuda-graph needs a CUDA device; leave it out, or use --device cuda")
    weights = None if own else arguments.weights
    common = {**(options_in(weights, choices[0].name) if weights else {}), **parse_options(arguments.model_args, own)}
    for choice in choices:
        if choice.own:
            refuse_options("--model-args", choice.own, common)
            check_conditions(choice.own, choice.label, arguments, device)
    return Plan(
        choices=[replace(c, options={**common, **c.options}, weights=weights) for c in choices],
        device=device,
        height=height,
        width=width,
        precision=arguments.precision,
        channels_last=arguments.channels_last,
        compile=arguments.compile,
        cuda_graph=arguments.cuda_graph,
        backend=arguments.backend,
        threads=threads,
        runs=arguments.runs or RUNS[device.type],
        time_budget_s=arguments.time_budget,
        ntire_compat=arguments.ntire_compat,
        measure=frozenset(arguments.measure) & set(PARTS) - ({"quality"} if arguments.cuda_graph else set()),
        datasets=arguments.data,
        lr=arguments.lr,
        limit=arguments.limit,
        data_dir=arguments.data_dir,
        out=arguments.out,
        reuse=arguments.reuse,
    )
