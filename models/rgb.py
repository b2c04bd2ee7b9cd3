"""Any network of the registry as one that takes and returns RGB in [0, 1], whatever it is itself."""

import torch
from torch import Tensor, nn

from models.classic.bicubic import resize_matrix
from models.input import OFFSET, TO_YCBCR, batch_input
from models.spec import ModelSpec


class RGBNetwork(nn.Module):
    """(b, 3, h, w) RGB in [0, 1] -> (b, 3, scale h, scale w) RGB in [0, 1], by the rules of `models.input`.

    A luma network sees Y alone; Cb and Cr are enlarged by MATLAB's bicubic. Values outside the range are cut off, and
    nothing is rounded. Gradients pass through.

    Args:
        network: as its authors wrote it.
        spec: what it takes in and gives out.
    """

    def __init__(self, network: nn.Module, spec: ModelSpec) -> None:
        super().__init__()
        self.network, self.spec = network, spec

    def forward(self, x: Tensor) -> Tensor:
        """See the class. Raises ValueError for anything but a batch of RGB images."""
        if x.dim() != 4 or x.shape[1] != 3:
            raise ValueError(f"the network takes (b, 3, h, w) RGB in [0, 1], not {tuple(x.shape)}")
        y: Tensor = self.network(batch_input(x, self.spec) * self.spec.data_range) / self.spec.data_range
        if self.spec.color == "y":
            y = self._with_colours(y, x)
        return y.clamp(0, 1)

    def _with_colours(self, luma: Tensor, x: Tensor) -> Tensor:
        """The enlarged luma, limited-range and divided by 255, with the colours of the small image; in float64."""
        to_ycbcr, offset = TO_YCBCR.to(x.device), OFFSET.to(x.device)[:, None, None] / 255
        small = torch.einsum("ij,bjhw->bihw", to_ycbcr[1:], x.double())
        rows, columns = (resize_matrix(n, self.spec.scale, x.device) for n in x.shape[2:])
        ycbcr = torch.cat([luma.double() - offset[:1], rows @ small @ columns.T], dim=1)
        return torch.einsum("ij,bjhw->bihw", torch.linalg.inv(to_ycbcr), ycbcr).to(luma.dtype)
