"""What mamba-ssm's, causal-conv1d's and VMamba's compiled modules offer to the autograd functions around them.

`selective_scan_cuda` and its kin have `fwd` and `bwd` without gradients of their own. The intermediate result that they
hand from one to the other is unspecified but for the last state, which callers read from it.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .. import arguments, scan_backend, selective_scan_with_state
from ..operator import selective_scan_backward
from ..pointwise import working_dtype
from .conv import causal_conv1d_fn, causal_conv1d_update
from .scan import laid_out_like

# ---- selective_scan_cuda --------------------------------------------------------------------------------------------


def fwd(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None,
    z: Tensor | None,
    delta_bias: Tensor | None,
    delta_softplus: bool,
) -> list[Tensor]:
    """The ungated output (b, d, L), the intermediate (b, d, 1, 2 n) and, with z, the gated output."""
    # Rounded once, at the end: what is gated has the precision of the state.
    exact, state = _scan(u if z is None else u.to(working_dtype(u)), delta, A, B, C, D, delta_bias, delta_softplus)
    intermediate = torch.stack([torch.zeros_like(state), state], -1).flatten(2)[:, :, None]
    if z is None:
        return [exact, intermediate]
    return [exact.to(u.dtype), intermediate, _gate(exact, z).to(u.dtype)]


def bwd(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None,
    z: Tensor | None,
    delta_bias: Tensor | None,
    dout: Tensor,
    x: Tensor | None,
    out: Tensor | None,
    dz: Tensor | None,
    delta_softplus: bool,
    recompute_out_z: bool,
) -> list[Tensor | None]:
    """Gradients of u, delta, A, B, C, D and delta_bias, with z its own (in `dz`, if given) and, if asked, out."""
    B_, C_ = arguments.check(u, delta, A, B, C, D, z, delta_bias)
    backend = scan_backend(None, B_, C_)
    grads = selective_scan_backward(dout, None, u, delta, A, B_, C_, D, z, delta_bias, delta_softplus, backend, False)
    du, ddelta, dA, dB, dC, dD, made, dbias = grads
    results: list[Tensor | None] = [du, ddelta, dA, _ungrouped(dB, B), _ungrouped(dC, C)]
    results += [None if D is None else dD, None if delta_bias is None else dbias]
    results[:5] = [None if g is None else laid_out_like(u, g) for g in results[:5]]
    if z is None:
        return results
    results.append(made if dz is None else dz.copy_(made))
    if recompute_out_z:
        ungated = out if out is not None else _scan(u, delta, A, B, C, D, delta_bias, delta_softplus)[0]
        results.append(_gate(ungated, z).to(u.dtype))
    return results


def _scan(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None,
    delta_bias: Tensor | None,
    delta_softplus: bool,
) -> Any:
    with torch.no_grad():
        out, state = selective_scan_with_state(u, delta, A, B, C, D, None, delta_bias, delta_softplus)
    return laid_out_like(u, out), state


def _gate(out: Tensor, z: Tensor) -> Tensor:
    return out * F.silu(z.to(working_dtype(out, z)))


def _ungrouped(grad: Tensor, x: Tensor) -> Tensor:
    """Where one group was repeated for several, the sum over these."""
    return grad.sum(1, keepdim=x.dim() == 4) if grad.shape != x.shape else grad


# ---- selective_scan_cuda_core and selective_scan_cuda_oflex of VMamba: no z, several rows a thread ------------------


def core_fwd(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None,
    delta_bias: Tensor | None,
    delta_softplus: bool,
    nrows: int = 1,
) -> list[Tensor]:
    """The output and the intermediate of `fwd`."""
    return fwd(u, delta, A, B, C, D, None, delta_bias, delta_softplus)


def core_bwd(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None,
    delta_bias: Tensor | None,
    dout: Tensor,
    x: Tensor | None,
    delta_softplus: bool,
    nrows: int = 1,
) -> list[Tensor | None]:
    """Gradients of u, delta, A, B, C, D and delta_bias."""
    return bwd(u, delta, A, B, C, D, None, delta_bias, dout, x, None, None, delta_softplus, False)


def oflex_fwd(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None,
    delta_bias: Tensor | None,
    delta_softplus: bool,
    nrows: int = 1,
    out_float: bool = True,
) -> list[Tensor]:
    """`core_fwd`, with `out_float` an output in float32 whatever the precision of u."""
    return core_fwd(u.to(working_dtype(u)) if out_float else u, delta, A, B, C, D, delta_bias, delta_softplus)


# ---- causal_conv1d_cuda and causal_conv1d.cpp_functions -------------------------------------------------------------


def convolution_fwd(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    seq_idx: Tensor | None,
    initial_states: Tensor | None,
    final_states_out: Tensor | None,
    silu_activation: bool,
) -> Tensor:
    """The output (b, d, L); `final_states_out` (b, d, w - 1), if given, is filled."""
    with torch.no_grad():
        result = _convolve(x, weight, bias, seq_idx, initial_states, final_states_out is not None, silu_activation)
    if final_states_out is None:
        return laid_out_like(x, result)
    final_states_out.copy_(result[1])
    return laid_out_like(x, result[0])


def convolution_bwd(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    dout: Tensor,
    seq_idx: Tensor | None,
    initial_states: Tensor | None,
    dfinal_states: Tensor | None,
    dx: Tensor | None,
    return_dinitial_states: bool,
    silu_activation: bool,
) -> list[Tensor | None]:
    """Gradients of x (in `dx`, if given), the weight, the bias and, if asked, the initial states."""
    given = [x, weight, bias, initial_states]
    leaves = [None if t is None else t.detach().requires_grad_() for t in given]
    final = dfinal_states is not None
    with torch.enable_grad():
        result = _convolve(leaves[0], leaves[1], leaves[2], seq_idx, leaves[3], final, silu_activation)
    outputs, weights = ([result], [dout]) if dfinal_states is None else (list(result), [dout, dfinal_states])
    wanted = [t for t in leaves if t is not None]
    found = iter(torch.autograd.grad(outputs, wanted, weights))
    grads = [None if t is None else next(found) for t in leaves]
    if dx is not None and grads[0] is not None:
        grads[0] = dx.copy_(grads[0])
    return [*grads[:3], grads[3] if return_dinitial_states else None]


def convolution_update(
    x: Tensor,
    conv_state: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    silu_activation: bool,
    cache_seqlens: Tensor | None = None,
    conv_state_indices: Tensor | None = None,
) -> Tensor:
    """`causal_conv1d_update`."""
    activation = "silu" if silu_activation else None
    return causal_conv1d_update(x, conv_state, weight, bias, activation, cache_seqlens, conv_state_indices)


def _convolve(
    x: Any, weight: Any, bias: Any, seq_idx: Any, initial_states: Any, return_final_states: bool, silu: bool
) -> Any:
    return causal_conv1d_fn(
        x, weight, bias, seq_idx, initial_states, return_final_states, activation="silu" if silu else None
    )
