"""The fused Triton mixer under Triton's interpreter, on a CPU. `test_triton_mixer.py` runs this file."""

import pytest
import torch
from torch import Tensor

from models.dvmsr import ViMM
from models.scan import triton_mixer, triton_tuning
from tests.models.test_scan import relative_error
from tests.models.triton_interpreter import mend_interpreter

mend_interpreter()


def fused(block: ViMM, x: Tensor, monkeypatch: pytest.MonkeyPatch) -> Tensor:
    monkeypatch.setattr("models.mamba.mamba_mixer", lambda *arguments: triton_mixer.forward(*arguments[:-1]))
    with torch.no_grad():
        return block.mixer.fused(x, block.norm, "triton")


def make_block(channels: int, seed: int = 0, bidirectional: bool = False) -> ViMM:
    torch.manual_seed(seed)
    block = ViMM(channels, skip=False, bidirectional=bidirectional, scan_backend="chunked", fused=False)
    for parameter in block.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    return block


# Channels: dt_rank 1, 2 and 4, and inner channels below and beyond one tile. L: below the window of the convolution,
# one chunk, several, and not a multiple of anything.
@pytest.mark.parametrize(("batch", "length", "channels", "tokens"), [
    (1, 1, 16, 16), (1, 3, 20, 16), (2, 33, 20, 16), (1, 70, 60, 32), (1, 100, 70, 48),
])  # fmt: skip
def test_agrees_with_the_separate_steps(
    batch: int, length: int, channels: int, tokens: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(triton_tuning, "plan_chunks", lambda *_: tokens)
    block = make_block(channels)
    x = torch.randn(batch, length, channels)
    got = fused(block, x, monkeypatch)
    with torch.no_grad():
        expected = block.double()(x.double())
    assert got.shape == x.shape
    assert relative_error(got, expected) < 2e-6


def test_both_directions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(triton_tuning, "plan_chunks", lambda *_: 16)
    block = make_block(20, bidirectional=True)
    x = torch.randn(2, 37, 20)
    got = fused(block, x, monkeypatch)
    with torch.no_grad():
        assert relative_error(got, block.double()(x.double())) < 2e-6


def test_one_sequence_does_not_see_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(triton_tuning, "plan_chunks", lambda *_: 16)
    block = make_block(16)
    x = torch.randn(2, 21, 16)
    both = fused(block, x, monkeypatch)
    assert relative_error(both[1:], fused(block, x[1:], monkeypatch)) < 1e-6  # products round by their row in a tile


def test_half_precision_keeps_a_float32_state(monkeypatch: pytest.MonkeyPatch) -> None:
    block = make_block(20).half()
    for name in block.mixer.keep_float32:
        if hasattr(block.mixer, name):
            getattr(block.mixer, name).data = getattr(block.mixer, name).data.float()
    x = torch.randn(1, 40, 20).half()
    got = fused(block, x, monkeypatch)
    with torch.no_grad():
        expected = block.double()(x.double())
    assert got.dtype == torch.float16
    assert relative_error(got, expected) < 5e-3
