"""A persistent process that holds one network and answers one request at a time.

Each network is measured in a process of its own: what one sets, caches or leaks cannot reach another, the first pass
is a true cold start, and a crash or an out-of-memory kill costs one row.
"""

import multiprocessing
import signal
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any

import torch

from bench.engine import ColdPass, Engine, Image, Job
from bench.record import Memory
from models.errors import EsrError

OUT_OF_MEMORY = "out of memory; try a smaller --input-size, --precision fp16 on a GPU, or a machine with more memory"


class Worker:
    """The parent's handle; its methods are the requests. Use as a context manager, which ends the process.

    Every method raises EsrError, one line, if the network fails or the process dies.
    """

    def __init__(self, job: Job) -> None:
        context = multiprocessing.get_context("spawn")
        self.name = job.model
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, job), daemon=True)
        self._process.start()
        theirs.close()

    def build(self) -> None:
        """Wait until the network is built."""
        self._ask("ready")

    def cold(self) -> ColdPass:
        """See `Engine.cold`."""
        return self._ask("cold")

    def sample(self) -> float:
        """See `Engine.sample`."""
        return self._ask("sample")

    def capture_graph(self) -> None:
        """See `Engine.capture_graph`."""
        self._ask("capture_graph")

    def peak_memory(self) -> Memory:
        """See `Engine.peak_memory`."""
        return self._ask("peak_memory")

    def environment(self) -> dict[str, Any]:
        """See `Engine.environment`."""
        return self._ask("environment")

    def reset_peak(self) -> None:
        """See `Engine.reset_peak`."""
        self._ask("reset_peak")

    def read_peak(self) -> int:
        """See `Engine.read_peak`."""
        return self._ask("read_peak")

    def upscale(self, image: Image) -> tuple[Image, float]:
        """See `Engine.upscale`."""
        return self._ask("upscale", image)

    def close(self) -> None:
        """End the process."""
        self._process.terminate()
        self._process.join(5)
        self._connection.close()

    def __enter__(self) -> "Worker":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ask(self, request: str, *arguments: Any) -> Any:
        try:
            self._connection.send((request, arguments))
            status, answer = self._connection.recv()
        except (EOFError, OSError):
            self._process.join(5)
            raise EsrError(f"{self.name}: its process died ({_cause(self._process.exitcode)})") from None
        if status == "error":
            raise EsrError(f"{self.name}: {answer}")
        return answer


def _cause(code: int | None) -> str:
    if code == -signal.SIGKILL:
        return f"killed by the system, most likely {OUT_OF_MEMORY}"
    return f"exit status {code}"


def _serve(connection: Connection, job: Job) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    engine: Engine | None = None
    while True:
        try:
            request, arguments = connection.recv()
        except (EOFError, OSError):
            return  # the parent is gone
        try:
            if engine is None:
                engine = Engine(job)
            reply = ("ok", None if request == "ready" else getattr(engine, request)(*arguments))
        except Exception as error:
            reply = ("error", _explain(error))
        try:
            connection.send(reply)
        except OSError:
            return  # the parent died meanwhile


def is_out_of_memory(error: Exception) -> bool:
    """Whether a GPU's or the CPU's allocator gave up; some say so only in their text."""
    texts = ("can't allocate memory", "out of memory", "ALLOC_FAILED")
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or any(text in str(error) for text in texts)


def _explain(error: Exception) -> str:
    """One line for the user."""
    if isinstance(error, EsrError):
        return str(error)
    if is_out_of_memory(error):
        return OUT_OF_MEMORY
    first = (str(error).strip().splitlines() or [""])[0]
    return f"failed with {type(error).__name__}: {first[:300]}"
