"""A submission's process and its copy of the checkout: limits, requests, and what it left behind.

Whatever a submission does, it does it to its own copy, in its own session, within a time for each request and a limit
of memory for all its processes. At the end everything that carries its mark is killed and the copy deleted.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from multiprocessing import Pipe
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import psutil
from numpy.typing import NDArray

from bench.core.record import Memory
from bench.networks.engine import ColdPass
from bench.studies.challenge.layout import Checkout
from models.errors import EsrError

CHILD = Path(__file__).with_name("child.py")
MARK = "ESR_SUBMISSION"  # environment variable of all its processes
LEFT_OUT = shutil.ignore_patterns(".git", "__pycache__", "figs", "factsheet*")
WATCH_S = 0.1
OUTPUT_KEPT = 4000  # bytes of what it prints, the last ones
OUTPUT_TOLD = 1_000_000  # bytes; who prints more is named


class Sandbox:
    """One submission in its process; a `bench.measurement.runtime.Contestant`. As a context manager it clears up.

    Args:
        checkout: where it comes from; only read.
        team: its id.
        job: for `bench.studies.challenge.submission.Submission`, without the team and its forward.
        time_limit_s: for each request.
        memory_limit: bytes, resident, of all its processes.
    """

    def __init__(
        self, checkout: Checkout, team: int, job: dict[str, Any], time_limit_s: float, memory_limit: int
    ) -> None:
        self.name = f"team {team:02}"
        self.time_limit_s, self.memory_limit = time_limit_s, memory_limit
        self.peak_resident, self.printed, self._tail, self._killed = 0, 0, b"", ""
        self.folder = Path(tempfile.mkdtemp(prefix="esr-submission-"))
        self.copy = self.folder / "checkout"
        shutil.copytree(checkout.root, self.copy, ignore=LEFT_OUT, symlinks=True)
        for name in ("home", "tmp"):
            (self.folder / name).mkdir()
        self._before = _listing(self.folder)
        ours, theirs = Pipe()
        self._connection, self._mark = ours, uuid.uuid4().hex
        whole = {**job, "team": team, "forward": checkout.forwards.get(team, ""), "fvcore": checkout.fvcore}
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(CHILD), str(theirs.fileno()), json.dumps(whole)],
            cwd=self.copy,
            env=self._environment(),
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
        own = {MARK: self._mark, "HOME": str(self.folder / "home"), "TMPDIR": str(self.folder / "tmp")}
        cache = os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache"))  # where the native scan is compiled
        return {**os.environ, **own, "XDG_CACHE_HOME": cache, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": ""}

    # ---- requests ---------------------------------------------------------------------------------------------------

    def ask(self, request: str, payload: bytes = b"", **values: Any) -> tuple[Any, bytes]:
        """Answer and image of one request. Raises EsrError, one line, where it fails, hangs, or its process ends."""
        try:
            self._connection.send_bytes(json.dumps({"do": request, "payload": bool(payload), **values}).encode())
            if payload:
                self._connection.send_bytes(payload)
            if not self._connection.poll(self.time_limit_s):
                self._kill(f"no answer within the time limit of {self.time_limit_s:g} s, asked to {request}")
                raise EOFError
            answer = json.loads(self._connection.recv_bytes())
            image = self._connection.recv_bytes() if answer["payload"] else b""
        except (EOFError, OSError, ValueError, KeyError, TypeError):
            self._process.wait(5)
            raise EsrError(self._killed or f"its process ended ({self._cause()})") from None
        if "error" in answer:
            raise EsrError(str(answer["error"]))
        return answer.get("ok"), image

    def _cause(self) -> str:
        code = self._process.returncode
        last = self._tail.decode(errors="replace").strip().splitlines()
        said = f"; it last printed: {last[-1][:200]}" if last else ""
        return (f"signal {signal.Signals(-code).name}" if code and code < 0 else f"exit status {code}") + said

    def build(self) -> None:
        """Wait until select_model has built it."""
        self.ask("describe")

    def cold(self) -> ColdPass:
        """The first pass; on a CPU with its memory."""
        answer, _ = self.ask("cold")
        return ColdPass(float(answer["ms"]), Memory(**answer["memory"]) if answer["memory"] else None)

    def sample(self) -> float:
        """Milliseconds of one pass of an image that it has not seen."""
        return float(self.ask("sample")[0])

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
        answer, pixels = self.ask("upscale", np.ascontiguousarray(image).tobytes(), shape=list(image.shape))
        return np.frombuffer(pixels, np.uint8).reshape(answer["shape"]), float(answer["ms"])

    # ---- limits -----------------------------------------------------------------------------------------------------

    def _drain(self) -> None:
        assert self._process.stdout
        while block := self._process.stdout.read1(65536):  # type: ignore[attr-defined]
            self.printed += len(block)
            self._tail = (self._tail + block)[-OUTPUT_KEPT:]

    def _watch(self) -> None:
        while not self._closed.wait(WATCH_S) and self._process.poll() is None:
            resident = sum(_resident(process) for process in self._family())
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
                notes.append(f"{what} {', '.join(paths[:3])}{more}; in its own copy of the checkout")
        if self.printed > OUTPUT_TOLD:
            notes.append(f"printed {self.printed / 1e6:.0f} MB")
        if len(self._marked()) > 1:
            notes.append(f"started {len(self._marked()) - 1} further processes that still ran; they were ended")
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
        self._connection.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        for _ in range(3):  # a process that is just dying may still write
            shutil.rmtree(self.folder, ignore_errors=True)
            if not self.folder.exists():
                break
            time.sleep(WATCH_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _resident(process: psutil.Process) -> int:
    with contextlib.suppress(psutil.Error):
        return int(process.memory_info().rss)
    return 0


def _listing(folder: Path) -> dict[str, tuple[int, int]]:
    """Relative path -> size and time of the last change, which nobody can set back."""
    found = {}
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            if path.is_file() and not path.is_symlink():
                found[str(path.relative_to(folder))] = path.stat().st_size, path.stat().st_ctime_ns
    return found
