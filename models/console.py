"""The one console of news and progress on stderr: a line that is printed there moves a running bar down a line."""

import functools
import sys

from rich.console import Console


def news() -> Console:
    """The console, the same as long as stderr stays a terminal, or stays none."""
    return _console(sys.stderr.isatty())


@functools.cache
def _console(terminal: bool) -> Console:
    return Console(stderr=True)
