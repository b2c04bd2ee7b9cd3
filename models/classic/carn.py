"""CARN and CARN-M: Fast, Accurate, and Lightweight Super-Resolution with Cascading Residual Network (Ahn, Kang and
Sohn, ECCV 2018).

Residual blocks cascade into a cascading block, and these into the network: after each, all outputs so far are joined by
a 1x1 convolution (section 3.1). CARN-M groups the 3x3 convolutions and shares the residual block within
a cascading block (section 3.2). One network serves x2, x3 and x4; the published counts and weights hold the
upsamplers of all three. Parameter names are the release's. b, H, W: batch, LR height and width.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

RGB_MEAN = (0.4488, 0.4371, 0.4040)
WIDTH = 64


class MeanShift(nn.Module):
    """Adds `sign` times the mean colour of DIV2K; stored as a frozen 1x1 convolution in the release."""

    def __init__(self, sign: int) -> None:
        super().__init__()
        self.shifter = nn.Conv2d(3, 3, 1)
        self.shifter.weight.data = torch.eye(3).view(3, 3, 1, 1)
        self.shifter.bias = nn.Parameter(sign * torch.tensor(RGB_MEAN))
        self.shifter.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.shifter(x)
        return out


class Body(nn.Module):
    """Layers in sequence; a level of its own only because the release's names have one."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.body = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.body(x)
        return out


def _conv3(outputs: int, groups: int) -> nn.Conv2d:
    return nn.Conv2d(WIDTH, outputs, 3, padding=1, groups=groups)


class ResidualBlock(Body):
    """Residual block (section 3.1) or, grouped, residual-E block (section 3.2), with a ReLU after the addition."""

    def __init__(self, groups: int) -> None:
        layers = [_conv3(WIDTH, groups), nn.ReLU(), _conv3(WIDTH, groups)]
        super().__init__(*layers, *([nn.ReLU(), nn.Conv2d(WIDTH, WIDTH, 1)] if groups > 1 else []))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.body(x) + x)


def _joint(inputs: int) -> Body:
    """The 1x1 convolution that joins `inputs` outputs."""
    return Body(nn.Conv2d(WIDTH * inputs, WIDTH, 1), nn.ReLU())


class Cascade(nn.Module):
    """Three modules b1 to b3 (with `shared` only b1, three times), each followed by a joint c1 to c3."""

    def __init__(self, make: type[nn.Module], groups: int, shared: bool) -> None:
        super().__init__()
        for i in range(1, 2 if shared else 4):
            self.add_module(f"b{i}", make(groups))
        self.c1, self.c2, self.c3 = _joint(2), _joint(3), _joint(4)
        self.shared = shared

    def cascade(self, x: Tensor) -> Tensor:
        """(b, 64, H, W) -> (b, 64, H, W)."""
        joined = x
        for i in range(1, 4):
            block, joint = getattr(self, "b1" if self.shared else f"b{i}"), getattr(self, f"c{i}")
            joined = torch.cat([joined, block(x)], dim=1)  # (b, (i + 1) 64, H, W)
            x = joint(joined)
        return x


class CascadingBlock(Cascade):
    """Local cascade of residual blocks (section 3.1)."""

    def __init__(self, groups: int) -> None:
        super().__init__(ResidualBlock, groups, shared=groups > 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.cascade(x)


class CARN(Cascade):
    """The whole network. RGB in [0, 1]: (b, 3, H, W) -> (b, 3, scale H, scale W).

    Args:
        groups: 1 for CARN, 4 for CARN-M.
        scale: 2, 3 or 4; chooses the upsampler, the others stay idle.
    """

    def __init__(self, *, groups: int = 1, scale: int = 4) -> None:
        if scale not in (2, 3, 4):
            raise ValueError(f"scale is 2, 3 or 4, not {scale}")
        super().__init__(CascadingBlock, groups, shared=False)
        self.scale = scale
        self.sub_mean, self.add_mean = MeanShift(-1), MeanShift(1)
        self.entry = nn.Conv2d(3, WIDTH, 3, padding=1)
        steps = {2: [2], 3: [3], 4: [2, 2]}
        self.upsample = nn.ModuleDict({f"up{s}": Body(*_upsampler(steps[s], groups)) for s in steps})
        self.exit = nn.Conv2d(WIDTH, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        deep = self.cascade(self.entry(self.sub_mean(x)))  # (b, 64, H, W)
        out: Tensor = self.add_mean(self.exit(self.upsample[f"up{self.scale}"](deep)))
        return out


def _upsampler(factors: list[int], groups: int) -> list[nn.Module]:
    steps = [(_conv3(WIDTH * f**2, groups), nn.ReLU(), nn.PixelShuffle(f)) for f in factors]
    return [layer for step in steps for layer in step]
