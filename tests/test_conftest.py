"""What every test can rely on."""

import pytest
import torch


@pytest.mark.parametrize("turn", [1, 2])
def test_float32_is_float32_whatever_ran_before(turn: int) -> None:
    assert not torch.backends.cudnn.allow_tf32
    assert not torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
