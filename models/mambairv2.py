"""MambaIRv2: Attentive State Space Restoration (Guo et al., CVPR 2025), the lightweight SR network.

The sizes of MambaIRv2-light are those of the authors' configuration. Parameter names are the release's. b, c, H, W:
batch, channels, LR height and width (padded to windows); L = H W tokens; d inner channels; n state size; T prompts;
w window size; h heads; m = H W / w^2 windows.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.directional import DirectionalScan
from models.swinir import from_windows, relative_positions, shift_mask, to_windows

RGB_MEAN = (0.4488, 0.4371, 0.4040)  # of DIV2K
LAYER_SCALE = 1e-4  # of the scaled skips at the start of training


class AttentiveStateSpace(nn.Module):
    """Attentive state-space module: every token is routed to one of T prompts, which is added to its C (the attentive
    state-space equation), and tokens of one prompt are made neighbours for the scan (semantic guided neighbouring).

    The release draws the prompt by a Gumbel softmax in evaluation too, so that its images change from run to run. Here
    that is left to training and to `sample`; evaluation takes the most probable prompt, which costs 0.03 dB on Set5.
    Tokens of one prompt keep their raster order, where the release's sort leaves it open (0.01 dB on Set5).
    """

    def __init__(
        self, channels: int, expand: float, state: int, prompts: int, rank: int, sample: bool, scan_backend: str | None
    ) -> None:
        super().__init__()
        d = int(channels * expand)
        self.sample = sample
        self.route = nn.Sequential(
            nn.Linear(channels, channels // 3), nn.GELU(), nn.Linear(channels // 3, prompts), nn.LogSoftmax(-1)
        )
        self.embeddingB = nn.Embedding(prompts, rank)
        nn.init.uniform_(self.embeddingB.weight, -1 / prompts, 1 / prompts)
        self.in_proj = nn.Sequential(nn.Conv2d(channels, d, 1))
        self.CPE = nn.Sequential(nn.Conv2d(d, d, 3, padding=1, groups=d))
        self.selectiveScan = DirectionalScan(d, state, -(-d // 16), 1, scan_backend)
        self.out_norm = nn.LayerNorm(d)
        self.out_proj = nn.Linear(d, channels)

    def forward(self, x: Tensor, size: tuple[int, int], prompt_basis: Tensor) -> Tensor:  # (b, L, c), (rank, n)
        policy = self._choose(self.route(x))  # (b, L, T), one-hot
        prompt = policy @ (self.embeddingB.weight @ prompt_basis)  # (b, L, n)
        order = policy.detach().argmax(-1).sort(dim=-1, stable=True)[1][..., None]  # (b, L, 1)
        y = self.in_proj(x.transpose(1, 2).unflatten(2, size))  # (b, d, H, W)
        y = (y * self.CPE(y).sigmoid()).flatten(2).transpose(1, 2)  # (b, L, d)
        y = y.gather(1, order.expand_as(y))
        y = self.selectiveScan.scan(y, prompt=prompt)
        y = self.out_proj(self.out_norm(y))  # (b, L, c)
        return torch.zeros_like(y).scatter(1, order.expand_as(y), y)

    def _choose(self, scores: Tensor) -> Tensor:
        if self.training or self.sample:
            return F.gumbel_softmax(scores, hard=True, dim=-1)
        return torch.zeros_like(scores).scatter(-1, scores.argmax(-1, keepdim=True), 1.0)


class WindowAttention(nn.Module):
    """Multi-head self-attention inside windows, of ready-made queries, keys and values."""

    def __init__(self, channels: int, window: int, heads: int) -> None:
        super().__init__()
        self.heads, self.scale = heads, (channels // heads) ** -0.5
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * window - 1) ** 2, heads))
        self.proj = nn.Linear(channels, channels)
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)

    def forward(self, qkv: Tensor, positions: Tensor, mask: Tensor | None) -> Tensor:  # (b m, w^2, 3 c), (m, w^2, w^2)
        windows, tokens, _ = qkv.shape
        q, k, v = qkv.view(windows, tokens, 3, self.heads, -1).permute(2, 0, 3, 1, 4).unbind(0)  # (b m, h, w^2, c / h)
        attention = (q * self.scale) @ k.transpose(-2, -1)  # (b m, h, w^2, w^2)
        bias = self.relative_position_bias_table[positions.view(-1)]
        attention = attention + bias.view(tokens, tokens, self.heads).permute(2, 0, 1)
        if mask is not None:
            attention = (attention.unflatten(0, (-1, len(mask))) + mask[:, None]).flatten(0, 1)
        y = (attention.softmax(-1) @ v).transpose(1, 2).reshape(windows, tokens, -1)
        out: Tensor = self.proj(y)
        return out


class GatedMLP(nn.Module):
    """Gated feed-forward network: one half of the hidden channels, filtered by a 5x5 depthwise convolution, weighs the
    other."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        half = hidden // 2
        self.fc1 = nn.Linear(channels, hidden)
        gate = {"norm": nn.LayerNorm(half), "conv": nn.Conv2d(half, half, 5, padding=2, groups=half)}
        self.sg = nn.ModuleDict(gate)
        self.fc2 = nn.Linear(half, channels)

    def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:  # (b, L, c)
        y, gate = F.gelu(self.fc1(x)).chunk(2, dim=-1)
        gate = self.sg["conv"](self.sg["norm"](gate).transpose(1, 2).unflatten(2, size)).flatten(2).transpose(1, 2)
        out: Tensor = self.fc2(y * gate)
        return out


class AttentiveLayer(nn.Module):
    """Window attention and a gated MLP, then the state-space module and another ."""

    def __init__(
        self,
        channels: int,
        window: int,
        heads: int,
        shift: int,
        mlp_ratio: float,
        state: int,
        prompts: int,
        rank: int,
        sample: bool,
        scan_backend: str | None,
    ) -> None:
        super().__init__()
        self.window, self.shift = window, shift
        self.norm1, self.norm2 = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.norm3, self.norm4 = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.scale1 = nn.Parameter(torch.full((channels,), LAYER_SCALE))
        self.scale2 = nn.Parameter(torch.full((channels,), LAYER_SCALE))
        self.wqkv = nn.Linear(channels, 3 * channels)
        self.win_mhsa = WindowAttention(channels, window, heads)
        self.assm = AttentiveStateSpace(channels, mlp_ratio, state, prompts, rank, sample, scan_backend)
        self.convffn1 = GatedMLP(channels, int(channels * mlp_ratio))
        self.convffn2 = GatedMLP(channels, int(channels * mlp_ratio))
        self.embeddingA = nn.Embedding(rank, state)
        nn.init.uniform_(self.embeddingA.weight, -1 / rank, 1 / rank)

    def forward(self, x: Tensor, size: tuple[int, int], positions: Tensor, mask: Tensor) -> Tensor:  # (b, L, c)
        y = self._attend(self.norm1(x), size, positions, mask) + x
        y = self.convffn1(self.norm2(y), size) + y
        x = x * self.scale1 + y
        y = self.assm(self.norm3(x), size, self.embeddingA.weight) + x
        y = self.convffn2(self.norm4(y), size) + y
        return x * self.scale2 + y

    def _attend(self, x: Tensor, size: tuple[int, int], positions: Tensor, mask: Tensor) -> Tensor:
        qkv = self.wqkv(x).unflatten(1, size)  # (b, H, W, 3 c)
        if self.shift:
            qkv = qkv.roll((-self.shift, -self.shift), dims=(1, 2))
        y = self.win_mhsa(to_windows(qkv, self.window), positions, mask if self.shift else None)
        y = from_windows(y, self.window, torch.Size((len(x), *size, x.shape[-1])))
        if self.shift:
            y = y.roll((self.shift, self.shift), dims=(1, 2))
        return y.flatten(1, 2)


class ASSB(nn.Module):
    """Attentive state-space block: layers, then a convolution, around a skip connection."""

    def __init__(self, layers: Sequence[AttentiveLayer], channels: int) -> None:
        super().__init__()
        # The levels exist only in the release's names.
        self.residual_group = nn.ModuleDict({"layers": nn.ModuleList(layers)})
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor, size: tuple[int, int], positions: Tensor, mask: Tensor) -> Tensor:  # (b, L, c)
        y = x
        for layer in self.residual_group["layers"].children():
            y = layer(y, size, positions, mask)
        return self.conv(y.transpose(1, 2).unflatten(2, size)).flatten(2).transpose(1, 2) + x


class MambaIRv2(nn.Module):
    """The whole network. RGB in [0, 1]: (b, 3, H, W) -> (b, 3, scale H, scale W); any H and W.

    The input is padded by reflection to whole windows and the output cropped, as released.

    Args:
        channels: width c, a multiple of `heads`.
        depths: layers in each block; every other one shifts its windows.
        heads, window: of the attention.
        mlp_ratio: hidden channels of the MLPs, and inner channels of the scan, / channels.
        state: state size n of the scan.
        prompts, rank: number of prompts T, and inner size of their product.
        sample: draw the prompts at random in evaluation too, as the released code does.
        scale: HR size / LR size.
        scan_backend: see `models.scan.selective_scan`.
    """

    mean: Tensor
    relative_position_index_SA: Tensor  # noqa: N815  # the release's name

    def __init__(
        self,
        *,
        channels: int = 48,
        depths: Sequence[int] = (5, 5, 5, 5),
        heads: int = 4,
        window: int = 16,
        mlp_ratio: float = 1.0,
        state: int = 8,
        prompts: int = 64,
        rank: int = 32,
        sample: bool = False,
        scale: int = 4,
        scan_backend: str | None = None,
    ) -> None:
        super().__init__()
        if channels % heads or not depths or min(depths) < 1:
            raise ValueError(f"channels ({channels}) must be a multiple of heads ({heads}), and depths at least 1")
        self.window, self.scale = window, scale
        self.register_buffer("mean", torch.tensor(RGB_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("relative_position_index_SA", relative_positions(window))
        self.conv_first = nn.Conv2d(3, channels, 3, padding=1)
        self.patch_embed = nn.ModuleDict({"norm": nn.LayerNorm(channels)})

        def layer(i: int) -> AttentiveLayer:
            shift = window // 2 if i % 2 else 0
            return AttentiveLayer(channels, window, heads, shift, mlp_ratio, state, prompts, rank, sample, scan_backend)

        self.layers = nn.ModuleList(ASSB([layer(i) for i in range(depth)], channels) for depth in depths)
        self.norm = nn.LayerNorm(channels)
        self.conv_after_body = nn.Conv2d(channels, channels, 3, padding=1)
        self.upsample = nn.Sequential(nn.Conv2d(channels, 3 * scale**2, 3, padding=1), nn.PixelShuffle(scale))
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        x = pad_symmetric(x, self.window) - self.mean
        size = (x.shape[2], x.shape[3])
        mask = shift_mask(*size, self.window, x)
        shallow = self.conv_first(x)  # (b, c, H, W)
        y = self.patch_embed["norm"](shallow.flatten(2).transpose(1, 2))  # (b, L, c)
        for block in self.layers:
            y = block(y, size, self.relative_position_index_SA, mask)
        deep = self.conv_after_body(self.norm(y).transpose(1, 2).unflatten(2, size)) + shallow
        out: Tensor = self.upsample(deep) + self.mean
        return out[:, :, : height * self.scale, : width * self.scale]


def pad_symmetric(x: Tensor, multiple: int) -> Tensor:
    """Mirror (b, c, H, W) at its right and lower edge, edge pixels included, up to a multiple; as often as needed."""
    for dim in (2, 3):
        size = x.shape[dim]
        if size % multiple:
            at = torch.arange(size + -size % multiple, device=x.device) % (2 * size)
            x = x.index_select(dim, torch.minimum(at, 2 * size - 1 - at))
    return x
