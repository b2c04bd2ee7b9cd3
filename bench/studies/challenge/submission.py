"""One submission, built by the checkout's own `select_model` and run by its own forward, in the submission's process.

Its requests are answered by `bench.studies.challenge.child`; arguments and answers are plain JSON values, images aside.
"""

import contextlib
import dataclasses
import importlib
import inspect
import traceback
import types
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook

from bench.core.clock import clocked
from bench.core.environment import describe
from bench.counts.counting import count
from bench.networks import torch_globals as settings
from bench.networks.memory import allocator_peak, keep_freed_memory, resident_growth
from bench.networks.without_cuda import load_to, stay_on_the_cpu
from bench.studies.challenge.stand_ins import StandIns

SCALE = 4
SMALL = 64  # pixels a side of noise, for a second look


class RefusedError(Exception):
    """The submission cannot be measured; the text says why."""


class Submission:
    """What select_model gave, and how it is run.

    Args:
        job: team (id), device, threads, forward (name of the script's function, or ""), size (pixels a side of the
            fixed input), unsafe (whether weights may be unpickled).
        stand_ins: the finder, for what it stood in for.
    """

    def __init__(self, job: dict[str, Any], stand_ins: StandIns) -> None:
        self.job, self.stand_ins, self.device = job, stand_ins, torch.device(job["device"])
        if job["threads"]:
            torch.set_num_threads(job["threads"])
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
        torch.manual_seed(0)
        self.settings = settings.read()
        self.notes: list[str] = []
        self.malloc = "default"
        load_to(self.device, weights_only=not job["unsafe"])
        if self.device.type == "cpu":
            stay_on_the_cpu(self.notes)
        self._build()

    def _build(self) -> None:
        with _count_passes() as passes:
            self.script = importlib.import_module("test_demo")
            arguments = types.SimpleNamespace(
                model_id=self.job["team"], data_dir=".", save_dir="results", include_test=False, ssim=False
            )
            selected = self.script.select_model(arguments, self.device)
        self.model, self.name, self.data_range, self.tile = (*selected, None)[:4]
        if not isinstance(self.model, nn.Module):
            raise RefusedError(f"select_model gave a {type(self.model).__name__}, not a network")
        if passes:
            often = {1: "once", 2: "twice"}
            ran = ", ".join(f"{name} {often.get(n, f'{n} times')}" for name, n in Counter(passes).items())
            warm = "; its cold start is warm" if type(self.model).__name__ in passes else ""
            self.notes.append(f"ran {ran} before it was handed over{warm}")
        self._settle("while it was built")
        self.model.eval()
        self.forward = self._forward()

    def _forward(self) -> Callable[[Tensor], Any]:
        function = getattr(self.script, self.job["forward"] or "forward", None)
        if function is None:
            return self.model
        return lambda x: function(x, self.model, self.tile)

    def _settle(self, when: str) -> None:
        """Put global settings back, and note once what was changed."""
        for change in settings.restore(self.settings):
            note = f"changed {change} {when}; it was put back"
            if note not in self.notes:
                self.notes.append(note)

    # ---- requests ---------------------------------------------------------------------------------------------------

    def describe(self) -> dict[str, Any]:
        """Name, class, range, and what was noticed so far."""
        return {
            "name": str(self.name).strip(),
            "network": type(self.model).__name__,
            "data_range": float(self.data_range),
            "tile": self.tile,
            "parameters": sum(p.numel() for p in self.model.parameters()),
            "stand_ins": sorted(set(self.stand_ins.used)),
            "notes": self.notes,
        }

    def count(self) -> dict[str, Any]:
        """Our counts at the fixed size, as a `bench.core.record.Complexity`."""
        size = self.job["size"]
        counted = dataclasses.asdict(count(self.model, (1, 3, size, size), (size, size)))
        self._settle("while it was counted")
        return counted

    def their_counts(self) -> dict[str, Any]:
        """What the checkout's own code counts, by the names of its results.json; `problem` where it fails."""
        try:
            return self._their_counts()
        except Exception as error:  # their code, on a network that it may not suit
            return {"problem": one_line(error)}
        finally:
            self._settle("while its own code counted")

    def _their_counts(self) -> dict[str, Any]:
        summary = importlib.import_module("utils.model_summary")
        size = (3, self.job["size"], self.job["size"])
        with torch.no_grad():
            activations, convolutions = summary.get_model_activation(self.model, size)
            if self.job["fvcore"]:
                from fvcore.nn import FlopCountAnalysis

                analysis = FlopCountAnalysis(self.model, torch.rand(1, *size).to(self.device))
                flops = analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).total()
            else:
                flops = summary.get_model_flops(self.model, size, False)
        convention = "fvcore" if self.job["fvcore"] else "hooks on modules"
        return {
            "convention": convention,
            "num_parameters": sum(p.numel() for p in self.model.parameters()),
            "flops": int(flops),
            "activations": int(activations),
            "num_conv": int(convolutions),
        }

    def check(self, images: Tensor) -> list[str]:
        """Run it on photographs (n, h, w, 3) and look at what comes back. Raises RefusedError for what has no score."""
        outputs = [self._checked(x, self._pass(x)).clone() for x in map(self._input, images)]
        if all(torch.equal(outputs[0], other) for other in outputs[1:]):
            raise RefusedError("it returns the same output for different inputs")
        try:
            noise = torch.rand(1, 3, SMALL, SMALL, device=self.device) * self.data_range
            self._checked(noise, self._pass(noise))
        except Exception as error:  # it is made for photographs, so that this is no reason to refuse it
            self.notes.append(f"fails on uniform noise ({one_line(error)}), not on photographs")
        self._settle("in its forward pass")
        return self.notes

    def _checked(self, x: Tensor, y: Any) -> Tensor:
        if not isinstance(y, Tensor):
            raise RefusedError(f"it returned a {type(y).__name__}, not an image")
        expected = (1, 3, SCALE * x.shape[2], SCALE * x.shape[3])
        if tuple(y.shape) != expected:
            raise RefusedError(f"it returned {tuple(y.shape)} for an input of {tuple(x.shape)}, not {expected}")
        if not torch.isfinite(y).all():
            raise RefusedError("it returned NaN or infinite values")
        if y.dtype != x.dtype and (note := f"returns {y.dtype} for {x.dtype}") not in self.notes:
            self.notes.append(note)
        return y

    def cold(self, image: Tensor) -> dict[str, Any]:
        """The first pass of an image of the fixed size, in milliseconds, and on a CPU its memory."""
        self.fixed = self._input(image)
        times: list[float] = []
        memory = None
        if self.device.type == "cpu":
            memory = dataclasses.asdict(resident_growth(lambda: times.append(self.again())))
            self.malloc = keep_freed_memory()
        else:
            times.append(self.again())
        self._settle("in its forward pass")
        return {"ms": times[0], "memory": memory}

    def sample(self, image: Tensor) -> float:
        """Milliseconds of one pass of this image."""
        self.fixed = self._input(image)
        return self.again()

    def again(self) -> float:
        """Milliseconds of one more pass of the latest image."""
        return self._timed(self.fixed)[1]

    def peak_memory(self) -> dict[str, Any]:
        """Allocator peak of one pass of the fixed input; GPU only."""
        return dataclasses.asdict(allocator_peak(self.again, self.device))

    def environment(self) -> dict[str, Any]:
        """What this process runs in, now."""
        return {**describe(self.device), "malloc": self.malloc}

    def upscale(self, image: Tensor) -> tuple[Tensor, float]:
        """(h, w, 3) uint8 -> (4h, 4w, 3) uint8 by the challenge's rules, and milliseconds."""
        x = self._input(image)
        y, ms = self._timed(x)
        y = self._checked(x, y)
        scaled = y[0].detach().cpu().float() * (255 / self.data_range)
        return scaled.clamp(0, 255).round().permute(1, 2, 0).to(torch.uint8).contiguous(), ms

    # ---- passes -----------------------------------------------------------------------------------------------------

    def _input(self, image: Tensor) -> Tensor:
        """(h, w, 3) uint8 -> (1, 3, h, w) in its range."""
        x: Tensor = image.permute(2, 0, 1)[None].float().mul(self.data_range / 255).contiguous().to(self.device)
        return x

    def _pass(self, x: Tensor) -> Any:
        with torch.no_grad():
            return self.forward(x)

    def _timed(self, x: Tensor) -> tuple[Any, float]:
        settings.restore(self.settings)
        return clocked(lambda: self._pass(x), self.device)


@contextlib.contextmanager
def _count_passes() -> Iterator[list[str]]:
    """The network, or a layer on its own, run on an image: one name for each time, while this is open."""
    passes: list[str] = []
    depth = 0

    def enter(module: nn.Module, inputs: Any) -> None:
        nonlocal depth
        if depth == 0 and inputs and isinstance(inputs[0], Tensor) and inputs[0].dim() == 4:
            passes.append(type(module).__name__)
        depth += 1

    def leave(*_: Any) -> None:
        nonlocal depth
        depth -= 1

    hooks = [register_module_forward_pre_hook(enter), register_module_forward_hook(leave, always_call=True)]
    try:
        yield passes
    finally:
        for hook in hooks:
            hook.remove()


def one_line(error: BaseException) -> str:
    """The reason, with the checkout's line that it came from."""
    if isinstance(error, RefusedError):
        return str(error)
    text = (str(error).strip().splitlines() or [""])[0][:300]
    if isinstance(error, ModuleNotFoundError):
        return text
    frames = [f for f in traceback.extract_tb(error.__traceback__) if inspect.getfile(torch) not in f.filename]
    own = [f for f in frames if Path.cwd() in Path(f.filename).parents]
    where = f" ({Path(own[-1].filename).relative_to(Path.cwd())}:{own[-1].lineno})" if own else ""
    return f"{type(error).__name__}: {text}{where}"
