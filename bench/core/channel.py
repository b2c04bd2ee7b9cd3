"""Messages between the harness and a process of what it measures: lengths and bytes over a socket, a deadline each.

What comes from such a process is data to be bounded and checked: no message is larger than the reader says, none takes
longer than its deadline as a whole. A submission's are JSON, finite and of no great depth; a network's answers are
pickled, and read back without calling anything but plain classes. Used in both processes; imports nothing of this
project.
"""

import dataclasses
import io
import json
import math
import pickle
import socket
import statistics
import struct
import time
from typing import Any

HEADER = struct.Struct("!Q")
MOST_JSON = 4 * 2**20  # bytes
BLOCK = 2**20
ARRAYS = {  # how numpy's arrays and numbers are rebuilt
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "scalar"),
    ("numpy._core.numeric", "_frombuffer"),
}
# A pass takes the harness longer than the process by a fresh image and two messages. Who reports less than a half of
# what the harness waited, and by more than this, has a clock of its own.
CLOCK_SHARE, CLOCK_MS, CLOCK_PASSES = 0.5, 20.0, 5


class LateError(Exception):
    """The deadline passed before the message was whole."""


class Channel:
    """One end of a socket.

    Args:
        end: connected; closed by `close`.
    """

    def __init__(self, end: socket.socket) -> None:
        self._socket = end

    def fileno(self) -> int:
        """Of the socket, to be inherited by a process."""
        return self._socket.fileno()

    def close(self) -> None:
        """Close this end."""
        self._socket.close()

    def send(self, *messages: bytes, deadline: float | None = None) -> None:
        """Send all of them. Raises LateError where they are not taken by `deadline` (time.monotonic), OSError."""
        for message in messages:
            view = memoryview(HEADER.pack(len(message)) + message)
            while view:
                self._wait(deadline)
                try:
                    view = view[self._socket.send(view[:BLOCK]) :]
                except TimeoutError:
                    raise LateError from None

    def receive(self, most: int, deadline: float | None = None) -> bytes:
        """One message of at most `most` bytes. Raises LateError, EOFError if the other is gone, ValueError, OSError."""
        (length,) = HEADER.unpack(self._read(HEADER.size, deadline))
        if length > most:
            raise ValueError(f"a message of {length} bytes, where {most} are the most that it may have")
        return self._read(length, deadline)

    def _read(self, length: int, deadline: float | None) -> bytes:
        parts = bytearray()
        while len(parts) < length:
            self._wait(deadline)
            try:
                block = self._socket.recv(min(BLOCK, length - len(parts)))
            except TimeoutError:
                raise LateError from None
            if not block:
                raise EOFError
            parts += block
        return bytes(parts)

    def _wait(self, deadline: float | None) -> None:
        left = None if deadline is None else deadline - time.monotonic()
        if left is not None and left <= 0:
            raise LateError
        self._socket.settimeout(left)


def pack(values: dict[str, Any]) -> bytes:
    """As a message."""
    return json.dumps(values).encode()


def unpack(message: bytes) -> dict[str, Any]:
    """The values of a message. Raises ValueError for what is no JSON object with finite numbers, whatever it is."""
    try:
        values = json.loads(message, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("its answer is nested too deep") from None
    if not isinstance(values, dict):
        raise ValueError(f"its answer is a {type(values).__name__}")
    return values


def _refuse(constant: str) -> None:
    raise ValueError(f"its answer contains {constant}")


class _Plain(pickle.Unpickler):
    """Rebuilds dataclasses of this project, paths and arrays; whatever else an answer names is refused."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in ARRAYS or (module, name) in {("pathlib", "PosixPath"), ("pathlib", "WindowsPath")}:
            return super().find_class(module, name)
        if module.split(".")[0] in ("bench", "models"):
            found = super().find_class(module, name)
            if isinstance(found, type) and dataclasses.is_dataclass(found):
                return found
        raise pickle.UnpicklingError(f"it names {module}.{name}")


def unpickle_plain(message: bytes) -> Any:
    """An answer of a network's process. Raises ValueError for what is none, or names what might run code."""
    try:
        return _Plain(io.BytesIO(message)).load()
    except Exception as error:  # of damaged pickles, anything
        raise ValueError(f"its answer cannot be read ({type(error).__name__}: {error})") from None


class Clocks:
    """What a process reports of its passes, beside what the harness waited for them."""

    def __init__(self) -> None:
        self.passes: list[tuple[float, float]] = []  # reported, waited; ms

    def add(self, ms: float, begin: float) -> None:
        """A pass of `ms` by the process's clock, asked for at `begin` (time.monotonic) and just answered."""
        self.passes.append((ms, (time.monotonic() - begin) * 1e3))

    def doubt(self) -> str:
        """What to say of a process whose times are not those that passed here; "" where they are."""
        if not self.passes:
            return ""
        reported, waited = (statistics.median(one[i] for one in self.passes) for i in (0, 1))
        if reported <= waited and (reported >= CLOCK_SHARE * waited or waited - reported <= CLOCK_MS):
            return ""
        return (
            f"its clock is not the harness's: it reports {reported:.1f} ms a pass, for which the harness waited "
            f"{waited:.1f} ms"
        )


def positive_ms(value: Any) -> float:
    """Milliseconds as a process reports them. Raises ValueError for what is no time."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise ValueError(f"its clock says {str(value)[:40]} ms")
    return float(value)
