"""Stand-ins for imports that a submission needs and this environment lacks.

Honest ones only: small helpers written anew, this project's selective scan in the place of mamba-ssm's, and modules
that can be imported and fail when they are used. What is installed always wins; what stood in is in the record.

Runs in the submission's process, where `models` is the checkout's; the scan comes from a package called `esr_models`.
"""

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import itertools
import sys
import types
from collections.abc import Callable, Iterable, Sequence
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
    def forward(ctx: Any, run: Callable[..., Tensor], *tensors: Any) -> Tensor:
        return _outside_trace(lambda: run(*tensors))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        raise NotImplementedError("a stand-in for inference")


def _outside_trace(run: Callable[[], Tensor]) -> Tensor:
    """A pybind function: its result comes from nowhere, so that a tracer loses all that came before."""
    state = torch._C._get_tracing_state()
    torch._C._set_tracing_state(None)  # type: ignore[attr-defined]
    try:
        return run()
    finally:
        torch._C._set_tracing_state(state)  # type: ignore[attr-defined]


# ---- mamba-ssm ------------------------------------------------------------------------------------------------------


def _scan(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, *rest: Any) -> Tensor:
    """(b, g d, L) with B, C (b, n, L) or, for each of g groups, (b, g, n, L)."""
    scan = importlib.import_module(f"{SCAN_PACKAGE}.scan").selective_scan
    D, z, bias, softplus = rest
    groups = B.shape[1] if B.dim() == 4 else 1
    size = u.shape[1] // groups
    parts = []
    for g in range(groups):
        rows = slice(g * size, (g + 1) * size)
        of = [None if t is None else t[rows] for t in (D, bias)]
        gate = None if z is None else z[:, rows]
        b, c = (t[:, g] if t.dim() == 4 else t for t in (B, C))
        ours = scan(u[:, rows], delta[:, rows], A[rows].float(), b, c, of[0], gate, of[1], softplus)
        parts.append(ours)
    return torch.cat(parts, dim=1) if groups > 1 else parts[0]


def selective_scan_fn(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None = None,
    z: Tensor | None = None,
    delta_bias: Tensor | None = None,
    delta_softplus: bool = False,
    return_last_state: bool = False,
) -> Tensor:
    """As in mamba-ssm, which implements it as an autograd Function."""
    if return_last_state:
        raise NotImplementedError("the stand-in for mamba-ssm returns no last state")
    out: Tensor = _OneNode.apply(_scan, u, delta, A, B, C, D, z, delta_bias, delta_softplus)
    return out


def _mamba() -> type[nn.Module]:
    ours: Any = importlib.import_module(f"{SCAN_PACKAGE}.mamba").Mamba

    class Mamba(ours):  # type: ignore[misc]
        """mamba-ssm's module: in_proj, and one fused operator for all that follows."""

        def __init__(self, d_model: int, d_state: int = 16, d_conv: int = 4, expand: int = 2, **settings: Any) -> None:
            expected = {"dt_rank": "auto", "bias": False, "conv_bias": True, "bimamba_type": "none", "bimamba": False}
            for name, value in expected.items():
                if settings.get(name, value) != value:
                    raise NotImplementedError(f"the stand-in for mamba-ssm's Mamba has no {name}={settings[name]}")
            super().__init__(d_model, d_state, d_conv, expand)

        def forward(self, x: Tensor, inference_params: Any = None) -> Tensor:
            x, z = F.linear(x, self.in_proj.weight).transpose(1, 2).chunk(2, dim=1)

            def rest(x: Tensor, z: Tensor) -> Tensor:
                out: Tensor = self.out_proj(self._direction(x, z, "").transpose(1, 2))
                return out

            out: Tensor = _OneNode.apply(rest, x, z)
            return out

    return Mamba


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
    "mamba_ssm": lambda: {"Mamba": _mamba()},
    "mamba_ssm.modules.mamba_simple": lambda: {"Mamba": _mamba()},
    "mamba_ssm.ops.selective_scan_interface": lambda: {
        "selective_scan_fn": selective_scan_fn,
        "selective_scan_ref": selective_scan_fn,
    },
    "mamba_ssm.ops.triton.layernorm": dict,
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


class StandIns(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """The last finder to be asked. `used`: the modules that stood in."""

    def __init__(self) -> None:
        self.used: list[str] = []

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """A stand-in's spec, for a module that nobody else has found."""
        if name not in MODULES and name not in _PACKAGES:
            return None
        spec = importlib.machinery.ModuleSpec(name, self, is_package=name in _PACKAGES)
        if spec.submodule_search_locations is not None:
            spec.submodule_search_locations = []
        return spec

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> None:
        """The default."""

    def exec_module(self, module: types.ModuleType) -> None:
        """Fill it."""
        name = module.__name__
        if name in MODULES:
            vars(module).update(MODULES[name]())
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
