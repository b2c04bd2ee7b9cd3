"""The two ends of a command: results on stdout, a line of news at a time on stderr."""

from collections.abc import Callable

from rich.console import Console

Tell = Callable[[str], None]


def open_console(file_width: int) -> tuple[Console, Tell]:
    """The console for results, `file_width` columns wide where it is no terminal, and the function that tells news."""
    out, news = Console(), Console(stderr=True)
    if not out.is_terminal:
        out.width = file_width

    def tell(line: str) -> None:
        news.print(line, markup=False, highlight=False, soft_wrap=True)

    return out, tell
