"""Registers a Python function as an operator of PyTorch.

`torch.library.custom_op` would do, but the first call of what it makes imports torch.compile: 1.6 seconds and a hundred
megabytes in every process, in the first pass of a network, where they would be measured as the network's.
"""

from collections.abc import Callable
from typing import Any

import torch


def operator(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorate the kernel of the operator `name`, such as esr::selective_scan, for every device.

    The schema comes from its annotations; it changes no argument. What is returned calls the operator through PyTorch's
    dispatcher. Shapes without data and gradients are registered by torch.library's own functions, by the same name.
    """

    def register(kernel: Callable[..., Any]) -> Callable[..., Any]:
        torch.library.define(name, torch.library.infer_schema(kernel, mutates_args=()))
        torch.library.impl(name, "CompositeExplicitAutograd", kernel)
        namespace, _, short = name.partition("::")
        overload: Callable[..., Any] = getattr(getattr(torch.ops, namespace), short).default
        return overload

    return register


def no_gradient(name: str) -> None:
    """Let a gradient through the operator `name` be an error instead of a silent zero."""

    def backward(ctx: Any, *grads: Any) -> Any:
        raise NotImplementedError(f"{name} has no gradient of its own")

    torch.library.register_autograd(name, backward)
