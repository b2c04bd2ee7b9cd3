"""The networks by name: what there is, and how to build it. `models/registry.py` lists them.

Names are looked up when they are first asked for: a report, which needs no network, does not wait for PyTorch.
"""

import importlib
from typing import TYPE_CHECKING, Any

from models.errors import EsrError

if TYPE_CHECKING:
    from models.create import create_model, get_spec, list_models
    from models.registry import REGISTRY
    from models.spec import ModelSpec, Weights

__all__ = ["REGISTRY", "EsrError", "ModelSpec", "Weights", "create_model", "get_spec", "list_models"]

HOMES = {
    "REGISTRY": "models.registry",
    "ModelSpec": "models.spec",
    "Weights": "models.spec",
    "create_model": "models.create",
    "get_spec": "models.create",
    "list_models": "models.create",
}


def __getattr__(name: str) -> Any:
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(HOMES[name]), name)
