"""The Triton backend under Triton's interpreter, on a CPU. `test_triton.py` runs this file with TRITON_INTERPRET=1.

The interpreter takes milliseconds for every token of every program, and scans element by element, hence the small
shapes. A chunk has at most 16 tokens here, so all but the shortest sequences are cut.
"""

import pytest
import torch
from torch import Tensor

from models.errors import EsrError
from models.scan import selective_scan_with_state, triton_scan, triton_tuning
from tests.models.test_scan import assert_strides_as_told, extreme_inputs, make_inputs, relative_error
from tests.models.triton_interpreter import mend_interpreter

mend_interpreter()

# L = 1, L and d not a multiple of anything, d beyond one block, every n and one between, and several sequences.
SHAPES = [(1, 1, 8, 1), (2, 5, 8, 37), (1, 130, 16, 6), (1, 9, 64, 17), (2, 4, 32, 19), (1, 3, 5, 34)]


def exact(
    x: dict[str, Tensor | None], softplus: bool, reverse: bool, weight: Tensor, weight_of_state: Tensor
) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    """Output, last state and gradients of the oracle, in float64."""
    leaves = {k: v.double().requires_grad_() for k, v in x.items() if v is not None}
    out, state = selective_scan_with_state(**leaves, delta_softplus=softplus, reverse=reverse, backend="reference")
    ((out * weight.double()).sum() + (state * weight_of_state.double()).sum()).backward()
    return out.detach(), state.detach(), {k: v.grad for k, v in leaves.items()}


def check(
    x: dict[str, Tensor | None],
    softplus: bool = True,
    tolerance: float = 2e-6,
    gradients: float = 1e-5,
    reverse: bool = False,
    use_state: bool = False,
) -> None:
    g = torch.Generator().manual_seed(1)
    weight = torch.randn(x["u"].shape, generator=g).to(x["u"].dtype)
    weight_of_state = torch.randn(x["u"].shape[0], *x["A"].shape, generator=g) * use_state
    expected, expected_state, expected_grads = exact(x, softplus, reverse, weight, weight_of_state)
    state = torch.empty_like(weight_of_state)
    got = triton_scan.forward(*x.values(), softplus, reverse, state)
    assert got.dtype == x["u"].dtype
    assert got.transpose(1, 2).is_contiguous()
    assert relative_error(got, expected) < tolerance
    assert relative_error(state, expected_state) < 2e-6
    given = weight_of_state if use_state else None
    grads = dict(zip(x, triton_scan.backward(weight, *x.values(), softplus, reverse, given), strict=True))
    for name, grad in grads.items():
        if x[name] is None:
            assert not grad.numel()
            continue
        assert grad.dtype == x[name].dtype
        assert grad.shape == x[name].shape
        error = (grad.double() - expected_grads[name]).norm()
        assert error <= gradients * expected_grads[name].norm(), name
        if grad.dim() > 2:
            assert grad.movedim(-1, 1).is_contiguous()


@pytest.mark.parametrize("shape", SHAPES)
def test_agrees_with_reference(shape: tuple[int, int, int, int]) -> None:
    check(make_inputs(*shape, torch.float32))


@pytest.mark.parametrize(
    ("without", "softplus"),
    [(("D",), True), (("z",), True), (("delta_bias",), True), ((), False), (("D", "z", "delta_bias"), False)],
)
def test_optional_inputs(without: tuple[str, ...], softplus: bool) -> None:
    x = make_inputs(1, 3, 8, 18, torch.float32)
    if not softplus:
        x["delta"], x["delta_bias"] = x["delta"].abs(), x["delta_bias"].abs()
    check({k: None if k in without else v for k, v in x.items()}, softplus)


# Groups beyond one block of channels, smaller than one, with few states and with one or several chunks.
@pytest.mark.parametrize("shape", [(1, 260, 16, 2, 5), (2, 6, 8, 3, 21), (1, 4, 64, 4, 17), (1, 4, 5, 2, 34)])
@pytest.mark.parametrize("reverse", [False, True])
def test_groups_reverse_and_the_gradient_of_the_last_state(shape: tuple[int, ...], reverse: bool) -> None:
    b, d, n, groups, length = shape
    x = make_inputs(b, d, n, length, torch.float32)
    g = torch.Generator().manual_seed(2)
    x["B"], x["C"] = (torch.randn(b, groups, n, length, generator=g) for _ in range(2))
    check(x, reverse=reverse, use_state=True)


def test_last_state_of_a_single_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(triton_tuning, "ENOUGH_WARPS", 0)
    check(make_inputs(2, 3, 8, 27, torch.float32), use_state=True)


def test_extreme_values() -> None:
    check(extreme_inputs(40))


def test_values_of_trained_networks() -> None:
    x = make_inputs(1, 6, 16, 40, torch.float32)
    x["A"] = -torch.logspace(-1.78, 3.858, 6 * 16).view(6, 16)  # -0.0165 ... -7216
    x["delta"] = torch.logspace(-6.52, 0.914, 6)[:, None] * (0.5 + torch.rand(1, 6, 40))  # 3e-7 ... 8.2
    x["delta_bias"] = torch.zeros(6)
    check(x, softplus=False)


@pytest.mark.parametrize("tile", [2, 32])
def test_carry_over_many_chunks(tile: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(triton_tuning, "FEWEST_TOKENS", 2)
    monkeypatch.setattr(triton_tuning, "TOKENS_MULTIPLE", 2)
    monkeypatch.setattr(triton_scan, "CARRY_CHUNKS", tile)
    check(make_inputs(1, 1, 8, 71, torch.float32))


def test_one_chunk_for_many_sequences(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(triton_tuning, "ENOUGH_WARPS", 0)
    check(make_inputs(2, 3, 8, 27, torch.float32))


def test_few_programs_share_many_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(triton_tuning, "BACKWARD_PROGRAMS", 1)
    monkeypatch.setattr(triton_tuning, "MULTIPROCESSORS", 2)
    monkeypatch.setattr(triton_tuning, "FEWEST_TOKENS", 4)
    triton_tuning.multiprocessors.cache_clear()
    check(make_inputs(2, 2, 8, 13, torch.float32))
    triton_tuning.multiprocessors.cache_clear()


def test_views_into_wider_tensors() -> None:
    x = make_inputs(2, 5, 8, 20, torch.float32)
    wide = torch.randn(2, 20, 4 + 2 * 8)  # dt, B and C as x_proj gives them
    wide[..., 4:] = torch.cat([x["B"], x["C"]], 1).transpose(1, 2)
    x["B"], x["C"] = wide[..., 4:12].transpose(1, 2), wide[..., 12:].transpose(1, 2)
    both = torch.cat([x["u"], x["z"]], 1).transpose(1, 2).contiguous()  # as in_proj gives them
    x["u"], x["z"] = both[..., :5].transpose(1, 2), both[..., 5:].transpose(1, 2)
    assert not any(x[k].transpose(1, 2).is_contiguous() for k in ("u", "z", "B", "C"))
    check(x)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_inputs_keep_a_float32_state(dtype: torch.dtype) -> None:
    x = make_inputs(1, 3, 16, 34, torch.float32)
    half = {k: v.to(dtype) if k in ("u", "delta", "B", "C", "z") else v for k, v in x.items()}
    eps = torch.finfo(dtype).eps
    check(half, tolerance=eps, gradients=eps)  # one rounding, at the end


def test_same_input_same_bits() -> None:
    x = make_inputs(1, 3, 16, 20, torch.float32)
    first, second = (
        [triton_scan.forward(*x.values(), True), *triton_scan.backward(x["z"], *x.values(), True)] for _ in range(2)
    )
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_nan_is_not_hidden() -> None:
    x = make_inputs(1, 3, 8, 20, torch.float32)
    x["delta"][0, 1, 3] = float("nan")
    got = triton_scan.forward(*x.values(), True)
    assert got[0, 1, 3:].isnan().all()
    assert got[0, [0, 2]].isfinite().all()


def test_a_gradient_that_is_one_number_repeated() -> None:
    x = make_inputs(1, 3, 8, 12, torch.float32)
    ones = torch.ones(()).expand(x["u"].shape)
    for a, b in zip(
        triton_scan.backward(ones, *x.values(), True),
        triton_scan.backward(ones.contiguous(), *x.values(), True),
        strict=True,
    ):
        assert torch.equal(a, b)


def test_gradients_have_the_strides_that_a_compiler_is_told() -> None:
    x = make_inputs(1, 3, 5, 20, torch.float32)  # five states, which are padded to eight
    assert_strides_as_told("triton", x)


def test_what_it_cannot_do() -> None:
    with pytest.raises(EsrError, match=r"float64.*chunked"):
        triton_scan.forward(*make_inputs(1, 3, 8, 5).values(), True)
    with pytest.raises(EsrError, match=r"at most 64 states, not 65.*chunked"):
        triton_scan.forward(*make_inputs(1, 3, 65, 5, torch.float32).values(), True)
    with pytest.raises(EsrError, match=r"constant B or C.*chunked"):
        triton_scan.forward(*{**make_inputs(1, 3, 8, 5, torch.float32), "B": torch.ones(3, 8)}.values(), True)
