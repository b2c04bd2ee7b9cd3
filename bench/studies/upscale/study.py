"""Enlarge images and folders of them by one network, whole or in tiles; what is finished is not made again."""

import io
import zipfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image as Pillow

from bench.core.console import Tell
from bench.core.progress import step
from bench.core.record_file import write_bytes
from bench.core.statistics import mean
from bench.counts.counting import parameter_count
from bench.data.folders import SUFFIXES, images_in
from bench.data.images import read_rgb
from bench.networks.choice import Choice
from bench.networks.engine import Image, Job
from bench.studies.crops.contest import open_contest
from bench.studies.scaling.study import Scaled
from models import create_model
from models.errors import EsrError

LARGE = 1024 * 1024  # LR pixels above which an image is cut into tiles unless the user says otherwise
TILE, OVERLAP = 512, 32  # LR pixels


@dataclass(frozen=True)
class Task:
    """An image, and where its enlargement goes."""

    source: Path
    target: Path


@dataclass(frozen=True)
class UpscalePlan:
    """What to enlarge, and how."""

    choice: Choice
    weights: Path | None
    tasks: list[Task]
    tile: int | None  # None: images over LARGE in tiles of TILE; 0: never
    overlap: int
    device: torch.device
    threads: int | None
    data_dir: Path | None
    again: bool


@dataclass(frozen=True)
class Upscaled:
    """What was made: files, the milliseconds of the passes made now, and how many images could not be."""

    files: list[Path]
    times_ms: list[float]
    failed: int
    parameters: int | None


def find_tasks(sources: Sequence[Path], out: Path) -> list[Task]:
    """The images of files and folders, and of what lies below them, each with its place in `out`.

    An image keeps its name, as PNG and without x4 at its end, as challenges want it (0801x4.png becomes 0801.png).
    Raises EsrError for what is not there, holds no images, or would be written twice.
    """
    found: list[Task] = []
    for source in sources:
        if not source.exists():
            raise EsrError(f"{source} does not exist; name images, or folders of them")
        files = images_in(source, deep=True) if source.is_dir() else [source]
        if not files:
            raise EsrError(f"{source} holds no images ({', '.join(SUFFIXES)}); fill it or leave it out")
        root = source if source.is_dir() else source.parent
        for file in files:
            place = file.relative_to(root).parent / f"{file.stem.removesuffix('x4') or file.stem}.png"
            found.append(Task(file, out / place))
    places: dict[Path, Path] = {}
    for task in found:
        if task.target in places and places[task.target] != task.source:
            raise EsrError(f"{places[task.target]} and {task.source} would both be {task.target}; rename one")
        if task.target.resolve() == task.source.resolve():
            raise EsrError(f"{task.source} would be written over; choose another --out")
        places[task.target] = task.source
    return [Task(source, target) for target, source in places.items()]


def run(plan: UpscalePlan, tell: Tell) -> Upscaled:
    """Enlarge everything of `plan` that is not there; `tell` hears of images that cannot be read or enlarged.

    Raises EsrError for a network that cannot be had.
    """
    wanted = [task for task in plan.tasks if plan.again or not task.target.is_file()]
    if kept := len(plan.tasks) - len(wanted):
        tell(f"{kept} of {len(plan.tasks)} are there already (--again makes them anew)")
    times: list[float] = []
    failed = 0
    with ExitStack() as stack:
        contest = open_contest([plan.choice], plan.weights, plan.data_dir, plan.device, plan.threads, stack, tell)
        job = contest.running[0].job
        workers: dict[int, Scaled] = {}
        with step(f"{plan.choice.label} [images]", total=len(wanted)) as progress:
            for task in wanted:
                progress.describe(f"{plan.choice.label}: {task.source.name}")
                try:
                    image, notes = read_rgb(task.source)
                    enlarged, ms = _enlarge(image, plan, job, workers, stack)
                except EsrError as error:
                    failed += 1
                    tell(f"left out: {task.source.name}: {error}")
                else:
                    for note in notes:
                        tell(note)
                    write_bytes(task.target, png(enlarged))
                    times.append(ms)
                progress.advance()
    own = plan.choice.own is not None
    count = None if own else parameter_count(create_model(plan.choice.name, **plan.choice.options))
    return Upscaled([task.target for task in plan.tasks if task.target.is_file()], times, failed, count)


def _enlarge(
    image: Image, plan: UpscalePlan, job: Job, workers: dict[int, Scaled], stack: ExitStack
) -> tuple[Image, float]:
    """By a process for each size of a tile, which is started when it is first needed, and anew where it died."""
    large = image.shape[0] * image.shape[1] > LARGE
    tile = plan.tile if plan.tile is not None else TILE if large else 0
    if tile not in workers:
        workers[tile] = stack.enter_context(Scaled(job, tile or None, plan.overlap))
    try:
        return workers[tile].upscale(image)
    except EsrError:
        del workers[tile]
        raise


def png(image: Image) -> bytes:
    """(h, w, 3) uint8 as a PNG file."""
    buffer = io.BytesIO()
    Pillow.fromarray(image).save(buffer, format="PNG")
    return buffer.getvalue()


def challenge_zip(found: Upscaled, plan: UpscalePlan) -> bytes:
    """An archive as the challenges' servers take it: the images, and a readme.txt of runtime and parameters."""
    buffer = io.BytesIO()
    runtime = f"{mean(found.times_ms) / 1e3:.4f}" if found.times_ms else "not measured: all images were there already"
    lines = [
        f"runtime per image [s] : {runtime}",
        f"CPU[1] / GPU[0] : {int(plan.device.type == 'cpu')}",
        "Extra Data [1] / No Extra Data [0] : 0",
        f"Parameters : {'see the submission' if found.parameters is None else f'{found.parameters:,}'}",
        f"Other description : {plan.choice.label} by esr-bench, single passes without a warm-up",
    ]
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:  # a PNG does not get smaller
        for file in found.files:
            archive.writestr(file.name, file.read_bytes())
        archive.writestr("readme.txt", "\n".join(lines) + "\n")
    return buffer.getvalue()
