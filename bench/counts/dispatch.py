"""See every operator that runs, below the Python level, without the wait for torch.compile.

PyTorch hides its Python kernels and dispatch modes from torch.compile, and to do so imports it, 2 seconds, with the
first operator that runs on the meta device. Nothing is compiled while operators are counted, so neither is needed here.
Both ways around it use names that PyTorch does not document: where they change, counting is slower and otherwise alike.
"""

import contextlib
import inspect
import sys
import types
from collections.abc import Iterator

import torch._refs
import torch._refs.nn.functional
from torch.utils._python_dispatch import TorchDispatchMode

_HIDDEN = "__dynamo_disable"  # where a hidden function keeps what runs in its place


class OperatorMode(TorchDispatchMode):
    """A dispatch mode that does not import torch.compile."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False


@contextlib.contextmanager
def light_meta_kernels() -> Iterator[None]:
    """Within it, operators on the meta device do not import torch.compile, if it is not there already."""
    bare = set() if "torch._dynamo" in sys.modules else _hidden_functions()
    for function in bare:
        setattr(function, _HIDDEN, function)
    try:
        yield
    finally:
        for function in bare:
            delattr(function, _HIDDEN)


def _hidden_functions() -> set[types.FunctionType]:
    found: set[types.FunctionType] = set()
    for module in (torch._refs, torch._refs.nn.functional):
        for function in vars(module).values():
            while isinstance(function, types.FunctionType) and function not in found:
                found.add(function)
                function = inspect.getclosurevars(function).nonlocals.get("fn")
    return found
