"""Commands started as users start them: a process each, with its output, signals and exit status."""

import atexit
import contextlib
import functools
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, NoReturn, Self

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
        server: str = "",
    ) -> None:
        self.command, self.stderr = _words(command), stderr
        self.returncode: int | None = None
        self._connection = socket.socket(socket.AF_UNIX)
        self._connection.connect(server or _server())
        environment = dict(os.environ if env is None else env)
        request = {"command": self.command, "environment": environment, "folder": str(cwd)}
        data = json.dumps(request).encode() + b"\n"
        sent = socket.send_fds(self._connection, [data], [out.fileno(), err.fileno()])
        self._connection.sendall(data[sent:])
        self.pid = self._answer()

    def _answer(self) -> int:
        """The next number that the process which waits for the command says; it is read no further."""
        line = b""
        while not line.endswith(b"\n"):
            part = self._connection.recv(1)
            if not part:
                raise RuntimeError(f"the process that waits for {self.command} has died")
            line += part
        return int(line)

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
                self.returncode = self._answer()
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
        self._connection.close()


def _words(command: tuple[str | Path, ...]) -> list[str]:
    first, *rest = map(str, command)
    return [first if first.startswith("-") else str(ROOT / first), *rest]


def make_interpreter(path: Path) -> None:
    """Write to `path` a program for shell scripts to start as `python`: what it is given is run as by `run`."""
    code = f"import sys; sys.path[0] = {str(ROOT)!r}; from tests import commands; commands.follow({_server()!r})"
    path.write_text(f'#!/bin/sh\nexec {shlex.join([sys.executable, "-S", "-c", code])} "$@"\n', encoding="utf-8")
    path.chmod(0o755)


def follow(server: str) -> NoReturn:
    """Be as the command in this process's arguments, which is run by `server`: its output and its exit status."""
    first, *rest = sys.argv[1:]
    words = (first if first.startswith("-") else os.path.abspath(first), *rest)
    sys.exit(Started(words, None, os.getcwd(), sys.stdout, sys.stderr, server=server).wait())


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
