"""Builds what a configuration names: networks with their weights, as training needs them."""

import fnmatch
import functools
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from models import create_model, get_spec
from models.errors import EsrError
from train.config import Config, Network
from train.objective import Objective


def build_network(network: Network, what: str) -> nn.Module:
    """A network on the CPU, in eval mode. Raises EsrError that names the setting `what`."""
    pretrained = {"random": False, "published": True}.get(network.weights, network.weights)
    try:
        return create_model(network.name, pretrained=pretrained, **network.options)
    except EsrError as error:
        raise EsrError(f"{what}: {error}") from None


def build_objective(config: Config, example: Tensor, teacher: nn.Module | None = None) -> Objective:
    """The network to train, its teacher and its losses.

    Args:
        example: a small LR batch in [0, 1], which shows whether student and teacher fit each other.
        teacher: built already, in place of the one that `config` names.
    """
    torch.manual_seed(config.seed)
    model = build_network(config.model, "model")
    if not any(True for _ in model.parameters()):
        raise EsrError(f"model: {config.model.name} has no parameters; there is nothing to train")
    if config.teacher and teacher is None:
        if config.teacher.weights == "random":
            raise EsrError("teacher.weights is random, and an untrained network has nothing to teach; name its file")
        teacher = build_network(config.teacher, "teacher")
    spec = get_spec(config.model.name)
    other = get_spec(config.teacher.name) if config.teacher else spec
    if (other.color, other.enlarged) != (spec.color, spec.enlarged):
        raise EsrError(
            f"teacher: {config.teacher and config.teacher.name} takes in other images than {config.model.name}"
        )
    objective = Objective(
        model,
        config.loss,
        spec.data_range,
        teacher,
        other.data_range,
        config.distillation,
        example,
        spec,
    )
    recompute(model, config.recompute)
    return objective


def recompute(model: nn.Module, patterns: list[str]) -> None:
    """Let the modules whose names match keep no activations: they run once more in the backward pass.

    Chen et al., Training Deep Nets with Sublinear Memory Cost, 2016. Raises EsrError for a pattern that matches none.
    """
    modules = [(name, module) for name, module in model.named_modules() if name]
    for pattern in patterns:
        matching = [module for name, module in modules if fnmatch.fnmatchcase(name, pattern)]
        if not matching:
            top = ", ".join(sorted({name.split(".")[0] for name, _ in modules}))
            raise EsrError(f"recompute: no module is called {pattern!r}; the outermost are {top}")
        for module in matching:
            module.forward = functools.partial(_recomputed, module, module.forward)  # type: ignore[method-assign]


def _recomputed(module: nn.Module, forward: Any, *args: Any, **kwargs: Any) -> Any:
    if not (module.training and torch.is_grad_enabled()):
        return forward(*args, **kwargs)
    return checkpoint(forward, *args, use_reentrant=False, **kwargs)


def count_parameters(model: nn.Module | None) -> int | None:
    """All of them; None for no network."""
    return None if model is None else sum(p.numel() for p in model.parameters())
