"""PyTorch's global settings that a submission may change: what they are, and putting them back."""

from collections.abc import Callable
from typing import Any

import torch

Setting = tuple[Callable[[], Any], Callable[[Any], Any]]


def _attribute(owner: Any, name: str) -> Setting:
    return lambda: getattr(owner, name), lambda value: setattr(owner, name, value)


SETTINGS: dict[str, Setting] = {
    "cudnn.benchmark": _attribute(torch.backends.cudnn, "benchmark"),
    "cudnn.deterministic": _attribute(torch.backends.cudnn, "deterministic"),
    "cudnn.enabled": _attribute(torch.backends.cudnn, "enabled"),
    "cudnn.allow_tf32": _attribute(torch.backends.cudnn, "allow_tf32"),
    "matmul.allow_tf32": _attribute(torch.backends.cuda.matmul, "allow_tf32"),
    "default dtype": (torch.get_default_dtype, torch.set_default_dtype),
    "threads": (torch.get_num_threads, torch.set_num_threads),
    "gradients": (torch.is_grad_enabled, torch.set_grad_enabled),
    "deterministic algorithms": (torch.are_deterministic_algorithms_enabled, torch.use_deterministic_algorithms),
}


def read() -> dict[str, Any]:
    """Every setting's value now."""
    return {name: get() for name, (get, _) in SETTINGS.items()}


def restore(wanted: dict[str, Any]) -> list[str]:
    """Put back what differs, and say what did: "threads (2 -> 64)"."""
    changed = []
    for name, value in wanted.items():
        get, put = SETTINGS[name]
        if get() != value:
            changed.append(f"{name} ({value} -> {get()})")
            put(value)
    return changed
