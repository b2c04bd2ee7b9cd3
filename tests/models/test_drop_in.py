"""Networks that import mamba-ssm, without it: what resolves to this project's scan, and what never does."""

from pathlib import Path

import pytest

from models.scan import drop_in
from tests.bench.own_networks import MAMBA_CODE, write_code
from tests.commands import run

INSTALL = """
import sys
from models.scan.drop_in import install, stands_in
finder = install()
"""


def after_install(code: str, *path: Path) -> str:
    """What `code` prints behind `install`, with these folders on the path."""
    added = "".join(f"sys.path.append({str(folder)!r})\n" for folder in path)
    done = run("-c", INSTALL + added + code)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_name_resolves_to_something_that_this_project_has() -> None:
    for module, contents in drop_in.MODULES.items():
        found = contents()
        assert found, module
        assert all(callable(value) for value in found.values()), module


def test_unchanged_imports_of_public_networks() -> None:
    code = """
from mamba_ssm.ops.selective_scan_interface import selective_scan_fn, selective_scan_ref  # MambaIR
import selective_scan_cuda, selective_scan_cuda_core, selective_scan_cuda_oflex  # VMamba
from mamba_ssm import Mamba  # U-Mamba and others
from mamba_ssm.modules.mamba_simple import Mamba as again
from mamba_ssm.utils.generation import GenerationMixin  # Vim
from mamba_ssm.utils.hf import load_config_hf, load_state_dict_hf
from mamba_ssm.ops.triton.layer_norm import RMSNorm, layer_norm_fn, rms_norm_fn
from mamba_ssm.ops.selective_scan_interface import mamba_inner_fn, bimamba_inner_fn, mamba_inner_fn_no_out_proj
from causal_conv1d import causal_conv1d_fn, causal_conv1d_update
import causal_conv1d_cuda, mamba_ssm, mamba_ssm.ops
assert Mamba is again and mamba_ssm.ops.selective_scan_interface.selective_scan_fn is selective_scan_fn
assert install() is finder and sys.meta_path[-1] is finder and sys.meta_path.count(finder) == 1
print(sorted(finder.used), stands_in("mamba_ssm"), stands_in("torch"))
try:
    from mamba_ssm import Mamba2
except ImportError as error:
    print("no", error.name)
"""
    used = ["causal_conv1d", "causal_conv1d_cuda", "mamba_ssm", "selective_scan_cuda"]
    used += ["selective_scan_cuda_core", "selective_scan_cuda_oflex"]
    assert after_install(code) == f"{used} True False\nno mamba_ssm\n"


def test_without_install_nothing_is_found() -> None:
    done = run("-c", "import models.scan, mamba_ssm")
    assert "No module named 'mamba_ssm'" in done.stderr


@pytest.mark.parametrize("compiled", [False, True])
def test_what_is_installed_wins(compiled: bool, tmp_path: Path) -> None:
    package = tmp_path / "mamba_ssm"
    (package / "ops").mkdir(parents=True)
    (package / "__init__.py").write_text("import selective_scan_cuda\nMamba = 'theirs'\n")
    (package / "ops/__init__.py").touch()
    if compiled:
        (tmp_path / "selective_scan_cuda.py").write_text("fwd = 'theirs'\n")
    code = """
import mamba_ssm, selective_scan_cuda
print(mamba_ssm.Mamba, selective_scan_cuda.fwd == "theirs", stands_in("mamba_ssm"), stands_in("selective_scan_cuda"))
for absent in ("mamba_ssm.modules", "mamba_ssm.ops.selective_scan_interface"):
    try:
        __import__(absent)
    except ModuleNotFoundError as error:
        print(error)
"""
    # No part of a package that is there is made up; the compiled module has a name of its own.
    assert after_install(code, tmp_path) == (
        f"theirs {compiled} False {not compiled}\n"
        "No module named 'mamba_ssm.modules'\nNo module named 'mamba_ssm.ops.selective_scan_interface'\n"
    )


def test_a_stand_in_is_no_rival() -> None:
    code = """
import mamba_ssm, selective_scan_cuda, causal_conv1d_cuda
from models.scan import list_backends, mamba_ssm_mixer
print("mamba_ssm" in list_backends(), mamba_ssm_mixer.available())
"""
    assert after_install(code) == "False False\n"


def test_a_function_of_autograd_around_the_compiled_names() -> None:
    """As VMamba and mamba-ssm's own Python write it: their `forward` and `backward` call `fwd` and `bwd`."""
    code = """
import torch
import selective_scan_cuda_oflex as kernels
from mamba_ssm.ops.selective_scan_interface import selective_scan_fn

class Scan(torch.autograd.Function):
    @staticmethod
    def forward(ctx, u, delta, A, B, C, D, delta_bias):
        out, x, *rest = kernels.fwd(u, delta, A, B, C, D, delta_bias, True, 1, True)
        ctx.save_for_backward(u, delta, A, B, C, D, delta_bias, x)
        return out

    @staticmethod
    def backward(ctx, dout):
        u, delta, A, B, C, D, delta_bias, x = ctx.saved_tensors
        return tuple(kernels.bwd(u, delta, A, B, C, D, delta_bias, dout, x, True, 1))

torch.manual_seed(0)
x = [torch.randn(2, 8, 30), torch.rand(2, 8, 30), -torch.rand(8, 4), torch.randn(2, 4, 4, 30), torch.randn(2, 4, 4, 30)]
x = [t.requires_grad_() for t in [*x, torch.randn(8), torch.rand(8)]]
ours = selective_scan_fn(*x[:6], None, x[6], True)
theirs = Scan.apply(*x)
torch.testing.assert_close(ours, theirs)
weight = torch.randn_like(ours)
for a, b in zip(torch.autograd.grad(ours, x, weight), torch.autograd.grad(theirs, x, weight)):
    torch.testing.assert_close(a, b)
print("same")
"""
    assert after_install(code) == "same\n"


def test_a_users_network_finds_it_and_the_record_says_so(tmp_path: Path) -> None:
    write_code(tmp_path, MAMBA_CODE)
    code = f"""
import torch
from bench.networks.external.own import OwnNetwork
from bench.networks.external.python_file import open_python
opened = open_python(OwnNetwork("Python file", {str(tmp_path / "net.py")!r}, "MambaNet"), {{}})
print(opened.network(torch.zeros(1, 3, 5, 6)).shape, *opened.notes)
"""
    note = "this project's selective scan stood in for mamba_ssm, which is not installed"
    assert run("-c", code).stdout == f"torch.Size([1, 3, 20, 24]) {note}\n"


def test_what_vision_networks_never_call_says_what_it_needs() -> None:
    with pytest.raises(NotImplementedError, match="generating text needs mamba-ssm itself"):
        drop_in.GenerationMixin().generate()
    with pytest.raises(NotImplementedError, match="hub needs mamba-ssm itself"):
        drop_in.MODULES["mamba_ssm.utils.hf"]()["load_config_hf"]("name")
