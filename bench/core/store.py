"""Where records lie: the one place that names, finds, merges and writes them.

A file holds one identity (`bench.core.identity`), and its name ends with a checksum of it. In a record are cells:
counts, a runtime, a data set's quality, a point of a study. What a run measured is laid over what lies there, cell by
cell:

- newer replaces older;
- less never replaces more: a cell that was cut short does not replace a whole one, and cells that a run did not
  measure stay as they are;
- a failure never replaces a result, and a result always replaces a failure.
"""

import contextlib
import copy
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

from bench.core.identity import Kept, Rank
from bench.core.record_file import read_as, to_json, write_bytes
from models.errors import EsrError

R = TypeVar("R", bound=Kept)


def find(record: R, folder: Path) -> R | None:
    """What earlier runs left in `folder` of what `record` is of; None where there is nothing, or nothing readable."""
    path = folder / record.file_name
    try:
        old = read_as(type(record), path) if path.is_file() else None
    except EsrError:
        return None
    return old if old and old.canonical == record.canonical else None


def save(record: R, folder: Path) -> R:
    """Lay `record` over what lies in `folder`, by the rule above, and return what lies there then.

    A file is written whole or not at all, and by one process at a time. Raises EsrError where it cannot be written.
    """
    with _locked(folder):
        old = find(record, folder)
        merged = merge(old, record) if old else copy.copy(record)
        if not old:
            merged.settle(None, ())
        write_bytes(folder / record.file_name, to_json(merged).encode())
    return merged


def merge(old: R, new: R) -> R:
    """The cells of both, each by the rule above, and all else as `new` has it."""
    merged = copy.copy(new if new.CELLS else better(old, new))
    stayed = []
    for name, tell_apart in new.CELLS.items():
        before, after = getattr(old, name), getattr(new, name)
        if tell_apart is None:
            setattr(merged, name, better(before, after))
            stayed += [name] * (before is not None and getattr(merged, name) is before)
            continue
        earlier = {tell_apart(cell): cell for cell in before}
        latest = {tell_apart(cell): cell for cell in after}
        cells = {**earlier, **{key: better(earlier.get(key), cell) for key, cell in latest.items()}}
        if name in new.GROUPED:
            torn = {key[0] for key in latest.keys() & earlier.keys() if rank(latest[key]) < rank(earlier[key])}
            cells |= {key: cell for key, cell in earlier.items() if key[0] in torn}
        stayed += [f"{name}:{key}" for key, cell in cells.items() if cell is earlier.get(key)]
        setattr(merged, name, list(cells.values()))
    merged.settle(old, stayed)
    return merged


def better(old: Any, new: Any) -> Any:
    """The one of two values of a cell that stays; None is no value, and what is found again is as old as it was."""
    if old is None or new is None or old == new:
        return new if old is None else old
    return new if rank(new) >= rank(old) else old


def rank(cell: Any) -> Rank:
    """How much a cell holds: by its own `rank` where it has one, else it is whole."""
    return Rank(getattr(cell, "rank", Rank.WHOLE))


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Be the only process that writes into `folder`, where the file system can tell."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise EsrError(f"cannot write into {folder}: {error.strerror}; choose another --out") from None
    try:
        with contextlib.suppress(OSError):  # some network file systems have no locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
