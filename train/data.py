"""Patches for training: every patch is a pure function of the seed and its number in the run.

Nothing is drawn from a generator with a state. So any number of workers and processes cuts the same patches, and a run
that resumes at step k goes on with the very patches that an uninterrupted run would have seen.
"""

import ctypes
import functools
import signal
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from bench.data.pairs import SCALE
from models.errors import EsrError
from train.config import Data
from train.store import Packed, PackedImage, Pixels, find_pairs, pack, resolve_names


@dataclass(frozen=True)
class Share:
    """Which of a step's patches this process computes, and in how many parts.

    Attributes:
        batch: patches in a step, of all processes together.
        parts: parts that each process computes one after the other.
        rank, processes: this process among all.
    """

    batch: int
    parts: int = 1
    rank: int = 0
    processes: int = 1

    def __post_init__(self) -> None:
        if self.batch % (self.parts * self.processes):
            raise EsrError(
                f"batch {self.batch} does not divide into {self.processes} process(es) times accumulate {self.parts}; "
                "change batch or accumulate"
            )

    @property
    def size(self) -> int:
        """Patches in one part of one process."""
        return self.batch // (self.parts * self.processes)

    def numbers(self, step: int, part: int) -> list[int]:
        """The run's patches that this process takes in this part of this step."""
        first = step * self.batch + (part * self.processes + self.rank) * self.size
        return list(range(first, first + self.size))


class Parts(Sampler[list[int]]):
    """The numbers of the patches of each part, from one step of the run to another."""

    def __init__(self, share: Share, first_step: int, last_step: int) -> None:
        self.share, self.first, self.last = share, first_step, last_step

    def __iter__(self) -> Iterator[list[int]]:
        for step in range(self.first, self.last):
            for part in range(self.share.parts):
                yield self.share.numbers(step, part)

    def __len__(self) -> int:
        return (self.last - self.first) * self.share.parts


class Patches(Dataset[tuple[Tensor, Tensor]]):
    """Aligned LR and HR patches, (3, p / 4, p / 4) and (3, p, p) uint8, by their number in the run.

    Every epoch takes each image once, in an order of its own; position, flips and rotation come from the number.
    """

    def __init__(self, packed: Sequence[Packed], patch: int, augment: bool, seed: int) -> None:
        self.packed, self.patch, self.augment, self.seed = tuple(packed), patch, augment, seed
        self.count = sum(map(len, self.packed))

    @functools.cached_property
    def images(self) -> list[PackedImage]:
        """Mapped when a process first cuts a patch: maps are not handed from one to another."""
        return [image for packed in self.packed for image in packed.open()]

    def __len__(self) -> int:
        return self.count

    def __getstate__(self) -> dict[str, object]:
        return {k: v for k, v in self.__dict__.items() if k not in ("images", "_order")}

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor]:
        epoch, position = divmod(number, self.count)
        image = self.images[int(self._order_of(epoch)[position])]
        random = np.random.default_rng((self.seed, 1, number))
        size = self.patch // SCALE
        height, width = image.lr.shape[:2]
        top, left = int(random.integers(height - size + 1)), int(random.integers(width - size + 1))
        lr = image.lr[top : top + size, left : left + size]
        hr = image.hr[top * SCALE : (top + size) * SCALE, left * SCALE : (left + size) * SCALE]
        change = int(random.integers(8)) if self.augment else 0
        return _to_tensor(lr, change), _to_tensor(hr, change)

    def name_of(self, number: int) -> str:
        """The image that a patch is cut from."""
        epoch, position = divmod(number, self.count)
        return self.images[int(self._order_of(epoch)[position])].entry.name

    def _order_of(self, epoch: int) -> np.ndarray:  # type: ignore[type-arg]
        known = self.__dict__.get("_order")
        if known is None or known[0] != epoch:
            known = (epoch, np.random.default_rng((self.seed, 0, epoch)).permutation(self.count))
            self.__dict__["_order"] = known
        return known[1]


def _to_tensor(image: Pixels, change: int) -> Tensor:
    """(h, w, 3) -> (3, h, w), one of the eight symmetries of the square."""
    if change & 1:
        image = image[:, ::-1]
    if change & 2:
        image = image[::-1]
    if change & 4:
        image = image.transpose(1, 0, 2)
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))


def make_patches(data: Data, seed: int) -> Patches:
    """Find, decode and check all images of a run.

    Raises EsrError for data that is not there or unfit, an image smaller than a patch among them.
    """
    if data.patch % SCALE:
        raise EsrError(f"data.patch is {data.patch}; it must be a multiple of the scale, {SCALE}")
    packed = []
    for i, name in enumerate(resolve_names(data.hr)):
        pairs = find_pairs(name, data.lr[i] if data.lr else None, data.limit)
        store = pack(name, pairs)
        packed.append(_without_small(store, data, name))
    return Patches(packed, data.patch, data.augment, seed)


def _without_small(packed: Packed, data: Data, name: str) -> Packed:
    small = [e for shard in packed.shards for e in shard if min(e.height, e.width) < data.patch]
    if not small:
        return packed
    e = small[0]
    if not data.skip_small:
        raise EsrError(
            f"{e.name} of {name} is {e.width}x{e.height}, smaller than data.patch {data.patch} ({len(small)} images "
            "are); make the patch smaller, or leave such images out with --data.skip_small true"
        )
    kept = tuple(tuple(e for e in shard if min(e.height, e.width) >= data.patch) for shard in packed.shards)
    if not any(kept):
        raise EsrError(f"every image of {name} is smaller than data.patch {data.patch}; make the patch smaller")
    return Packed(packed.folder, kept)


PR_SET_PDEATHSIG = 1  # of linux/prctl.h


def _depend_on_parent(worker: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent saves and ends
    if sys.platform == "linux":  # a worker whose parent is killed may wait for ever for a reader of its queue
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def make_loader(
    patches: Patches, share: Share, first_step: int, last_step: int, workers: int
) -> DataLoader[tuple[Tensor, Tensor]]:
    """Batches of one part each, (size, 3, h, w) uint8, from `first_step` up to `last_step`."""
    options = {"persistent_workers": True, "prefetch_factor": 4} if workers else {}
    return DataLoader(
        patches,
        batch_sampler=Parts(share, first_step, last_step),
        num_workers=workers,
        pin_memory=torch.cuda.is_available(),
        worker_init_fn=_depend_on_parent,
        **options,  # type: ignore[arg-type]
    )
