"""Commands started as users start them: a process each, with its output, signals and exit status."""

import atexit
import contextlib
import functools
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Self

ROOT = Path(__file__).parents[1]
TIMEOUT_S = 540  # a command that hangs fails its test before pytest's own limit ends the whole run


def run(
    *command: str | Path, env: Mapping[str, str] | None = None, cwd: str | Path = ROOT, timeout: float = TIMEOUT_S
) -> subprocess.CompletedProcess[str]:
    """Run `command` to its end.

    Args:
        command: what would follow `python`: a script of this project, by its name from the root or its whole path, and
            its arguments; "-m", a module and its arguments; or "-c" and code.
        env: instead of this process's environment.
        cwd: where it runs.
        timeout: seconds after which it is killed, and subprocess.TimeoutExpired raised.
    """
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        process = Started(command, env, cwd, out, err)
        with process:
            process.wait(timeout)
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(process.command, process.wait(0), out.read(), err.read())


def start(*command: str | Path, env: Mapping[str, str] | None = None, cwd: str | Path = ROOT) -> "Started":
    """Start `command`; its standard error can be read line by line. See `run`."""
    reader, writer = os.pipe()
    with open(os.devnull, "w", encoding="ascii") as nothing, open(writer, "w", encoding="utf-8") as err:
        return Started(command, env, cwd, nothing, err, open(reader, encoding="utf-8"))


def run_anew(
    *command: str | Path, env: Mapping[str, str] | None = None, cwd: str | Path = ROOT, timeout: float = TIMEOUT_S
) -> subprocess.CompletedProcess[str]:
    """As `run`, by an interpreter that starts from nothing; seconds slower."""
    whole = [sys.executable, *_words(command)]
    return subprocess.run(whole, capture_output=True, text=True, env=env, cwd=cwd, timeout=timeout, check=False)


class Started:
    """A command that runs; what of `subprocess.Popen` the tests use. As a context manager it waits for the end."""

    def __init__(
        self,
        command: tuple[str | Path, ...],
        env: Mapping[str, str] | None,
        cwd: str | Path,
        out: IO[str],
        err: IO[str],
        stderr: IO[str] | None = None,
    ) -> None:
        self.command, self.stderr = _words(command), stderr
        self.returncode: int | None = None
        self._connection = socket.socket(socket.AF_UNIX)
        self._connection.connect(_server())
        environment = dict(os.environ if env is None else env)
        request = {"command": self.command, "environment": environment, "folder": str(cwd)}
        data = json.dumps(request).encode() + b"\n"
        sent = socket.send_fds(self._connection, [data], [out.fileno(), err.fileno()])
        self._connection.sendall(data[sent:])
        self._answers = self._connection.makefile()
        self.pid = int(self._answers.readline())

    def poll(self) -> int | None:
        """Its exit status, negative for a signal; None while it runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float = TIMEOUT_S) -> int:
        """Its exit status, once it has ended. Raises subprocess.TimeoutExpired."""
        if self.returncode is None:
            self._connection.settimeout(max(timeout, 0.001))
            try:
                self.returncode = int(self._connection.recv(16))
            except TimeoutError:
                raise subprocess.TimeoutExpired(self.command, timeout) from None
        return self.returncode

    def communicate(self, timeout: float = TIMEOUT_S) -> tuple[None, str]:
        """Wait for its end; what it wrote to standard error since the last read."""
        deadline = time.monotonic() + timeout
        said = self.stderr.read() if self.stderr else ""
        self.wait(deadline - time.monotonic())
        return None, said

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it."""
        self.send_signal(signal.SIGKILL)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None and self.poll() is None:  # nobody will end it any more
            self.kill()
        self.wait()
        if self.stderr:
            self.stderr.close()
        self._answers.close()
        self._connection.close()


def _words(command: tuple[str | Path, ...]) -> list[str]:
    first, *rest = map(str, command)
    return [first if first.startswith("-") else str(ROOT / first), *rest]


@functools.cache
def _server() -> str:
    """Start the process that commands are forked from; the path of its socket."""
    folder = tempfile.TemporaryDirectory(prefix="esr-tests-")
    path = f"{folder.name}/socket"
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.fork_server", path], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert server.stdin
    assert server.stdout
    if server.stdout.readline() != b"ready\n":
        raise RuntimeError("the process that commands are forked from did not start")

    def end() -> None:
        server.communicate()
        folder.cleanup()

    atexit.register(end)
    return path
