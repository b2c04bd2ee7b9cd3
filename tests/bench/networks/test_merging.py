"""Networks that merge their branches when they leave training: what is merged are the weights they were given."""

import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.core.record import Settings
from bench.core.statistics import quality_means
from bench.data.datasets import find_dataset
from bench.measurement.quality import measure_quality
from bench.networks.engine import Engine, Job
from bench.networks.external.opened import Opened
from bench.networks.external.own import OwnNetwork
from bench.networks.external.python_file import open_python
from models.errors import EsrError
from tests.bench.own_networks import write_code
from tests.data import esr_data

HEAD = "import torch\nfrom torch import nn\nimport torch.nn.functional as F\n"
LORA = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 48, 1)
        self.a, self.b = nn.Parameter(torch.randn(3, 3)), nn.Parameter(torch.randn(48, 3))
        self.merged = False

    def train(self, mode=True):
        if mode == self.merged:
            sign = -1 if mode else 1
            self.conv.weight.data += sign * (self.b @ self.a)[:, :, None, None].data
            self.merged = not mode
        return super().train(mode)

    def forward(self, x):
        y = self.conv(x)
        if not self.merged:
            y = y + F.conv2d(x, (self.b @ self.a)[:, :, None, None])
        return F.pixel_shuffle(y, 4)

def merged():
    return Net().eval()
"""
FIRST_PASS = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Conv2d(3, 48, 1), nn.Conv2d(3, 48, 1)

    def forward(self, x):
        if hasattr(self, "two"):
            self.one.weight.data += self.two.weight.data
            self.one.bias.data += self.two.bias.data
            del self.two
        return F.pixel_shuffle(self.one(x), 4)
"""
DEPLOYED = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Conv2d(3, 48, 1), nn.Conv2d(3, 48, 1)

    def switch_to_deploy(self):
        self.one.weight.data += self.two.weight.data
        self.one.bias.data += self.two.bias.data
        del self.two

    def forward(self, x):
        return F.pixel_shuffle(self.one(x) + (self.two(x) if hasattr(self, "two") else 0), 4)

def ready():
    net = Net()
    net.load_state_dict(torch.load(FILE))
    net.switch_to_deploy()
    return net.eval()
"""


@pytest.fixture(autouse=True)
def _import_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))


def nearest_state(*branches: str) -> dict[str, Tensor]:
    """Each colour to its 16 outputs, by the first branch or by the low-rank pair; all else zero."""
    copies = torch.eye(3).repeat_interleave(16, dim=0)
    if branches == ("a", "b"):
        return {"conv.weight": torch.zeros(48, 3, 1, 1), "conv.bias": torch.zeros(48), "a": torch.eye(3), "b": copies}
    zero, half = torch.zeros(48), copies[:, :, None, None] / 2
    return {"one.weight": half, "one.bias": zero, "two.weight": half, "two.bias": zero}


def opened(folder: Path, code: str, name: str, weights: Path | None = None) -> Opened:
    return open_python(OwnNetwork("Python file", str(write_code(folder, HEAD + code)), name, weights=weights), {})


def enlarges(network: nn.Module) -> bool:
    x = torch.rand(1, 3, 5, 7)
    with torch.no_grad():
        return torch.allclose(network(x), F.interpolate(x, scale_factor=4, mode="nearest"), atol=1e-6)


@pytest.mark.parametrize("name", ["Net", "merged"])  # the second was merged already when the weights come
def test_a_low_rank_pair_is_merged_after_the_weights_are_there(tmp_path: Path, name: str) -> None:
    torch.save(nearest_state("a", "b"), tmp_path / "w.pth")
    found = opened(tmp_path, LORA, name, tmp_path / "w.pth")
    assert not found.network.training
    assert enlarges(found.network)
    assert found.weights.status == "custom"


def test_the_merged_network_scores_what_it_is(tmp_path: Path) -> None:
    """Nearest-neighbour enlargement of Set5, and not what random weights were merged to (7.616 dB)."""
    dataset = find_dataset("Set5", esr_data(), allow_download=False)
    torch.save(nearest_state("a", "b"), tmp_path / "w.pth")
    own = OwnNetwork("Python file", str(write_code(tmp_path, HEAD + LORA)), "Net", weights=tmp_path / "w.pth")
    engine = Engine(Job("net.py:Net", {}, None, Settings("cpu", "x", 64, 64, threads=2), "cpu", own))
    scored = measure_quality(engine.upscale, dataset, lambda pair: None)
    assert quality_means(scored.images).psnr_y == pytest.approx(26.258, abs=5e-4)


def test_a_network_that_merges_in_its_first_pass_is_counted_after_it(tmp_path: Path) -> None:
    torch.save(nearest_state(), tmp_path / "w.pth")
    net = write_code(tmp_path, HEAD + FIRST_PASS)
    own = OwnNetwork("Python file", str(net), "Net", weights=tmp_path / "w.pth")
    examined = Engine(Job("net.py:Net", {}, None, Settings("cpu", "x", 24, 32, threads=1), "cpu", own)).count()
    assert examined.complexity
    assert examined.complexity.parameters == 3 * 48 + 48
    assert "384 parameters became 192 in its first pass" in examined.source.notes
    assert enlarges(opened(tmp_path, FIRST_PASS, "Net", tmp_path / "w.pth").network)


def test_what_its_own_code_loads_and_deploys_is_no_random_network(tmp_path: Path) -> None:
    torch.save(nearest_state(), tmp_path / "w.pth")
    found = opened(tmp_path, f"FILE = {str(tmp_path / 'w.pth')!r}\n{DEPLOYED}", "ready")
    assert enlarges(found.network)
    assert found.weights.status == "custom"
    assert found.weights.note == "as its own code makes them, each time the same"
    assert len(found.weights.sha256 or "") == 64
    assert opened(tmp_path / "again", DEPLOYED, "Net").weights.status == "random"


def test_parameters_that_go_with_training_are_noted(tmp_path: Path) -> None:
    code = FIRST_PASS.replace("    def forward(self, x):\n        if hasattr", "    def train(self, mode=True):\n"
        "        if not mode:\n            self.merge()\n        return super().train(mode)\n\n"
        "    def merge(self):\n        if hasattr").replace("        return F.pixel_shuffle(self.one(x), 4)\n",
        "\n    def forward(self, x):\n        return F.pixel_shuffle(self.one(x), 4)\n")  # fmt: skip
    torch.save(nearest_state(), tmp_path / "w.pth")
    found = opened(tmp_path, code, "Net", tmp_path / "w.pth")
    assert enlarges(found.network)
    assert found.notes == ["384 parameters became 192 when it left training"]


def test_sides_are_asked_for_where_they_are_the_cause(tmp_path: Path) -> None:
    code = """
class Net(nn.Module):
    def forward(self, x):
        return F.interpolate(F.pixel_shuffle(F.pixel_unshuffle(x, 8), 8), scale_factor=4)

class Broken(nn.Module):
    def forward(self, x):
        raise ValueError("no luck")
"""
    net = write_code(tmp_path, HEAD + code)

    def error_of(name: str) -> str:
        own = OwnNetwork("Python file", str(net), name)
        engine = Engine(Job(f"net.py:{name}", {}, None, Settings("cpu", "x", 30, 20, threads=1), "cpu", own))
        with pytest.raises(EsrError) as error:
            engine.count()
        return str(error.value)

    assert error_of("Net").endswith("its sides must be a multiple of 8: give --size-multiple 8")
    assert "no luck" in error_of("Broken")
    assert "--size-multiple" not in error_of("Broken")
