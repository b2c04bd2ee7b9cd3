"""Builds what a configuration names: networks with their weights, as training needs them."""

import fnmatch
import functools
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from bench.core.record import Source
from bench.networks.choice import parse_choice
from bench.networks.external.here import Here, open_here
from bench.networks.external.own import OwnNetwork, check_sayings
from models import create_model, get_spec
from models.errors import EsrError
from models.spec import ModelSpec
from train.config import Config, Network
from train.objective import Objective


@dataclass(frozen=True)
class Built:
    """A network on the CPU.

    Attributes:
        spec: what it takes in and gives out.
        own: what more is known of one of the user's own.
    """

    network: nn.Module
    spec: ModelSpec
    own: Here | None = None

    @property
    def source(self) -> Source | None:
        """Its code, where it is the user's own."""
        return self.own.source if self.own else None

    def whole(self, network: nn.Module) -> nn.Module:
        """`network`, in training or averaged, as one that takes images of every size."""
        return self.own.whole(network) if self.own else network


def build_network(network: Network, what: str, trained: bool = False) -> Built:
    """A network of the registry, or the user's own (`net.py:Class`). Raises EsrError that names the setting `what`.

    Args:
        trained: it is going to be trained, so that one of the user's own keeps what it merges for evaluation.
    """
    try:
        choice = parse_choice(network.name)
        if choice.own is None:
            pretrained = {"random": False, "published": True}.get(network.weights, network.weights)
            built = create_model(network.name, pretrained=pretrained, **network.options)
            return Built(built, get_spec(network.name))
        return _own(choice.own, {**choice.options, **network.options}, network.weights, trained)
    except EsrError as error:
        raise EsrError(f"{what}: {error}") from None


def _own(own: OwnNetwork, options: dict[str, Any], weights: str, trained: bool) -> Built:
    if weights == "published":
        raise EsrError(f"nothing was published of {own.safe_label}; name its weights file")
    if weights != "random":
        own = replace(own, **check_sayings("weights", {"weights": weights}))
    here = open_here(own, options, trained)
    return Built(here.opened.network, here.spec, here)


def build_objective(config: Config, model: Built, example: Tensor, teacher: Built | None = None) -> Objective:
    """The network to train, its teacher and its losses.

    Args:
        example: a small LR batch in [0, 1], which shows whether student and teacher fit each other.
        teacher: built already, in place of the one that `config` names.
    """
    if not any(True for _ in model.network.parameters()):
        raise EsrError(f"model: {config.model.name} has no parameters; there is nothing to train")
    if config.teacher and teacher is None:
        if config.teacher.weights == "random":
            raise EsrError("teacher.weights is random, and an untrained network has nothing to teach; name its file")
        teacher = build_network(config.teacher, "teacher")
    spec, other = model.spec, teacher.spec if teacher else model.spec
    if (other.color, other.enlarged) != (spec.color, spec.enlarged):
        raise EsrError(
            f"teacher: {config.teacher and config.teacher.name} takes in other images than {config.model.name}"
        )
    objective = Objective(
        model.network,
        config.loss,
        spec.data_range,
        teacher.network if teacher else None,
        other.data_range,
        config.distillation,
        example,
        spec,
    )
    recompute(model.network, config.recompute)
    return objective


def student(config: Config) -> Built:
    """The network to train, its first weights settled by the seed."""
    torch.manual_seed(config.seed)
    return build_network(config.model, "model", trained=True)


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
