"""A network of the user's own in this very process, for what needs its gradients: training and attribution."""

import copy
import sys
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from bench.core.record import Settings
from bench.networks.external.code import own_code
from bench.networks.external.examine import Examined, check_output
from bench.networks.external.load import OPEN, Loaded, describe
from bench.networks.external.opened import Opened, in_words
from bench.networks.external.own import CODE, OwnNetwork
from bench.networks.external.padding import Padded, pad
from bench.networks.external.python_file import open_for_training
from models.errors import EsrError
from models.spec import ModelSpec

TRIED = 16  # pixels a side of the image that it is tried on
WITHOUT_GRADIENTS = ("ONNX file",)


class Here(Loaded):
    """What was opened, and what a registry would say of it."""

    def whole(self, network: nn.Module) -> nn.Module:
        """`network`, this one or one like it, as one that takes images of every size."""
        multiple = self.source.size_multiple
        return Padded(network, multiple, self.spec.scale) if multiple > 1 else network

    @property
    def examined(self) -> Examined:
        """As a worker would answer, without counts."""
        return Examined(self.title, self.source, self.opened.weights, None, fixed=self.opened.fixed is not None)


def open_here(own: OwnNetwork, options: dict[str, Any], trained: bool = False) -> Here:
    """Open it on the CPU and try it once.

    Args:
        trained: it is going to be trained, so that it keeps what it merges for evaluation; Python code only.

    Raises EsrError, one line, for a network that cannot be opened, has no gradients, or returns no enlarged image.
    """
    if trained and own.kind not in CODE:
        raise EsrError(f"{own.safe_label} is a {own.kind}; training needs its code, as net.py:Class")
    if own.kind in WITHOUT_GRADIENTS:
        raise EsrError(f"{own.safe_label} is an {own.kind}, through which no gradient flows; name its code or weights")
    before = set(sys.modules)
    settings, cpu = Settings("cpu", "", TRIED, TRIED), torch.device("cpu")
    opened = open_for_training(own, options) if trained else OPEN[own.kind](own, options, settings, cpu)
    found = describe(own, opened)
    _try(opened, found.spec, found.source.size_multiple)
    checksum, files = own_code(opened.path, own.kind, before)
    return Here(opened, found.spec, replace(found.source, code_sha256=checksum, code_files=files), found.title)


def _try(opened: Opened, spec: ModelSpec, multiple: int) -> None:
    network = copy.deepcopy(opened.network).eval()  # what a pass changes is not kept
    side = opened.fixed or (TRIED, TRIED)
    x = pad(torch.rand(1, 3, *side) * spec.data_range, multiple)
    try:
        with torch.no_grad():
            check_output(network(x), x, spec.scale)
    except EsrError:
        raise
    except Exception as error:  # it is foreign code and may raise anything
        raise EsrError(f"it cannot run on {tuple(x.shape)}: {in_words(error, opened.path)}") from None
