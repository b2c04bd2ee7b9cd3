"""Code that was written for a GPU, opened on a machine without one."""

from pathlib import Path

import pytest
import torch

from bench.core.record import Settings
from bench.networks.choice import parse_choice
from bench.networks.engine import Job
from bench.networks.without_cuda import NOTE
from bench.networks.worker import Worker
from tests.bench.own_networks import CODE, write_code


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
@pytest.mark.parametrize(
    "moved",
    ["self.cuda()", "self.to('cuda')", "self.to(torch.device('cuda:0'))", "self.head.to(device='cuda')", "None"],
)
def test_what_moves_to_a_gpu_stays_and_is_noted(moved: str, tmp_path: Path) -> None:
    code = CODE.replace("        self.shuffle", f"        {moved}\n        self.shuffle")
    moves = code.replace("self.head(x)", "self.head(x.to('cuda', torch.float32))") if moved != "None" else code
    choice = parse_choice(f"{write_code(tmp_path, moves)}:TinyNet")
    with Worker(Job(choice.name, {}, None, Settings("cpu", "CPU", 8, 8), "cpu", choice.own)) as worker:
        notes = worker.count(False).source.notes
    assert notes == [NOTE] * (moved != "None")
