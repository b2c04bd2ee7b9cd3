"""The GPU's scans and fused mixers on a GPU; skipped where there is none, and said so."""

import pytest
import torch
from torch import Tensor

from bench.data.datasets import find_dataset
from models import create_model
from models.scan import list_backends, selective_scan
from models.scan.mixer import can_fuse
from tests.data import esr_data
from tests.models.test_scan import extreme_inputs, make_inputs, relative_error

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
BACKENDS = [name for name in list_backends("cuda") if name != "reference"]
FUSED = [name for name in BACKENDS if can_fuse(name, torch.float32)]
SHAPES = [
    (1, 1, 8, 1), (2, 5, 8, 37), (1, 120, 16, 4096), (1, 130, 16, 333), (3, 96, 32, 1000), (1, 64, 64, 777),
    (64, 120, 16, 256), (1, 120, 16, 65_536), (1, 120, 16, 172_890), (1, 120, 16, 1_000_003),
]  # fmt: skip


def on_gpu(x: dict[str, Tensor], dtype: torch.dtype = torch.float32) -> dict[str, Tensor]:
    """Channels-last, as the network has it."""
    return {
        k: v.to("cuda", dtype).transpose(1, 2).contiguous().transpose(1, 2) if v.dim() == 3 else v.to("cuda", dtype)
        for k, v in x.items()
    }


def exact(x: dict[str, Tensor]) -> Tensor:
    """In float64 by `chunked`, which equals the oracle to 1e-10 and does not take minutes."""
    return selective_scan(**{k: v.double() for k, v in x.items()}, delta_softplus=True, backend="chunked")


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("backend", BACKENDS)
def test_float32_accuracy(backend: str, shape: tuple[int, int, int, int]) -> None:
    x = on_gpu(make_inputs(*shape, torch.float32))
    assert relative_error(selective_scan(**x, delta_softplus=True, backend=backend), exact(x)) < 2e-6


@pytest.mark.parametrize("backend", BACKENDS)
def test_extreme_values(backend: str) -> None:
    x = on_gpu(extreme_inputs(5000))
    got = selective_scan(**x, delta_softplus=True, backend=backend)
    assert torch.isfinite(got).all()
    assert relative_error(got, exact(x)) < 2e-6


@pytest.mark.parametrize("shape", [s for s in SHAPES if s[0] * s[3] < 100_000])
@pytest.mark.parametrize("backend", BACKENDS)
def test_gradients(backend: str, shape: tuple[int, int, int, int]) -> None:
    x = on_gpu(make_inputs(*shape, torch.float32))
    grads = {}
    for name, dtype in (("chunked", torch.float64), (backend, torch.float32)):
        leaves = {k: v.detach().to(dtype).requires_grad_() for k, v in x.items()}
        selective_scan(**leaves, delta_softplus=True, backend=name).sin().sum().backward()
        grads[dtype] = {k: v.grad for k, v in leaves.items()}
    for k in x:
        assert relative_error(grads[torch.float32][k], grads[torch.float64][k]) < 1e-5, k


@pytest.mark.parametrize("backend", ["triton"])
def test_same_input_same_bits(backend: str) -> None:
    def run() -> list[Tensor]:
        leaves = {k: v.detach().requires_grad_() for k, v in on_gpu(make_inputs(2, 120, 16, 9000)).items()}
        out = selective_scan(**leaves, delta_softplus=True, backend=backend)
        out.sin().sum().backward()
        return [out, *(leaf.grad for leaf in leaves.values() if leaf.grad is not None)]

    assert all(torch.equal(a, b) for a, b in zip(run(), run(), strict=True))


@pytest.mark.parametrize("backend", ["triton"])
def test_opcheck(backend: str) -> None:
    x = {k: v.requires_grad_() for k, v in on_gpu(make_inputs(1, 3, 8, 40)).items()}
    torch.library.opcheck(torch.ops.esr.selective_scan.default, (*x.values(), True, backend))


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (64, 96), (256, 256), (339, 510)])
@pytest.mark.parametrize("backend", FUSED)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_fused_network_gives_the_same_image(backend: str, size: tuple[int, int], bidirectional: bool) -> None:
    torch.manual_seed(0)
    plain = create_model("dvmsr", scan_backend="chunked", bidirectional=bidirectional, fused=False)
    for parameter in plain.parameters():
        parameter.data = parameter.data + 0.02 * torch.randn_like(parameter)
    fused = create_model("dvmsr", scan_backend=backend, bidirectional=bidirectional)
    fused.load_state_dict(plain.state_dict())
    x = torch.rand(1, 3, *size, device="cuda")
    with torch.no_grad():
        expected = plain.cuda().double()(x.double())
        assert relative_error(fused.cuda()(x), expected) < 5e-6


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("backend", FUSED)
def test_official_weights_give_the_same_image(backend: str, dtype: torch.dtype) -> None:
    data = esr_data()
    lr = find_dataset("Set5", data).pairs[2].load().lr  # butterfly
    x = (torch.tensor(lr).permute(2, 0, 1)[None] / 255).cuda()
    fused = create_model("dvmsr", pretrained=True, data_dir=data, scan_backend=backend).cuda()
    plain = create_model("dvmsr", pretrained=True, data_dir=data, scan_backend="chunked").cuda().double()
    if dtype != torch.float32:
        for name, parameter in fused.named_parameters():
            if not name.rsplit(".", 1)[-1].startswith(("A_log", "D")):
                parameter.data = parameter.data.to(dtype)
        fused.mean = fused.mean.to(dtype)
    with torch.no_grad():
        error = (fused(x.to(dtype)).double() - plain(x.double())).abs()
    assert error.max() < {torch.float32: 2e-5, torch.float16: 2e-2, torch.bfloat16: 0.15}[dtype]


@pytest.mark.parametrize("backend", FUSED)
def test_graph_and_compiler_replay_the_fused_network(backend: str) -> None:
    net = create_model("dvmsr", channels=24, depths=[2], scan_backend=backend).cuda().eval()
    x = torch.rand(1, 3, 40, 56, device="cuda")
    with torch.no_grad():
        expected = net(x)
        torch.testing.assert_close(torch.compile(net, fullgraph=True)(x), expected, rtol=1e-4, atol=1e-4)
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            captured = net(x)
        graph.replay()
    torch.testing.assert_close(captured, expected)
