"""Counts as the NTIRE scripts and the DVMSR paper print them, reproduced to the digit.

FLOPs are fvcore's: one fused multiply-add is one FLOP, LayerNorm is 5 an element, batch normalisation 2, bilinear
resizing 4 an output element, pooling to one pixel 1 an element, and everything else (activation functions, softmax, the
scan) is free. Activations are the output elements of Conv2d and ConvTranspose2d modules.
"""

import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from fvcore.nn import FlopCountAnalysis
from torch import Tensor, nn

from bench.counts.dispatch import OperatorMode
from bench.counts.op_counter import CONVOLUTIONS
from bench.counts.op_rules import MAC_RULES, Count, aten

# fvcore itself is run at this size in every count, to check that its rules are applied as it applies them.
CHECK_SIZE = (32, 48)
# fvcore's names of what are multiply-adds.
FVCORE_PRODUCTS = ("conv", "linear", "addmm", "bmm", "matmul", "einsum", "baddbmm", "mv")
Shape = tuple[int, int, int, int]  # of a network's input: 1, channels, height, width


@dataclass(frozen=True)
class Published:
    """fvcore's count. `products`: its multiply-adds by module, without those of the modules inside; None if complete.

    Complete means that fvcore saw every product that PyTorch ran.
    """

    total: int
    products: dict[str, int] | None


def data_input(shape: Shape, model: nn.Module) -> Tensor:
    """A random input where the network is."""
    reference = next(model.parameters(), torch.empty(0))
    return torch.rand(shape, device=reference.device)


def meta_input(shape: Shape) -> Tensor:
    """An input without data."""
    return torch.empty(shape, device="meta")


def _pooling_to_one(args: Sequence[Any], out: Tensor) -> int:
    # adaptive_avg_pool2d to 1x1, which fvcore counts, arrives here as a mean over these axes; other means are free. A
    # mean that only looks like it makes the two counts of `fvcore_count` differ, and fvcore itself decides.
    return int(args[0].numel()) if len(args) > 1 and list(args[1] or ()) == [-1, -2] else 0


def _batch_norm(args: Sequence[Any], out: Tensor) -> int:
    return int(args[0].numel() * (1 if args[1] is None else 2))


FVCORE_RULES: dict[Any, Count] = {
    **MAC_RULES,
    aten.native_batch_norm: _batch_norm,
    aten._native_batch_norm_legit_no_training: _batch_norm,
    aten.native_layer_norm: lambda args, out: int(5 * args[0].numel()),
    aten.upsample_bilinear2d: lambda args, out: 4 * out.numel(),
    aten.mean: _pooling_to_one,
}


def fvcore_count(model: nn.Module, meta: nn.Module | None, shape: Shape) -> Published:
    """fvcore's count, in milliseconds where that can be.

    fvcore's tracer does not run on the meta device, so its rules are applied there by `_FvcoreRules`, and the two are
    compared at CHECK_SIZE. For a network where they differ (fvcore misses operators that hide from its tracer), that
    does not take that size, or does not run without data, fvcore itself is run at full size.

    Args:
        model: the network with its weights, on any device.
        meta: the same on the meta device, or None if it does not run there.
        shape: of its input.

    Raises whatever fvcore's tracer or the network makes of it.
    """
    if meta is None:
        return _fvcore_itself(model, shape)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # for so little work, waking other threads takes longer than the work
    try:
        small = (*shape[:2], *CHECK_SIZE)
        agree = _apply_rules(meta, small) == fvcore_total(model, *CHECK_SIZE, channels=shape[1])
    except Exception:  # whatever a network makes of an input of a size that it does not take
        agree = False
    finally:
        torch.set_num_threads(threads)
    return Published(_apply_rules(meta, shape), None) if agree else _fvcore_itself(model, shape)


def _apply_rules(meta: nn.Module, shape: Shape) -> int:
    with torch.no_grad(), _FvcoreRules() as rules:
        meta(meta_input(shape))
    return rules.total


class _FvcoreRules(OperatorMode):
    """fvcore's rules, applied to what runs on the meta device, where fvcore itself cannot run."""

    total = 0

    def __torch_dispatch__(
        self, func: Any, types: Iterable[type], args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        rule = FVCORE_RULES.get(func.overloadpacket)
        if rule:
            self.total += rule(args, out[0] if isinstance(out, tuple) else out)
        return out


def fvcore_total(model: nn.Module, height: int, width: int, channels: int = 3) -> int:
    """fvcore's own count of one real forward pass, exactly as the challenge scripts call it, in eval mode."""
    return _fvcore_itself(model, (1, channels, height, width)).total


def _fvcore_itself(model: nn.Module, shape: Shape) -> Published:
    analysis = FlopCountAnalysis(model, data_input(shape, model))
    analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracer warns of every size it turns into a constant
        by_module = analysis.by_module_and_operator()
        total = int(analysis.total())
    with_inner = {name: sum(int(ops.get(op, 0)) for op in FVCORE_PRODUCTS) for name, ops in by_module.items()}
    return Published(total, _without_inner(with_inner))


def _without_inner(with_inner: dict[str, int]) -> dict[str, int]:
    """By module, its own work alone."""
    own = Counter(with_inner)
    for name, work in with_inner.items():
        if name:
            parent = name.rpartition(".")[0]
            while parent not in with_inner:  # a ModuleList is never called and has no entry
                parent = parent.rpartition(".")[0]
            own[parent] -= work
    return {name: max(0, work) for name, work in own.items()}


def conv2d_activations(model: nn.Module, x: Tensor) -> tuple[int, int]:
    """Output elements, and number of calls, of Conv2d and ConvTranspose2d modules, as the challenge script's hooks."""
    outputs: list[int] = []

    def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        outputs.append(output.numel())

    handles = [m.register_forward_hook(hook) for m in model.modules() if isinstance(m, CONVOLUTIONS)]
    with torch.no_grad():
        model(x)
    for handle in handles:
        handle.remove()
    return sum(outputs), len(outputs)


def thop_count(model: nn.Module, x: Tensor) -> tuple[int | None, int | None]:
    """thop's "MACs" and "parameters", for their known errors: it sees leaf modules only, so bare parameters (A, D) and
    functional products are not in them. It leaves buffers behind: give it a copy."""
    try:
        import thop  # here, since it needs distutils, which newer Pythons have only with setuptools

        macs, parameters = thop.profile(model, inputs=(x,), verbose=False)
    except Exception:  # thop fails in many ways on modules that it does not know; it is reported only for comparison
        return None, None
    return int(macs), int(parameters)
