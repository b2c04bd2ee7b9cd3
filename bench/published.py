"""Counts as the NTIRE scripts and the DVMSR paper print them, reproduced to the digit.

FLOPs are fvcore's: one fused multiply-add is one FLOP, LayerNorm is 5 an element, batch normalisation 2, bilinear
resizing 4 an output element, pooling to one pixel 1 an element, and everything else (activation functions, softmax, the
scan) is free. The authors' Mamba mixer ran as one fused operator that fvcore cannot see into, so only its in_proj was
counted; the same is hidden here, by module, however the mixer is built today. Where only the scan was such an operator
(PFVM, MambaIRv2), nothing else is hidden. Activations are the output elements of Conv2d and ConvTranspose2d modules.
"""

import copy
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from fvcore.nn import FlopCountAnalysis
from torch import Tensor, nn

from bench.dispatch import OperatorMode
from bench.op_rules import MAC_RULES, Count, aten
from models.dvmsr import Mamba
from models.scan.mixer import separate_steps
from models.scan.register import operator

# fvcore itself is run at this size in every count, to check that its rules are applied as it applies them.
CHECK_SIZE = (32, 48)
Shape = tuple[int, int, int, int]  # of a network's input: 1, channels, height, width


def meta_input(shape: Shape) -> Tensor:
    """An input without data."""
    return torch.empty(shape, device="meta")


@operator("esr::opaque")
def _opaque(x: Tensor, channels: int) -> Tensor:
    """Stands for a fused operator that fvcore cannot see into; only its shape matters."""
    return x.new_zeros(x.shape[0], x.shape[1], channels)


@torch.library.register_fake("esr::opaque")
def _(x: Tensor, channels: int) -> Tensor:
    return x.new_empty(x.shape[0], x.shape[1], channels)


class _PublishedMamba(nn.Module):
    """A Mamba mixer as the authors' counter saw it: in_proj, then a fused operator that ends before or after out_proj.

    mamba-ssm's one-directional `mamba_inner_fn` contains out_proj; Vision Mamba's bidirectional path is
    `mamba_inner_fn_no_out_proj` twice and then a visible out_proj. Hence Table 6's 23.9429 G against 20.1680 G.
    """

    def __init__(self, mixer: Mamba) -> None:
        super().__init__()
        self.mixer = mixer

    def forward(self, x: Tensor) -> Tensor:
        # By weight and not by calling the modules, as mamba-ssm does; thop, which hooks calls, sees nothing of it.
        hidden = F.linear(x, self.mixer.in_proj.weight)
        if not self.mixer.bidirectional:
            return _opaque(hidden, self.mixer.in_proj.in_features)
        return F.linear(_opaque(hidden, self.mixer.inner), self.mixer.out_proj.weight)


# Modules that were fused when their figures were published -> what fvcore saw of them.
PUBLISHED_FORMS: dict[type[nn.Module], Callable[[Any], nn.Module]] = {Mamba: _PublishedMamba}


def as_published(model: nn.Module) -> nn.Module:
    """A network with the modules of PUBLISHED_FORMS replaced by what fvcore saw; shares its parameters."""
    clone = copy.copy(model)
    clone._modules = dict(model._modules)
    for name, child in model._modules.items():
        if child is not None:
            form = PUBLISHED_FORMS.get(type(child))
            clone._modules[name] = form(child) if form else as_published(child)
    return clone


def _pooling_to_one(args: Sequence[Any], out: Tensor) -> int:
    # adaptive_avg_pool2d to 1x1, which fvcore counts, arrives here as a mean over these axes; other means are free. A
    # mean that only looks like it makes the two counts of `_fvcore_count` differ, and fvcore itself decides.
    return int(args[0].numel()) if len(args) > 1 and list(args[1] or ()) == [-1, -2] else 0


def _batch_norm(args: Sequence[Any], out: Tensor) -> int:
    return int(args[0].numel() * (1 if args[1] is None else 2))


FVCORE_RULES: dict[Any, Count] = {
    **MAC_RULES,
    aten.native_batch_norm: _batch_norm,
    aten._native_batch_norm_legit_no_training: _batch_norm,
    aten.native_layer_norm: lambda args, out: int(5 * args[0].numel()),
    aten.upsample_bilinear2d: lambda args, out: 4 * out.numel(),
    aten.mean: _pooling_to_one,
}


def fvcore_flops(model: nn.Module, meta: nn.Module, shape: Shape) -> tuple[int, int]:
    """fvcore's total for `model` as published, and as it is built here with nothing hidden.

    Args:
        model: the network with its weights, on any device.
        meta: the same on the meta device.
        shape: of its input.
    """
    unfused = _fvcore_count(model, meta, shape)
    if not any(type(m) in PUBLISHED_FORMS for m in model.modules()):
        return unfused, unfused
    return _fvcore_count(as_published(model), as_published(meta), shape), unfused


def _fvcore_count(model: nn.Module, meta: nn.Module, shape: Shape) -> int:
    """fvcore's total, in milliseconds.

    fvcore's tracer does not run on the meta device, so its rules are applied there by `_FvcoreRules`, and the two are
    compared at CHECK_SIZE. For a network where they differ (fvcore misses operators that hide from its tracer), fvcore
    itself is run at full size.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # for so little work, waking other threads takes longer than the work
    try:
        small = (*shape[:2], *CHECK_SIZE)
        agree = _apply_rules(meta, small) == fvcore_total(model, *CHECK_SIZE, channels=shape[1])
    finally:
        torch.set_num_threads(threads)
    return _apply_rules(meta, shape) if agree else fvcore_total(model, shape[2], shape[3], channels=shape[1])


def _apply_rules(meta: nn.Module, shape: Shape) -> int:
    with torch.no_grad(), _FvcoreRules() as rules:
        meta(meta_input(shape))
    return rules.total


class _FvcoreRules(OperatorMode):
    """fvcore's rules, applied to what runs on the meta device, where fvcore itself cannot run."""

    total = 0

    def __torch_dispatch__(
        self, func: Any, types: Iterable[type], args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        rule = FVCORE_RULES.get(func.overloadpacket)
        if rule:
            self.total += rule(args, out[0] if isinstance(out, tuple) else out)
        return out


@separate_steps()
def fvcore_total(model: nn.Module, height: int, width: int, channels: int = 3) -> int:
    """fvcore's own count of one real forward pass, exactly as the challenge scripts call it, in eval mode."""
    reference = next(model.parameters(), torch.empty(0))
    analysis = FlopCountAnalysis(model, torch.rand(1, channels, height, width, device=reference.device))
    analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracer warns of every size it turns into a constant
        return int(analysis.total())


def conv2d_activations(meta: nn.Module, shape: Shape) -> tuple[int, int]:
    """Output elements, and number of calls, of Conv2d and ConvTranspose2d modules, as the challenge script's hooks."""
    outputs: list[int] = []

    def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        outputs.append(output.numel())

    handles = [m.register_forward_hook(hook) for m in meta.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
    with torch.no_grad():
        meta(meta_input(shape))
    for handle in handles:
        handle.remove()
    return sum(outputs), len(outputs)


def thop_count(meta: nn.Module, shape: Shape) -> tuple[int | None, int | None]:
    """thop's "MACs" and "parameters", for their known errors: it sees leaf modules only, so bare parameters (A, D) and
    functional products are not in them. It leaves buffers behind, hence the copy."""
    clone = as_published(copy.deepcopy(meta))
    try:
        import thop  # here, since it needs distutils, which newer Pythons have only with setuptools

        macs, parameters = thop.profile(clone, inputs=(meta_input(shape),), verbose=False)
    except Exception:  # thop fails in many ways on modules that it does not know; it is reported only for comparison
        return None, None
    return int(macs), int(parameters)
