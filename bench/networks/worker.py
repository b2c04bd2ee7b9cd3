"""A persistent process that holds one network, or another subject, and answers one request at a time.

Each network is measured in a process of its own: what one sets, caches or leaks cannot reach another, the first pass
is a true cold start, and a crash or an out-of-memory kill costs one row.
"""

import functools
import multiprocessing
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Self

from bench.core.out_of_memory import OUT_OF_MEMORY, is_out_of_memory
from bench.core.record import Memory
from bench.networks.engine import ColdPass, Engine, Image, Job
from bench.networks.external.examine import Examined
from models.errors import EsrError


class Remote:
    """The parent's handle of what `build` makes in a process of its own. As a context manager it ends the process.

    Args:
        name: opens every error's line.
        build: called in the process before the first request; must be picklable.
        out_of_memory: what to say where memory ran out.
    """

    def __init__(self, name: str, build: Callable[[], object], out_of_memory: str = OUT_OF_MEMORY) -> None:
        context = multiprocessing.get_context("spawn")
        self.name, self._out_of_memory = name, out_of_memory
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, build, out_of_memory), daemon=True)
        self._process.start()
        theirs.close()

    def ask(self, request: str, *arguments: Any) -> Any:
        """Call the method `request` there. Raises EsrError, one line, if it fails or the process dies."""
        try:
            self._connection.send((request, arguments))
            status, answer = self._connection.recv()
        except (EOFError, OSError):
            self._process.join(5)
            raise EsrError(f"{self.name}: its process died ({self._cause()})") from None
        if status == "error":
            raise EsrError(f"{self.name}: {answer}")
        return answer

    def _cause(self) -> str:
        code = self._process.exitcode
        if code == -signal.SIGKILL:
            return f"killed by the system, most likely {self._out_of_memory}"
        return f"exit status {code}"

    def close(self) -> None:
        """End the process."""
        self._process.terminate()
        self._process.join(5)
        if self._process.exitcode is None:  # the network's own code ignores the request
            self._process.kill()
            self._process.join(5)
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class RemoteContestant(Remote):
    """A `bench.measurement.runtime.Contestant` in a process of its own: its passes are timed. Raises as `ask` does."""

    def build(self) -> None:
        """Wait until it is built."""
        self.ask("ready")

    def cold(self) -> ColdPass:
        """The first pass; on a CPU with its memory."""
        return self.ask("cold")

    def sample(self) -> float:
        """Milliseconds of one pass."""
        return self.ask("sample")

    def capture_graph(self) -> None:
        """Let further samples replay a CUDA graph."""
        self.ask("capture_graph")

    def peak_memory(self) -> Memory:
        """Allocator peak of one warm pass; GPU only."""
        return self.ask("peak_memory")

    def environment(self) -> dict[str, Any]:
        """What its process runs in, now."""
        return self.ask("environment")


class Worker(RemoteContestant):
    """A network; its methods are the requests to its `Engine`."""

    def __init__(self, job: Job) -> None:
        super().__init__(job.model, functools.partial(Engine, job))

    def count(self, counted: bool = True) -> Examined:
        """See `Engine.count`."""
        return self.ask("count", counted)

    def reset_peak(self) -> None:
        """See `Engine.reset_peak`."""
        self.ask("reset_peak")

    def read_peak(self) -> int:
        """See `Engine.read_peak`."""
        return self.ask("read_peak")

    def upscale(self, image: Image) -> tuple[Image, float]:
        """See `Engine.upscale`."""
        return self.ask("upscale", image)


def _serve(connection: Connection, build: Callable[[], object], out_of_memory: str) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    subject: object = None
    while True:
        try:
            request, arguments = connection.recv()
        except (EOFError, OSError):
            return  # the parent is gone
        try:
            if subject is None:
                subject = build()
            reply = ("ok", None if request == "ready" else getattr(subject, request)(*arguments))
        except (Exception, SystemExit) as error:
            reply = ("error", explain(error, out_of_memory))
        try:
            connection.send(reply)
        except OSError:
            return  # the parent died meanwhile


def explain(error: BaseException, out_of_memory: str) -> str:
    """One line for the user."""
    if isinstance(error, EsrError):
        return str(error)
    if is_out_of_memory(error):
        return out_of_memory
    first = (str(error).strip().splitlines() or [""])[0]
    return f"failed with {type(error).__name__}: {first[:300]}"
