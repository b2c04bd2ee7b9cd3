"""Inputs of a selective scan: random ones of the size of a trained network's, and those of a network's own layers."""

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from bench.counts.dispatch import OperatorMode
from bench.data.datasets import find_dataset
from models import create_model, get_spec
from models.errors import EsrError
from models.scan import operator  # noqa: F401  # registers torch.ops.esr
from models.weights import find_weights

Inputs = dict[str, Tensor]
SEQUENCES = ("u", "delta", "B", "C", "z")  # (b, d or n, L); the others have no L and stay float32
ARGUMENTS = ("u", "delta", "A", "B", "C", "D", "z", "delta_bias")


def random_inputs(
    batch: int, length: int, channels: int, state: int, dtype: torch.dtype, device: torch.device
) -> Inputs:
    """Every argument, the same values on every machine; the sequences are views of channels-last memory.

    A is -1 to -n and delta_bias stands for steps of 0.001 to 0.1, as Mamba's training starts.
    """
    g = torch.Generator().manual_seed(0)

    def sequence(count: int) -> Tensor:
        return torch.randn(batch, length, count, generator=g).to(device, dtype).transpose(1, 2)

    low, high = (torch.tensor(step).expm1().log() for step in (1e-3, 1e-1))  # the inverse of softplus
    return {
        "u": sequence(channels),
        "delta": sequence(channels),
        "A": -torch.arange(1, state + 1, dtype=torch.float32, device=device).repeat(channels, 1),
        "B": sequence(state),
        "C": sequence(state),
        "D": torch.ones(channels, device=device),
        "z": sequence(channels),
        "delta_bias": torch.empty(channels).uniform_(float(low), float(high), generator=g).to(device),
    }


def lay_out(x: Inputs, channels_last: bool, multiple: int = 1) -> Inputs:
    """The inputs as a backend likes them: channels-last or not, L filled up with zeros to a multiple."""
    missing = -x["u"].shape[-1] % multiple
    result = dict(x)
    for name in SEQUENCES:
        v = F.pad(x[name], (0, missing)) if missing else x[name]
        result[name] = v.transpose(1, 2).contiguous().transpose(1, 2) if channels_last else v.contiguous()
    return result


def convert(x: Inputs, dtype: torch.dtype) -> Inputs:
    """The sequences in `dtype`; everything in float64 if that is it."""
    return {name: v.to(dtype) if name in SEQUENCES or dtype == torch.float64 else v for name, v in x.items()}


class _Listener(OperatorMode):
    """Keeps the inputs of every selective scan that runs inside it."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[Inputs] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.esr.selective_scan.default:
            self.heard.append({name: v.detach() for name, v in zip(ARGUMENTS, args, strict=False)})
        return func(*args, **(kwargs or {}))


def layer_inputs(model: str, length: int, data_dir: Path | None) -> list[Inputs]:
    """What the layers of a trained network hand to their scans for the middle of a photograph; about `length` tokens.

    Raises EsrError where its weights are not at hand; nothing is downloaded for this.
    """
    published = get_spec(model).weights
    if published is None:
        raise EsrError(f"no weights of {model} were published")
    weights = find_weights(published, data_dir, allow_download=False)
    network = create_model(model, pretrained=weights, scan_backend="chunked")
    lr = find_dataset("photos", None).pairs[0].load().lr  # ships with scikit-image, so it is the same everywhere
    side = min(int(length**0.5), *lr.shape[:2])
    top, left = ((extent - side) // 2 for extent in lr.shape[:2])
    image = torch.tensor(lr[top : top + side, left : left + side]).permute(2, 0, 1)[None] / 255
    with torch.no_grad(), _Listener() as listener:
        network(image)
    return listener.heard
