"""What a caller must know of a network, in one place; the network's own code knows nothing of it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from torch import Tensor, nn


@dataclass(frozen=True)
class Weights:
    """A published weights file.

    Attributes:
        file: name of the file, as looked up in folders.
        url: stable public address.
        sha256: checksum of the file; nothing is loaded before it matches.
        size: bytes, for progress and to recognise a truncated download.
        state_key: entry of the file that holds the state dict; None for a plain state dict.
        licence: as stated by the publisher.
        note: what a user must know.
        checked: whether the checksum was seen to be the file's, and is not only quoted.
        reader: makes the state dict of a file of another framework (`models.convert`); None for PyTorch files.
    """

    file: str
    url: str
    sha256: str
    size: int | None
    state_key: str | None = None
    licence: str = ""
    note: str = ""
    checked: bool = True
    reader: Callable[[Path], dict[str, Tensor]] | None = None


@dataclass(frozen=True)
class ModelSpec:
    """One entry of the registry.

    Attributes:
        build: makes the network; keyword arguments are its options.
        display_name: as papers write it.
        paper: citation of the network.
        options: arguments that `build` is called with by default.
        scale: HR size / LR size.
        data_range: value of white at the network's input and output, 1 or 255.
        weights: published weights, or None where none exist.
        scan: whether it contains a selective scan, so that a scan backend can be chosen.
        fuses: whether its mixers can run as one operator, chosen by an option `fused`.
        color: what it takes and returns: "rgb"; or "y", luma alone, chroma being enlarged by MATLAB's bicubic.
        enlarged: its input is the LR image already enlarged to the output's size by MATLAB's bicubic.
        no_weights: why `weights` is None, and where some are said to be; "" where none were published.

    Counts, runtime and memory are of the network's pass alone, on its own input (`models.input`): 1 channel for "y",
    and `scale` times the LR size where `enlarged`. The bicubic enlargement is not in them.
    """

    build: Callable[..., nn.Module]
    display_name: str
    paper: str
    options: dict[str, Any] = field(default_factory=dict)
    scale: int = 4
    data_range: float = 1.0
    weights: Weights | None = None
    scan: bool = False
    fuses: bool = False
    color: Literal["rgb", "y"] = "rgb"
    enlarged: bool = False
    no_weights: str = ""
