"""One backend with the inputs of one cell, ready to be timed; and a process that measures its memory on a CPU."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor

from bench.core.clock import clocked
from bench.core.record import Memory
from bench.networks.engine import DTYPES, ColdPass
from bench.networks.memory import allocator_peak, resident_growth
from bench.networks.worker import explain
from bench.studies.scan.inputs import Inputs, lay_out, random_inputs
from bench.studies.scan.scan_record import BOTH, FORWARD, ScanCell, ScanSettings
from models.errors import EsrError
from models.scan import list_backends, selective_scan

OUT_OF_MEMORY = "out of memory; try shorter --lengths or a smaller --batch"
EAGER_CALLS, EAGER_MS = 20, 500.0
LONG_MS = 50.0
SAMPLE_MS = 2.0  # a GPU sample lasts about this long, so that its events' resolution does not count
MOST_CALLS = 20  # in a sample
SET_UP_LENGTH = 64
CPU = torch.device("cpu")

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Variant:
    """A backend and the inputs it likes best: layout and multiple of L, both made before the clock starts."""

    name: str
    backend: str
    channels_last: bool = True
    multiple: int = 1

    def differs(self, length: int) -> bool:
        """Whether this length is another question to it than to the backend itself."""
        return self.multiple == 1 or length % self.multiple != 0


# mamba-ssm reads (b, d, L) in rows of L, and fastest where L is a multiple of 2,048. A third rival, its kernel with the
# chunks of the sequence as batch, would lose the state between chunks and is another function: it is left out.
SPECIAL = {
    "mamba_ssm": (
        Variant("mamba_ssm", "mamba_ssm", channels_last=False),
        Variant("mamba_ssm, L padded", "mamba_ssm", channels_last=False, multiple=2048),
    )
}


def list_variants(device: str) -> list[Variant]:
    """Everything that can run on "cpu" or "cuda" here."""
    return [v for name in list_backends(device) for v in SPECIAL.get(name, (Variant(name, name),))]


class Contender:
    """A `bench.measurement.runtime.Contestant`: its pass is one scan, or one with the gradients of all inputs."""

    def __init__(self, variant: Variant, cell: ScanCell, inputs: Inputs, device: torch.device) -> None:
        self.name, self.variant, self.cell, self.device = variant.name, variant, cell, device
        self.inputs = lay_out(inputs, variant.channels_last, variant.multiple)
        self.grad: Tensor | None = None
        if cell.direction == BOTH:
            self.inputs = {name: v.detach().requires_grad_() for name, v in self.inputs.items()}
            self.grad = torch.ones_like(self.inputs["u"])
        self.graph: torch.cuda.CUDAGraph | None = None
        self.calls = 1  # of a sample
        self.how = "calls" if device.type == "cpu" else "batched calls"
        self.not_captured = ""
        self.eager_ms: list[float] = []

    def run(self) -> object:
        """One call."""
        if self.grad is None:
            with torch.inference_mode():
                return selective_scan(**self.inputs, delta_softplus=True, backend=self.variant.backend, reverse=False)
        out = selective_scan(**self.inputs, delta_softplus=True, backend=self.variant.backend, reverse=False)
        return torch.autograd.grad(out, list(self.inputs.values()), self.grad)

    @property
    def result_bytes(self) -> int:
        """Of the output, and of the gradients if there are any."""
        results = [self.inputs["u"], *(self.inputs.values() if self.grad is not None else ())]
        return sum(v.numel() * v.element_size() for v in results)

    def build(self) -> None:
        """On a GPU a first call, uncounted: it may compile and tune for this shape, for longer than the time budget."""
        if self.device.type == "cuda":
            self._clock(self.run)

    def environment(self) -> dict[str, Any]:
        """The record's holds for all cells."""
        return {}

    def cold(self) -> ColdPass:
        """The first call of this backend with this cell's shape."""
        return ColdPass(self._clock(self.run), None)

    def sample(self) -> float:
        """Milliseconds of one call."""
        ms = self._clock(self.graph.replay) if self.graph else self._clock(self.run, self.calls)
        return ms / self.calls

    def peak_memory(self) -> Memory:
        """Allocator peak of one call; GPU only."""
        return _try(lambda: allocator_peak(self.run, self.device))

    def capture_graph(self) -> None:
        """Time single calls from Python, then let samples replay a graph of several, or batch them if that fails.

        `not_captured` says why; a call that takes longer than `LONG_MS` is not tried: launching is no part of its time.
        """
        self.eager_ms = self._eager()
        self.calls = max(1, min(MOST_CALLS, round(SAMPLE_MS / min(self.eager_ms))))
        if min(self.eager_ms) > LONG_MS:
            self.not_captured = f"a call takes longer than {LONG_MS:g} ms"
            return
        try:
            stream = torch.cuda.Stream(self.device)
            stream.wait_stream(torch.cuda.current_stream(self.device))
            with torch.cuda.stream(stream):
                self.run()
            torch.cuda.current_stream(self.device).wait_stream(stream)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                for _ in range(self.calls):
                    self.run()
            graph.replay()
            torch.cuda.synchronize(self.device)
        except RuntimeError as error:  # of a backend that synchronises or allocates outside of PyTorch, and of faults
            torch.cuda.synchronize(self.device)
            self.not_captured = explain(error, OUT_OF_MEMORY)
            return
        self.graph, self.how = graph, "cuda graph"

    def _eager(self) -> list[float]:
        """Milliseconds of single calls, as many as fit into `EAGER_MS`, two at least."""
        times: list[float] = []
        while len(times) < 2 or (len(times) < EAGER_CALLS and sum(times) < EAGER_MS):
            times.append(self._clock(self.run))
        return times

    def _clock(self, run: Callable[[], object], calls: int = 1) -> float:
        return _try(lambda: clocked(run, self.device, calls))[1]


class MemoryProbe:
    """Lives in a process of its own, one for each backend, and measures how far it grows; CPU only."""

    def __init__(self, variant: Variant, settings: ScanSettings) -> None:
        self.variant, self.settings = variant, settings
        if settings.threads:
            torch.set_num_threads(settings.threads)
        set_up(variant, settings, CPU)  # its memory is no part of a scan's

    def measure(self, cell: ScanCell) -> Memory:
        """Peak growth of one call."""
        contender = Contender(self.variant, cell, cell_inputs(cell, self.settings, CPU), CPU)
        return resident_growth(contender.run)


def set_up(variant: Variant, settings: ScanSettings, device: torch.device) -> None:
    """Let a backend do what it does once in a process: load libraries, build, start threads. Raises EsrError."""
    for direction in (FORWARD, BOTH):
        cell = ScanCell(1, SET_UP_LENGTH, direction)
        contender = Contender(variant, cell, cell_inputs(cell, settings, device), device)
        _try(contender.run)


def cell_inputs(cell: ScanCell, settings: ScanSettings, device: torch.device) -> Inputs:
    """Random inputs of a cell."""
    return random_inputs(cell.batch, cell.length, settings.channels, settings.state, DTYPES[settings.precision], device)


def _try(work: Callable[[], Answer]) -> Answer:
    try:
        return work()
    except Exception as error:  # whatever a backend fails with, the others go on
        raise EsrError(explain(error, OUT_OF_MEMORY)) from None
