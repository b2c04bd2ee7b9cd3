"""Layer types: which kind of work an operator is, as roofline and breakdown group them."""

from collections.abc import Iterable
from typing import Any

from bench.counts.op_rules import FREE, MAC_RULES, OTHER_RULES

CONVOLUTION, PRODUCT, ATTENTION = "convolution", "matrix product", "attention"
SCAN, MIXER = "selective scan", "fused Mamba mixer"
NORMALISATION, ELEMENTWISE, MOVEMENT, OTHER = "normalisation", "element-wise", "data movement", "other"

_BY_NAME = {
    "aten::convolution": CONVOLUTION,
    "esr::selective_scan": SCAN,
    "esr::mamba_mixer": MIXER,
}


def _names(packets: Iterable[Any]) -> set[str]:
    return {str(packet).replace(".", "::") for packet in packets}


_KNOWN = ((_names(MAC_RULES), PRODUCT), (_names(OTHER_RULES), ELEMENTWISE), (_names(FREE), MOVEMENT))


def kind_of(op: str) -> str:
    """Of an operator as records call it, such as aten::convolution."""
    if op in _BY_NAME:
        return _BY_NAME[op]
    if "scaled_dot_product" in op or op == "aten::_softmax":
        return ATTENTION
    if "norm" in op and op.startswith("aten::") and "native" in op:
        return NORMALISATION
    return next((kind for names, kind in _KNOWN if op in names), OTHER)
