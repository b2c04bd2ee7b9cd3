"""Bytes a network keeps from its forward pass for its backward pass."""

from collections.abc import Callable

import torch
from torch import Tensor

PROBE = 32  # pixels a side of the image that is tried: what is kept grows with the area


def saved_bytes_per_pixel(network: Callable[[Tensor], Tensor], image: Tensor) -> float:
    """By running a piece of `image`, (3, h, w), and adding up what autograd keeps, each storage once.

    A backward pass needs a little more than this while it runs: its own gradients, freed one after another.
    """
    piece = image[None, :, :PROBE, :PROBE].clone().requires_grad_()
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        output = network(piece)  # held until all is counted, so that no address is used twice
    assert output.shape[0] == 1
    return sum(kept.values()) / (piece.shape[2] * piece.shape[3])
