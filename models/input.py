"""What a network takes in and gives out, in terms of 8-bit RGB images.

RGB networks take the LR image scaled to their range. Luma networks (spec.color "y") take Y of MATLAB's rgb2ycbcr kept
as float (ITU-R BT.601, 16..235, divided by 255 for range 1), as their authors do; Cb and Cr are enlarged by MATLAB's
bicubic, and the three go back to 8-bit RGB. `enlarged` networks take the bicubic enlargement of the float image,
nothing rounded on the way.

The classic protocol scores Y of the 8-bit RGB image. Against scoring a luma network's own float output, the way through
RGB rounds (a loss) and clips colours that do not exist (a gain): Set5 changes by less than 0.001 dB for VDSR, LapSRN
and IDN, by +0.007 dB for DRRN and by +0.009 dB for FSRCNN.
"""

import torch
from torch import Tensor

from models.classic.bicubic import resize_matrix
from models.spec import ModelSpec

# Rows: Y, Cb, Cr of R, G, B in 0..255, as MATLAB's rgb2ycbcr before it rounds.
TO_YCBCR = torch.tensor(
    [[65.481, 128.553, 24.966], [-37.797, -74.203, 112.0], [112.0, -93.786, -18.214]], dtype=torch.float64
).div(255)
OFFSET = torch.tensor([16.0, 128.0, 128.0], dtype=torch.float64)


def input_shape(spec: ModelSpec, height: int, width: int) -> tuple[int, int, int, int]:
    """Shape of the network's own input for one LR image of height x width."""
    factor = spec.scale if spec.enlarged else 1
    return 1, 1 if spec.color == "y" else 3, factor * height, factor * width


def output_shape(spec: ModelSpec, height: int, width: int) -> tuple[int, int, int, int]:
    """Shape of the network's own output for one LR image of height x width."""
    return 1, 1 if spec.color == "y" else 3, spec.scale * height, spec.scale * width


def to_input(image: Tensor, spec: ModelSpec) -> Tensor:
    """(h, w, 3) uint8 RGB -> the network's float32 input, of `input_shape`."""
    x = image.permute(2, 0, 1).float()
    if spec.color == "y":
        x = _to_ycbcr(x)[:1]
    if spec.enlarged:
        x = _enlarge(x.double(), spec.scale)
    return (x * (spec.data_range / 255)).float()[None]


def to_image(output: Tensor, image: Tensor, spec: ModelSpec) -> Tensor:
    """The network's output for the LR `image`, (h, w, 3) uint8 -> (scale h, scale w, 3) uint8 RGB.

    `output` has `output_shape` and may be in any precision and on any device.
    """
    y = output[0].cpu().float() / (spec.data_range / 255)
    if spec.color == "y":
        chroma = _enlarge(_to_ycbcr(image.permute(2, 0, 1))[1:], spec.scale)
        y = _to_rgb(torch.cat([y.double(), chroma]))
    return y.clamp(0, 255).round().permute(1, 2, 0).to(torch.uint8)


def training_pair(lr: Tensor, hr: Tensor, spec: ModelSpec) -> tuple[Tensor, Tensor]:
    """RGB batches in [0, 1] of LR and HR patches -> what the network takes in and should give out, white at 1.

    Where the network's input is enlarged, that is done patch by patch; only the two LR pixels around a patch's border
    differ from a patch of the enlarged image.
    """
    return batch_input(lr, spec), _luma(hr) if spec.color == "y" else hr


def batch_input(lr: Tensor, spec: ModelSpec) -> Tensor:
    """An RGB batch in [0, 1], (b, 3, h, w) -> what the network takes in, white at 1; gradients pass through."""
    if spec.color == "y":
        lr = _luma(lr)
    if spec.enlarged:
        rows, columns = (resize_matrix(n, spec.scale, lr.device).to(lr.dtype) for n in lr.shape[2:])
        lr = rows @ lr @ columns.T
    return lr


def _luma(x: Tensor) -> Tensor:
    """(b, 3, h, w) RGB in [0, 1] -> (b, 1, h, w), limited-range Y divided by 255."""
    weights = TO_YCBCR[0].to(x.device, x.dtype)
    return torch.einsum("j,bjhw->bhw", weights, x)[:, None] + OFFSET[0].item() / 255


def _to_ycbcr(rgb: Tensor) -> Tensor:
    """(3, h, w) in 0..255 -> float64 (3, h, w)."""
    return torch.einsum("ij,jhw->ihw", TO_YCBCR, rgb.double()) + OFFSET[:, None, None]


def _to_rgb(ycbcr: Tensor) -> Tensor:
    """The inverse of `_to_ycbcr`."""
    return torch.einsum("ij,jhw->ihw", torch.linalg.inv(TO_YCBCR), ycbcr - OFFSET[:, None, None])


def _enlarge(x: Tensor, scale: int) -> Tensor:
    """MATLAB's bicubic `imresize` of a float64 image, (c, h, w) -> (c, scale h, scale w)."""
    rows, columns = (resize_matrix(n, scale) for n in x.shape[1:])
    return rows @ x @ columns.T
