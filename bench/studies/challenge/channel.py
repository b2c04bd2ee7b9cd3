"""Messages between the harness and a submission's process: lengths and bytes over a socket, with one deadline each.

What comes from a submission is data to be bounded and checked: no message is larger than the reader says, none takes
longer than its deadline as a whole, and its JSON is finite and of no great depth. Used in both processes; imports
nothing of this project.
"""

import json
import socket
import struct
import time
from typing import Any

HEADER = struct.Struct("!Q")
MOST_JSON = 4 * 2**20  # bytes
BLOCK = 2**20


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
