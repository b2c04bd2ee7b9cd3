"""Builds what a configuration names: networks with their weights, as training needs them."""

import copy
import fnmatch
import functools
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from bench.core.record import Source
from bench.networks.choice import parse_choice
from bench.networks.external.code import own_code
from bench.networks.external.examine import check_output
from bench.networks.external.opened import Opened, in_words
from bench.networks.external.own import CODE, OwnNetwork, check_sayings
from bench.networks.external.padding import Padded, pad
from bench.networks.external.python_file import open_for_training, open_python
from models import create_model, get_spec
from models.cache import sha256_of
from models.errors import EsrError
from models.spec import ModelSpec
from train.config import Config, Network
from train.objective import Objective

TRIED = 16  # pixels a side of the image that a network of the user's own is tried on


@dataclass(frozen=True)
class Built:
    """A network on the CPU.

    Attributes:
        spec: what it takes in and gives out.
        multiple: of the sides of images that it can take.
        source: its code, where it is the user's own.
    """

    network: nn.Module
    spec: ModelSpec
    multiple: int = 1
    source: Source | None = None

    def whole(self, network: nn.Module) -> nn.Module:
        """`network`, in training or averaged, as one that takes images of every size."""
        return Padded(network, self.multiple, self.spec.scale) if self.multiple > 1 else network


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
    if own.kind not in CODE:
        raise EsrError(f"{own.safe_label} is a {own.kind}; training needs its code, as net.py:Class")
    if weights == "published":
        raise EsrError(f"nothing was published of {own.safe_label}; name its weights file")
    if weights != "random":
        own = replace(own, **check_sayings("weights", {"weights": weights}))
    opened = (open_for_training if trained else open_python)(own, options)
    spec = ModelSpec(lambda: opened.network, own.name, "", data_range=own.data_range or 1.0)
    multiple = own.size_multiple or 1
    _try(opened, spec, multiple)
    checksum, files = own_code(opened.path, own.kind)
    source = Source(
        kind=own.kind,
        file=opened.path.name,
        sha256=sha256_of(opened.path),
        network=own.name,
        module=own.target if own.kind == "Python module" else "",
        data_range=spec.data_range,
        size_multiple=multiple,
        code_sha256=checksum,
        code_files=files,
    )
    return Built(opened.network, spec, multiple, source)


def _try(opened: Opened, spec: ModelSpec, multiple: int) -> None:
    """Raise EsrError for a network that returns anything but an enlarged image; what a pass changes is not kept."""
    network = copy.deepcopy(opened.network).eval()
    x = pad(torch.rand(1, 3, TRIED, TRIED) * spec.data_range, multiple)
    try:
        with torch.no_grad():
            check_output(network(x), x, spec.scale)
    except EsrError:
        raise
    except Exception as error:  # it is foreign code and may raise anything
        raise EsrError(f"it cannot run on {tuple(x.shape)}: {in_words(error, opened.path)}") from None


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
