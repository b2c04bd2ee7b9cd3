"""DIPNet: Efficiency Distillation and Iterative Pruning for Image Super-Resolution (Yu et al., CVPRW 2023).

Training and pruning make it, not a new structure: once its reparameterised convolutions are merged, its RRFB
is RLFN's RLFB. Only the challenge network was released (44 channels, 38 inside, 4 blocks, no biases outside
the attention). The 543 K of the paper's Table for Set5 to Manga109 (and of the DVMSR paper's Table 1) is RLFN's own
size, 52 channels and 6 blocks with biases: 543,740; without biases it would be 542,340. Its weights were not published.
"""

from torch import nn

from models.rlfn import RLFN


class DIPNet(RLFN):
    """RLFN's structure in DIPNet's sizes. RGB in [0, 1]: (b, 3, H, W) -> (b, 3, scale H, scale W); any H and W.

    Args:
        channels: width between blocks.
        inner: width inside a block, which the pruning reduced; None for `channels`.
        blocks: number of RRFBs.
        bias: whether convolutions outside the attention have biases.
        scale: HR size / LR size.
    """

    def __init__(
        self, *, channels: int = 44, inner: int | None = 38, blocks: int = 4, bias: bool = False, scale: int = 4
    ) -> None:
        super().__init__(channels=channels, inner=inner, blocks=blocks, scale=scale)
        for name, module in self.named_modules():
            if isinstance(module, nn.Conv2d) and not bias and ".esa." not in name:
                module.register_parameter("bias", None)
