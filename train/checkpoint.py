"""Checkpoints: the whole state of a run in one file, written whole or not at all, and found again after a crash.

A file's name holds the step and the start of its content's SHA-256, so that a torn or rotten file shows. Only tensors
and plain values are in it; nothing is unpickled that could run code.
"""

import contextlib
import errno
import fcntl
import hashlib
import io
import os
import pickle
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from models.errors import EsrError

NAME = re.compile(r"step_(\d{8})-([0-9a-f]{16})\.pt")
FOLDER, BEST, LOCK = "checkpoints", "best.txt", ".lock"

State = dict[str, Any]


@dataclass(frozen=True)
class Found:
    """A checkpoint on disk, not yet read."""

    path: Path
    step: int
    digest: str


def save_checkpoint(run: Path, step: int, state: State, keep: int, best: bool) -> Path:
    """Write the state of a run beside its place and rename it; then delete all but the last `keep` and the best.

    Raises EsrError where it cannot be written; earlier checkpoints are then as they were.
    """
    buffer = io.BytesIO()
    torch.save(state, buffer)
    content = buffer.getvalue()
    folder = run / FOLDER
    path = folder / f"step_{step:08d}-{hashlib.sha256(content).hexdigest()[:16]}.pt"
    write_atomically(path, content)
    if best:
        write_atomically(folder / BEST, path.name.encode())
    _prune(folder, keep)
    return path


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, through a neighbour that is renamed. Raises EsrError with the reason."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except OSError as error:
        raise unwritten(path, error) from None
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def unwritten(path: Path, error: OSError) -> EsrError:
    """What to say of a file of a run that could not be written."""
    why = "the disk is full" if error.errno == errno.ENOSPC else error.strerror or type(error).__name__
    cure = "free some space" if error.errno == errno.ENOSPC else "correct that, or choose another --out,"
    again = "and run the same command with --resume: it goes on from the last checkpoint"
    return EsrError(f"cannot write {path}: {why}; {cure} {again}")


@contextlib.contextmanager
def held(run: Path) -> Iterator[None]:
    """Be the only process that trains in a run's folder. Raises EsrError where another does, or it cannot be made."""
    try:
        run.mkdir(parents=True, exist_ok=True)
        handle = os.open(run / LOCK, os.O_RDWR | os.O_CREAT)
    except OSError as error:
        raise unwritten(run, error) from None
    try:
        # A lock of this process alone: the workers that it forks do not keep it when it is killed.
        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        os.close(handle)
        raise EsrError(f"{run} is being trained by another process; wait for it, or choose another --name") from None
    except OSError:
        pass  # some network file systems have no locks
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            (run / LOCK).unlink()
        os.close(handle)


def list_checkpoints(run: Path) -> list[Found]:
    """Every checkpoint of a run by its name, the latest first."""
    folder = run / FOLDER
    if not folder.is_dir():
        return []
    matches = ((path, NAME.fullmatch(path.name)) for path in folder.iterdir())
    found = [Found(path, int(match[1]), match[2]) for path, match in matches if match]
    return sorted(found, key=lambda f: (f.step, f.path.stat().st_mtime_ns), reverse=True)


def load_last(run: Path, tell: Callable[[str], None]) -> State | None:
    """The state of the latest sound checkpoint; None where there is none. A corrupt one is named and passed over."""
    for found in list_checkpoints(run):
        try:
            return read_checkpoint(found)
        except EsrError as error:
            tell(f"warning: {error}; using the one before")
    return None


def read_checkpoint(found: Found) -> State:
    """Raises EsrError for a file that is not what its name says."""
    try:
        content = found.path.read_bytes()
        if hashlib.sha256(content).hexdigest()[:16] != found.digest:
            raise EsrError(f"{found.path} is cut short or damaged")
        state: State = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, pickle.UnpicklingError, EOFError) as error:
        raise EsrError(f"{found.path} cannot be read ({(str(error).splitlines() or [''])[0][:80]})") from None
    return state


def _prune(folder: Path, keep: int) -> None:
    """Delete what is neither among the last `keep` nor the best, and parts that a killed process left."""
    best = (folder / BEST).read_text(encoding="utf-8").strip() if (folder / BEST).is_file() else ""
    for found in list_checkpoints(folder.parent)[keep:]:
        if found.path.name != best:
            found.path.unlink(missing_ok=True)
    for part in folder.glob(".*.part"):
        part.unlink(missing_ok=True)
