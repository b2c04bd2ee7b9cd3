"""Parameters, FLOPs and activations of one forward pass, in two conventions side by side.

"FLOP" has no one meaning, so both are given and never share a column: *as published*, what the NTIRE scripts and the
papers print (`bench.published`), and *complete*, every aten operator that runs, seen below the Python level. There a
multiply-add is 1 MAC and 2 FLOPs, the rest follows the written rules of `bench.op_rules`, and operators that no rule
covers are listed in the result. Complete activations are the outputs of all convolutions and matrix products and of
the selective scan.

Counted is the network's pass on its own input: a luma network's has 1 channel, and one that takes the image enlarged is
counted at the enlarged size.

Counting runs on the meta device: shapes only, no arithmetic, so it takes milliseconds and no memory.
"""

import copy
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from bench import published
from bench.dispatch import OperatorMode, light_meta_kernels
from bench.op_rules import FREE, MAC_RULES, OTHER_RULES, has_bias, rule_key
from bench.record import Complexity, OpCount
from models.input import input_shape
from models.scan.mixer import separate_steps
from models.spec import ModelSpec


@light_meta_kernels()
@separate_steps()
def count_complexity(model: nn.Module, height: int, width: int, spec: ModelSpec | None = None) -> Complexity:
    """Count one forward pass of `model` for an LR image of height x width. The model itself is left as it was.

    Args:
        spec: says what the network takes in, such as 1 x 1 x 4 height x 4 width where that is enlarged luma; None for
            RGB, 1 x 3 x height x width. What makes that input of an image is not counted.
    """
    meta = copy.deepcopy(model).to("meta").eval()
    shape = input_shape(spec, height, width) if spec else (1, 3, height, width)
    complete = _count_ops(meta, shape)
    counts = complete.counts()
    flops_published, flops_unfused = published.fvcore_flops(model, meta, shape)
    activations, convolutions = published.conv2d_activations(meta, shape)
    thop_macs, thop_parameters = published.thop_count(meta, shape)
    return Complexity(
        height=height,
        width=width,
        parameters=sum(p.numel() for p in model.parameters()),
        flops_published=flops_published,
        flops_fvcore_unfused=flops_unfused,
        macs=sum(op.macs for op in counts),
        flops=sum(op.flops for op in counts),
        ops=counts,
        uncovered_ops=sorted(complete.uncovered),
        activations_published=activations,
        activations=complete.activations,
        conv2d=convolutions,
        thop_macs=thop_macs,
        thop_parameters=thop_parameters,
    )


class _OpCounter(OperatorMode):
    """Counts every operator that runs inside the `with` block, by name."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: defaultdict[str, int] = defaultdict(int)
        self.macs: defaultdict[str, int] = defaultdict(int)
        self.flops: defaultdict[str, int] = defaultdict(int)
        self.uncovered: set[str] = set()
        self.activations = 0

    def __torch_dispatch__(
        self, func: Any, types: Iterable[type], args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        first = out[0] if isinstance(out, tuple | list) and out else out
        if isinstance(first, Tensor):
            self._count(func.overloadpacket, args, first)
        return out

    def _count(self, packet: Any, args: Sequence[Any], out: Tensor) -> None:
        key = rule_key(packet)
        name = str(key).replace(".", "::")
        if key in MAC_RULES:
            macs = MAC_RULES[key](args, out)
            bias = out.numel() if has_bias(key, args) else 0
            self._add(name, macs, 2 * macs + bias)
            self.activations += out.numel()
        elif key in OTHER_RULES:
            self._add(name, 0, OTHER_RULES[key](args, out))
            self.activations += out.numel() if key is torch.ops.esr.selective_scan else 0
        elif key not in FREE:
            self.uncovered.add(name)

    def _add(self, name: str, macs: int, flops: int) -> None:
        self.calls[name] += 1
        self.macs[name] += macs
        self.flops[name] += flops

    def counts(self) -> list[OpCount]:
        """By operator, most FLOPs first."""
        counts = [OpCount(name, self.calls[name], self.macs[name], self.flops[name]) for name in self.calls]
        return sorted(counts, key=lambda c: (-c.flops, c.op))


def _count_ops(meta: nn.Module, shape: published.Shape) -> _OpCounter:
    with torch.no_grad(), _OpCounter() as counter:
        meta(published.meta_input(shape))
    return counter
