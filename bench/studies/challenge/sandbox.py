"""A submission's process and its copy of the checkout: wall, limits, requests, and what it left behind.

Whatever a submission does, it does it to its own copy, behind a wall where there is one, within a time for each request
and limits of memory and processes. What it says is checked here: the harness's own clock bounds each reported time. At
the end all of its processes are killed and the copy is deleted.
"""

import contextlib
import json
import math
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import psutil
from numpy.typing import NDArray

from bench.core.channel import MOST_JSON, Channel, Clocks, LateError, pack, positive_ms, unpack
from bench.core.record import Memory
from bench.core.wording import printable
from bench.data.photographs import fresh_photographs
from bench.measurement.remembering import remembered
from bench.networks.engine import ColdPass
from bench.networks.wall import Wall, allowed_environment
from bench.studies.challenge.layout import Checkout
from models.errors import EsrError

CHILD = Path(__file__).with_name("child.py")
MARK = "ESR_SUBMISSION"  # environment variable of all its processes
LEFT_OUT = shutil.ignore_patterns(".git", "__pycache__", "figs", "factsheet*")
WATCH_S = 0.1
OUTPUT_KEPT = 4000  # bytes of what it prints, the last ones
OUTPUT_TOLD = 1_000_000  # bytes; who prints more is named
PREFIX = "esr-submission-"  # of a copy's folder, then the number of the process that made it
MOST_PROCESSES = 256
SMALL = 64  # pixels a side of the images for checks


class Sandbox:
    """One submission in its process; a `bench.measurement.runtime.Contestant`. As a context manager it clears up.

    Args:
        checkout: where it comes from; only read.
        team: its id.
        job: for `bench.studies.challenge.submission.Submission`, without the team and its forward.
        time_limit_s: for each request.
        memory_limit: bytes, resident, of all its processes.
        wall: around its process.
    """

    def __init__(
        self, checkout: Checkout, team: int, job: dict[str, Any], time_limit_s: float, memory_limit: int, wall: Wall
    ) -> None:
        self.name = f"team {team:02}"
        self._clocks = Clocks()
        self.time_limit_s, self.memory_limit = time_limit_s, memory_limit
        self.peak_resident, self.printed, self._tail, self._killed = 0, 0, b"", ""
        self.wall = wall
        self._photographs = fresh_photographs(job["size"])
        self.folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))
        self.copy = self.folder / "checkout"
        shutil.copytree(checkout.root, self.copy, ignore=LEFT_OUT, symlinks=True)
        for name in ("home", "tmp"):
            (self.folder / name).mkdir()
        self._before = _listing(self.folder)
        ours, theirs = socket.socketpair()
        self._channel, self._mark = Channel(ours), uuid.uuid4().hex
        whole = {**job, "team": team, "forward": checkout.forwards.get(team, ""), "fvcore": checkout.fvcore}
        command = [sys.executable, "-P", str(CHILD), str(theirs.fileno()), json.dumps(whole)]
        environment = self._environment()
        self._process = subprocess.Popen(
            wall.command(command, [self.copy, self.folder / "home"], job["device"], environment),
            cwd=self.copy,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )
        theirs.close()
        self._closed = threading.Event()
        for work in (self._drain, self._watch):
            threading.Thread(target=work, daemon=True).start()

    def _environment(self) -> dict[str, str]:
        own = {MARK: self._mark, "HOME": str(self.folder / "home"), "TMPDIR": "/tmp", "USER": "submission"}
        if not self.wall.program:
            own["TMPDIR"] = str(self.folder / "tmp")
        cache = os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache"))  # where the native scan is compiled
        return {**allowed_environment(), **own, "XDG_CACHE_HOME": cache, "PYTHONDONTWRITEBYTECODE": "1"}

    # ---- requests ---------------------------------------------------------------------------------------------------

    def ask(self, request: str, payload: bytes = b"", **values: Any) -> tuple[Any, bytes]:
        """Answer and image of one request. Raises EsrError, one line, where it fails, hangs, or its process ends."""
        deadline = time.monotonic() + self.time_limit_s
        try:
            messages = [pack({"do": request, "payload": bool(payload), **values}), *([payload] if payload else [])]
            self._channel.send(*messages, deadline=deadline)
            answer = unpack(self._channel.receive(MOST_JSON, deadline))
            image = self._channel.receive(16 * len(payload), deadline) if answer.get("payload") else b""
        except LateError:
            self._kill(f"no answer within the time limit of {self.time_limit_s:g} s, asked to {request}")
            raise EsrError(self._killed) from None
        except ValueError as error:
            self._kill(f"it answered with what is no answer: {printable(str(error))}")
            raise EsrError(self._killed) from None
        except (EOFError, OSError):
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(5)
            self._kill(f"its process ended ({self._cause()})")  # or it closed its end, and goes on
            raise EsrError(self._killed) from None
        if "error" in answer:
            raise EsrError(printable(str(answer["error"])))
        return answer.get("ok"), image

    def _ask_of(self, request: str, image: NDArray[np.uint8]) -> tuple[Any, bytes]:
        return self.ask(request, np.ascontiguousarray(image).tobytes(), shape=list(image.shape))

    def _cause(self) -> str:
        code = self._process.returncode
        last = self._tail.decode(errors="replace").strip().splitlines()
        said = f"; it last printed: {printable(last[-1], 200)}" if last else ""
        if code is None:
            return f"it closed its connection{said}"
        number = -code if code < 0 else code - 128  # which is how bubblewrap tells a signal
        known = {one.value: one.name for one in signal.Signals}
        return (f"signal {known[number]}" if number in known else f"exit status {code}") + said

    def build(self) -> None:
        """Wait until select_model has built it."""
        self.ask("describe")

    def cold(self) -> ColdPass:
        """The first pass; on a CPU with its memory."""
        answer, _ = self._ask_of("cold", next(self._photographs))
        return ColdPass(self._checked_ms(answer["ms"]), Memory(**answer["memory"]) if answer["memory"] else None)

    def sample(self) -> float:
        """Milliseconds of one pass of a photograph that it has not seen."""
        photograph = next(self._photographs)
        return self._timed(lambda: self._ask_of("sample", photograph)[0])

    def _timed(self, request: Callable[[], Any]) -> float:
        begin = time.monotonic()
        ms = self._checked_ms(request())
        self._clocks.add(ms, begin)
        return ms

    def _checked_ms(self, value: Any) -> float:
        try:
            return positive_ms(value)
        except ValueError as error:
            raise EsrError(printable(str(error))) from None

    def remembers(self) -> str:
        """A note of some more fresh passes, each image once again; "" where there is nothing to say."""
        return remembered(self.sample, lambda: self._timed(lambda: self.ask("again")[0]))

    def check(self) -> list[str]:
        """Look at what it returns for small photographs; its notes so far. Raises EsrError for what has no score."""
        photographs = fresh_photographs(SMALL)
        return list(self._ask_of("check", np.stack([next(photographs) for _ in range(2)]))[0])

    def check_clock(self) -> None:
        """To be asked after `remembers`. Raises EsrError where the times that it reported are not those that passed."""
        if doubt := self._clocks.doubt():
            raise EsrError(doubt)

    def environment(self) -> dict[str, Any]:
        """What its process runs in, now."""
        return dict(self.ask("environment")[0])

    def peak_memory(self) -> Memory:
        """Allocator peak of one pass; GPU only."""
        return Memory(**self.ask("peak_memory")[0])

    def capture_graph(self) -> None:
        """Submissions run as they are."""

    def upscale(self, image: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], float]:
        """(h, w, 3) uint8 -> (4h, 4w, 3) uint8, and milliseconds of the pass."""
        answer, pixels = self._ask_of("upscale", image)
        shape = (4 * image.shape[0], 4 * image.shape[1], 3)
        if len(pixels) != math.prod(shape):
            raise EsrError(f"it returned {len(pixels)} bytes for an image of {shape}")
        return np.frombuffer(pixels, np.uint8).reshape(shape), self._checked_ms(answer["ms"])

    # ---- limits -----------------------------------------------------------------------------------------------------

    def _drain(self) -> None:
        assert self._process.stdout
        while block := self._process.stdout.read1(65536):  # type: ignore[attr-defined]
            self.printed += len(block)
            self._tail = (self._tail + block)[-OUTPUT_KEPT:]

    def _watch(self) -> None:
        while not self._closed.wait(WATCH_S) and self._process.poll() is None:
            family = self._family()
            if len(family) > MOST_PROCESSES:
                self._kill(f"started {len(family)} processes, more than {MOST_PROCESSES}")
            resident = sum(_resident(process) for process in family)
            self.peak_resident = max(self.peak_resident, resident)
            if resident > self.memory_limit:
                self._kill(
                    f"took {resident / 2**30:.1f} GiB, over the memory limit of {self.memory_limit / 2**30:g} GiB"
                )

    def _family(self) -> list[psutil.Process]:
        with contextlib.suppress(psutil.Error):
            first = psutil.Process(self._process.pid)
            return [first, *first.children(recursive=True)]
        return []

    def _kill(self, reason: str) -> None:
        self._killed = self._killed or reason
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    # ---- the end ----------------------------------------------------------------------------------------------------

    def leftovers(self) -> list[str]:
        """Notes of what it wrote, printed and started; to be asked before `close`."""
        notes = []
        after = _listing(self.folder)
        written = sorted(path for path, state in after.items() if self._before.get(path) != state)
        removed = sorted(path for path in self._before if path not in after)
        for what, paths in (("wrote", written), ("deleted", removed)):
            if paths:
                more = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
                names = ", ".join(printable(path, 80) for path in paths[:3])
                notes.append(f"{what} {names}{more}; in its own copy of the checkout")
        if self.printed > OUTPUT_TOLD:
            notes.append(f"printed {self.printed / 1e6:.0f} MB")
        # Behind bubblewrap two processes of its own stand before the submission's.
        if (further := len(self._marked()) - 1 - (2 if self.wall.program else 0)) > 0:
            notes.append(f"started {further} further processes that still ran; they were ended")
        return notes

    def _marked(self) -> list[psutil.Process]:
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.environ().get(MARK) == self._mark and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found

    def close(self) -> None:
        """End all its processes and delete its copy."""
        self._closed.set()
        self._kill("closed")
        for process in self._marked():
            with contextlib.suppress(psutil.Error):
                process.kill()
        self._channel.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        for _ in range(3):  # a process that is just dying may still write
            _remove(self.folder)
            if not self.folder.exists():
                break
            time.sleep(WATCH_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def remove_abandoned() -> None:
    """Delete the copies of runs that were killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*-*"):
        number = folder.name.removeprefix(PREFIX).split("-")[0]
        if number.isdecimal() and not psutil.pid_exists(int(number)):
            _remove(folder)


def _remove(folder: Path) -> None:
    """However deep it is: Python's own removal recurses."""
    subprocess.run(["rm", "-rf", "--", str(folder)], check=False, stderr=subprocess.DEVNULL)


def _resident(process: psutil.Process) -> int:
    with contextlib.suppress(psutil.Error):
        return int(process.memory_info().rss)
    return 0


def _listing(folder: Path) -> dict[str, tuple[int, int]]:
    """Relative path -> size and time of the last change, which nobody can set back."""
    found, folders = {}, [folder]
    while folders:  # no recursion: a submission chooses the depth
        with contextlib.suppress(OSError), os.scandir(folders.pop()) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(Path(entry.path))
                    elif entry.is_file(follow_symlinks=False):
                        state = entry.stat(follow_symlinks=False)
                        found[os.path.relpath(entry.path, folder)] = state.st_size, state.st_ctime_ns
    return found
