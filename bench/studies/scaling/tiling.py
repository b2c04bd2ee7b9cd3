"""Run a network tile by tile, each with some of its surroundings, where the whole image is too large for it.

A tile's output is cropped to the part that is its own, so that nothing is blended and `overlap` is the context that
every pixel away from the image's border has on each side. What lies farther away is lost: the difference to the whole
image's output is what `bench/scaling.py` measures.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor


def spans(length: int, tile: int, overlap: int) -> Iterator[tuple[int, int, int, int]]:
    """Cut `length` pixels into tiles of at most `tile`, context included.

    Yields (from, to, own from, own to): what to read, and the part of it that is the tile's own; own parts touch and
    never overlap. Raises ValueError where the context leaves a tile nothing of its own.
    """
    own = tile - 2 * overlap
    if own < 1 or overlap < 0:
        raise ValueError(f"a tile of {tile} pixels has nothing left inside an overlap of {overlap} on each side")
    if length <= tile:
        yield 0, length, 0, length
        return
    start = 0
    while start < length:
        end = min(length, start + (tile - overlap if start == 0 else own))
        if length - end <= overlap:
            end = length
        yield max(0, start - overlap), min(length, end + overlap), start, end
        start = end


def run_tiled(network: Callable[[Tensor], Tensor], x: Tensor, tile: int, overlap: int) -> Tensor:
    """(1, c, h, w) -> what `network` makes of it, (1, c', s h, s w), tile by tile; s is found from the first tile."""
    out: Tensor | None = None
    for top, bottom, own_top, own_bottom in spans(x.shape[2], tile, overlap):
        for left, right, own_left, own_right in spans(x.shape[3], tile, overlap):
            y = network(x[:, :, top:bottom, left:right].contiguous())
            s = y.shape[2] // (bottom - top)
            if out is None:
                out = torch.empty(1, y.shape[1], s * x.shape[2], s * x.shape[3], dtype=y.dtype, device=y.device)
            out[:, :, s * own_top : s * own_bottom, s * own_left : s * own_right] = y[
                :, :, s * (own_top - top) : s * (own_bottom - top), s * (own_left - left) : s * (own_right - left)
            ]
    assert out is not None
    return out
