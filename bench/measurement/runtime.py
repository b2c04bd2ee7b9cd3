"""Runtimes of single forward passes, networks sampled in turn.

The harness owns the warm-up: the first pass in a fresh process is the cold start, reported apart; then, once all have
made theirs, warm-up passes; then samples, one pass each, the networks interleaved so that a drifting clock or a busy
moment meets all of them alike. On a GPU, where a cold pass compiles for seconds what then runs for milliseconds, the
time budget is the samples' alone; the warm-up may take as long again.
A slow network that can afford fewer samples than the others has them spread over the whole time of theirs.
Raw values are returned; `bench.core.statistics` derives the rest.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from bench.core.environment import new_run
from bench.core.record import Memory, Runtime
from bench.networks.engine import ColdPass
from models.errors import EsrError

WARMUP_PASSES = {"cpu": 3, "cuda": 20}
WARMUP_SHARE = 0.3  # of a CPU's time budget, cold pass included
RUNS = {"cpu": 50, "cuda": 300}  # default number of samples

Answer = TypeVar("Answer")


class Contestant(Protocol):
    """What is timed: a network's worker, or anything else that can pass. Every method may raise EsrError."""

    name: str

    def build(self) -> None:
        """Make it ready for its first pass."""

    def cold(self) -> ColdPass:
        """The first pass."""

    def sample(self) -> float:
        """Milliseconds of one pass."""

    def environment(self) -> dict[str, Any]:
        """What it runs in, asked after the warm-up."""

    def peak_memory(self) -> Memory:
        """Of one pass, on a GPU."""

    def capture_graph(self) -> None:
        """Let the passes to come replay a CUDA graph."""


@dataclass
class Timed:
    """What was measured of one network; `error` says why it ended early, if it failed."""

    worker: Contestant
    budget_s: float
    run: str
    cold_ms: float = 0.0
    memory: Memory | None = None
    warmup_ms: list[float] = field(default_factory=list)
    samples_ms: list[float] = field(default_factory=list)
    environment: dict[str, Any] = field(default_factory=dict)
    spent_s: float = 0.0
    error: str = ""

    def runtime(self, runs: int, others: list[str]) -> Runtime:
        """The record's part. `runs`: samples asked for."""
        interrupted = shortened(self.samples_ms, runs)
        if not self.warmup_ms:
            interrupted = f"not warmed up, the time budget is too short; {interrupted}"
        return Runtime(self.cold_ms, self.warmup_ms, self.samples_ms, others, interrupted, self.run)

    def affordable(self, runs: int) -> int:
        """How many samples fit into what is left of the budget, at least one and at most `runs`."""
        return max(1, min(runs, int((self.budget_s - self.spent_s) / self.last_s)))

    @property
    def last_s(self) -> float:
        """Seconds of the latest pass, which the next one will take too."""
        return [self.cold_ms, *self.warmup_ms, *self.samples_ms][-1] / 1e3


def shortened(samples_ms: Sequence[float], runs: int) -> str:
    """What to say of fewer samples than asked for; "" where all were taken."""
    if len(samples_ms) >= runs:
        return ""
    typical_s = sorted(samples_ms)[len(samples_ms) // 2] / 1e3
    return (
        f"{len(samples_ms)} of {runs} samples fit into the time budget; all would take about {runs * typical_s:.0f} s"
    )


def measure_runtimes(
    workers: Sequence[Contestant],
    device: str,
    runs: int,
    budget_s: float,
    cuda_graph: bool,
    on_pass: Callable[[Contestant, str], None],
    tell: Callable[[str], None],
) -> list[Timed]:
    """Cold start, warm-up, memory and samples of every worker's fixed input.

    Args:
        device: "cpu" or "cuda".
        runs: samples of each network; fewer, but at least one, where its time budget ends before.
        budget_s: seconds for each network; on a CPU cold pass and warm-up included, on a GPU the samples alone.
        cuda_graph: replay a captured graph for the samples.
        on_pass: called before each pass with the worker and the kind of pass, for progress.
        tell: receives a line after each cold start, the first timing there is.
    """
    run = new_run()
    timed = [Timed(worker, budget_s, run) for worker in workers]
    steps: list[Callable[[Timed], None]] = [
        lambda one: _start(one, device, on_pass, tell),
        lambda one: _warm_up(one, device, cuda_graph, on_pass),
    ]
    for prepare in steps:
        for one in (one for one in timed if not one.error):
            try:
                prepare(one)
            except EsrError as error:
                one.error = str(error)
    wanted = {id(one): one.affordable(runs) for one in timed if not one.error}
    rounds = max(wanted.values(), default=0)
    for turn in range(rounds):
        for one in timed:
            expected = wanted.get(id(one), 0)
            due = (turn + 1) * expected // rounds > turn * expected // rounds
            if not due or one.error or (one.samples_ms and one.spent_s + one.last_s > budget_s):
                continue
            on_pass(one.worker, "sample")
            try:
                one.samples_ms.append(_clocked(one, one.worker.sample))
            except EsrError as error:
                one.error = str(error)
    return timed


def _start(one: Timed, device: str, on_pass: Callable[[Contestant, str], None], tell: Callable[[str], None]) -> None:
    on_pass(one.worker, "build")
    one.worker.build()
    on_pass(one.worker, "cold")
    cold = _clocked(one, one.worker.cold)
    one.cold_ms, one.memory = cold.ms, cold.memory
    tell(f"{one.worker.name}: first pass {cold.ms:.0f} ms")
    if device == "cuda":
        one.spent_s = 0.0


def _warm_up(one: Timed, device: str, cuda_graph: bool, on_pass: Callable[[Contestant, str], None]) -> None:
    while len(one.warmup_ms) < WARMUP_PASSES[device] and _may_warm_up(one, device):
        on_pass(one.worker, "warm-up")
        one.warmup_ms.append(_clocked(one, one.worker.sample))
    one.environment = one.worker.environment()  # now, while the device is still warm
    if device == "cuda":
        one.spent_s = 0.0
        one.memory = one.worker.peak_memory()
    if cuda_graph:
        one.worker.capture_graph()


def _may_warm_up(one: Timed, device: str) -> bool:
    """One pass wherever it fits; more of them only from the warm-up's share of the budget."""
    if device == "cuda":
        return not one.warmup_ms or one.spent_s + one.last_s <= one.budget_s
    return one.spent_s + one.last_s <= one.budget_s * (WARMUP_SHARE if one.warmup_ms else 1)


def _clocked(one: Timed, request: Callable[[], Answer]) -> Answer:
    begin = time.monotonic()
    answer = request()
    one.spent_s += time.monotonic() - begin
    return answer
