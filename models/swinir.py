"""SwinIR: Image Restoration Using Swin Transformer (Liang et al., ICCVW 2021), the lightweight SR network.

Section 3.1 and Figure 2; the sizes of SwinIR-light are those of section 4.1. Parameter names are the release's.
b, c, H, W: batch, channels, LR height and width (padded to windows); w window size; h heads; m = H W / w^2 windows.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

RGB_MEAN = (0.4488, 0.4371, 0.4040)  # of DIV2K
MASKED = -100.0  # added to the attention between tokens that are not neighbours before the cyclic shift


class WindowAttention(nn.Module):
    """Multi-head self-attention inside windows, with a learned bias for each relative position (Eq. 6)."""

    relative_position_index: Tensor

    def __init__(self, channels: int, window: int, heads: int) -> None:
        super().__init__()
        self.heads, self.scale = heads, (channels // heads) ** -0.5
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * window - 1) ** 2, heads))
        self.register_buffer("relative_position_index", relative_positions(window))
        self.qkv = nn.Linear(channels, 3 * channels)
        self.proj = nn.Linear(channels, channels)
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:  # (b m, w^2, c), (m, w^2, w^2)
        windows, tokens, channels = x.shape
        qkv = self.qkv(x).view(windows, tokens, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        q, k, v = qkv.unbind(0)  # (b m, h, w^2, c / h) each
        attention = (q * self.scale) @ k.transpose(-2, -1)  # (b m, h, w^2, w^2)
        bias = self.relative_position_bias_table[self.relative_position_index.view(-1)]
        attention = attention + bias.view(tokens, tokens, self.heads).permute(2, 0, 1)
        if mask is not None:
            attention = attention.unflatten(0, (-1, len(mask))) + mask[:, None]  # (b, m, h, w^2, w^2)
            attention = attention.flatten(0, 1)
        y = (attention.softmax(-1) @ v).transpose(1, 2).reshape(windows, tokens, channels)
        out: Tensor = self.proj(y)
        return out


class SwinBlock(nn.Module):
    """Swin transformer layer, Eq. (7): attention in (shifted) windows, then an MLP, each around a skip connection."""

    def __init__(self, channels: int, window: int, heads: int, shift: int, mlp_ratio: float) -> None:
        super().__init__()
        self.window, self.shift = window, shift
        self.norm1 = nn.LayerNorm(channels)
        self.attn = WindowAttention(channels, window, heads)
        self.norm2 = nn.LayerNorm(channels)
        hidden = int(channels * mlp_ratio)
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(channels, hidden), "fc2": nn.Linear(hidden, channels)})

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:  # (b, H, W, c)
        y = self.norm1(x)
        if self.shift:
            y = y.roll((-self.shift, -self.shift), dims=(1, 2))
        y = self.attn(to_windows(y, self.window), mask if self.shift else None)
        y = from_windows(y, self.window, x.shape)
        if self.shift:
            y = y.roll((self.shift, self.shift), dims=(1, 2))
        x = x + y
        return x + self.mlp["fc2"](F.gelu(self.mlp["fc1"](self.norm2(x))))


class RSTB(nn.Module):
    """Residual Swin transformer block, Eq. (3 to 5): layers, then a convolution, around a skip connection."""

    def __init__(self, channels: int, depth: int, window: int, heads: int, mlp_ratio: float) -> None:
        super().__init__()
        shifts = [0 if i % 2 == 0 else window // 2 for i in range(depth)]
        blocks = nn.ModuleList(SwinBlock(channels, window, heads, shift, mlp_ratio) for shift in shifts)
        self.residual_group = nn.ModuleDict({"blocks": blocks})  # the level exists only in the release's names
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:  # (b, H, W, c)
        y = x
        for block in self.residual_group["blocks"].children():
            y = block(y, mask)
        return self.conv(y.permute(0, 3, 1, 2)).permute(0, 2, 3, 1) + x


class SwinIR(nn.Module):
    """The whole network. RGB in [0, 1], (b, 3, H, W) -> (b, 3, scale H, scale W); any H and W.

    The input is padded by reflection to whole windows and the output cropped, as released.
    """

    mean: Tensor

    def __init__(
        self,
        *,
        channels: int = 60,
        depths: Sequence[int] = (6, 6, 6, 6),
        heads: int = 6,
        window: int = 8,
        mlp_ratio: float = 2.0,
        scale: int = 4,
    ) -> None:
        super().__init__()
        if channels % heads or not depths:
            raise ValueError(f"channels ({channels}) must be a multiple of heads ({heads}), and depths not empty")
        self.window, self.scale = window, scale
        self.register_buffer("mean", torch.tensor(RGB_MEAN).view(1, 3, 1, 1), persistent=False)
        self.conv_first = nn.Conv2d(3, channels, 3, padding=1)
        self.patch_embed = nn.ModuleDict({"norm": nn.LayerNorm(channels)})
        self.layers = nn.ModuleList(RSTB(channels, depth, window, heads, mlp_ratio) for depth in depths)
        self.norm = nn.LayerNorm(channels)
        self.conv_after_body = nn.Conv2d(channels, channels, 3, padding=1)
        self.upsample = nn.Sequential(nn.Conv2d(channels, 3 * scale**2, 3, padding=1), nn.PixelShuffle(scale))
        self.apply(_initialise)
        self.register_load_state_dict_pre_hook(_drop_stored_masks)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        x = pad_to_multiple(x, self.window) - self.mean
        mask = shift_mask(x.shape[2], x.shape[3], self.window, x)
        shallow = self.conv_first(x)  # (b, c, H, W)
        y = self.patch_embed["norm"](shallow.permute(0, 2, 3, 1))  # (b, H, W, c)
        for layer in self.layers:
            y = layer(y, mask)
        deep = self.conv_after_body(self.norm(y).permute(0, 3, 1, 2)) + shallow
        out: Tensor = self.upsample(deep) + self.mean
        return out[:, :, : height * self.scale, : width * self.scale]


def to_windows(x: Tensor, window: int) -> Tensor:
    """(b, H, W, c) -> (b m, w^2, c)."""
    x = x.unflatten(2, (-1, window)).unflatten(1, (-1, window))  # (b, H/w, w, W/w, w, c)
    return x.transpose(2, 3).reshape(-1, window * window, x.shape[-1])


def from_windows(x: Tensor, window: int, shape: torch.Size) -> Tensor:
    """(b m, w^2, c) -> `shape` = (b, H, W, c)."""
    b, height, width, channels = shape
    x = x.view(b, height // window, width // window, window, window, channels)
    return x.transpose(2, 3).reshape(shape)


def shift_mask(height: int, width: int, window: int, like: Tensor) -> Tensor:
    """(m, w^2, w^2): 0 within and MASKED between the regions that the cyclic shift brings into one window."""

    def region(size: int) -> Tensor:
        at = torch.arange(size, device=like.device)
        return (at >= size - window).long() + (at >= size - window // 2).long()

    regions = 3 * region(height)[:, None] + region(width)[None, :]  # (H, W)
    tokens = to_windows(regions[None, :, :, None], window)[..., 0]  # (m, w^2)
    differ = tokens[:, None, :] != tokens[:, :, None]
    return torch.where(differ, MASKED, 0.0).to(like.dtype)


def pad_to_multiple(x: Tensor, multiple: int) -> Tensor:
    """Pad (b, c, H, W) on the right and below, by reflection where the image is large enough, else by its edge."""
    bottom, right = -x.shape[2] % multiple, -x.shape[3] % multiple
    reflect = bottom < x.shape[2] and right < x.shape[3]
    return F.pad(x, (0, right, 0, bottom), mode="reflect" if reflect else "replicate")


def relative_positions(window: int) -> Tensor:
    """(w^2, w^2) index into the bias table, (2 w - 1) * row difference + column difference."""
    at = torch.arange(window)
    rows, columns = at.repeat_interleave(window), at.repeat(window)  # (w^2)
    row = rows[:, None] - rows[None, :] + window - 1
    column = columns[:, None] - columns[None, :] + window - 1
    return row * (2 * window - 1) + column


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)


def _drop_stored_masks(module: nn.Module, state_dict: dict[str, Any], *_: Any) -> None:
    # The release stores the masks of a 64x64 input; ours are made for each input.
    for key in [k for k in state_dict if k.endswith(".attn_mask")]:
        del state_dict[key]
