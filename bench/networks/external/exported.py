"""Networks that PyTorch saved whole: TorchScript and `torch.export` files."""

import pickle
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import nn

from bench.core.record import WeightsInfo
from bench.networks.external.opened import Opened, in_words
from bench.networks.external.own import OwnNetwork
from models.cache import sha256_of
from models.errors import EsrError

CONVOLUTIONS = ("conv2d", "conv_transpose2d", "convolution")


def whole_file(path: Path) -> WeightsInfo:
    """The weights of a network whose file holds them too."""
    return WeightsInfo("custom", path.name, sha256_of(path))


def open_torchscript(own: OwnNetwork) -> Opened:
    """A file of `torch.jit.save`; its code runs in TorchScript's interpreter and not in Python."""
    path = Path(own.target)
    try:
        network = torch.jit.load(str(path), map_location="cpu").eval()
    except RuntimeError as error:
        raise EsrError(f"it is truncated or no TorchScript file ({in_words(error)})") from None
    reason = "a TorchScript file cannot be traced or run without data; name the network's Python code to count it"
    return Opened(network, path, whole_file(path), uncountable=reason)


def open_export(own: OwnNetwork, device: torch.device) -> Opened:
    """A file of `torch.export.save`."""
    from torch.export.passes import move_to_device_pass  # here, since importing it takes a second

    path = Path(own.target)
    if not zipfile.is_zipfile(path):
        raise EsrError("it is truncated or no torch.export file")
    try:
        with no_pickles(bool(own.unsafe_reason)):
            program = torch.export.load(path)
    except EsrError:
        raise
    except Exception as error:  # whatever the reader makes of a foreign zip file
        raise EsrError(f"it cannot be read as a torch.export file: {in_words(error)}") from None
    shapes = [
        node.meta["val"].shape
        for node in program.graph.nodes
        if node.op == "placeholder" and node.name in program.graph_signature.user_inputs
    ]
    if len(shapes) != 1 or len(shapes[0]) != 4:
        raise EsrError(f"it takes {len(shapes)} inputs; the benchmark gives it one image, (1, 3, h, w)")
    height, width = shapes[0][2:]
    fixed = (height, width) if isinstance(height, int) and isinstance(width, int) else None
    return Opened(move_to_device_pass(program, device).module(), path, whole_file(path), fixed=fixed)


def convolution_calls(network: nn.Module) -> int:
    """Two-dimensional convolutions of an exported network, which are calls in its graph and no modules."""
    graphs = [m.graph for m in network.modules() if isinstance(m, torch.fx.GraphModule)]
    called = [node for graph in graphs for node in graph.nodes if node.op == "call_function"]
    return sum(_operator(n) in CONVOLUTIONS and n.meta["val"].dim() == 4 for n in called)


def _operator(node: torch.fx.Node) -> str:
    """The name of the operator that is called; "" for a Python function, such as one that takes a part of a tuple."""
    packet = getattr(node.target, "overloadpacket", None)
    return packet.__name__ if packet else ""


@contextmanager
def no_pickles(unsafe: bool) -> Iterator[None]:
    """Keep torch.export's reader, which unpickles some tensors and constants, from running code of the file."""

    def refuse(*_: Any, **__: Any) -> Any:
        raise EsrError(
            "it holds Python objects, and loading it would run code; it was not loaded. Export the network "
            'without them, or give --allow-unsafe-weights "why you trust it"'
        )

    load = torch.load

    def load_tensors(*args: Any, **kwargs: Any) -> Any:
        try:
            return load(*args, **{**kwargs, "weights_only": True})
        except pickle.UnpicklingError:
            refuse()

    if unsafe:
        yield
        return
    with mock.patch.object(torch, "load", load_tensors), mock.patch.object(pickle, "loads", refuse):
        yield
