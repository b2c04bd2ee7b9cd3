"""Work that ran and is not in the published count, with the module that ran it and the operators that did.

What a published count misses by convention (activation functions, softmax and the like are free there) is not meant:
only products, convolutions and operators with a formula of their own.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping

from bench.core.record import Vanished
from bench.counts.op_counter import OpCounter, Work
from bench.counts.op_rules import PRODUCT_NAMES

LEAST = 0.001  # of the whole; less is not worth a line


def vanished_flops(complete: OpCounter, seen: Mapping[str, int] | None, modules: Collection[str]) -> list[Vanished]:
    """By module, most first. FLOPs: 2 a multiply-add, or by the operator's own formula.

    Args:
        seen: published multiply-adds by module, without those of the modules inside; None where all were seen.
        modules: names of those that the published count looked into; what ran inside others is of the one around it.
    """
    by_module: defaultdict[str, defaultdict[str, Work]] = defaultdict(lambda: defaultdict(Work))
    for (module, op), work in complete.work.items():
        if op in PRODUCT_NAMES or not op.startswith("aten::"):
            by_module[_around(module, modules)][op].add(work)
    whole = sum(2 * w.macs or w.flops for works in by_module.values() for w in works.values())
    found = []
    for module, works in by_module.items():
        macs = sum(w.macs for w in works.values())
        hidden = 0 if seen is None else max(0, macs - seen.get(module, 0))
        missing = 2 * hidden + sum(w.flops for w in works.values() if not w.macs)
        if missing > LEAST * whole:
            ops = sorted(op for op, w in works.items() if hidden or not w.macs)
            found.append(Vanished("FLOPs", module, ops, missing, missing / whole))
    return sorted(found, key=lambda v: (-v.missing, v.module))


def _around(module: str, modules: Collection[str]) -> str:
    while module and module not in modules:
        module = module.rpartition(".")[0]
    return module


def vanished_activations(complete: OpCounter, activations: int) -> list[Vanished]:
    """Convolutions called as functions, whose outputs hooks on Conv2d modules do not see."""
    whole = activations + sum(complete.unhooked.values())
    found = [
        Vanished("activations", module, ["aten::convolution"], missing, missing / whole)
        for module, missing in complete.unhooked.items()
    ]
    return sorted(found, key=lambda v: (-v.missing, v.module))


def outside_work(found: list[tuple[str, str]]) -> list[Vanished]:
    """Results of arithmetic outside PyTorch, whose size nobody can know."""
    return [Vanished("outside PyTorch", module, [f"before {op}"], 0, 0.0) for module, op in found]
