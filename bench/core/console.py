"""The two ends of a command: results on stdout, a line of news at a time on stderr."""

from collections.abc import Callable

from rich.console import Console

from models.console import news

Tell = Callable[[str], None]
FILE_WIDTH = 160  # columns, where the output is not a terminal


def open_console() -> tuple[Console, Tell]:
    """The console for results, FILE_WIDTH wide where it is no terminal, and the function that tells news."""
    out = Console()
    if not out.is_terminal:
        out.width = FILE_WIDTH

    def tell(line: str) -> None:
        news().print(line, markup=False, highlight=False, soft_wrap=True)

    return out, tell
