"""Count every operator that runs, below the Python level, by the module that ran it.

Nothing hides from the dispatcher: the inside of an autograd Function, a functional call and what C++ code asks of
PyTorch all pass through it. Only arithmetic outside PyTorch does not; what it returns is recognised by appearing from
nowhere (`Outsiders`).
"""

import contextlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.utils._pytree import tree_iter

from bench.core.record import OpCount
from bench.counts.dispatch import OperatorMode
from bench.counts.op_rules import CONVOLUTIONS as ATEN_CONVOLUTIONS
from bench.counts.op_rules import FREE, MAC_RULES, OTHER_RULES, encoder_others, formula_flops, has_bias, rule_key

CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)


@dataclass
class Work:
    """Of one kind of operator in one module."""

    calls: int = 0
    macs: int = 0
    flops: int = 0
    activations: int = 0

    def add(self, other: "Work") -> None:
        """Sum up."""
        self.calls += other.calls
        self.macs += other.macs
        self.flops += other.flops
        self.activations += other.activations


def rule_name(packet: Any) -> str:
    """As records call an operator, such as aten::convolution."""
    return str(rule_key(packet)).replace(".", "::")


def work_of(packet: Any, args: Sequence[Any], kwargs: dict[str, Any], out: Any) -> Work | None:
    """One call of an operator; without calls where it only moves or names data, None where no rule covers it."""
    key, first = rule_key(packet), out[0] if isinstance(out, tuple | list) else out
    if key in MAC_RULES:
        macs = MAC_RULES[key](args, first)
        bias = first.numel() if has_bias(key, args) else 0
        others = encoder_others(args, first) if key is torch.ops.aten._transformer_encoder_layer_fwd else 0
        return Work(1, macs, 2 * macs + bias + others, first.numel())
    if key in OTHER_RULES:
        return Work(1, 0, OTHER_RULES[key](args, first))
    if (flops := formula_flops(packet, args, kwargs, out)) is not None:
        return Work(1, 0, flops, first.numel())
    return Work() if key in FREE else None


class ModuleStack:
    """The modules that are running, innermost last, while `watch` is open."""

    def __init__(self, model: nn.Module) -> None:
        self._names = {id(module): name for name, module in reversed(list(model.named_modules()))}
        self._running: list[nn.Module] = []

    @contextlib.contextmanager
    def watch(self) -> Iterator[None]:
        """Follow every call of a module."""

        def enter(module: nn.Module, inputs: Any) -> None:
            self._running.append(module)

        def leave(module: nn.Module, inputs: Any, output: Any) -> None:
            if self._running:
                self._running.pop()

        handles = [register_module_forward_pre_hook(enter), register_module_forward_hook(leave, always_call=True)]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    @property
    def name(self) -> str:
        """Of the innermost module that belongs to the network; "" is the network itself."""
        return next((self._names[id(m)] for m in reversed(self._running) if id(m) in self._names), "")

    @property
    def innermost(self) -> nn.Module | None:
        """The module that runs, if one does."""
        return self._running[-1] if self._running else None


class OpCounter(OperatorMode):
    """Counts every operator that runs inside the `with` block."""

    def __init__(self, modules: ModuleStack) -> None:
        super().__init__()
        self._modules = modules
        self.work: defaultdict[tuple[str, str], Work] = defaultdict(Work)  # by module and operator
        self.unhooked: defaultdict[str, int] = defaultdict(int)  # outputs of convolutions that no Conv2d module ran
        self.uncovered: set[str] = set()

    def __torch_dispatch__(
        self, func: Any, types: Iterable[type], args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        first = out[0] if isinstance(out, tuple | list) and out else out
        if isinstance(first, Tensor):
            self._count(func.overloadpacket, args, kwargs or {}, first, out)
        return out

    def _count(self, packet: Any, args: Sequence[Any], kwargs: dict[str, Any], first: Tensor, out: Any) -> None:
        name, work = rule_name(packet), work_of(packet, args, kwargs, out)
        if work is None:
            self.uncovered.add(name)
        elif work.calls:
            self.work[self._modules.name, name].add(work)
        if rule_key(packet) in ATEN_CONVOLUTIONS and first.dim() == 4 and self._is_unhooked():
            self.unhooked[self._modules.name] += first.numel()

    def _is_unhooked(self) -> bool:
        return not isinstance(self._modules.innermost, CONVOLUTIONS)

    def counts(self) -> list[OpCount]:
        """By operator, most FLOPs first."""
        totals: defaultdict[str, Work] = defaultdict(Work)
        for (_, name), work in self.work.items():
            totals[name].add(work)
        counts = [OpCount(name, w.calls, w.macs, w.flops) for name, w in totals.items()]
        return sorted(counts, key=lambda c: (-c.flops, c.op))

    @property
    def activations(self) -> int:
        """Outputs of all convolutions, products and operators with a formula of their own."""
        return sum(work.activations for work in self.work.values())


class Outsiders(OperatorMode):
    """Notes each operator's tensors that no operator made: constants, or results of arithmetic outside PyTorch."""

    def __init__(self, model: nn.Module, x: Tensor, modules: ModuleStack) -> None:
        super().__init__()
        self._modules = modules
        self._kept: list[Any] = []  # alive, so that no storage's address is used twice
        self._known: set[int] = set()
        self.seen: list[tuple[str, str, float]] = []  # module, operator, checksum
        for tensor in (x, *model.parameters(), *model.buffers()):
            self._learn(tensor)

    def _learn(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        self._kept.append(storage)
        self._known.add(storage._cdata)

    def check(self, tensors: Any, before: str) -> None:
        """Note those of unknown origin, which are known from then on."""
        for tensor in tree_iter(tensors):
            if isinstance(tensor, Tensor) and tensor.untyped_storage()._cdata not in self._known:
                self._learn(tensor)
                self.seen.append((self._modules.name, before, float(tensor.double().sum())))

    def __torch_dispatch__(
        self, func: Any, types: Iterable[type], args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func.overloadpacket is torch.ops.aten.lift_fresh:  # wraps what comes from outside, before anything uses it
            return func(*args, **(kwargs or {}))
        self.check((args, kwargs), str(func.overloadpacket))
        out = func(*args, **(kwargs or {}))
        for tensor in tree_iter(out):
            if isinstance(tensor, Tensor):
                self._learn(tensor)
        return out


def outside_results(model: nn.Module, inputs: Sequence[Tensor]) -> list[tuple[str, str]]:
    """Modules and operators that were handed a tensor which no operator made and which follows the input.

    Args:
        inputs: two of equal shape and unlike content; what is the same for both is a constant and no work.
    """
    passes = []
    for x in inputs:
        modules = ModuleStack(model)
        with torch.no_grad(), modules.watch(), Outsiders(model, x, modules) as outsiders:
            y = model(x)
        outsiders.check(y, "the output")
        passes.append(outsiders.seen)
    first, second = passes
    found = [a[:2] for a, b in zip(first, second, strict=False) if a[:2] == b[:2] and a[2] != b[2]]
    return list(dict.fromkeys(found))
