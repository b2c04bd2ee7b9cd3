"""The states of all random generators as plain values and tensors, as a checkpoint holds them."""

import random
from typing import Any

import numpy as np
import torch


def random_state() -> dict[str, Any]:
    """Of torch (CPU and every GPU), numpy and Python."""
    name, keys, *rest = np.random.get_state(legacy=True)
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "numpy": [name, torch.tensor(np.asarray(keys).astype(np.int64)), *rest],
        "python": list(random.getstate()[1]),
    }


def set_random_state(state: dict[str, Any]) -> None:
    """Undo `random_state`. GPUs' states are left alone where their number has changed."""
    torch.set_rng_state(state["torch"])
    if state["cuda"] and len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(state["cuda"])
    name, keys, *rest = state["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), *rest))
    random.setstate((3, tuple(state["python"]), None))
