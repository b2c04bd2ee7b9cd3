"""DVMSR: Distillated Vision Mamba for Efficient Super-Resolution (Lei, Zhang and Cao, CVPRW 2024).

A SwinIR-shaped network whose attention is a Vision Mamba module (ViMM). Section 3 and Figure 3 of the paper; where the
authors' released code and weights differ from the text, the code below says so and follows the release. Parameter
names are the release's, so that its checkpoints load strictly. b, c, H, W: batch, channels, LR height and width;
L = H W tokens in raster order; d = expand * c inner channels; n state size.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from models.mamba import Mamba
from models.scan import resolve_backend
from models.scan.mixer import can_fuse

RGB_MEAN = (0.4488, 0.4371, 0.4040)  # of DIV2K


class ViMM(nn.Module):
    """Vision Mamba module, section 3.2. Eq. (4) adds its input to its output; the released network does not."""

    def __init__(self, channels: int, skip: bool, bidirectional: bool, scan_backend: str | None, fused: bool) -> None:
        super().__init__()
        self.mixer = Mamba(channels, bidirectional=bidirectional, scan_backend=scan_backend)
        self.norm = nn.LayerNorm(channels)
        self.skip, self.fuse, self.scan_backend = skip, fused, scan_backend

    def forward(self, x: Tensor) -> Tensor:  # (b, L, c)
        backend = self._fused_backend(x)
        y: Tensor = self.mixer.fused(x, self.norm, backend) if backend else self.mixer(self.norm(x))
        return x + y if self.skip else y

    def _fused_backend(self, x: Tensor) -> str | None:
        """The backend whose fused mixer takes this input; None where the separate steps have to run."""
        if not self.fuse or torch.is_grad_enabled():
            return None
        backend = resolve_backend(self.scan_backend, x.device.type)
        return backend if can_fuse(backend, x.dtype) else None


class RSSB(nn.Module):
    """Residual state-space block, section 3.1, Eq. (3): ViMMs, then a convolution, around a skip connection."""

    def __init__(
        self, channels: int, depth: int, skip: bool, bidirectional: bool, scan_backend: str | None, fused: bool
    ) -> None:
        super().__init__()
        blocks = nn.Sequential(*(ViMM(channels, skip, bidirectional, scan_backend, fused) for _ in range(depth)))
        self.residual_group = nn.ModuleDict({"blocks": blocks})  # the level exists only in the release's names
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:  # (b, L, c)
        y = self.residual_group["blocks"](x)
        return to_tokens(self.conv(to_image(y, size))).add_(x)  # in place: a tensor less to allocate and to move


class DVMSR(nn.Module):
    """The whole network, section 3.1 and Figure 3. RGB in [0, 1], (b, 3, H, W) -> (b, 3, scale H, scale W).

    Args:
        channels: width c; 60 in the released network, 150 to 210 in Tables 3 to 5 and 8.
        depths: ViMMs in each RSSB.
        upsampler: "pixelshuffledirect" (one convolution and PixelShuffle; the released network) or "pixelshuffle"
            (the classical one that the larger networks of Tables 3 to 5 and 8 use, as their parameter counts show).
        vimm_skip: add a ViMM's input to its output as Eq. (4) has it; False is the released network.
        bidirectional: scan in both directions (Table 6).
        scale: 2, 3, 4 or 8 ("pixelshuffle": a power of two).
        scan_backend: see `models.scan.selective_scan`.
        fused: without gradients, run each LayerNorm and mixer as one operator where the backend has it; the same
            weights and, to rounding, the same image.
    """

    mean: Tensor

    def __init__(
        self,
        *,
        channels: int = 60,
        depths: Sequence[int] = (2, 2, 2, 2),
        upsampler: str = "pixelshuffledirect",
        vimm_skip: bool = False,
        bidirectional: bool = False,
        scale: int = 4,
        scan_backend: str | None = None,
        fused: bool = True,
    ) -> None:
        super().__init__()
        if upsampler not in ("pixelshuffledirect", "pixelshuffle"):
            raise ValueError(f"upsampler is 'pixelshuffledirect' or 'pixelshuffle', not {upsampler!r}")
        for name, value in {"vimm_skip": vimm_skip, "bidirectional": bidirectional, "fused": fused}.items():
            if not isinstance(value, bool):
                raise ValueError(f"{name} is True or False, not {value!r}")
        if channels < 1 or not depths or min(depths) < 1:
            raise ValueError(f"channels and every depth must be at least 1, not {channels} and {list(depths)}")
        self.register_buffer("mean", torch.tensor(RGB_MEAN).view(1, 3, 1, 1), persistent=False)
        self.conv_first = nn.Conv2d(3, channels, 3, padding=1)
        self.patch_embed = nn.ModuleDict({"norm": nn.LayerNorm(channels)})
        self.layers = nn.ModuleList(RSSB(channels, d, vimm_skip, bidirectional, scan_backend, fused) for d in depths)
        self.norm_f = nn.LayerNorm(channels)
        self.conv_after_body = nn.Conv2d(channels, channels, 3, padding=1)
        if upsampler == "pixelshuffledirect":
            self.conv_before_upsample: nn.Module = nn.Identity()
            self.conv_last: nn.Module = nn.Identity()
            self.upsample = nn.Sequential(nn.Conv2d(channels, 3 * scale**2, 3, padding=1), nn.PixelShuffle(scale))
        else:
            self.conv_before_upsample = nn.Sequential(nn.Conv2d(channels, 64, 3, padding=1), nn.LeakyReLU())
            self.upsample = classical_upsampler(64, scale)
            self.conv_last = nn.Conv2d(64, 3, 3, padding=1)
        self.apply(_initialise)
        # As tokens lie in memory; convolutions then copy nothing.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, x: Tensor) -> Tensor:
        size = (x.shape[2], x.shape[3])
        shallow = self.conv_first(x - self.mean)  # (b, c, H, W)
        y = self.patch_embed["norm"](to_tokens(shallow))  # (b, L, c)
        for layer in self.layers:
            y = layer(y, size)
        deep = self.conv_after_body(to_image(self.norm_f(y), size)).add_(shallow)  # (b, c, H, W)
        out: Tensor = self.conv_last(self.upsample(self.conv_before_upsample(deep))) + self.mean
        return out


def to_tokens(x: Tensor) -> Tensor:
    """(b, c, H, W) -> (b, H W, c), raster order."""
    return x.flatten(2).transpose(1, 2)


def to_image(x: Tensor, size: tuple[int, int]) -> Tensor:
    """(b, H W, c) -> (b, c, H, W)."""
    return x.transpose(1, 2).unflatten(2, size)


def classical_upsampler(channels: int, scale: int) -> nn.Sequential:
    """log2(scale) steps of a convolution and PixelShuffle(2), as in EDSR (Lim et al. 2017)."""
    steps = scale.bit_length() - 1
    if scale < 2 or scale != 2**steps:
        raise ValueError(f"the 'pixelshuffle' upsampler needs a scale that is a power of two, not {scale}")
    step = [(nn.Conv2d(channels, 4 * channels, 3, padding=1), nn.PixelShuffle(2)) for _ in range(steps)]
    return nn.Sequential(*(module for pair in step for module in pair))


def _initialise(module: nn.Module) -> None:
    # As released: this also resets dt_proj, whose special initialisation in Mamba is therefore not in use.
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
