"""FSRCNN: Accelerating the Super-Resolution Convolutional Neural Network (Dong, Loy and Tang, ECCV 2016).

FSRCNN(d, s, m), section 3.2: features, shrinking, m mappings and expanding at LR size, then one deconvolution.
Parameter names are those of yjn870's re-implementation, whose weights are the public ones. b, H, W: batch, LR height
and width.
"""

from torch import Tensor, nn


class FSRCNN(nn.Module):
    """The whole network. Luma in [0, 1]: (b, 1, H, W) -> (b, 1, scale H, scale W).

    Args:
        features: d, width of the features.
        shrunk: s, width inside the mappings.
        mappings: m, number of 3x3 mapping layers.
        scale: HR size / LR size.
    """

    def __init__(self, *, features: int = 56, shrunk: int = 12, mappings: int = 4, scale: int = 4) -> None:
        super().__init__()
        d, s = features, shrunk
        self.first_part = nn.Sequential(nn.Conv2d(1, d, 5, padding=2), nn.PReLU(d))
        layers: list[nn.Module] = [nn.Conv2d(d, s, 1), nn.PReLU(s)]
        for _ in range(mappings):
            layers += [nn.Conv2d(s, s, 3, padding=1), nn.PReLU(s)]
        self.mid_part = nn.Sequential(*layers, nn.Conv2d(s, d, 1), nn.PReLU(d))
        self.last_part = nn.ConvTranspose2d(d, 1, 9, stride=scale, padding=4, output_padding=scale - 1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.last_part(self.mid_part(self.first_part(x)))  # (b, d, H, W) -> (b, 1, scale H, scale W)
        return out
