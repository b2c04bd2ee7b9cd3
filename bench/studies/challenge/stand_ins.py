"""Stand-ins for imports that a submission needs and this environment lacks.

Honest ones only: small helpers written anew, this project's selective scan in the place of mamba-ssm's, and modules
that can be imported and fail when they are used. What is installed always wins; what stood in is in the record.

Runs in the submission's process, where `models` is the checkout's; the scan comes from a package called `esr_models`.
"""

import functools
import importlib
import importlib.abc
import importlib.machinery
import inspect
import itertools
import sys
import types
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SCAN_PACKAGE = "esr_models"


# ---- what a counter sees of an operator that was compiled -----------------------------------------------------------


class _OneNode(torch.autograd.Function):
    """A fused operator of autograd: for a tracer one node, whose inside it does not see."""

    @staticmethod
    def forward(ctx: Any, run: Callable[..., Any], *tensors: Any) -> Any:
        return _outside_trace(lambda: run(*tensors))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        raise NotImplementedError("a stand-in for inference")


def _outside_trace(run: Callable[[], Any]) -> Any:
    """A pybind function: its result comes from nowhere, so that a tracer loses all that came before."""
    state = torch._C._get_tracing_state()
    torch._C._set_tracing_state(None)  # type: ignore[attr-defined]
    try:
        return run()
    finally:
        torch._C._set_tracing_state(state)  # type: ignore[attr-defined]


def opaque(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same, as one node."""
    signature = inspect.signature(function)

    @functools.wraps(function)
    def call(*given: Any, **named: Any) -> Any:
        bound = signature.bind(*given, **named)
        bound.apply_defaults()
        return _OneNode.apply(functools.partial(function, **bound.kwargs), *bound.args)

    return call


# ---- mamba-ssm and causal-conv1d ------------------------------------------------------------------------------------

OF_MAMBA = (
    "mamba_ssm",
    "causal_conv1d",
    "causal_conv1d_cuda",
    "selective_scan_cuda",
    "selective_scan_cuda_core",
    "selective_scan_cuda_oflex",
)
# What mamba-ssm and causal-conv1d implement as functions of autograd, by the module of `models.scan.interface` whose
# users are to find them so.
FUSED = {
    "scan": ("selective_scan_fn", "selective_scan_ref"),
    "inner": ("mamba_inner_fn", "mamba_inner_ref", "mamba_inner_fn_no_out_proj", "bimamba_inner_fn"),
    "mamba": ("mamba_inner_fn", "mamba_inner_fn_no_out_proj", "bimamba_inner_fn"),
    "conv": ("causal_conv1d_fn",),
}


@functools.cache
def _drop_in() -> Any:
    """This project's stand-ins for them, with what was fused there as one node."""
    for module, names in FUSED.items():
        interface = importlib.import_module(f"{SCAN_PACKAGE}.scan.interface.{module}")
        for name in names:
            setattr(interface, name, opaque(getattr(interface, name)))
    return importlib.import_module(f"{SCAN_PACKAGE}.scan.drop_in")


# ---- timm, basicsr, huggingface_hub ---------------------------------------------------------------------------------


class DropPath(nn.Module):
    """Stochastic depth; at inference it does nothing."""

    def __init__(self, drop_prob: float = 0.0, scale_by_keep: bool = True) -> None:
        super().__init__()

    def forward(self, x: Tensor) -> Tensor:
        """Unchanged."""
        return x


class Mlp(nn.Module):
    """Two linear layers with an activation between, parameters named as in timm."""

    def __init__(
        self,
        in_features: int,
        hidden_features: int | None = None,
        out_features: int | None = None,
        act_layer: Callable[[], nn.Module] = nn.GELU,
        drop: float = 0.0,
    ) -> None:
        super().__init__()
        hidden = hidden_features or in_features
        self.fc1, self.act = nn.Linear(in_features, hidden), act_layer()
        self.fc2 = nn.Linear(hidden, out_features or in_features)

    def forward(self, x: Tensor) -> Tensor:
        """(..., in_features) -> (..., out_features)."""
        out: Tensor = self.fc2(self.act(self.fc1(x)))
        return out


def to_ntuple(n: int) -> Callable[[Any], tuple[Any, ...]]:
    """A function that repeats a single value n times."""

    def repeat(x: Any) -> tuple[Any, ...]:
        return tuple(x) if isinstance(x, Iterable) and not isinstance(x, str) else tuple(itertools.repeat(x, n))

    return repeat


def named_apply(fn: Callable[..., Any], module: nn.Module, name: str = "", **_: Any) -> nn.Module:
    """Call `fn` with every module and its name, inner ones first."""
    for inner, child in reversed(list(module.named_modules(prefix=name))):
        fn(module=child, name=inner)
    return module


def _assert(condition: bool, message: str) -> None:
    if not condition:
        raise AssertionError(message)


class Registry:
    """Gives back what is registered."""

    def register(self, thing: Any = None, **_: Any) -> Any:
        """As a decorator, with or without brackets."""
        return thing if thing is not None else lambda it: it


class HubMixin:
    """Takes the class arguments of PyTorchModelHubMixin; nothing is uploaded here."""

    def __init_subclass__(cls, **settings: Any) -> None:
        super().__init_subclass__()


def span_attention(x: Tensor, features: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """(x + features) times a 1x1 convolution of the features: what a CUDA operator of an NTIRE 2026 entry computes.

    A tracer sees an output allocated like `x`, as there, and nothing of what fills it.
    """
    out = torch.empty_like(x)
    return _outside_trace(lambda: out.copy_((x + features) * F.conv2d(features, weight, bias)))


# ---- the finder -----------------------------------------------------------------------------------------------------

_LAYERS = {
    "DropPath": DropPath,
    "Mlp": Mlp,
    "to_2tuple": to_ntuple(2),
    "to_ntuple": to_ntuple,
    "trunc_normal_": nn.init.trunc_normal_,
    "_assert": _assert,
}
# Module -> what is in it, made when it is imported. Anything else asked of it can be imported and not used.
MODULES: dict[str, Callable[[], dict[str, Any]]] = {
    "timm.layers": lambda: _LAYERS,
    "timm.models.layers": lambda: _LAYERS,
    "timm.models.helpers": lambda: {"named_apply": named_apply},
    "timm.models.fx_features": lambda: {"register_notrace_function": lambda f: f},
    "timm.models.vision_transformer": dict,
    "basicsr.utils.registry": lambda: {"ARCH_REGISTRY": Registry()},
    "basicsr.archs.arch_util": lambda: _LAYERS,
    "huggingface_hub": lambda: {"PyTorchModelHubMixin": HubMixin},
    "span_attention": lambda: {"span_attention": span_attention},
    "cv2": dict,
    "torchvision.ops": dict,
    "torchvision.transforms": dict,
    "torchvision.transforms.functional": dict,
    "torchvision.utils": dict,
}
# Imported as a rule for image files, plots and the like; not worth telling of unless they are used.
QUIET = ("cv2", "torchvision", "torchvision.utils")
_PACKAGES = {name.rsplit(".", depth)[0] for name in MODULES for depth in range(1, name.count(".") + 1)}


def _offered(name: str) -> tuple[Mapping[str, Callable[[], dict[str, Any]]], Collection[str]]:
    """The modules and the packages among which a module of this name may be; mamba-ssm's are the drop-in's."""
    if name.partition(".")[0] in OF_MAMBA:
        return _drop_in().MODULES, _drop_in().PACKAGES
    return MODULES, _PACKAGES


class StandIns(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """The last finder to be asked. `used`: the modules that stood in."""

    stands_in = True

    def __init__(self) -> None:
        self.used: list[str] = []

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """A stand-in's spec, for a module that nobody else has found."""
        modules, packages = _offered(name)
        if name not in modules and name not in packages:
            return None
        spec = importlib.machinery.ModuleSpec(name, self, is_package=name in packages)
        if spec.submodule_search_locations is not None:
            spec.submodule_search_locations = []
        return spec

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> None:
        """The default."""

    def exec_module(self, module: types.ModuleType) -> None:
        """Fill it."""
        name = module.__name__
        modules, _ = _offered(name)
        if name in modules:
            vars(module).update(modules[name]())
            if name not in QUIET:
                self.used.append(name)
        module.__getattr__ = _not_here(name)  # type: ignore[method-assign]


def _not_here(module: str) -> Callable[[str], Any]:
    def get(name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)

        class NotHere:
            """Can be imported, and inherited from, and not used."""

            def __init__(self, *_: Any, **__: Any) -> None:
                raise ModuleNotFoundError(f"it needs {module}.{name}, and {module.partition('.')[0]} is not installed")

        return NotHere

    return get


def install(ours: Path) -> StandIns:
    """Let absent imports find stand-ins. `ours`: the folder of this project's networks."""
    package = types.ModuleType(SCAN_PACKAGE)
    package.__path__ = [str(ours)]
    sys.modules[SCAN_PACKAGE] = package
    finder = StandIns()
    sys.meta_path.append(finder)
    return finder
