"""Progress on stderr: a bar with an ETA on a terminal, a line when a step is done in a log."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

LOG_AFTER_S = 2.0  # in a log, steps quicker than this are not worth a line


@dataclass
class Step:
    """A running step; `advance` it, and `describe` what it is at."""

    progress: Progress
    task: TaskID

    def advance(self, count: float = 1) -> None:
        """One more (or `count` more) done."""
        self.progress.advance(self.task, count)

    def reach(self, count: float) -> None:
        """`count` done in all."""
        self.progress.update(self.task, completed=count)

    def describe(self, text: str) -> None:
        """Change the label."""
        self.progress.update(self.task, description=text)


@contextmanager
def step(label: str, total: float | None) -> Iterator[Step]:
    """Show `label` with a bar for `total` units (None: unknown) while the block runs."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    begin = time.monotonic()
    with Progress(*columns, console=console, transient=True, disable=not sys.stderr.isatty()) as progress:
        yield Step(progress, progress.add_task(label, total=total))
    seconds = time.monotonic() - begin
    if not sys.stderr.isatty() and seconds > LOG_AFTER_S:
        console.print(f"{label}: {seconds:.0f} s", markup=False, highlight=False, soft_wrap=True)


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
