"""Keep crops of networks' images beside the ground truth: `python bench/crops.py --model dvmsr rlfn`. See --help."""

import sys
from pathlib import Path

if not __package__:
    # Started as a script, this folder is first on sys.path; the repository root belongs there.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import argparse
from collections.abc import Sequence
from dataclasses import replace

from bench.core.command import Finished, carry_out_study
from bench.core.console import Tell
from bench.core.environment import device_name
from bench.core.record_file import read_as, write_files
from bench.data.datasets import find_named
from bench.data.pairs import Dataset
from bench.networks.choice import Choice, parse_choice
from bench.report.studies.crops import crop_table, crops_section
from bench.studies.crops.contest import REFERENCE
from bench.studies.crops.crops_record import CROP, CropRecord
from bench.studies.crops.study import CropsPlan, Square, run
from bench.studies.flags import (
    add_data,
    add_data_dir,
    add_device,
    add_networks,
    add_store,
    check_paths,
    make_parser,
    parse_square,
    settle_device,
)
from models.errors import EsrError

SIZE = 128  # HR pixels a side
SMALLEST, LARGEST = 16, 256  # records and pages hold crops, not images
EXAMPLES = """examples:
  python bench/crops.py --model dvmsr rlfn swinir_light --data Set5 Set14     two places in each set, by measurement
  python bench/crops.py --model span efdn --data Set5 Set14 --reuse           more networks at the same places
  python bench/crops.py --model swinir_light --weights FILE --data Set14 --reuse
  python bench/crops.py --model dvmsr rlfn --data Set14 --image barbara --crop 400,120,128
  python bench/crops.py --model dvmsr 'net.py:Net(weights=net.pth)' --data Set5   your own network beside another
"""


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit status: 0, 1 if a network failed, 2 for a wrong call, 130 if interrupted."""
    arguments = _parser().parse_args(argv)

    def work(tell: Tell) -> Finished:
        plan = make_plan(arguments)
        found = run(plan, tell)
        beside = _beside(found.records, plan)
        names = [record.file_name for record in found.records]
        if beside:
            names += write_files(crops_section(beside).files(), arguments.out)
        return Finished([crop_table(beside)], [arguments.out / name for name in names], failed=found.failed)

    return carry_out_study(work, arguments.out)


def _parser() -> argparse.ArgumentParser:
    about = (
        "Crops of networks' images beside bicubic and the ground truth, to be compared in the report. Two places a "
        "data set are chosen by measurement: where the errors of the networks differ most, and where even the best of "
        "them errs most."
    )
    parser = make_parser("crops.py", about, EXAMPLES)
    add_networks(parser, help="networks, as in bench/profile.py; bicubic is added")
    add = parser.add_argument
    add("--weights", type=Path, metavar="FILE", help="weights of your own, of one network (default: published)")
    add_data(parser, " (default: Set5)", default=["Set5"])
    add("--image", metavar="NAME", help="only this image of the data sets, without its suffix")
    add("--crop", metavar="X,Y,SIZE", help="square of that image, in HR pixels (default: chosen by measurement)")
    add("--size", type=int, default=SIZE, metavar="N", help=f"HR pixels a side of a chosen square (default: {SIZE})")
    add_device(parser)
    add_data_dir(parser)
    add_store(parser, "crops", "the places and crops")
    return parser


def make_plan(arguments: argparse.Namespace) -> CropsPlan:
    """Check the arguments against this machine. Raises EsrError that names the flag and the cure."""
    choices = list({choice.label: choice for choice in map(parse_choice, arguments.model)}.values())
    networks = [choice for choice in choices if choice.name != REFERENCE]
    if arguments.weights and (len(networks) != 1 or networks[0].own):
        raise EsrError("--weights belongs to one network of the registry; give one --model with it, and --reuse")
    check_paths(arguments)
    if arguments.crop and not arguments.image:
        raise EsrError("--crop needs the image that it lies in; name it with --image")
    if not SMALLEST <= arguments.size <= LARGEST:
        raise EsrError(f"--size {arguments.size} must be from {SMALLEST} to {LARGEST}")
    device, threads = settle_device(arguments)
    square = parse_crop(arguments.crop) if arguments.crop else None
    datasets = find_named(arguments.data, arguments.data_dir, arguments.lr)
    if arguments.image:
        datasets = _only(arguments.image, datasets)[: 1 if square else None]
    return CropsPlan(
        choices=[Choice(REFERENCE, label=REFERENCE), *networks],
        weights=arguments.weights,
        device=device,
        threads=threads,
        datasets=datasets,
        square=square,
        size=arguments.size,
        data_dir=arguments.data_dir,
        out=arguments.out,
        reuse=arguments.reuse,
    )


def parse_crop(text: str) -> Square:
    """Read "x,y,size". Raises EsrError for anything else; whether it fits the image is not looked at."""
    square = Square(*parse_square("--crop", text, "HR pixels", "400,120,128"))
    if not SMALLEST <= square.size <= LARGEST:
        raise EsrError(f"--crop {text}: the size must be from {SMALLEST} to {LARGEST}")
    return square


def _only(image: str, datasets: Sequence[Dataset]) -> list[Dataset]:
    """The sets that have an image of this name, with that image alone."""
    found = [replace(d, pairs=tuple(p for p in d.pairs if p.name == image)) for d in datasets]
    if not any(d.pairs for d in found):
        names = ", ".join(pair.name for d in datasets for pair in d.pairs[:8])
        raise EsrError(f"--image {image} is in none of {', '.join(d.name for d in datasets)}; they have {names}, ...")
    return [d for d in found if d.pairs]


def _beside(records: Sequence[CropRecord], plan: CropsPlan) -> list[CropRecord]:
    """These crops, and those of other networks in the folder that lie at the same places, measured on this device."""
    places = [record.place for record in records]
    found = {record.file_name: record for record in records}
    for path in sorted(plan.out.glob(f"{CROP}__*.json")):
        try:
            other = read_as(CropRecord, path)
        except EsrError:
            continue  # the report names it
        if other.place in places and other.network.device_name == device_name(plan.device):
            found.setdefault(other.file_name, other)
    return list(found.values())


if __name__ == "__main__":
    sys.exit(main())
