"""Operators are counted without importing torch.compile, and torch.compile works afterwards."""

import pytest

from tests.commands import run

COUNT = """
import sys
import torch
from bench.counts.complexity import count_complexity
from models import create_model, get_spec
for name in ("dvmsr", "swinir_light", "rlfn_ntire", "bsrn", "efdn", "fsrcnn", "bicubic", "span"):
    count_complexity(create_model(name), 48, 48, get_spec(name))
    assert "torch._dynamo" not in sys.modules, f"{name} imports torch.compile"
compiled = torch.compile(lambda x: torch.nn.functional.silu(x) + 1, backend="eager", fullgraph=True)
assert torch.equal(compiled(torch.zeros(3)), torch.ones(3))
"""


@pytest.mark.slow("counts in a process of their own")
def test_counting_does_not_import_the_compiler() -> None:
    done = run("-c", COUNT)
    assert done.returncode == 0, done.stderr
