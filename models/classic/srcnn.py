"""SRCNN: Image Super-Resolution Using Deep Convolutional Networks (Dong et al., ECCV 2014 and TPAMI 2016).

Three convolutions on the enlarged luma: patch extraction, non-linear mapping, reconstruction (section 3.1). Two forms
are quoted in tables: 9-1-5 with 8 K parameters, and 9-5-5 with 57 K, whose x4 score on Set5 is the usual 30.48 dB;
Table 1 of the DVMSR paper pairs the first one's parameters with the second one's score. b, H, W: batch, height and
width of the enlarged image.
"""

from torch import Tensor, nn


class SRCNN(nn.Module):
    """The whole network, Eq. (1) to (3). Luma in [0, 1], enlarged: (b, 1, H, W) -> (b, 1, H, W).

    Beyond its border the image repeats its outermost pixel, as in the authors' demo; they train without padding.

    Args:
        kernels: the three kernel sizes f1, f2, f3, odd.
        widths: the numbers of filters n1, n2.
    """

    def __init__(self, *, kernels: tuple[int, int, int] = (9, 1, 5), widths: tuple[int, int] = (64, 32)) -> None:
        super().__init__()
        if len(kernels) != 3 or any(k % 2 == 0 for k in kernels):
            raise ValueError(f"kernels are three odd sizes, not {kernels}")
        channels = (1, *widths, 1)
        for i, kernel in enumerate(kernels):
            conv = nn.Conv2d(channels[i], channels[i + 1], kernel, padding=kernel // 2, padding_mode="replicate")
            self.add_module(f"conv{i + 1}", conv)

    def forward(self, x: Tensor) -> Tensor:
        first, second, third = self.children()
        out: Tensor = third(second(first(x).relu()).relu())
        return out
