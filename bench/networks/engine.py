"""A network ready to run with given settings: 8-bit images in and out, single timed passes, memory.

It lives in a worker process (`bench.networks.worker`), so that nothing it sets or allocates reaches another network.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bench.core.clock import clocked
from bench.core.environment import describe
from bench.core.record import Memory, Settings
from bench.networks import torch_globals
from bench.networks.external.examine import Examined, examine
from bench.networks.external.load import Loaded, load
from bench.networks.external.own import OwnNetwork
from bench.networks.memory import allocator_peak, keep_freed_memory, resident_growth
from bench.networks.without_cuda import load_to, stay_on_the_cpu
from models import create_model, get_spec
from models.errors import EsrError
from models.input import input_shape, output_shape, to_image, to_input
from models.spec import ModelSpec

Image = NDArray[np.uint8]
DTYPES = {
    "fp64": torch.float64,
    "fp32": torch.float32,
    "tf32": torch.float32,
    "fp16": torch.float16,
    "bf16": torch.bfloat16,
}


@dataclass(frozen=True)
class Job:
    """What to build, and how to run it; everything a worker process needs to know."""

    model: str
    options: dict[str, Any]
    weights: Path | None  # None: random weights
    settings: Settings
    device: str  # "cpu", "cuda", "cuda:1"
    own: OwnNetwork | None = None  # to be opened instead of a network of the registry


@dataclass(frozen=True)
class ColdPass:
    """The first pass in this process."""

    ms: float
    memory: Memory | None  # CPU only; on a GPU memory is measured after the warm-up


class Engine:
    """Builds the network of a job, and runs it. Raises EsrError where the settings cannot be met."""

    def __init__(self, job: Job) -> None:
        self.settings, self.device = job.settings, torch.device(job.device)
        if self.device.type == "cuda":
            torch.cuda.set_device(self.device)  # events, graphs and streams belong to the current device
        self.dtype = DTYPES[self.settings.precision]
        if self.settings.threads:
            torch.set_num_threads(self.settings.threads)
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = self.settings.precision == "tf32"
        torch.manual_seed(0)
        self.globals = torch_globals.read()
        self.own: Loaded | None = None
        self.notes: list[str] = []
        self.spec, model = self._open(job) if job.own else self._build(job)
        self.model: Callable[[Tensor], Tensor] = self._prepare(model)
        shape = input_shape(self.spec, self.settings.height, self.settings.width)
        self.fixed = self._place(torch.rand(shape) * self.spec.data_range)
        self.graph: torch.cuda.CUDAGraph | None = None
        self.malloc = "default"

    def _build(self, job: Job) -> tuple[ModelSpec, nn.Module]:
        spec, options = get_spec(job.model), dict(job.options)
        if spec.scan:
            options["scan_backend"] = self.settings.scan_backend
        return spec, create_model(job.model, pretrained=job.weights or False, **options)

    def _open(self, job: Job) -> tuple[ModelSpec, nn.Module]:
        assert job.own
        if self.device.type == "cpu":
            load_to(self.device)
            stay_on_the_cpu(self.notes)
        self.own = load(job.own, job.options, self.settings, self.device)
        self._settle("while it was built")
        return self.own.spec, self.own.opened.network

    def _settle(self, when: str) -> None:
        """Put back what a network of the user's own changed of PyTorch's settings, and note it once."""
        torch.set_default_device(None)
        for change in torch_globals.restore(self.globals):
            note = f"changed {change} {when}; it was put back"
            if note not in self.notes:
                self.notes.append(note)

    def _prepare(self, model: nn.Module) -> Callable[[Tensor], Tensor]:
        model = convert_precision(model.to(self.device), self.dtype)
        if self.settings.channels_last:
            model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return torch.compile(model) if self.settings.compile else model

    def _place(self, x: Tensor) -> Tensor:
        x = x.to(self.device, self.dtype)
        return x.contiguous(memory_format=torch.channels_last) if self.settings.channels_last else x

    def count(self, counted: bool = True) -> Examined:
        """What is to know of a network of the user's own before it is timed, its counts included if they are wanted."""
        assert self.own
        run = lambda x: self._timed(lambda: self.model(x))[0]  # noqa: E731
        examined = examine(self.own, run, self._place, self.settings, counted)
        self._settle("in its forward pass")
        examined.source.notes.extend(self.notes)
        return examined

    def cold(self) -> ColdPass:
        """The first pass of the fixed input: one-time costs included, and on a CPU its memory."""
        times: list[float] = []
        if self.device.type == "cpu":
            memory = resident_growth(lambda: times.append(self.again()))
            self.malloc = keep_freed_memory()
            return ColdPass(times[0], memory)
        return ColdPass(self.again(), None)

    def sample(self) -> float:
        """Milliseconds of one pass of the fixed input; of the user's own networks, of an image that it has not seen."""
        return self.fresh() if self.own and not self.graph else self.again()

    def fresh(self) -> float:
        """Milliseconds of one pass of an image that it has not seen."""
        self.fixed = torch.rand_like(self.fixed) * self.spec.data_range
        return self.again()

    def again(self) -> float:
        """Milliseconds of one more pass of the latest input."""
        return self._timed(self.graph.replay if self.graph else lambda: self.model(self.fixed))[1]

    def capture_graph(self) -> None:
        """Record the fixed input's pass as a CUDA graph; later samples replay it. Call after the warm-up."""
        stream = torch.cuda.Stream(self.device)
        stream.wait_stream(torch.cuda.current_stream(self.device))
        with torch.inference_mode(), torch.cuda.stream(stream):
            for _ in range(3):
                self.model(self.fixed)
        torch.cuda.current_stream(self.device).wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.inference_mode(), torch.cuda.graph(graph):
            self.model(self.fixed)
        self.graph = graph

    def peak_memory(self) -> Memory:
        """Allocator peak of one pass of the fixed input; GPU only."""
        return allocator_peak(self.sample, self.device)

    def environment(self) -> dict[str, Any]:
        """What this process runs in, now; read after a warm-up, clocks and temperature are those of a warm device."""
        environment = {**describe(self.device), "malloc": self.malloc}
        if self.own:
            environment["packages"] |= self.own.opened.versions
        return environment

    def reset_peak(self) -> None:
        """Start a new allocator peak, for a data set; GPU only."""
        torch.cuda.reset_peak_memory_stats(self.device)

    def read_peak(self) -> int:
        """Allocator peak since `reset_peak`, in bytes; GPU only."""
        return torch.cuda.max_memory_allocated(self.device)

    def upscale(self, image: Image) -> tuple[Image, float]:
        """(h, w, 3) uint8 -> (4h, 4w, 3) uint8 by the challenge's rules (clamp, scale, round), and milliseconds.

        Timed is the network's pass alone, without the conversions of `models.input`.
        """
        lr = torch.tensor(image)
        x = self._place(to_input(lr, self.spec))
        y, ms = self._timed(lambda: self.model(x))
        expected = output_shape(self.spec, image.shape[0], image.shape[1])
        if tuple(y.shape) != expected:
            raise EsrError(f"the network returned {tuple(y.shape)} for an input of {tuple(x.shape)}, not {expected}")
        if not torch.isfinite(y).all():
            hint = "; try --precision fp32" if self.settings.precision != "fp32" else ""
            raise EsrError(f"the network returned NaN or infinite values{hint}")
        return to_image(y, lr, self.spec).numpy(), ms

    def _timed(self, run: Callable[[], Any]) -> tuple[Any, float]:
        if self.own:
            self._settle("in its forward pass")
        with torch.inference_mode():
            return clocked(run, self.device)


def convert_precision(model: nn.Module, dtype: torch.dtype) -> nn.Module:
    """Cast parameters and buffers to `dtype`, but for those that a module names in `keep_float32`."""
    for module in model.modules():
        keep = getattr(module, "keep_float32", ())
        for name, tensor in [*module._parameters.items(), *module._buffers.items()]:
            if tensor is not None and tensor.is_floating_point() and name not in keep:
                tensor.data = tensor.data.to(dtype)
    return model
