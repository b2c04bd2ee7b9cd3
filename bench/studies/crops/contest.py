"""The networks whose images are cropped, each with its weights and in a process of its own."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import torch

from bench.core.console import Tell
from bench.core.environment import device_name
from bench.core.record import Settings
from bench.networks.choice import Choice
from bench.networks.engine import Image, Job
from bench.networks.worker import Worker
from bench.studies.attribution.attribution_record import Attributed
from bench.studies.with_weights import attributed, find_weighted
from models.errors import EsrError

REFERENCE = "bicubic"  # stands beside the networks, and has no part in the choice


@dataclass
class Contestant:
    """A network, whose process starts when its first image is asked for."""

    label: str
    about: Attributed
    job: Job
    stack: ExitStack
    worker: Worker | None = None
    last: tuple[str, Image] | None = None  # LR image's checksum and what came of it: places often share an image

    @property
    def identity(self) -> str:
        """What sets its images apart from another network's."""
        return " ".join(filter(None, self.about.words[:-1]))

    def upscale(self, lr: Image, checksum: str) -> Image:
        """(h, w, 3) -> (4h, 4w, 3). Raises EsrError, one line."""
        if self.last is None or self.last[0] != checksum:
            if self.worker is None:
                self.worker = self.stack.enter_context(Worker(self.job))
            self.last = checksum, self.worker.upscale(lr)[0]
        return self.last[1]


@dataclass
class Contest:
    """The networks that still run, and how many failed."""

    running: list[Contestant]
    tell: Tell
    failed: int = 0

    def drop(self, contestant: Contestant, error: EsrError) -> None:
        """Leave one out; the others go on. Raises EsrError where nothing but the reference is left."""
        self.running.remove(contestant)
        self.failed += 1
        if all(c.about.model == REFERENCE for c in self.running):
            raise error
        self.tell(f"{contestant.label} failed: {error}")


def open_contest(
    choices: Sequence[Choice],
    weights: Path | None,
    data_dir: Path | None,
    device: torch.device,
    threads: int | None,
    stack: ExitStack,
    tell: Tell,
) -> Contest:
    """Every network with its weights; `tell` hears of those that have none, and `stack` ends their processes.

    Raises EsrError where nothing but the reference is left.
    """
    contest = Contest([], tell)
    failures = []
    for choice in choices:
        given = weights if choice.name != REFERENCE else None
        try:
            contest.running.append(_contestant(choice, given, data_dir, device, threads, stack))
        except EsrError as error:
            failures.append((choice.label, error))
    if failures and all(c.about.model == REFERENCE for c in contest.running):
        raise failures[0][1]
    for label, reason in failures:
        tell(f"{label} is left out: {reason}")
    contest.failed = len(failures)
    return contest


def _contestant(
    choice: Choice,
    weights: Path | None,
    data_dir: Path | None,
    device: torch.device,
    threads: int | None,
    stack: ExitStack,
) -> Contestant:
    """Raises EsrError for a network without weights, or one of the user's own that takes no images."""
    settings = Settings(device.type, device_name(device), height=64, width=64, threads=threads)
    if choice.own is None:
        weighted = find_weighted(choice, weights, data_dir, device, threads)
        settings.scan_backend = weighted.about.scan_backend
        job = Job(choice.name, weighted.about.options, weighted.file, settings, str(device))
        return Contestant(choice.label, weighted.about, job, stack)
    job = Job(choice.name, choice.options, None, settings, str(device), choice.own)
    worker = stack.enter_context(Worker(job))
    found = worker.count(counted=False)
    if found.fixed:
        raise EsrError("it takes inputs of one size only, and images have many; leave it out")
    return Contestant(choice.label, attributed(found, choice, device, threads), job, stack, worker)
