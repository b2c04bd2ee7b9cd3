"""mamba-ssm's and causal-conv1d's functions on this project's scan, against their definitions in float64."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.mamba import Mamba as OurMixer
from models.scan import selective_scan
from models.scan.directions import selective_cross_scan
from models.scan.interface import extensions
from models.scan.interface.conv import causal_conv1d_fn, causal_conv1d_ref, causal_conv1d_update
from models.scan.interface.inner import bimamba_inner_fn, mamba_inner_fn, mamba_inner_fn_no_out_proj
from models.scan.interface.mamba import Mamba
from models.scan.interface.norm import RMSNorm, layer_norm_fn, rms_norm_fn
from models.scan.interface.scan import selective_scan_fn, selective_scan_ref
from tests.models.test_scan import make_inputs, relative_error
from tests.models.test_scan_forms import definition, inputs_of, leaves_of


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_scan_takes_the_arguments_in_the_order_of_mamba_ssm() -> None:
    x = make_inputs(2, 6, 4, 30)
    expected, expected_state = definition(x, True)
    for function in (selective_scan_fn, selective_scan_ref):
        out, state = function(*x.values(), True, True)
        torch.testing.assert_close(out, expected)
        torch.testing.assert_close(state, expected_state)
        assert torch.equal(function(*x.values(), True), out)


def test_the_result_is_laid_out_as_u_is() -> None:
    x = make_inputs(2, 6, 4, 30)
    assert selective_scan_fn(**x).is_contiguous()
    x["u"] = x["u"].transpose(1, 2).contiguous().transpose(1, 2)
    assert selective_scan_fn(**x).transpose(1, 2).is_contiguous()


# ---- causal-conv1d --------------------------------------------------------------------------------------------------


def convolved(x: Tensor, weight: Tensor, bias: Tensor | None, before: Tensor | None = None) -> Tensor:
    """By its sum."""
    taps, length = weight.shape[1], x.shape[-1]
    padded = torch.cat([torch.zeros(*x.shape[:2], taps - 1, dtype=x.dtype) if before is None else before, x], -1)
    out = sum(padded[..., k : k + length] * weight[:, k, None] for k in range(taps))
    return out if bias is None else out + bias[:, None]


@pytest.mark.parametrize("length", [1, 2, 9])
@pytest.mark.parametrize("activation", [None, "silu", "swish"])
def test_causal_convolution_with_its_states(length: int, activation: str | None) -> None:
    x, weight, bias, before = normal(2, 5, length), normal(5, 4, seed=1), normal(5, seed=2), normal(2, 5, 3, seed=3)
    activate = F.silu if activation else lambda v: v
    expected = activate(convolved(x, weight, bias))
    torch.testing.assert_close(causal_conv1d_fn(x, weight, bias, activation=activation), expected)
    room = torch.empty(2, 5, 3, dtype=x.dtype)
    out, final = causal_conv1d_fn(x, weight, None, None, before, True, room, activation)
    torch.testing.assert_close(out, activate(convolved(x, weight, None, before)))
    assert final is room
    assert torch.equal(final, torch.cat([before, x], -1)[..., -3:])
    assert torch.equal(causal_conv1d_ref(x, weight, None, before, activation=activation), out)


def test_sequences_side_by_side_do_not_see_each_other() -> None:
    x, weight, bias = normal(1, 5, 12), normal(5, 4, seed=1), normal(5, seed=2)
    numbers = torch.tensor([[0, 0, 0, 0, 0, 1, 1, 2, 2, 2, -1, -1]])
    out = causal_conv1d_fn(x, weight, bias, seq_idx=numbers)
    for begin, end in ((0, 5), (5, 7), (7, 10)):
        torch.testing.assert_close(out[..., begin:end], convolved(x[..., begin:end], weight, bias))
    assert not out[..., 10:].any()
    with pytest.raises(ValueError, match="seq_idx goes with no initial"):
        causal_conv1d_fn(x, weight, seq_idx=numbers, return_final_states=True)
    with pytest.raises(NotImplementedError, match="activation must be None, silu or swish, not 'relu'"):
        causal_conv1d_fn(x, weight, activation="relu")


@pytest.mark.parametrize("ring", [False, True])
def test_convolution_goes_on_token_by_token(ring: bool) -> None:
    x, weight, bias = normal(2, 5, 11), normal(5, 4, seed=1), normal(5, seed=2)
    state, rows = torch.zeros(4, 5, 6, dtype=x.dtype), torch.tensor([3, 1])
    outs = []
    for begin, end in ((0, 1), (1, 4), (4, 5), (5, 8), (8, 11)):
        seen = torch.full((2,), begin, dtype=torch.int32) if ring else None
        given = x[..., begin] if end == begin + 1 else x[..., begin:end]
        out = causal_conv1d_update(given, state, weight, bias, "silu", seen, rows)
        assert out.shape == given.shape
        outs.append(out.view(2, 5, -1))
    torch.testing.assert_close(torch.cat(outs, -1), F.silu(convolved(x, weight, bias)))
    assert not state[[0, 2]].any()


# ---- the mixer ------------------------------------------------------------------------------------------------------


def inner_arguments(taps: int = 3) -> tuple[Any, ...]:
    d, n, r = 6, 4, 2
    A, D, bias = -normal(d, n, seed=7).abs(), normal(d, seed=8), normal(d, seed=9)
    weights = [
        normal(*shape, seed=i) for i, shape in enumerate([(d, 1, taps), (d,), (r + 2 * n, d), (d, r), (5, d), (5,)])
    ]
    return normal(2, 2 * d, 13, seed=10), weights, A, D, bias


def mixed(xz: Tensor, weights: list[Tensor], A: Tensor, D: Tensor, bias: Tensor, **given: Tensor) -> Tensor:
    """From the definitions of its parts: (b, d, L), before the last projection."""
    conv, conv_bias, x_proj, dt_proj = weights[:4]
    (d, n), r = A.shape, dt_proj.shape[1]
    x, z = xz[:, :d], xz[:, d:]
    x = F.silu(convolved(x, conv[:, 0], conv_bias))
    rows = torch.einsum("rd,bdl->brl", x_proj, x)
    step = torch.einsum("dr,brl->bdl", dt_proj, rows[:, :r])
    scanned = {"u": x, "delta": step, "A": A, "B": rows[:, r : r + n], "C": rows[:, -n:], "D": D, "z": z}
    return definition({**scanned, "delta_bias": bias, **given}, True)[0]


def test_inner_function_is_its_parts() -> None:
    xz, weights, A, D, bias = inner_arguments()
    y = mixed(xz, weights, A, D, bias)
    got = mamba_inner_fn_no_out_proj(xz, *weights[:4], A, D=D, delta_bias=bias)
    torch.testing.assert_close(got, y)
    expected = torch.einsum("cd,bdl->blc", weights[4], y) + weights[5]
    torch.testing.assert_close(mamba_inner_fn(xz, *weights, A, None, None, D, bias), expected)
    B, C = normal(6, 4, seed=20), normal(6, 4, seed=21)
    step, row_of_B, row_of_C = weights[2].split([2, 4, 4])
    for given, kept in (({"B": B}, [step, row_of_C]), ({"C": C}, [step, row_of_B]), ({"B": B, "C": C}, [step])):
        expected = torch.einsum("cd,bdl->blc", weights[4], mixed(xz, weights, A, D, bias, **given)) + weights[5]
        short = [*weights[:2], torch.cat(kept), *weights[3:]]
        torch.testing.assert_close(mamba_inner_fn(xz, *short, A, D=D, delta_bias=bias, **given), expected)


def test_inner_function_normalises_and_shifts_what_it_projects() -> None:
    xz, weights, A, D, bias = inner_arguments()
    norms = {
        "b_rms_weight": normal(4, seed=30),
        "c_rms_weight": normal(4, seed=31),
        "dt_rms_weight": normal(6, seed=32),
    }
    shift = normal(4, seed=33)
    got = mamba_inner_fn(xz, *weights, A, None, None, D, bias, shift, None, **norms)
    x = F.silu(convolved(xz[:, :6], weights[0][:, 0], weights[1]))
    rows = torch.einsum("rd,bdl->blr", weights[2], x)

    def normed(v: Tensor, weight: Tensor) -> Tensor:
        return (v / (v.square().mean(-1, keepdim=True) + 1e-6).sqrt() * weight).transpose(1, 2)

    step = normed(rows[..., :2] @ weights[3].T, norms["dt_rms_weight"])
    B, C = normed(rows[..., 2:6] + shift, norms["b_rms_weight"]), normed(rows[..., 6:], norms["c_rms_weight"])
    scanned = {"u": x, "delta": step, "A": A, "B": B, "C": C, "D": D, "z": xz[:, 6:], "delta_bias": bias}
    torch.testing.assert_close(got, definition(scanned, True)[0].transpose(1, 2) @ weights[4].T + weights[5])


@pytest.mark.parametrize("taps", [1, 3, 4])
def test_backwards_is_forwards_of_what_is_flipped(taps: int) -> None:
    xz, weights, A, D, bias = inner_arguments(taps)
    got = mamba_inner_fn_no_out_proj(xz, *weights[:4], A, D=D, delta_bias=bias, reverse=True)
    expected = mamba_inner_fn_no_out_proj(xz.flip(-1), *weights[:4], A, D=D, delta_bias=bias).flip(-1)
    torch.testing.assert_close(got, expected)


def test_two_scans_behind_one_convolution() -> None:
    xz, weights, A, D, bias = inner_arguments()
    A_b = -normal(6, 4, seed=40).abs()
    x = F.silu(convolved(xz[:, :6], weights[0][:, 0], weights[1]))
    rows = torch.einsum("rd,bdl->brl", weights[2], x)
    step = torch.einsum("dr,brl->bdl", weights[3], rows[:, :2])
    scanned = {"u": x, "delta": step, "B": rows[:, 2:6], "C": rows[:, 6:], "z": xz[:, 6:], "D": D, "delta_bias": bias}
    back = {name: v.flip(-1) if v.dim() > 1 else v for name, v in scanned.items()}
    y = definition({**scanned, "A": A}, True)[0] + definition({**back, "A": A_b}, True)[0].flip(-1)
    got = bimamba_inner_fn(xz, *weights, A, A_b, D=D, delta_bias=bias)
    torch.testing.assert_close(got, y.transpose(1, 2) @ weights[4].T + weights[5])


@pytest.mark.parametrize("kind", ["none", "v2"])
def test_mamba_is_this_projects_mixer(kind: str) -> None:
    ours, theirs = OurMixer(8, bidirectional=kind == "v2"), Mamba(8, bimamba_type=kind)
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(2, 20, 8)
    torch.testing.assert_close(theirs(x), ours(x))


@pytest.mark.parametrize("kind", ["none", "v1", "v2"])
def test_mamba_trains_with_every_option(kind: str) -> None:
    mixer = Mamba(
        10, 5, 3, 1.5, 4, dt_init="constant", conv_bias=False, bias=True, bimamba_type=kind, if_divide_out=True,
        init_layer_scale=0.1, dtype=torch.float64,
    )  # fmt: skip
    assert mixer.D.dtype == mixer.A_log.dtype == torch.float32
    steps = F.softplus(mixer.dt_proj.bias)
    assert steps.min() > 0.00099
    assert steps.max() < 0.101
    mixer(normal(2, 9, 10)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in mixer.parameters())
    for wrong in ({"dt_init": "zero"}, {"bimamba_type": "v3"}):
        with pytest.raises(NotImplementedError, match="must be"):
            Mamba(8, **wrong)


def test_mamba_goes_on_token_by_token() -> None:
    mixer, x = Mamba(8, layer_idx=3), torch.randn(2, 15, 8)
    cache = SimpleNamespace(key_value_memory_dict={}, seqlen_offset=0)
    with torch.no_grad():
        parts = [mixer(x[:, :9], cache)]
        for t in range(9, 15):
            cache.seqlen_offset = t
            parts.append(mixer(x[:, t : t + 1], cache))
        torch.testing.assert_close(torch.cat(parts, 1), mixer(x))
        states = mixer.allocate_inference_cache(2, 100)
        outs = [mixer.step(x[:, t : t + 1], *states)[0] for t in range(15)]
        torch.testing.assert_close(torch.cat(outs, 1), mixer(x))
    with pytest.raises(ValueError, match="needs a layer_idx"):
        Mamba(8)(x, SimpleNamespace(key_value_memory_dict={}, seqlen_offset=0))


# ---- norms, compiled modules, directions ----------------------------------------------------------------------------


def test_norms_behind_a_sum() -> None:
    x, residual, weight, bias = normal(2, 3, 8), normal(2, 3, 8, seed=1), normal(8, seed=2), normal(8, seed=3)
    x, residual, weight, bias = (t.float() for t in (x, residual, weight, bias))
    out, total = layer_norm_fn(x.half(), weight, bias, residual.half(), prenorm=True, residual_in_fp32=True)
    assert (out.dtype, total.dtype) == (torch.float16, torch.float32)
    torch.testing.assert_close(total, x.half().float() + residual.half().float())
    torch.testing.assert_close(out, F.layer_norm(total, (8,), weight, bias, 1e-6).half())
    norm = RMSNorm(8)
    norm.weight.data = weight
    expected = x / (x.square().mean(-1, keepdim=True) + 1e-5).sqrt() * weight
    torch.testing.assert_close(norm(x), expected)
    torch.testing.assert_close(rms_norm_fn(x, weight, bias, eps=1e-5), expected + bias)
    with pytest.raises(NotImplementedError, match="layer_norm_fn has no x1="):
        layer_norm_fn(x, weight, bias, x1=x)


@pytest.mark.parametrize("form", [(0, 0), (2, 2), (None, 0), (2, 0)])
@pytest.mark.parametrize("gated", [False, True])
def test_compiled_scan_has_the_gradients_of_autograd(form: tuple[int | None, ...], gated: bool) -> None:
    x = inputs_of(form, 2, 6, 4, 30)
    if not gated:
        del x["z"]
    leaves, weight = leaves_of(x), normal(2, 6, 30, seed=5)
    expected, state = definition(leaves, True)
    expected.backward(weight)
    u, delta, A, B, C, D, z, bias = (x.get(k) for k in ("u", "delta", "A", "B", "C", "D", "z", "delta_bias"))
    out, intermediate, *rest = extensions.fwd(u, delta, A, B, C, D, z, bias, True)
    torch.testing.assert_close(rest[0] if gated else out, expected.detach())
    torch.testing.assert_close(intermediate[:, :, -1, 1::2], state.detach())
    room = torch.empty_like(u) if gated else None
    grads = extensions.bwd(u, delta, A, B, C, D, z, bias, weight, intermediate, out, room, True, gated)
    names = ["u", "delta", "A", "B", "C", "D", "delta_bias"]
    for name, grad in zip(names, grads, strict=False):
        torch.testing.assert_close(grad, leaves[name].grad, msg=name)
    if gated:
        assert grads[7] is room
        torch.testing.assert_close(room, leaves["z"].grad)
        torch.testing.assert_close(grads[8], expected.detach())
    else:
        assert torch.equal(extensions.core_fwd(u, delta, A, B, C, D, bias, True, 1)[0], out)


def test_oflex_keeps_float32_of_half_inputs() -> None:
    x = {k: v.float() for k, v in inputs_of((2, 2), 1, 4, 3, 20).items() if k != "z"}
    half = {k: v.half() if v.dim() > 2 else v for k, v in x.items()}
    arguments = [half[k] for k in ("u", "delta", "A", "B", "C", "D", "delta_bias")]
    out = extensions.oflex_fwd(*arguments, True, 1, True)[0]
    expected, _ = definition({k: v.double() for k, v in half.items()}, True)
    assert out.dtype == torch.float32
    assert relative_error(out, expected) < 2e-6
    assert extensions.oflex_fwd(*arguments, True, 1, False)[0].dtype == torch.float16
    grads = extensions.core_bwd(*arguments, torch.ones_like(out), None, True, 1)
    assert [g.dtype for g in grads if g is not None] == [half[k].dtype for k in ("u", "delta", "A", "B", "C", "D", "D")]


@pytest.mark.parametrize("silu", [False, True])
def test_compiled_convolution_has_the_gradients_of_autograd(silu: bool) -> None:
    given = [normal(2, 5, 9), normal(5, 4, seed=1), normal(5, seed=2), normal(2, 5, 3, seed=3)]
    leaves = [t.clone().requires_grad_() for t in given]
    expected, final = causal_conv1d_fn(*leaves[:3], None, leaves[3], True, activation="silu" if silu else None)
    weights = normal(2, 5, 9, seed=4), normal(2, 5, 3, seed=5)
    torch.autograd.backward([expected, final], weights)
    room, into = torch.empty(2, 5, 3, dtype=torch.float64), torch.empty_like(given[0])
    x, weight, bias, before = given
    torch.testing.assert_close(extensions.convolution_fwd(x, weight, bias, None, before, room, silu), expected.detach())
    assert torch.equal(room, final)
    grads = extensions.convolution_bwd(x, weight, bias, weights[0], None, before, weights[1], into, True, silu)
    assert grads[0] is into
    for grad, leaf in zip(grads, leaves, strict=True):
        torch.testing.assert_close(grad, leaf.grad)


def test_four_directions_are_four_scans_of_copies() -> None:
    b, height, width, d, n, r = 2, 4, 5, 6, 3, 2
    x = normal(b, height, width, d)
    parameters = normal(4, r + 2 * n, d, seed=1), normal(4, d, r, seed=2), normal(4, d, seed=3)
    A, D = -normal(4 * d, n, seed=4).abs(), normal(4 * d, seed=5)
    got = selective_cross_scan(x, *parameters, A, D)
    # As VMamba has it: four copies of the image, scanned as four groups, then put back.
    rows, columns = x.permute(0, 3, 1, 2).flatten(2), x.permute(0, 3, 2, 1).flatten(2)
    u = torch.stack([rows, columns, rows.flip(-1), columns.flip(-1)], 1)  # (b, 4, d, L)
    made = torch.einsum("bkdl,krd->bkrl", u, parameters[0])
    delta = torch.einsum("bkrl,kdr->bkdl", made[:, :, :r], parameters[1])
    y = selective_scan(
        u.flatten(1, 2), delta.flatten(1, 2), A, made[:, :, r : r + n], made[:, :, r + n :], D,
        delta_bias=parameters[2].flatten(), delta_softplus=True,
    ).unflatten(1, (4, d))  # fmt: skip
    y = torch.cat([y[:, :2], y[:, 2:].flip(-1)], 1)
    by_rows = (y[:, 0] + y[:, 2]).view(b, d, height, width).permute(0, 2, 3, 1)
    by_columns = (y[:, 1] + y[:, 3]).view(b, d, width, height).permute(0, 3, 2, 1)
    torch.testing.assert_close(got, by_rows + by_columns)


def test_parameters_are_marked_as_in_mamba_ssm() -> None:
    mixer = Mamba(8, bimamba_type="v2")
    assert {name for name, p in mixer.named_parameters() if getattr(p, "_no_weight_decay", False)} == {
        "A_log", "A_b_log", "D", "D_b",
    }  # fmt: skip
    assert isinstance(mixer.act, nn.SiLU)
