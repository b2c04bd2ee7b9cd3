"""Progress on stderr: a bar with an ETA on a terminal, a line when a step is done in a log."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from models.console import news

LOG_AFTER_S = 2.0  # in a log, steps quicker than this are not worth a line


@dataclass
class Step:
    """A running step; `advance` it, and `describe` what it is at."""

    progress: Progress
    task: TaskID
    total: float | None = None

    def advance(self, count: float = 1) -> None:
        """One more (or `count` more) done."""
        self.progress.advance(self.task, count)

    def reach(self, count: float) -> None:
        """`count` done in all; what took longer than planned is all of it."""
        self.progress.update(self.task, completed=count if self.total is None else min(count, self.total))

    def describe(self, text: str) -> None:
        """Change the label."""
        self.progress.update(self.task, description=text)


@contextmanager
def step(label: str, total: float | None) -> Iterator[Step]:
    """Show `label` with a bar for `total` units (None: unknown) while the block runs."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    begin = time.monotonic()
    with Progress(*columns, console=news(), transient=True, disable=not sys.stderr.isatty()) as progress:
        yield Step(progress, progress.add_task(label, total=total), total)
    seconds = time.monotonic() - begin
    if not sys.stderr.isatty() and seconds > LOG_AFTER_S:
        news().print(f"{label}: {seconds:.0f} s", markup=False, highlight=False, soft_wrap=True)


class Named(Protocol):
    """What a pass is of."""

    name: str


@contextmanager
def passes(label: str, seconds: float) -> Iterator[Callable[[Named, str], None]]:
    """A step of timed passes within a time budget; yields what is to be called before each, with its kind."""
    begin = time.monotonic()
    with step(f"{label} [s]", total=round(seconds)) as progress:

        def on_pass(of: Named, kind: str) -> None:
            progress.describe(f"{of.name}: {kind} [s]")
            progress.reach(round(time.monotonic() - begin))

        yield on_pass
