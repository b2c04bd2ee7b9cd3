"""Files that a user might measure: Python code, its weights, and what PyTorch and ONNX save of it."""

from pathlib import Path

import torch
from torch import nn

CODE = """\
import torch
from torch import nn


class TinyNet(nn.Module):
    def __init__(self, channels=8, scale=4):
        super().__init__()
        self.head = nn.Conv2d(3, channels, 3, padding=1)
        self.tail = nn.Conv2d(channels, 3 * scale**2, 3, padding=1)
        self.shuffle = nn.PixelShuffle(scale)

    def forward(self, x):
        return self.shuffle(self.tail(self.head(x)))
"""
MAMBA_CODE = """\
import torch
from mamba_ssm import Mamba
from torch import nn


class MambaNet(nn.Module):
    def __init__(self, channels=8):
        super().__init__()
        self.head = nn.Conv2d(3, channels, 3, padding=1)
        self.mixer = Mamba(channels, d_state=4)
        self.tail = nn.Conv2d(channels, 48, 3, padding=1)

    def forward(self, x):
        x = self.head(x)
        x = x + self.mixer(x.flatten(2).transpose(1, 2)).transpose(1, 2).view(x.shape)
        return nn.functional.pixel_shuffle(self.tail(x), 4)
"""
# By hand, with 8 channels: 3x3 kernels, 3 -> 8 -> 48 channels, with biases; a multiply-add is 1.
PARAMETERS = (3 * 9 + 1) * 8 + (8 * 9 + 1) * 48
MACS_PER_PIXEL = 3 * 9 * 8 + 8 * 9 * 48
OUTPUTS_PER_PIXEL = 8 + 48


class TinyNet(nn.Module):
    """The network of CODE."""

    def __init__(self, channels: int = 8, scale: int = 4) -> None:
        super().__init__()
        self.head = nn.Conv2d(3, channels, 3, padding=1)
        self.tail = nn.Conv2d(channels, 3 * scale**2, 3, padding=1)
        self.shuffle = nn.PixelShuffle(scale)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.shuffle(self.tail(self.head(x)))


def write_code(folder: Path, code: str = CODE, name: str = "net.py") -> Path:
    """A Python file in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(code, encoding="utf-8")
    return path


def tiny(seed: int = 0) -> TinyNet:
    """The network with weights of its own."""
    torch.manual_seed(seed)
    return TinyNet().eval()


def write_weights(folder: Path, name: str = "net.pth", seed: int = 0) -> Path:
    """The state dict of `tiny`, as BasicSR saves it."""
    path = folder / name
    torch.save({"params_ema": tiny(seed).state_dict()}, path)
    return path


def write_torchscript(path: Path) -> Path:
    """`tiny`, traced."""
    torch.jit.save(torch.jit.trace(tiny(), torch.rand(1, 3, 16, 16)), str(path))
    return path


def write_export(path: Path, fixed: bool = False) -> Path:
    """`tiny`, exported for any size, or for 16 x 24 only."""
    side = {2: torch.export.Dim("h", min=4, max=4096), 3: torch.export.Dim("w", min=4, max=4096)}
    program = torch.export.export(tiny(), (torch.rand(1, 3, 16, 24),), dynamic_shapes=None if fixed else (side,))
    torch.export.save(program, path)
    return path
