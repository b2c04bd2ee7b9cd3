"""Lets networks that import mamba-ssm run without it, on a CPU and on any GPU.

    from models.scan.drop_in import install
    install()
    from mamba_ssm import Mamba  # the installed one, or `models.scan.interface`'s where there is none

What is installed always wins: nothing is replaced, and of a package that is there no part is made up. The compiled
modules are names of their own, so that the Python code of mamba-ssm or of a fork of it, without its CUDA extensions,
finds this project's scan as `selective_scan_cuda`.
"""

import importlib
import importlib.abc
import importlib.machinery
import sys
import types
from collections.abc import Callable, Sequence
from typing import Any

Contents = Callable[[], dict[str, Any]]


def _from(module: str, **names: str) -> Contents:
    """What a module of `models.scan.interface` offers, by the name it is asked for; imported with the stand-in."""

    def contents() -> dict[str, Any]:
        interface = importlib.import_module(f".interface.{module}", __package__)
        return {name: getattr(interface, own) for name, own in names.items()}

    return contents


def _same(module: str, *names: str) -> Contents:
    return _from(module, **{name: name for name in names})


def _both(*parts: Contents) -> Contents:
    return lambda: {name: value for part in parts for name, value in part().items()}


class GenerationMixin:
    """What language models on mamba-ssm inherit from; vision networks name it and never call it."""

    def generate(self, *_: Any, **__: Any) -> Any:
        """Raises NotImplementedError."""
        raise NotImplementedError("generating text needs mamba-ssm itself")


def _load_from_hub(*_: Any, **__: Any) -> Any:
    raise NotImplementedError("loading weights from Hugging Face's hub needs mamba-ssm itself")


_SCAN = _same("scan", "selective_scan_fn", "selective_scan_ref")
_INNER = _same("inner", "mamba_inner_fn", "mamba_inner_ref")
_FORK = _same("inner", "mamba_inner_fn_no_out_proj", "bimamba_inner_fn", "bimamba_inner_ref")
_NORMS = _same("norm", "RMSNorm", "layer_norm_fn", "rms_norm_fn")
_CONVOLUTIONS = _same("conv", "causal_conv1d_fn", "causal_conv1d_update")
_CONVOLUTION_FUNCTIONS = {"fwd": "convolution_fwd", "bwd": "convolution_bwd", "update": "convolution_update"}
# Module -> what is in it. Packages that lie above these are made too.
MODULES: dict[str, Contents] = {
    "mamba_ssm": _both(_same("scan", "selective_scan_fn"), _same("inner", "mamba_inner_fn"), _same("mamba", "Mamba")),
    "mamba_ssm.ops.selective_scan_interface": _both(_SCAN, _INNER, _FORK),
    "mamba_ssm.ops.triton.layer_norm": _NORMS,
    "mamba_ssm.ops.triton.layernorm": _NORMS,  # of mamba-ssm 1
    "mamba_ssm.modules.mamba_simple": _same("mamba", "Mamba"),
    "mamba_ssm.utils.generation": lambda: {"GenerationMixin": GenerationMixin},
    "mamba_ssm.utils.hf": lambda: {"load_config_hf": _load_from_hub, "load_state_dict_hf": _load_from_hub},
    "selective_scan_cuda": _same("extensions", "fwd", "bwd"),
    "selective_scan_cuda_core": _from("extensions", fwd="core_fwd", bwd="core_bwd"),
    "selective_scan_cuda_oflex": _from("extensions", fwd="oflex_fwd", bwd="core_bwd"),
    "causal_conv1d": _CONVOLUTIONS,
    "causal_conv1d.causal_conv1d_interface": _both(_CONVOLUTIONS, _same("conv", "causal_conv1d_ref")),
    "causal_conv1d.cpp_functions": _from(
        "extensions", **{f"causal_conv1d_{k}_function": v for k, v in _CONVOLUTION_FUNCTIONS.items()}
    ),
    "causal_conv1d_cuda": _from("extensions", **{f"causal_conv1d_{k}": v for k, v in _CONVOLUTION_FUNCTIONS.items()}),
}
PACKAGES = {name.rsplit(".", depth)[0] for name in MODULES for depth in range(1, name.count(".") + 1)}


class DropIn(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """The last finder to be asked. `used`: the top-level modules that stood in."""

    stands_in = True

    def __init__(self) -> None:
        self.used: set[str] = set()

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """A stand-in's spec, for a module that nobody else has found, of a package that nobody else has."""
        if name not in MODULES and name not in PACKAGES:
            return None
        above = name.rpartition(".")[0]
        if above and not stands_in(above):
            return None
        return importlib.machinery.ModuleSpec(name, self, origin=__file__, is_package=name in PACKAGES)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> None:
        """The default."""

    def exec_module(self, module: types.ModuleType) -> None:
        """Fill it."""
        name = module.__name__
        vars(module).update(MODULES.get(name, dict)())
        self.used.add(name.partition(".")[0])
        if name in ("mamba_ssm", "causal_conv1d"):
            module.__version__ = "0+models.scan"  # type: ignore[attr-defined]


def install() -> DropIn:
    """Let absent imports of mamba-ssm, causal-conv1d and their compiled modules find this project's own.

    Returns the finder, which knows what stood in; the same one each time.
    """
    for finder in sys.meta_path:
        if isinstance(finder, DropIn):
            return finder
    finder = DropIn()
    sys.meta_path.append(finder)
    return finder


def stands_in(*names: str) -> bool:
    """Whether one of these modules is imported and is not the original."""
    specs = [getattr(sys.modules.get(name), "__spec__", None) for name in names]
    return any(getattr(spec.loader, "stands_in", False) for spec in specs if spec is not None)
