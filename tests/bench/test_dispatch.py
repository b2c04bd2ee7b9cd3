"""Operators are counted without importing torch.compile, and torch.compile works afterwards."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

COUNT = """
import sys
import torch
from bench.complexity import count_complexity
from models import create_model, get_spec
for name in ("dvmsr", "swinir_light", "rlfn_ntire", "bsrn", "efdn", "fsrcnn", "bicubic", "span"):
    count_complexity(create_model(name), 48, 48, get_spec(name))
    assert "torch._dynamo" not in sys.modules, f"{name} imports torch.compile"
compiled = torch.compile(lambda x: torch.nn.functional.silu(x) + 1, backend="eager", fullgraph=True)
assert torch.equal(compiled(torch.zeros(3)), torch.ones(3))
"""


def test_counting_does_not_import_the_compiler() -> None:
    done = subprocess.run([sys.executable, "-c", COUNT], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
