"""MATLAB's bicubic `imresize` for 8-bit images, bit for bit: it makes LR images where a data set has none."""

import numpy as np
import torch
from numpy.typing import NDArray

from models.classic.bicubic import resize_matrix, round_to_uint8


def imresize(image: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    """Resize (h, w, c) uint8 by `scale` (1/4 shrinks to a quarter), rows first, rounded after each axis.

    Reproduces the published Set5 LR images. Raises ValueError for another dtype or shape.
    """
    if image.dtype != np.uint8 or image.ndim != 3:
        raise ValueError(f"imresize takes an (h, w, c) uint8 image, not {image.shape} {image.dtype}")
    x = torch.from_numpy(image.astype(np.float64)).permute(2, 0, 1)  # (c, h, w)
    tall = round_to_uint8(resize_matrix(image.shape[0], scale) @ x)
    small = round_to_uint8(tall @ resize_matrix(image.shape[1], scale).T)
    return small.permute(1, 2, 0).to(torch.uint8).numpy()
