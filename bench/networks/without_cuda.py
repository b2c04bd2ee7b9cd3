"""Foreign code that was written for a GPU, on a machine without one. Called in a process that runs nothing else."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

NOTE = "calls .cuda(), which was left out on this device"


def load_to(device: torch.device, weights_only: bool | None = None) -> None:
    """Let files that were saved on another device load.

    Args:
        weights_only: of every `torch.load`; None leaves it to the code.
    """
    load = torch.load

    def load_here(*args: Any, **kwargs: Any) -> Any:
        if len(args) < 2:
            kwargs["map_location"] = device
        if weights_only is not None:
            kwargs["weights_only"] = weights_only
        return load(*args, **kwargs)

    torch.load = load_here


def stay_on_the_cpu(notes: list[str]) -> None:
    """Let `.cuda()` and `.to("cuda")` leave tensors and networks where they are; `notes` receives a line if they do."""

    def stay(self: Any, *_: Any, **__: Any) -> Any:
        if NOTE not in notes:
            notes.append(NOTE)
        return self

    def wrapped(to: Callable[..., Any]) -> Callable[..., Any]:
        def move(self: Any, *args: Any, **kwargs: Any) -> Any:
            if args and _is_cuda(args[0]):
                args = (stay(torch.device("cpu")), *args[1:])
            if _is_cuda(kwargs.get("device")):
                kwargs["device"] = stay(torch.device("cpu"))
            return to(self, *args, **kwargs)

        return move

    Tensor.cuda = nn.Module.cuda = stay  # type: ignore[method-assign, assignment]
    Tensor.to, nn.Module.to = wrapped(Tensor.to), wrapped(nn.Module.to)  # type: ignore[method-assign]


def _is_cuda(value: Any) -> bool:
    return (isinstance(value, str) and value.startswith("cuda")) or (
        isinstance(value, torch.device) and value.type == "cuda"
    )
