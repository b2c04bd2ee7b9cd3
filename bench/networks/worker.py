"""A persistent process that holds one network, or another subject, and answers one request at a time.

Each network is measured in a process of its own: what one sets, caches or leaks cannot reach another, the first pass
is a true cold start, and a crash or an out-of-memory kill costs one row.
"""

import functools
import multiprocessing
import pickle
import signal
import socket
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from bench.core.channel import CLOCK_PASSES, Channel, Clocks, LateError, positive_ms, unpickle_plain
from bench.core.limits import die_with_parent
from bench.core.out_of_memory import OUT_OF_MEMORY, is_out_of_memory
from bench.core.record import Memory
from bench.core.wording import printable
from bench.networks.engine import ColdPass, Engine, Image, Job
from bench.networks.external.examine import Examined
from models.errors import EsrError

MOST = 2**34  # bytes of an answer
OWN_LIMIT_S = 900.0  # of each request to a network of the user's own; others may be slow, and do not hang


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
        self.limit_s: float | None = None  # of each request; none unless somebody sets one
        ours, theirs = socket.socketpair()
        self._channel = Channel(ours)
        self._process = context.Process(target=_serve, args=(theirs, build, out_of_memory), daemon=True)
        self._process.start()
        theirs.close()

    def ask(self, request: str, *arguments: Any) -> Any:
        """Call the method `request` there. Raises EsrError, one line, if it fails, is late, or the process dies."""
        deadline = None if self.limit_s is None else time.monotonic() + self.limit_s
        try:
            self._channel.send(pickle.dumps((request, arguments)), deadline=deadline)
            status, answer = unpickle_plain(self._channel.receive(MOST, deadline))
        except LateError:
            self._process.kill()
            raise EsrError(
                f"{self.name}: no answer within {self.limit_s:g} s, asked to {request}; it was ended"
            ) from None
        except (EOFError, OSError):
            self._process.join(5)
            raise EsrError(f"{self.name}: its process died ({self._cause()})") from None
        except (ValueError, TypeError) as error:
            self._process.kill()
            raise EsrError(f"{self.name}: {printable(str(error))}") from None
        if status == "error":
            raise EsrError(f"{self.name}: {printable(str(answer), 1000)}")
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
        self._channel.close()

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
        answer: ColdPass = self.ask("cold")
        self._checked_ms(answer.ms)
        return answer

    def sample(self) -> float:
        """Milliseconds of one pass."""
        return self._checked_ms(self.ask("sample"))

    def _checked_ms(self, value: Any) -> float:
        try:
            return positive_ms(value)
        except ValueError as error:
            raise EsrError(f"{self.name}: {printable(str(error))}") from None

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
        self.limit_s = OWN_LIMIT_S if job.own else None
        self._clocks = Clocks()

    def sample(self) -> float:
        """Milliseconds of one pass. Raises EsrError too where an own network's clock is not the one of this process."""
        begin = time.monotonic()
        ms = super().sample()
        if self.limit_s:
            self._clocks.add(ms, begin)
            if len(self._clocks.passes) >= CLOCK_PASSES and (doubt := self._clocks.doubt()):
                raise EsrError(f"{self.name}: {doubt}")
        return ms

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


def _serve(end: socket.socket, build: Callable[[], object], out_of_memory: str) -> None:
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    channel = Channel(end)
    subject: object = None
    while True:
        try:
            request, arguments = pickle.loads(channel.receive(MOST))
        except (EOFError, OSError):
            return  # the parent is gone
        try:
            if subject is None:
                subject = build()
            reply = ("ok", None if request == "ready" else getattr(subject, request)(*arguments))
        except (Exception, SystemExit) as error:
            reply = ("error", explain(error, out_of_memory))
        try:
            channel.send(pickle.dumps(reply))
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
