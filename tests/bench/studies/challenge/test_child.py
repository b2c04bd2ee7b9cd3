"""What runs in a submission's process: none of our networks, and honest stand-ins."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from bench.networks.wall import choose_wall
from bench.studies.challenge.layout import read_checkout
from bench.studies.challenge.sandbox import Sandbox
from models.errors import EsrError
from models.mamba import Mamba
from tests.bench.studies.challenge.checkout import make_checkout

ROOT = Path(__file__).parents[4]
JOB = {"device": "cpu", "threads": 1, "size": 32, "unsafe": False}
SET_UP = f"""
import sys, types
sys.path = [p for p in sys.path if p]
package = types.ModuleType("bench")
package.__path__ = [{str(ROOT / "bench")!r}]
sys.modules["bench"] = package
import bench.studies.challenge.submission
from bench.studies.challenge import stand_ins
finder = stand_ins.install({str(ROOT / "models")!r})
"""


def in_child(code: str, cwd: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-P", "-c", SET_UP + code], capture_output=True, text=True, cwd=cwd, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_our_networks_are_never_imported(tmp_path: Path) -> None:
    code = """
from mamba_ssm import Mamba
Mamba(d_model=8)(__import__("torch").zeros(1, 5, 8))
ours = [name for name in sys.modules if name == "models" or name.startswith("models.")]
assert not ours, ours
try:
    import models
except ModuleNotFoundError:
    print("none")
"""
    assert in_child(code, tmp_path) == "none\n"


def test_the_mamba_stand_in_is_our_mixer(tmp_path: Path) -> None:
    torch.manual_seed(0)
    ours, x = Mamba(8), torch.randn(2, 20, 8)
    with torch.no_grad():
        torch.save({"state": ours.state_dict(), "x": x, "y": ours(x)}, tmp_path / "expected.pt")
    code = """
import torch
from mamba_ssm.modules.mamba_simple import Mamba
saved = torch.load("expected.pt")
mixer = Mamba(d_model=8, layer_idx=3)
mixer.load_state_dict(saved["state"])
with torch.no_grad():
    torch.testing.assert_close(mixer(saved["x"]), saved["y"])
print(finder.used)
"""
    assert in_child(code, tmp_path) == "['mamba_ssm', 'mamba_ssm.modules.mamba_simple']\n"


@pytest.mark.slow("stand-ins in a process of their own")
@pytest.mark.parametrize(("kind", "nodes"), [("none", 1), ("v1", 1), ("v2", 2)])
def test_a_tracer_sees_of_a_mixer_what_is_not_fused_in_the_original(kind: str, nodes: int, tmp_path: Path) -> None:
    code = f"""
import torch
from mamba_ssm.modules.mamba_simple import Mamba
with torch.no_grad():
    graph = torch.jit.trace(Mamba(8, bimamba_type={kind!r}), torch.zeros(1, 5, 8), check_trace=False).inlined_graph
kinds = [node.kind() for node in graph.nodes()]
print(kinds.count("prim::PythonOp"), kinds.count("aten::linear"), kinds.count("aten::conv1d"))
"""
    # The last projection lies inside, but for two directions with their own parameters.
    assert in_child(code, tmp_path) == f"{nodes} {1 + (kind == 'v2')} 0\n"


@pytest.mark.slow("stand-ins in a process of their own")
def test_grouped_scans_are_scans_of_the_groups(tmp_path: Path) -> None:
    code = """
import torch
from mamba_ssm.ops.selective_scan_interface import selective_scan_fn as scan
torch.manual_seed(0)
u, delta, A = torch.randn(1, 6, 9), torch.rand(1, 6, 9), -torch.rand(6, 4)
B, C, D = torch.randn(1, 2, 4, 9), torch.randn(1, 2, 4, 9), torch.randn(6)
whole = scan(u, delta, A, B, C, D, delta_softplus=True)
for g in (0, 1):
    r = slice(3 * g, 3 * g + 3)
    part = scan(u[:, r], delta[:, r], A[r], B[:, g], C[:, g], D[r], delta_softplus=True)
    torch.testing.assert_close(whole[:, r], part)
again, state = scan(u, delta, A, B, C, D, delta_softplus=True, return_last_state=True)
assert torch.equal(again, whole) and state.shape == (1, 6, 4)
"""
    in_child(code, tmp_path)


@pytest.mark.slow("stand-ins in a process of their own")
def test_small_helpers(tmp_path: Path) -> None:
    code = """
import torch
from timm.models.layers import DropPath, Mlp, to_2tuple, trunc_normal_
from basicsr.utils.registry import ARCH_REGISTRY
from huggingface_hub import PyTorchModelHubMixin

@ARCH_REGISTRY.register()
class Net(torch.nn.Module, PyTorchModelHubMixin, library_name="x"):
    pass

assert to_2tuple(3) == (3, 3) and to_2tuple((1, 2)) == (1, 2)
x = torch.randn(2, 5, 8)
assert DropPath(0.5)(x) is x and Mlp(8, 16)(x).shape == x.shape and Net()
import cv2
try:
    cv2.imread("x")
except ModuleNotFoundError as error:
    print(error)
"""
    assert in_child(code, tmp_path) == "it needs cv2.imread, and cv2 is not installed\n"


def test_a_checkout_without_an_init_file_still_comes_first(tmp_path: Path) -> None:
    root = make_checkout(tmp_path / "repo", {})
    assert not (root / "models/__init__.py").exists()
    with Sandbox(read_checkout(root), 0, JOB, 60, 2**33, choose_wall("none", "a test")) as sandbox:
        assert sandbox.ask("describe")[0]["network"] == "Plain"
        with pytest.raises(EsrError, match="no attribute 'nonsense'"):
            sandbox.ask("nonsense")
    assert not sandbox.folder.exists()
