"""Opening a file that somebody else named: it has to be one, and no larger than what it may be."""

import os
import stat
from pathlib import Path

from models.errors import EsrError


def check_regular(path: Path, what: str) -> int:
    """The size in bytes of a regular file. Raises EsrError for what is none: missing, a folder, an endless pipe."""
    try:
        found = path.stat()
    except OSError as error:
        raise EsrError(f"cannot read {what} {path}: {error.strerror}") from None
    if not stat.S_ISREG(found.st_mode):
        raise EsrError(f"{what} {path} is not a file")
    return found.st_size


def read_regular(path: Path, most: int, what: str) -> str:
    """Its text in UTF-8. Raises EsrError as `check_regular`, and over `most` bytes; ValueError for other bytes."""
    size = check_regular(path, what)
    if size > most:
        raise EsrError(f"{what} {path} has {size:,} bytes, where {most:,} are the most that it may have")
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb") as file:
            return file.read(most).decode()
    except OSError as error:
        raise EsrError(f"cannot read {what} {path}: {error.strerror}") from None
