"""Enlarge your images: `python bench/upscale.py --model dvmsr photo.png FOLDER`. See --help."""

import sys
from pathlib import Path

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])  # as in bench/profile.py

import argparse

from bench.core.command import Finished, carry_out_study
from bench.core.console import Tell
from bench.core.record_file import write_bytes
from bench.networks.choice import parse_choice
from bench.studies.flags import add_data_dir, add_device, check_paths, check_positive, make_parser, settle_device
from bench.studies.scaling.study import check_tiles
from bench.studies.upscale.study import LARGE, OVERLAP, TILE, UpscalePlan, challenge_zip, find_tasks, run
from models.errors import EsrError

EXAMPLES = """examples:
  python bench/upscale.py --model dvmsr photo.png holiday/ --out large
  python bench/upscale.py --model 'net.py:Net(weights=net.pth)' photo.png          your own network
  python bench/upscale.py --model rlfn --weights mine.pth huge.png --tile 256
  python bench/upscale.py --model span DIV2K_LSDIR_test_LR --challenge-zip results.zip

exit status: 0; 1 if an image could not be read or enlarged; 2 for a wrong call; 130 if interrupted.
"""


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit status, as --help lists them."""
    arguments = _parser().parse_args(argv)

    def work(tell: Tell) -> Finished:
        plan = make_plan(arguments)
        found = run(plan, tell)
        files = [*found.files]
        if arguments.challenge_zip:
            write_bytes(arguments.challenge_zip, challenge_zip(found, plan))
            files = [arguments.challenge_zip]
        made = f"{len(found.files)} of {len(plan.tasks)} images are in {arguments.out}"
        return Finished([], files, [made], failed=found.failed > 0)

    return carry_out_study(work, arguments.out, "the same command continues")


def _parser() -> argparse.ArgumentParser:
    parser = make_parser("upscale.py", "Enlarge images four times by one network, for looking at.", EXAMPLES)
    add = parser.add_argument
    add("images", nargs="+", type=Path, metavar="IMAGE|FOLDER", help="8-bit RGB or grey images, and folders of them")
    add("--model", required=True, metavar="NAME", help="the network, as in bench/profile.py")
    add("--weights", type=Path, metavar="FILE", help="weights of your own (default: published)")
    whole = f"{TILE} for images of more than {LARGE / 2**20:.0f} million pixels"
    add("--tile", type=int, metavar="N", help=f"LR pixels a side of a tile; 0: never in tiles (default: {whole})")
    add("--overlap", type=int, default=OVERLAP, metavar="N", help=f"of it, context on each side (default: {OVERLAP})")
    add_device(parser)
    add_data_dir(parser)
    add("--again", action="store_true", help="make images anew that are in --out already")
    add("--challenge-zip", type=Path, metavar="FILE", help="also an archive with readme.txt, as challenges take it")
    add("--out", type=Path, default=Path("results/upscaled"), help="folder (default: results/upscaled)")
    return parser


def make_plan(arguments: argparse.Namespace) -> UpscalePlan:
    """Check the arguments against this machine. Raises EsrError that names the flag and the cure."""
    choice = parse_choice(arguments.model)
    if arguments.weights and choice.own:
        raise EsrError("--weights is for a network of the registry; name your own's in brackets: net.py:Net(weights=F)")
    check_paths(arguments)
    if arguments.tile:
        check_positive(arguments, "tile")
        check_tiles(arguments.tile, arguments.overlap)
    if arguments.overlap < 0:
        raise EsrError(f"--overlap {arguments.overlap} must not be negative")
    device, threads = settle_device(arguments)
    return UpscalePlan(
        choice=choice,
        weights=arguments.weights,
        tasks=find_tasks(arguments.images, arguments.out),
        tile=arguments.tile,
        overlap=arguments.overlap,
        device=device,
        threads=threads,
        data_dir=arguments.data_dir,
        again=arguments.again,
    )


if __name__ == "__main__":
    sys.exit(main())
