"""The networks by name: what there is, and how to build it. `models/registry.py` lists them.

Names are looked up when they are first asked for: a report, which needs no network, does not wait for PyTorch.
"""

import importlib
from typing import TYPE_CHECKING, Any

from models.errors import EsrError

if TYPE_CHECKING:
    from models.create import create_model, default_options, get_spec, list_models, needs_own_weights
    from models.registry import REGISTRY
    from models.spec import ModelSpec, Weights

__all__ = [
    "REGISTRY", "EsrError", "ModelSpec", "Weights", "create_model", "default_options", "get_spec", "list_models",
    "needs_own_weights",
]  # fmt: skip

HOMES = {
    "REGISTRY": "models.registry",
    "ModelSpec": "models.spec",
    "Weights": "models.spec",
    "create_model": "models.create",
    "default_options": "models.create",
    "get_spec": "models.create",
    "list_models": "models.create",
    "needs_own_weights": "models.create",
}


def __getattr__(name: str) -> Any:
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(HOMES[name]), name)
