"""Opens a network of the user's own, of whatever kind, as the harness runs it. Called in a worker process only."""

import os
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from bench.core.record import Settings, Source
from bench.networks.external.exported import open_export, open_torchscript
from bench.networks.external.onnx_file import open_onnx
from bench.networks.external.opened import Opened
from bench.networks.external.own import CODE, Kind, OwnNetwork
from bench.networks.external.padding import Padded
from bench.networks.external.python_file import open_python
from bench.networks.external.weights_file import open_weights
from models.cache import sha256_of
from models.errors import EsrError
from models.spec import ModelSpec


@dataclass(frozen=True)
class Loaded:
    """A network of the user's own, and what a registry would say of it.

    Attributes:
        title: what the user calls it, as far as known.
    """

    opened: Opened
    spec: ModelSpec
    source: Source
    title: str


OPEN: dict[Kind, Callable[[OwnNetwork, dict[str, Any], Settings, torch.device], Opened]] = {
    "Python file": lambda own, options, *_: open_python(own, options),
    "Python module": lambda own, options, *_: open_python(own, options),
    "TorchScript file": lambda own, *_: open_torchscript(own),
    "torch.export file": lambda own, _, __, device: open_export(own, device),
    "ONNX file": lambda own, _, settings, __: open_onnx(own, settings.threads),
    "weights file": lambda own, *_: open_weights(own),
}


def load(own: OwnNetwork, options: dict[str, Any], settings: Settings, device: torch.device) -> Loaded:
    """Open it. Raises EsrError, one line, where that fails. What its code prints goes to stderr from here on."""
    os.dup2(2, 1)
    warnings.simplefilter("ignore")  # as in bench/profile.py
    opened = OPEN[own.kind](own, options, settings, device)
    loaded = describe(own, opened)
    multiple = loaded.source.size_multiple
    _check_size(opened, settings, multiple)
    if multiple == 1:
        return loaded
    padded = Padded(opened.network, multiple, loaded.spec.scale).eval()
    return replace(loaded, opened=replace(opened, network=padded))


def describe(own: OwnNetwork, opened: Opened) -> Loaded:
    """What a registry and a record would say of an opened network, before its sides are padded."""
    title = own.name or re.sub(r"[^\w.+-]+", "-", Path(own.target).stem)
    data_range = own.data_range or 1.0
    source = Source(
        kind=own.kind,
        file=opened.path.name,
        sha256=sha256_of(opened.path),
        network=own.safe_label.rpartition(":")[2] if own.kind in CODE else opened.name,
        module=own.target if own.kind == "Python module" else "",
        data_range=data_range,
        size_multiple=own.size_multiple or opened.multiple,
        state_key=own.state_key,
        unsafe_weights=own.unsafe_reason,
    )
    return Loaded(opened, ModelSpec(lambda: opened.network, title, "", data_range=data_range), source, title)


def _check_size(opened: Opened, settings: Settings, multiple: int) -> None:
    """Raise EsrError where the file was made for another input than the one to be timed."""
    if opened.fixed is None:
        return
    padded = tuple(side + -side % multiple for side in (settings.height, settings.width))
    if padded != opened.fixed:
        height, width = opened.fixed
        raise EsrError(
            f"it was exported for an input of {height}x{width} only; export it with dynamic sides, or "
            f"give --input-size {height}x{width} (then without data sets: --measure counts runtime memory)"
        )
