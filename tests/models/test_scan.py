"""The selective scan: backends against the oracle, gradients, memory, and what PyTorch sees of the operator."""

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

from bench.data.datasets import find_dataset
from models import create_model, scan
from models.errors import EsrError
from models.mamba import Mamba
from models.scan import chunked, list_backends, resolve_backend, selective_scan
from tests.commands import run
from tests.data import esr_data

BACKENDS = list_backends("cpu")
FAST = [name for name in BACKENDS if name != "reference"]


def make_inputs(b: int, d: int, n: int, length: int, dtype: torch.dtype = torch.float64) -> dict[str, Tensor]:
    """Random inputs of a plausible size; every optional one is there."""
    g = torch.Generator().manual_seed(b * 1000 + d * 100 + n * 10 + length)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=g, dtype=dtype)

    return {
        "u": normal(b, d, length),
        "delta": normal(b, d, length),
        "A": -torch.rand(d, n, generator=g, dtype=dtype) * 4,
        "B": normal(b, n, length),
        "C": normal(b, n, length),
        "D": normal(d),
        "z": normal(b, d, length),
        "delta_bias": normal(d),
    }


def extreme_inputs(length: int = 700) -> dict[str, Tensor]:
    """Huge and tiny decays and steps beside each other, and zeros, in float32."""
    x = make_inputs(1, 12, 16, length, torch.float32)
    x["A"] = -torch.logspace(-4, 4, 12 * 16).view(12, 16)
    x["delta"] = torch.logspace(-15, 4, 12)[:, None].log() * torch.ones(1, 12, length) + 0.1 * x["delta"]
    x["delta"][:, 3] = -100.0  # softplus of this is 3.8e-44, a denormal
    x["u"][..., 100:200] = 0.0
    x["B"][..., 300:310] = 0.0
    x["delta_bias"] = torch.zeros(12)
    return x


def relative_error(a: Tensor, b: Tensor) -> float:
    return float((a.double() - b.double()).norm() / b.double().norm())


def naive(x: dict[str, Tensor], softplus: bool) -> Tensor:
    """The definition, written down once more and differentiated by autograd."""
    step = x["delta"] + x["delta_bias"][:, None]
    step = torch.log1p(torch.exp(-step.abs())) + step.clamp(min=0) if softplus else step
    h, out = torch.zeros(*x["u"].shape[:2], x["A"].shape[1], dtype=x["u"].dtype), []
    for t in range(x["u"].shape[-1]):
        decay = torch.exp(step[:, :, t, None] * x["A"])
        h = decay * h + step[:, :, t, None] * x["B"][:, None, :, t] * x["u"][:, :, t, None]
        out.append((h * x["C"][:, None, :, t]).sum(-1) + x["D"] * x["u"][:, :, t])
    return torch.stack(out, -1) * x["z"] * torch.sigmoid(x["z"])


@pytest.fixture
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    # So that short sequences are cut into several chunks too.
    monkeypatch.setitem(chunked.STATE_ELEMENTS, "cpu", 300)


SHAPES = [(1, 1, 1, 1), (1, 3, 2, 1), (2, 5, 4, 37), (1, 7, 16, 300), (3, 4, 8, 64), (1, 3, 5, 129)]


@pytest.mark.parametrize("softplus", [True, False])
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.usefixtures("_small_chunks")
def test_definition_and_its_gradients(backend: str, softplus: bool) -> None:
    x = make_inputs(2, 3, 4, 29)
    if not softplus:
        x["delta"], x["delta_bias"] = x["delta"].abs(), x["delta_bias"].abs()
    expected_in = {k: v.clone().requires_grad_() for k, v in x.items()}
    got_in = {k: v.clone().requires_grad_() for k, v in x.items()}
    expected = naive(expected_in, softplus)
    got = selective_scan(**got_in, delta_softplus=softplus, backend=backend)
    torch.testing.assert_close(got, expected, rtol=1e-11, atol=1e-12)
    weight = torch.randn(expected.shape, dtype=expected.dtype)
    (expected * weight).sum().backward()
    (got * weight).sum().backward()
    for name in x:
        torch.testing.assert_close(got_in[name].grad, expected_in[name].grad, rtol=1e-9, atol=1e-10, msg=name)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("backend", FAST)
@pytest.mark.usefixtures("_small_chunks")
def test_float64_agrees_with_reference(backend: str, shape: tuple[int, int, int, int]) -> None:
    x = make_inputs(*shape)
    expected = selective_scan(**x, delta_softplus=True, backend="reference")
    got = selective_scan(**x, delta_softplus=True, backend=backend)
    assert (got - expected).abs().max() <= 1e-10 * expected.abs().max()


@pytest.mark.parametrize("chunks", [False, True])
@pytest.mark.parametrize("backend", FAST)
def test_float32_accuracy_on_extreme_inputs(backend: str, chunks: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if chunks:
        monkeypatch.setitem(chunked.STATE_ELEMENTS, "cpu", 4000)
    x = extreme_inputs()
    expected = selective_scan(**{k: v.double() for k, v in x.items()}, delta_softplus=True, backend="reference")
    got = selective_scan(**x, delta_softplus=True, backend=backend)
    assert torch.isfinite(got).all()
    assert relative_error(got, expected) < 2e-6


@pytest.mark.parametrize("checkpoint", ["dvmsr", "dvmsr_ntire"])
def test_float32_accuracy_on_real_layer_inputs(checkpoint: str) -> None:
    data = esr_data()
    captured: list[dict[str, Tensor]] = []

    def capture(x: Tensor, z: Tensor, suffix: str, mixer: Mamba) -> Tensor:
        captured.append(scan_inputs(mixer, x, z))
        return Mamba._direction(mixer, x, z, suffix)

    model = create_model(checkpoint, pretrained=True, data_dir=data, fused=False)
    for mixer in [m for m in model.modules() if isinstance(m, Mamba)]:
        mixer._direction = lambda x, z, suffix, mixer=mixer: capture(x, z, suffix, mixer)  # type: ignore[method-assign]
    lr = find_dataset("Set5", data).pairs[2].load().lr  # butterfly, 64 x 64
    with torch.no_grad():
        model(torch.tensor(lr).permute(2, 0, 1)[None] / 255)
    assert len(captured) == 8
    for x in captured:
        with torch.no_grad():
            exact = {k: v.double() for k, v in x.items()}
            expected = selective_scan(**exact, delta_softplus=True, backend="reference")
            for backend in FAST:
                got = selective_scan(**x, delta_softplus=True, backend=backend)
                assert relative_error(got, expected) < 2e-6


def scan_inputs(mixer: Mamba, x: Tensor, z: Tensor) -> dict[str, Tensor]:
    """What a mixer hands to the scan, derived once more."""
    x = torch.nn.functional.silu(mixer.conv1d(x)[..., : x.shape[-1]])
    dt, B, C = mixer.x_proj(x.transpose(1, 2)).split([mixer.rank, mixer.state, mixer.state], -1)
    return {
        "u": x,
        "delta": (dt @ mixer.dt_proj.weight.T).transpose(1, 2),
        "A": -torch.exp(mixer.A_log),
        "B": B.transpose(1, 2),
        "C": C.transpose(1, 2),
        "D": mixer.D,
        "z": z,
        "delta_bias": mixer.dt_proj.bias,
    }


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("without", [(), ("D",), ("z",), ("delta_bias",), ("D", "z", "delta_bias")])
@pytest.mark.usefixtures("_small_chunks")
def test_gradcheck(backend: str, without: tuple[str, ...]) -> None:
    x = {k: None if k in without else v.requires_grad_() for k, v in make_inputs(1, 3, 2, 130).items()}
    names = [k for k, v in x.items() if v is not None]

    def run(*tensors: Tensor) -> Tensor:
        given = {**x, **dict(zip(names, tensors, strict=True))}
        return selective_scan(**given, delta_softplus=True, backend=backend)  # type: ignore[arg-type]

    assert torch.autograd.gradcheck(run, [x[k] for k in names], fast_mode=True)


@pytest.mark.parametrize("backend", FAST)
def test_gradients_agree_with_reference_on_a_long_sequence(backend: str) -> None:
    x = make_inputs(1, 6, 16, 4096, torch.float32)
    grads = {}
    for name, dtype in (("reference", torch.float64), (backend, torch.float32)):
        leaves = {k: v.to(dtype).requires_grad_() for k, v in x.items()}
        selective_scan(**leaves, delta_softplus=True, backend=name).square().sum().backward()
        grads[name] = {k: v.grad for k, v in leaves.items()}
    for k in x:
        assert relative_error(grads[backend][k], grads["reference"][k]) < 1e-5, k


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("backend", BACKENDS)
def test_half_precision_inputs_keep_a_float32_state(backend: str, dtype: torch.dtype) -> None:
    x = make_inputs(1, 4, 16, 500, torch.float32)
    half = {k: v.to(dtype) if k in ("u", "delta", "B", "C", "z") else v for k, v in x.items()}
    exact = {k: v.double() for k, v in half.items()}
    got = selective_scan(**half, delta_softplus=True, backend=backend)
    expected = selective_scan(**exact, delta_softplus=True, backend="reference")
    assert got.dtype == dtype
    assert relative_error(got, expected) < torch.finfo(dtype).eps  # one rounding, at the end


MEMORY_SCRIPT = """
import sys
import torch
from bench.networks.memory import resident_growth
from models.scan import selective_scan
L, d, n, backend = 65536, 120, 16, sys.argv[1]
x = [torch.randn(1, d, L), torch.randn(1, d, L), -torch.rand(d, n), torch.randn(1, n, L), torch.randn(1, n, L)]
with torch.no_grad():
    short = [t[..., :64] if t.dim() == 3 else t for t in x]
    selective_scan(*short, delta_softplus=True, backend=backend)  # loads what is loaded once
    forward = resident_growth(lambda: selective_scan(*x, delta_softplus=True, backend=backend))
for t in x:
    t.requires_grad_()
both = resident_growth(lambda: selective_scan(*x, delta_softplus=True, backend=backend).sum().backward())
print(forward.peak_allocated // 2**20, both.peak_allocated // 2**20)
"""


@pytest.mark.parametrize(("backend", "forward_mib", "both_mib"), [("chunked", 400, 1536), ("native", 150, 512)])
def test_memory_never_holds_all_states(backend: str, forward_mib: int, both_mib: int) -> None:
    # All states at once would be 503 MB forward, and several times that backward. The output alone has 30 MiB.
    if backend not in BACKENDS:
        pytest.skip(f"{backend} is not available here")
    done = run("-c", MEMORY_SCRIPT, backend)
    forward, both = map(int, done.stdout.split())
    assert 29 < forward < forward_mib
    assert forward < both < both_mib


@pytest.mark.parametrize("backend", BACKENDS)
def test_tiny_steps_keep_their_digits(backend: str) -> None:
    # log(1 + exp(x)) in float32 would give 0 or 10 % errors here.
    x = make_inputs(1, 1, 1, 3, torch.float32)
    x["delta"][:] = -15.0
    x = {**x, "A": torch.full((1, 1), -1e-3), "delta_bias": None, "D": None, "z": None}  # type: ignore[dict-item]
    got = selective_scan(**x, delta_softplus=True, backend=backend)
    h, step = 0.0, torch.nn.functional.softplus(torch.tensor(-15.0, dtype=torch.float64)).item()
    for t in range(3):
        h = torch.exp(torch.tensor(-1e-3 * step, dtype=torch.float64)).item() * h
        h += step * float(x["u"][0, 0, t]) * float(x["B"][0, 0, t])
        assert got[0, 0, t].item() == pytest.approx(h * float(x["C"][0, 0, t]), rel=1e-5)


@pytest.mark.parametrize("backend", BACKENDS)
def test_opcheck(backend: str) -> None:
    x = {k: v.requires_grad_() for k, v in make_inputs(1, 3, 2, 20).items()}
    torch.library.opcheck(torch.ops.esr.selective_scan.default, (*x.values(), True, backend))
    x = {**x, "D": None, "z": None, "delta_bias": None}  # type: ignore[dict-item]
    torch.library.opcheck(torch.ops.esr.selective_scan.default, (*x.values(), False, backend))


def assert_strides_as_told(backend: str, x: dict[str, torch.Tensor]) -> None:
    """Of the gradients by `backend`, whatever the layout of A: those of the operator's fake kernel."""
    backward = torch.ops.esr.selective_scan_backward.default
    for A in (x["A"], x["A"].t().contiguous().t()):
        given = (torch.ones_like(x["u"]), None, *{**x, "A": A}.values(), True, backend, False)
        with FakeTensorMode() as fake:
            told = backward(*(fake.from_tensor(v) if isinstance(v, torch.Tensor) else v for v in given))
        assert [g.stride() for g in backward(*given)] == [g.stride() for g in told]


@pytest.mark.parametrize("backend", BACKENDS)
def test_gradients_have_the_strides_that_a_compiler_is_told(backend: str) -> None:
    assert_strides_as_told(backend, make_inputs(2, 3, 4, 20, torch.float32))


def test_compiles_without_graph_breaks() -> None:
    mixer = create_model("dvmsr", channels=8, depths=[1])
    compiled = torch.compile(mixer, fullgraph=True, backend="aot_eager")
    x = torch.rand(1, 3, 8, 9)
    torch.testing.assert_close(compiled(x), mixer(x))
    exported = torch.export.export(mixer, (x,))
    assert sum("selective_scan" in str(node.target) for node in exported.graph.nodes) == 1


def test_flop_formula() -> None:
    x = make_inputs(2, 3, 4, 5)
    with FlopCounterMode(display=False) as counter:
        selective_scan(**x, backend="reference")
    assert counter.get_total_flops() == 9 * 2 * 5 * 3 * 4


@pytest.mark.parametrize("backend", FAST)
def test_same_input_same_bits(backend: str) -> None:
    def run() -> list[Tensor]:
        leaves = {k: v.clone().requires_grad_() for k, v in make_inputs(2, 40, 16, 3000, torch.float32).items()}
        out = selective_scan(**leaves, delta_softplus=True, backend=backend)
        out.sin().sum().backward()
        return [out, *(leaf.grad for leaf in leaves.values() if leaf.grad is not None)]

    assert all(torch.equal(a, b) for a, b in zip(run(), run(), strict=True))


def test_backend_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ESR_SCAN_BACKEND", raising=False)
    assert resolve_backend(None, "cpu") == ("native" if "native" in BACKENDS else "chunked")
    monkeypatch.setitem(scan.BACKENDS, "native", scan.BACKENDS["native"]._replace(available=lambda: False))
    assert resolve_backend(None, "cpu") == "chunked"
    with pytest.raises(EsrError, match=r"'native' is not installed; install g\+\+, or use --backend auto"):
        resolve_backend("native", "cpu")
    monkeypatch.setenv("ESR_SCAN_BACKEND", "reference")
    assert resolve_backend(None, "cpu") == "reference"
    assert resolve_backend("chunked", "cpu") == "chunked"
    with pytest.raises(EsrError, match=r"unknown scan backend 'fast'.*chunked"):
        resolve_backend("fast", "cpu")
    with pytest.raises(EsrError, match="does not run on cpu"):
        resolve_backend("mamba_ssm", "cpu")


@pytest.mark.parametrize("broken", ["delta", "A", "B", "C", "D", "z", "delta_bias"])
def test_shapes_are_checked(broken: str) -> None:
    x = make_inputs(1, 3, 4, 10)
    x[broken] = x[broken][..., :-1]
    with pytest.raises(ValueError, match=r"must be \("):
        selective_scan(**x)


def test_empty_sequence_is_refused() -> None:
    x = make_inputs(1, 3, 4, 10)
    with pytest.raises(ValueError, match="empty sequence"):
        selective_scan(x["u"][..., :0], x["delta"][..., :0], x["A"], x["B"][..., :0], x["C"][..., :0])
