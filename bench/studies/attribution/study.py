"""Look into networks: a local attribution map of each and, where asked for, its effective receptive field."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import psutil
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.core.console import Tell
from bench.core.out_of_memory import is_out_of_memory
from bench.core.progress import step
from bench.core.store import find, save
from bench.data.pairs import SCALE
from bench.networks.choice import Choice
from bench.networks.external.here import open_here
from bench.networks.external.own import OwnNetwork
from bench.networks.external.telling import tell_of_code
from bench.studies.attribution.attribution_record import (
    Attributed,
    BlurPath,
    FieldImage,
    FieldRecord,
    Grid,
    LamRecord,
    Patch,
    png_text,
)
from bench.studies.attribution.lam import Network, attribute, check_patch
from bench.studies.attribution.receptive_field import draw_samples, field
from bench.studies.attribution.saved_memory import saved_bytes_per_pixel
from bench.studies.measured import Measured
from bench.studies.with_weights import attributed, find_weighted
from models import create_model, get_spec
from models.errors import EsrError
from models.input import batch_input

MOST_AT_ONCE = 10  # images in a pass: more gain nothing, and the bar would move in leaps
SHARE_OF_FREE = 0.5  # of the memory that is free, where no other bound is given
SEED = 0
PATCH = 16  # SR pixels a side, as in the published notebook


Kind = TypeVar("Kind", LamRecord, FieldRecord)


@dataclass(frozen=True)
class Picture:
    """An LR image, (h, w, 3) uint8, and what was changed on the way from its file."""

    name: str
    lr: NDArray[np.uint8]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class FieldPlan:
    """Where receptive fields are looked at: `count` positions in each image of a data set."""

    dataset: str
    images: list[Picture]
    count: int
    size: int  # pixels a side of the LR pieces


@dataclass(frozen=True)
class AttributionPlan:
    """What to look into; every field is valid on this machine."""

    choices: list[Choice]
    weights: Path | None
    device: torch.device
    threads: int | None
    picture: Picture
    patch: Patch | None  # None: where the middle half of the picture has most detail
    path: BlurPath
    field: FieldPlan | None
    memory_bytes: int | None  # of what a pass keeps for its gradient; None: half of what is free
    data_dir: Path | None
    out: Path
    reuse: bool  # keep what an earlier run left there


@dataclass(frozen=True)
class Opened:
    """A network as the analyses take it, with what a record says of it."""

    about: Attributed
    network: Network
    label: str


def run(plan: AttributionPlan, tell: Tell) -> Measured[LamRecord | FieldRecord]:
    """Maps, then receptive fields; `tell` hears of a network that fails, and the others go on.

    Every record is written when it is done. Raises EsrError where nothing could be run, the patch for one.
    """
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    tell_of_code([choice.own for choice in plan.choices if choice.own], tell, apart=False)
    lams: list[LamRecord] = []
    fields: list[FieldRecord] = []
    failed = False
    for choice in plan.choices:
        patch = _patch(plan, SCALE if choice.own else get_spec(choice.name).scale)
        try:
            opened = open_network(choice, plan)
            with _explained(choice.label, plan.picture.lr.shape):
                blank = _blank_lam(opened.about, patch, plan)
                lams.append(_kept(blank, plan) or save(_lam(opened, blank, plan), plan.out))
            if plan.field:
                with _explained(choice.label, (plan.field.size, plan.field.size)):
                    none = _blank_field(opened.about, plan.field)
                    fields.append(_kept(none, plan) or save(_field(opened, none, plan.field, plan), plan.out))
        except EsrError as error:
            if len(plan.choices) == 1:
                raise
            failed = True
            tell(f"{choice.label} failed: {error}")
    return Measured([*lams, *fields], failed)


def open_network(choice: Choice, plan: AttributionPlan) -> Opened:
    """Build the network with its weights. Raises EsrError where they cannot be had: random ones would say nothing."""
    if choice.own:
        return _open_own(choice, choice.own, plan)
    spec, device = get_spec(choice.name), plan.device
    found = find_weighted(choice, plan.weights, plan.data_dir, device, plan.threads)
    about = found.about
    scan: dict[str, Any] = {"scan_backend": about.scan_backend} if spec.scan else {}
    model = create_model(choice.name, found.file or False, **about.options, **scan).to(device).requires_grad_(False)

    def network(x: Tensor) -> Tensor:
        y: Tensor = model(batch_input(x, spec) * spec.data_range)
        return y / spec.data_range

    return Opened(about, network, choice.label)


def _open_own(choice: Choice, own: OwnNetwork, plan: AttributionPlan) -> Opened:
    """As `open_network`, in this process, which its gradients do not leave."""
    here = open_here(own, choice.options)
    if here.opened.fixed:
        raise EsrError("it takes inputs of one size only; leave it out")
    about = attributed(here.examined, choice, plan.device, plan.threads)
    model = here.whole(here.opened.network).to(plan.device).requires_grad_(False)
    white = here.spec.data_range
    return Opened(about, lambda x: model(x * white) / white, choice.label)


def _patch(plan: AttributionPlan, scale: int) -> Patch:
    height, width = (scale * side for side in plan.picture.lr.shape[:2])
    size = min(PATCH, height - 1, width - 1)
    patch = plan.patch or detailed_patch(plan.picture.lr, size, scale)
    check_patch(patch, height, width)
    return patch


def detailed_patch(lr: NDArray[np.uint8], size: int, scale: int) -> Patch:
    """The square of `size` SR pixels with the most detail in the middle half of the LR image (h, w, 3).

    Where an image is flat there is no detail to attribute; and near an edge a map is cut off.
    """
    luma = lr.mean(axis=2)
    steps = np.abs(np.diff(luma, axis=0))[:, :-1] + np.abs(np.diff(luma, axis=1))[:-1]
    side = max(1, size // scale)
    rows, columns = (range(n // 4, max(n // 4 + 1, 3 * n // 4 - side)) for n in lr.shape[:2])
    places = [(float(steps[y : y + side, x : x + side].sum()), -y, -x) for y in rows for x in columns]
    _, y, x = max(places)
    height, width = (scale * n for n in lr.shape[:2])
    return Patch(min(-x * scale, width - size - 1), min(-y * scale, height - size - 1), size)


def _kept(blank: Kind, plan: AttributionPlan) -> Kind | None:
    """What an earlier run made of the same network, image and place."""
    return find(blank, plan.out) if plan.reuse else None


def _blank_lam(about: Attributed, patch: Patch, plan: AttributionPlan) -> LamRecord:
    """A map that says what it is of and holds nothing yet."""
    picture, nothing = plan.picture, Grid(0, 0, "")
    notes = list(picture.notes)
    return LamRecord(about, picture.name, png_text(picture.lr), patch, plan.path, nothing, 0.0, 0.0, notes)


def _blank_field(about: Attributed, wanted: FieldPlan) -> FieldRecord:
    """A receptive field that says what it is of and holds nothing yet."""
    places = [0.0] * wanted.count
    images = [FieldImage(picture.name, places, places, places, places) for picture in wanted.images]
    return FieldRecord(about, wanted.dataset, wanted.size, SEED, images, Grid(0, 0, ""), Grid(0, 0, ""))


def _lam(opened: Opened, blank: LamRecord, plan: AttributionPlan) -> LamRecord:
    image = to_tensor(plan.picture.lr, plan.device)
    at_once = _at_once(opened.network, image, image.shape[1] * image.shape[2], plan)
    with step(f"{opened.label}: attribution [path steps]", total=plan.path.steps) as bar:
        found = attribute(opened.network, image, blank.patch, plan.path, at_once, bar.advance)
    return replace(blank, signed=Grid.pack(found.signed), start=found.start, end=found.end)


def _field(opened: Opened, blank: FieldRecord, wanted: FieldPlan, plan: AttributionPlan) -> FieldRecord:
    scale = opened.about.scale
    images = [(picture.name, to_tensor(picture.lr, plan.device)) for picture in wanted.images]
    at_once = _at_once(opened.network, images[0][1], wanted.size**2, plan)
    # Seeded by the image's number alone, so that every network is looked at in the same places.
    samples = {
        name: draw_samples(image, wanted.count, wanted.size, scale, np.random.default_rng([SEED, i]))
        for i, (name, image) in enumerate(images)
    }
    with step(f"{opened.label}: receptive field [positions]", total=wanted.count * len(images)) as bar:
        found, squared, absolute = field(opened.network, samples, scale, at_once, bar.advance)
    return replace(blank, images=found, squared=Grid.pack(squared), absolute=Grid.pack(absolute))


def to_tensor(image: NDArray[np.uint8], device: torch.device) -> Tensor:
    """(h, w, 3) uint8 -> (3, h, w) float32 in [0, 1]."""
    return torch.tensor(image).permute(2, 0, 1).float().div(255).to(device)


def _at_once(network: Network, image: Tensor, pixels: int, plan: AttributionPlan) -> int:
    """Images of `pixels` LR pixels that fit into the memory together. Raises EsrError where not even one does."""
    each = saved_bytes_per_pixel(network, image) * pixels
    if plan.memory_bytes is None:
        free = torch.cuda.mem_get_info(plan.device)[0] if plan.device.type == "cuda" else _free_memory()
        bound = int(free * SHARE_OF_FREE)
    else:
        bound = plan.memory_bytes
    if each > bound:
        raise EsrError(
            f"one pass keeps {each / 2**30:.1f} GiB for its gradient, more than the {bound / 2**30:.1f} GiB allowed; "
            "use a smaller --image or a larger --memory"
        )
    return max(1, min(MOST_AT_ONCE, int(bound // max(each, 1))))


def _free_memory() -> int:
    return int(psutil.virtual_memory().available)


@contextmanager
def _explained(label: str, shape: tuple[int, ...]) -> Iterator[None]:
    """What a network throws at an image it cannot take becomes one line."""
    try:
        yield
    except EsrError as error:
        raise EsrError(f"{label}: {error}") from None
    except Exception as error:
        if is_out_of_memory(error):
            raise EsrError(f"{label}: out of memory; use a smaller --image or a smaller --memory") from None
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        size = f"{shape[1]}x{shape[0]}"
        raise EsrError(f"{label} cannot run on an LR image of {size} pixels: {reason}") from None
