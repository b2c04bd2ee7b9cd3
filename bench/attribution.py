"""Show what a network's output depends on: `python bench/attribution.py --model dvmsr rlfn`. See --help."""

import sys
from pathlib import Path

if not __package__:
    # Started as a script, this folder is first on sys.path; the repository root belongs there.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import argparse
from dataclasses import replace

from bench.core.command import Finished, carry_out_study
from bench.core.console import Tell
from bench.core.record_file import write_files
from bench.data.datasets import find_dataset, find_named
from bench.data.images import read_rgb
from bench.data.pairs import ImagePair
from bench.networks.choice import parse_choice
from bench.report.studies.attribution import attribution_section, field_table, lam_table
from bench.studies.attribution.attribution_record import BlurPath, FieldRecord, LamRecord, Patch
from bench.studies.attribution.study import AttributionPlan, FieldPlan, Picture, run
from bench.studies.flags import (
    add_data,
    add_data_dir,
    add_device,
    add_networks,
    add_store,
    check_paths,
    check_positive,
    make_parser,
    parse_square,
    settle_device,
)
from models.errors import EsrError

PHOTO_SIZE = 256  # pixels a side of the HR photo that is taken where no image is named, the size the paper uses
LARGEST_KERNEL = 99
EXAMPLES = """examples:
  python bench/attribution.py --model dvmsr rlfn                          a photo that is always here, its middle
  python bench/attribution.py --model dvmsr --image lr.png --patch 110,150,16
  python bench/attribution.py --model dvmsr --image hr.png --shrink       makes the LR image first
  python bench/attribution.py --model dvmsr rlfn --erf 20 --data Set14    how far they look, over many images too
"""


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit status: 0, 1 if a network failed, 2 for a wrong call, 130 if interrupted."""
    arguments = _parser().parse_args(argv)

    def work(tell: Tell) -> Finished:
        found = run(make_plan(arguments), tell)
        lams = [record for record in found.records if isinstance(record, LamRecord)]
        fields = [record for record in found.records if isinstance(record, FieldRecord)]
        names = [record.file_name for record in found.records]
        if names:
            names += write_files(attribution_section(lams, fields).files(), arguments.out)
        tables = [lam_table(lams), field_table(fields)]
        return Finished(tables, [arguments.out / name for name in names], failed=found.failed)

    return carry_out_study(work, arguments.out)


def _parser() -> argparse.ArgumentParser:
    about = (
        "Local attribution maps (LAM, CVPR 2021): which LR pixels the detail in a patch of the output comes from, with "
        "the diffusion index; and how far networks look on the average (--erf)."
    )
    parser = make_parser("attribution.py", about, EXAMPLES)
    add_networks(parser, help="networks, as in bench/profile.py; ONNX files have no gradients to follow")
    add, path = parser.add_argument, BlurPath()
    add("--weights", type=Path, metavar="FILE", help="weights of your own, of one network (default: published)")
    add("--image", type=Path, metavar="FILE", help="LR image (default: a photo of scikit-image's, shrunk)")
    add("--shrink", action="store_true", help="the file is an HR image: make the LR image by MATLAB's bicubic")
    add(
        "--patch",
        metavar="X,Y,SIZE",
        help="square of the output, in its pixels (default: 16, where there is detail)",
    )
    add("--steps", "--fold", type=int, default=path.steps, metavar="N", help=f"of the path (default: {path.steps})")
    add("--sigma", type=float, default=path.sigma, metavar="S", help=f"blur it starts at (default: {path.sigma})")
    add("--kernel", type=int, default=path.kernel, metavar="N", help=f"pixels of the blur (default: {path.kernel})")
    add("--erf", type=int, metavar="N", help="also the effective receptive field, at N positions of each image")
    add_data(parser, ", for --erf (default: photos, which is always here)", default="photos", nargs=None)
    add("--erf-size", type=int, default=64, metavar="N", help="LR pixels a side that --erf looks at (default: 64)")
    add_device(parser)
    add("--memory", type=float, metavar="GIB", help="for what a pass keeps (default: half of what is free)")
    add_data_dir(parser)
    add_store(parser, "attribution", "the maps")
    return parser


def make_plan(arguments: argparse.Namespace) -> AttributionPlan:
    """Check the arguments against this machine. Raises EsrError that names the flag and the cure."""
    choices = list({choice.label: choice for choice in map(parse_choice, arguments.model)}.values())
    if arguments.weights and (len(choices) > 1 or choices[0].own):
        raise EsrError("--weights belongs to one network of the registry; give one --model with it")
    check_paths(arguments)
    if arguments.shrink and not arguments.image:
        raise EsrError("--shrink needs the HR image; name it with --image")
    check_positive(arguments, "memory", "sigma")
    device, threads = settle_device(arguments)
    return AttributionPlan(
        choices=choices,
        weights=arguments.weights,
        device=device,
        threads=threads,
        picture=_picture(arguments.image, arguments.shrink),
        patch=parse_patch(arguments.patch) if arguments.patch else None,
        path=_path(arguments),
        field=_field(arguments) if arguments.erf is not None else None,
        memory_bytes=int(arguments.memory * 2**30) if arguments.memory else None,
        data_dir=arguments.data_dir,
        out=arguments.out,
        reuse=arguments.reuse,
    )


def parse_patch(text: str) -> Patch:
    """Read "x,y,size". Raises EsrError for anything else; whether it fits the image is not looked at."""
    return Patch(*parse_square("--patch", text, "pixels of the output", "110,150,16"))


def _path(arguments: argparse.Namespace) -> BlurPath:
    if not 0 < arguments.steps <= 100_000:
        raise EsrError(f"--steps {arguments.steps} must be from 1 to 100000")
    if not (0 < arguments.kernel <= LARGEST_KERNEL and arguments.kernel % 2):
        raise EsrError(f"--kernel {arguments.kernel} must be odd, from 1 to {LARGEST_KERNEL}")
    return BlurPath(arguments.steps, arguments.sigma, arguments.kernel)


def _picture(file: Path | None, shrink: bool) -> Picture:
    if file is None:
        photo = replace(find_dataset("photos", None).pairs[0], max_size=PHOTO_SIZE)
        return Picture(photo.name, photo.load().lr)
    if not file.is_file():
        raise EsrError(f"--image {file} does not exist")
    if shrink:
        pair = ImagePair(file.stem, file, None).load()
        return Picture(file.stem, pair.lr, (*pair.notes, "LR image made by bench.imresize"))
    return Picture(file.stem, *read_rgb(file))


def _field(arguments: argparse.Namespace) -> FieldPlan:
    count, size = arguments.erf, arguments.erf_size
    if not 0 < count <= 100_000:
        raise EsrError(f"--erf {count} must be from 1 to 100000 positions an image")
    (dataset,) = find_named([arguments.data], arguments.data_dir, arguments.lr)
    images = [Picture(pair.name, pair.load().lr) for pair in dataset.pairs]
    smallest = min(min(image.lr.shape[:2]) for image in images)
    if not 1 < size <= smallest:
        raise EsrError(
            f"--erf-size {size} must be from 2 to {smallest}, the smallest side of an LR image of {dataset.name}"
        )
    return FieldPlan(dataset.name, images, count, size)


if __name__ == "__main__":
    sys.exit(main())
