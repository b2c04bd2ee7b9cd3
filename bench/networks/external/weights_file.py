"""A bare weights file, whose network spandrel recognises by its keys and shapes."""

import importlib.util
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import Tensor, nn

from bench.networks.external.onnx_file import EXTRAS
from bench.networks.external.opened import Opened, in_words
from bench.networks.external.own import OwnNetwork
from bench.networks.external.state import describe, read_state
from models.errors import EsrError
from models.weights import COMPILED

# What spandrel imports of torchvision, for two networks that are none of super-resolution.
TORCHVISION = {"torchvision.transforms.functional": ("InterpolationMode", "rotate", "normalize")}


class SpandrelNetwork(nn.Module):
    """A network in the form in which its descriptor calls it, without the descriptor's padding."""

    def __init__(self, descriptor: Any) -> None:
        super().__init__()
        self.network: nn.Module = descriptor.model
        self.call = descriptor._call_fn

    def forward(self, x: Tensor) -> Tensor:
        """(b, 3, h, w) in [0, 1] -> (b, 3, 4h, 4w)."""
        return self.call(self.network, x)


def open_weights(own: OwnNetwork) -> Opened:
    """Raises EsrError where spandrel is missing, does not know the network, or knows it as no x4 RGB network."""
    path = Path(own.target)
    loaded = read_state(path, own)
    if own.data_range not in (None, 1.0):
        raise EsrError("spandrel's networks take images in [0, 1]; leave --data-range out")
    spandrel = _spandrel()
    try:
        found = spandrel.ModelLoader().load_from_state_dict(_bare(loaded.state))
    except Exception as error:  # of spandrel where it knows none, of the network where it does not fit
        raise EsrError(
            f"spandrel recognises no network in it ({type(error).__name__}); name its code, as --model "
            f"net.py:Class --weights {path.name}"
        ) from None
    name = found.architecture.name
    if not isinstance(found, spandrel.ImageModelDescriptor) or found.scale != 4:
        raise EsrError(f"it is of {name}, x{found.scale}; the benchmark measures x4 networks only")
    if (found.input_channels, found.output_channels) != (3, 3):
        raise EsrError(f"it is of {name} for {found.input_channels} channel(s); only RGB networks are measured")
    multiple = found.size_requirements.multiple_of
    versions = {"spandrel": spandrel.__version__}
    return Opened(SpandrelNetwork(found).eval(), path, describe(loaded), name, multiple, versions=versions)


def _bare(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Without what a trainer put before all names; spandrel knows networks by their own."""
    bare = {key.replace(COMPILED, ""): value for key, value in state.items() if key != "n_averaged"}
    wrapped = all(key.startswith("module.") for key in bare)
    return {key.removeprefix("module.") if wrapped else key: value for key, value in bare.items()}


def _spandrel() -> Any:
    if importlib.util.find_spec("spandrel") is None:
        raise EsrError(f"networks of weights files are recognised by spandrel, which is not installed; {EXTRAS}")
    if importlib.util.find_spec("torchvision") is None:
        _stand_in_for_torchvision()
    try:
        return importlib.import_module("spandrel")
    except ImportError as error:
        raise EsrError(f"spandrel cannot be imported: {in_words(error)}; {EXTRAS}") from None


def _stand_in_for_torchvision() -> None:
    """spandrel imports it, and no build of it may fit the torch that is here."""
    for module, names in TORCHVISION.items():
        parts = module.split(".")
        for i in range(1, len(parts) + 1):
            sys.modules[".".join(parts[:i])] = ModuleType(".".join(parts[:i]))
        for name in names:
            setattr(sys.modules[module], name, None)
