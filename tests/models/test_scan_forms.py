"""All that a selective scan can be asked for, on every backend: groups, constant B and C, last states, both directions.

The grid of mamba-ssm's own test is here, against the definition in float64.
"""

import itertools
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from models.errors import EsrError
from models.scan import chunked, list_backends, scan_backend, selective_scan, selective_scan_with_state
from tests.commands import run
from tests.models.test_scan import make_inputs, relative_error

BACKENDS = list_backends("cpu")
BEST = BACKENDS[-1] if "native" not in BACKENDS else "native"
OPTIONAL = ("D", "z", "delta_bias")
# B and C: how many groups they have; 0: no axis of groups; None: constant.
FORMS = ((0, 0), (2, 2), (1, 1), (None, 0), (0, None), (None, None), (3, None))


def inputs_of(form: tuple[int | None, int | None], b: int, d: int, n: int, length: int) -> dict[str, Tensor]:
    """`make_inputs` with these forms of B and C, in float64."""
    x = make_inputs(b, d, n, length)
    g = torch.Generator().manual_seed(length)
    for name, groups in zip("BC", form, strict=True):
        shape = (d, n) if groups is None else (b, groups, n, length) if groups else (b, n, length)
        x[name] = torch.randn(*shape, generator=g, dtype=torch.float64)
    return x


def by_channel(rows: Tensor, d: int, t: int) -> Tensor:
    """What each of the d channels meets of B or C at token t, (b or 1, d, n)."""
    if rows.dim() == 2:
        return rows[None]
    if rows.dim() == 3:
        return rows[:, None, :, t].expand(-1, d, -1)
    return torch.stack([rows[:, channel * rows.shape[1] // d, :, t] for channel in range(d)], 1)


def definition(x: dict[str, Tensor], softplus: bool) -> tuple[Tensor, Tensor]:
    """Output and last state, token by token, for autograd to differentiate."""
    step = x["delta"] + (x["delta_bias"][:, None] if "delta_bias" in x else 0)
    step = torch.nn.functional.softplus(step) if softplus else step
    h, outs = torch.zeros(*x["u"].shape[:2], x["A"].shape[1], dtype=x["u"].dtype), []
    for t in range(x["u"].shape[-1]):
        now = step[:, :, t, None]
        h = torch.exp(now * x["A"]) * h + now * by_channel(x["B"], h.shape[1], t) * x["u"][:, :, t, None]
        outs.append((h * by_channel(x["C"], h.shape[1], t)).sum(-1))
    out = torch.stack(outs, -1)
    out = out + x["D"][:, None] * x["u"] if "D" in x else out
    return (out * torch.nn.functional.silu(x["z"]) if "z" in x else out), h


def leaves_of(x: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().clone().requires_grad_() for name, value in x.items()}


@pytest.fixture
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(chunked.STATE_ELEMENTS, "cpu", 300)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.usefixtures("_small_chunks")
def test_definition_with_the_gradients_of_output_and_last_state(backend: str, form: tuple[int | None, ...]) -> None:
    x = inputs_of(form, 2, 6, 5, 29)
    expected_in, got_in = leaves_of(x), leaves_of(x)
    expected = definition(expected_in, True)
    got = selective_scan_with_state(**got_in, delta_softplus=True, backend=backend)
    weights = [torch.randn(t.shape, dtype=t.dtype) for t in expected]
    for result in (expected, got):
        sum((t * weight).sum() for t, weight in zip(result, weights, strict=True)).backward()
    for a, b in zip(got, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-12)
    for name in x:
        torch.testing.assert_close(got_in[name].grad, expected_in[name].grad, rtol=1e-9, atol=1e-10, msg=name)


@pytest.mark.parametrize("form", [(0, 0), (2, 2), (None, 0)])
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.usefixtures("_small_chunks")
def test_reverse_is_a_scan_of_what_is_flipped(backend: str, form: tuple[int | None, ...]) -> None:
    x = inputs_of(form, 2, 6, 5, 70)
    flipped = {name: value.flip(-1) if value.dim() > 2 else value for name, value in x.items()}
    there, back = leaves_of(x), leaves_of(flipped)
    out, state = selective_scan_with_state(**there, delta_softplus=True, backend=backend, reverse=True)
    expected, expected_state = selective_scan_with_state(**back, delta_softplus=True, backend=backend)
    torch.testing.assert_close(out, expected.flip(-1), rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(state, expected_state, rtol=1e-12, atol=1e-13)
    (out.sin().sum() + state.cos().sum()).backward()
    (expected.sin().sum() + expected_state.cos().sum()).backward()
    for name, leaf in there.items():
        grad = back[name].grad
        torch.testing.assert_close(leaf.grad, grad.flip(-1) if leaf.dim() > 2 else grad, msg=name)


@pytest.mark.parametrize("backend", BACKENDS)
def test_one_group_serves_several(backend: str) -> None:
    x = inputs_of((2, 0), 2, 6, 4, 20)
    whole = {**x, "C": x["C"][:, None].expand(-1, 2, -1, -1)}
    assert torch.equal(selective_scan(**x, backend=backend), selective_scan(**whole, backend=backend))
    leaves = leaves_of(x)
    selective_scan(**leaves, backend=backend).sum().backward()
    assert leaves["C"].grad.shape == x["C"].shape


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_gradient_of_the_last_state_alone(backend: str) -> None:
    x = inputs_of((2, 2), 1, 4, 3, 40)
    expected_in, got_in = leaves_of(x), leaves_of(x)
    definition(expected_in, True)[1].square().sum().backward()
    selective_scan_with_state(**got_in, delta_softplus=True, backend=backend)[1].square().sum().backward()
    for name in ("u", "delta", "A", "B", "delta_bias"):
        torch.testing.assert_close(got_in[name].grad, expected_in[name].grad, rtol=1e-9, atol=1e-10, msg=name)


# ---- the grid of mamba-ssm's test: b = 2, d = 4, n = 8 --------------------------------------------------------------

LENGTHS = (8, 16, 32, 64, 128, 256, 372, 512, 784, 1024, 1134, 2048, 4096)
GRID_FORMS = ((0, 0), (2, 2), (None, 0), (0, None), (None, None))
# Errors in the norm, of outputs and gradients; of half precision, one rounding at the end.
TOLERANCE = {torch.float32: 2e-6, torch.float16: 2**-10, torch.bfloat16: 2**-7}


def grid_inputs(form: tuple[int | None, ...], length: int, without: tuple[str, ...]) -> dict[str, Tensor]:
    """Numbers that every precision holds exactly, so that one exact result serves all of them."""
    x = inputs_of(form, 2, 4, 8, length)
    x["A"], x["delta"], x["delta_bias"] = x["A"] / 8, x["delta"].abs() / 4, x["delta_bias"].abs() / 4
    return {name: value.half().bfloat16().double() for name, value in x.items() if name not in without}


def flags(every: bool) -> Iterator[tuple[tuple[str, ...], bool]]:
    """Which of D, z and the bias are left out, and whether there is a softplus: all, or the two extremes."""
    if every:
        for kept in itertools.product((False, True), repeat=4):
            yield tuple(name for name, there in zip(OPTIONAL, kept, strict=False) if not there), kept[3]
    else:
        yield from (((), True), (OPTIONAL, False))


def check_grid(form: tuple[int | None, ...], length: int, every: bool) -> None:
    for without, softplus in flags(every):
        x = grid_inputs(form, length, without)
        exact = leaves_of(x)
        out, state = selective_scan_with_state(**exact, delta_softplus=softplus, backend="reference")
        weight = torch.randn(out.shape, generator=torch.Generator().manual_seed(0)).half().bfloat16()
        (out * weight.double()).sum().backward()
        right = results(exact, out, state)
        for dtype, tolerance in TOLERANCE.items():
            half = {name for name in x if x[name].dim() > 2}  # constant B and C have A's precision, as in mamba-ssm
            given = leaves_of({name: v.to(dtype if name in half else torch.float32) for name, v in x.items()})
            got, got_state = selective_scan_with_state(**given, delta_softplus=softplus, backend=BEST)
            assert (got.dtype, got_state.dtype) == (dtype, torch.float32)
            got.backward(weight.to(dtype))
            bounds = {"out": tolerance, "state": 2e-6}
            for name, leaf in given.items():
                assert leaf.grad.dtype == leaf.dtype
                # Those of A and the bias are sums over all tokens, in which most cancels.
                bounds[name] = tolerance if name in half else 1e-5 if name in ("A", "delta_bias") else 2e-6
            errors = {
                name: relative_error(value, right[name]) for name, value in results(given, got, got_state).items()
            }
            if beyond := {name for name in bounds if errors[name] >= bounds[name]}:
                # Long sequences whose states hardly decay: single precision may not do better, token by token either. A
                # decay next to 1 is rounded by up to 3e-8, and thousands of these add up like a random walk, so of two
                # ways to compute it neither is always ahead.
                plain = leaves_of(given)
                out32, state32 = selective_scan_with_state(**plain, delta_softplus=softplus, backend="reference")
                out32.backward(weight.to(dtype))
                for name, value in results(plain, out32, state32).items():
                    assert name not in beyond or errors[name] < 1.5 * relative_error(value, right[name]), (
                        name,
                        dtype,
                        without,
                    )


def results(leaves: dict[str, Tensor], out: Tensor, state: Tensor) -> dict[str, Tensor]:
    """Everything that a scan gives, by name: its output, its last state and the gradients of its arguments."""
    return {"out": out.detach(), "state": state.detach(), **{name: leaf.grad for name, leaf in leaves.items()}}


@pytest.mark.parametrize("length", [8, 372])
@pytest.mark.parametrize("form", GRID_FORMS)
def test_grid_of_mamba_ssm(form: tuple[int | None, ...], length: int) -> None:
    check_grid(form, length, every=length == 8)


@pytest.mark.slow("the whole grid of mamba-ssm's test")
@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("form", GRID_FORMS)
def test_whole_grid_of_mamba_ssm(form: tuple[int | None, ...], length: int) -> None:
    check_grid(form, length, every=length in (64, 784))


# ---- memory, operators, errors --------------------------------------------------------------------------------------

MEMORY_SCRIPT = """
import sys
import torch
from bench.networks.memory import resident_growth
from models.scan import selective_scan
L, d, n, backend, form = 16384, 480, 16, *sys.argv[1:]
B, C = (torch.randn(d, n) if form == "constant" else torch.randn(1, 4, n, L) for _ in range(2))
x = [torch.randn(1, L, d).transpose(1, 2), torch.rand(1, L, d).transpose(1, 2), -torch.rand(d, n), B, C]
for t in x:
    t.requires_grad_()
def both():
    selective_scan(*x, backend=backend, reverse=True).sum().backward()
print(resident_growth(both).peak_allocated // 2**20)
"""


@pytest.mark.parametrize("form", ["groups", "constant"])
@pytest.mark.parametrize("backend", [name for name in BACKENDS if name != "reference"])
def test_memory_never_holds_all_states(backend: str, form: str) -> None:
    # All states at once would be 480 MiB, and several times that backwards. Output and gradients of u and delta have
    # 30 MiB each.
    most = {"native": 300, "chunked": 900}[backend]
    assert int(run("-c", MEMORY_SCRIPT, backend, form).stdout) < most


@pytest.mark.parametrize("form", [(2, 2), (None, 0)])
@pytest.mark.parametrize("backend", BACKENDS)
def test_opcheck(backend: str, form: tuple[int | None, ...]) -> None:
    x = {k: v.requires_grad_() for k, v in inputs_of(form, 1, 4, 2, 20).items()}
    torch.library.opcheck(torch.ops.esr.selective_scan.default, (*x.values(), True, backend, True, True))


@pytest.mark.parametrize("threads", [1, 3, 7, 30])
def test_any_number_of_threads_gives_the_last_state(threads: int) -> None:
    x = inputs_of((2, 2), 1, 40, 16, 3000)
    single = {k: v.float() for k, v in x.items()}
    expected, expected_state = selective_scan_with_state(**x, delta_softplus=True, backend="chunked")
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        leaves = leaves_of(single)
        got, state = selective_scan_with_state(**leaves, delta_softplus=True, backend=BEST)
        (got.sum() + state.sum()).backward()
    finally:
        torch.set_num_threads(before)
    exact = leaves_of(x)
    sum(t.sum() for t in selective_scan_with_state(**exact, delta_softplus=True, backend="chunked")).backward()
    assert relative_error(got, expected) < 2e-6
    assert relative_error(state, expected_state) < 2e-6
    for name, leaf in leaves.items():
        assert relative_error(leaf.grad, exact[name].grad) < 2e-6, name


def test_what_is_refused() -> None:
    x = make_inputs(1, 6, 4, 10)
    with pytest.raises(EsrError, match="complex tensors are not scanned here"):
        selective_scan(**{**x, "A": x["A"].to(torch.complex128)})
    with pytest.raises(ValueError, match="4 groups of B and C do not divide the 6 channels"):
        selective_scan(**{**x, "B": torch.ones(1, 4, 4, 10), "C": torch.ones(1, 4, 4, 10)})
    with pytest.raises(ValueError, match=r"C must be \(1, 4, 10\), \(1, 3, 4, 10\) or, constant, \(6, 4\)"):
        selective_scan(**{**x, "B": torch.ones(1, 3, 4, 10), "C": torch.ones(1, 2, 4, 10)})


def test_a_constant_row_is_for_the_chunked_backend_where_the_gpu_kernels_have_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("models.scan.resolve_backend", lambda name, device: name or "triton")
    varying, constant = torch.ones(1, 4, 10), torch.ones(6, 4)
    assert scan_backend(None, varying, varying) == "triton"
    assert scan_backend(None, constant, varying) == "chunked"
    assert scan_backend("triton", varying, constant) == "triton"  # which then says so itself
