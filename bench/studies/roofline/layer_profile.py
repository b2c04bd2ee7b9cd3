"""Times every operator of a forward pass where it runs, by the module that runs it, with the bytes it moves.

On a GPU, events stand around each operator. The device is first kept busy for as long as Python needs to launch the
pass, so that the events see the operators one after the other and not the waiting for the next launch.
"""

import time
import weakref
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_iter

from bench.counts.dispatch import OperatorMode
from bench.counts.op_counter import ModuleStack, Work, rule_name, work_of
from bench.studies.roofline.layer_kinds import kind_of
from bench.studies.roofline.roofline_record import LayerOp

# What they name first is written and not read, or has no content yet.
ONLY_WRITTEN = {"aten::copy", "aten::fill", "aten::zero"}
EMPTY = {"aten::empty", "aten::empty_like", "aten::empty_strided", "aten::new_empty"}
SPIN_CYCLES_PER_MS = 1.5e6  # of a GPU; more than enough is harmless
LONGEST_SPIN_MS = 500.0


def tensor_bytes(tensor: Tensor) -> int:
    """Of the elements that it has in memory; an expanded dimension holds none of its own."""
    count = 1
    for size, stride in zip(tensor.shape, tensor.stride(), strict=True):
        count *= size if stride or not size else 1
    return count * tensor.element_size()


@dataclass
class LiveBytes:
    """How much memory the tensors made since `start` hold."""

    now: int = 0
    most: int = 0
    _known: set[int] = field(default_factory=set)

    def note(self, tensor: Tensor) -> None:
        """A tensor that an operator returned; a view of an older one holds nothing new."""
        storage = tensor.untyped_storage()
        if storage._cdata in self._known:
            return
        self._known.add(storage._cdata)
        size = storage.nbytes()
        self.now += size
        self.most = max(self.most, self.now)
        weakref.finalize(storage, self._gone, storage._cdata, size)

    def given(self, tensors: Iterable[Tensor]) -> None:
        """Weights, which are there before and after."""
        self._known |= {tensor.untyped_storage()._cdata for tensor in tensors}

    def _gone(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.now -= size


class LayerProfiler(OperatorMode):
    """Times the operators that run inside the `with` block; read `layers` after it."""

    def __init__(self, model: nn.Module, modules: ModuleStack, device: torch.device) -> None:
        super().__init__()
        self._modules, self._gpu = modules, device.type == "cuda"
        self._found: dict[tuple[str, str], LayerOp] = {}
        self._spans: list[tuple[LayerOp, Any, Any]] = []
        self.live = LiveBytes()
        self.live.given([*model.parameters(), *model.buffers()])

    def __torch_dispatch__(
        self, func: Any, types: Iterable[type], args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        begin = self._mark()
        out = func(*args, **(kwargs or {}))
        end = self._mark()
        name, given = rule_name(func.overloadpacket), list(_tensors((args, kwargs)))
        made = list(_tensors(out))
        for tensor in made:
            self.live.note(tensor)
        if name in EMPTY or not made or _is_view(func, given, made):
            return out
        layer = self._layer(name)
        self._spans.append((layer, begin, end))
        layer.calls += 1
        work = work_of(func.overloadpacket, args, kwargs or {}, out) or Work()
        layer.macs += work.macs
        layer.flops += work.flops
        read = given[1:] if name in ONLY_WRITTEN else given
        layer.bytes += sum(map(tensor_bytes, [*read, *made]))
        layer.live_bytes = max(layer.live_bytes, self.live.now)
        return out

    def _mark(self) -> Any:
        if not self._gpu:
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def _layer(self, name: str) -> LayerOp:
        module = self._modules.name
        return self._found.setdefault((module, name), LayerOp(module, name, kind_of(name)))

    def layers(self) -> list[LayerOp]:
        """In the order of their first call, each with the time of all its calls."""
        if self._gpu:
            torch.cuda.synchronize()
        totals = dict.fromkeys(self._found, 0.0)
        for layer, begin, end in self._spans:
            ms = begin.elapsed_time(end) if self._gpu else (end - begin) * 1e3
            totals[layer.module, layer.op] += ms
        for key, ms in totals.items():
            self._found[key].times_ms = [round(ms, 5)]
        return list(self._found.values())


def profile_pass(model: nn.Module, x: Tensor, device: torch.device, launch_ms: float) -> tuple[LayerProfiler, float]:
    """One profiled pass.

    Args:
        launch_ms: how long Python took to launch the last one; 0 for the first.

    Returns the profiler and the milliseconds that Python took.
    """
    modules = ModuleStack(model)
    profiler = LayerProfiler(model, modules, device)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda._sleep(int(SPIN_CYCLES_PER_MS * min(launch_ms, LONGEST_SPIN_MS)))
    begin = time.perf_counter()
    # Not inference_mode, under which operators arrive here undivided and the rules do not know them.
    with torch.no_grad(), modules.watch(), profiler:
        model(x)
    return profiler, (time.perf_counter() - begin) * 1e3


def _tensors(values: Any) -> Iterable[Tensor]:
    return (value for value in tree_iter(values) if isinstance(value, Tensor))


def _is_view(func: Any, given: Sequence[Tensor], made: Sequence[Tensor]) -> bool:
    """Whether it only names memory anew, which costs no traffic."""
    if func._schema.is_mutable:
        return False
    storages = {tensor.untyped_storage()._cdata for tensor in given}
    return all(tensor.untyped_storage()._cdata in storages for tensor in made)
