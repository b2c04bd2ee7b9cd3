"""Padding of a network's input to sides that it can take, and cropping of its output."""

from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn


class Padded(nn.Module):
    """A network whose input is padded at the right and the bottom; both are part of its pass.

    Args:
        multiple: sides become the next multiple of it.
        scale: output size / input size.
    """

    def __init__(self, network: nn.Module, multiple: int, scale: int) -> None:
        super().__init__()
        self.network, self.multiple, self.scale = network, multiple, scale

    def forward(self, x: Tensor) -> Any:
        """(b, c, h, w) -> (b, c, scale h, scale w). An output of another size is returned whole, for the check."""
        height, width = x.shape[-2:]
        padded = pad(x, self.multiple)
        y = self.network(padded)
        expected = [self.scale * side for side in padded.shape[-2:]]
        if not isinstance(y, Tensor) or list(y.shape[-2:]) != expected:
            return y
        return y[..., : self.scale * height, : self.scale * width]


def pad(x: Tensor, multiple: int) -> Tensor:
    """Reflect at the right and the bottom; repeat the border where the image is too small to be reflected."""
    height, width = x.shape[-2:]
    bottom, right = -height % multiple, -width % multiple
    if not (bottom or right):
        return x
    return F.pad(x, (0, right, 0, bottom), mode="reflect" if bottom < height and right < width else "replicate")
