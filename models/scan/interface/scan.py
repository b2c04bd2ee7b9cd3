"""mamba-ssm's `selective_scan_fn` and its reference."""

from torch import Tensor

from .. import selective_scan_with_state


def selective_scan_fn(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None = None,
    z: Tensor | None = None,
    delta_bias: Tensor | None = None,
    delta_softplus: bool = False,
    return_last_state: bool = False,
) -> Tensor | tuple[Tensor, Tensor]:
    """`models.scan.selective_scan`, its result laid out as u is. The last state, (b, d, n), has a gradient here."""
    return _scan(u, delta, A, B, C, D, z, delta_bias, delta_softplus, return_last_state, None)


def selective_scan_ref(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None = None,
    z: Tensor | None = None,
    delta_bias: Tensor | None = None,
    delta_softplus: bool = False,
    return_last_state: bool = False,
) -> Tensor | tuple[Tensor, Tensor]:
    """The same by the plain loop of `models.scan.reference`."""
    return _scan(u, delta, A, B, C, D, z, delta_bias, delta_softplus, return_last_state, "reference")


def _scan(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None,
    z: Tensor | None,
    delta_bias: Tensor | None,
    delta_softplus: bool,
    return_last_state: bool,
    backend: str | None,
) -> Tensor | tuple[Tensor, Tensor]:
    out, state = selective_scan_with_state(u, delta, A, B, C, D, z, delta_bias, delta_softplus, backend)
    out = laid_out_like(u, out)
    return (out, state) if return_last_state else out


def laid_out_like(u: Tensor, out: Tensor) -> Tensor:
    """`out` (b, d, L) with the tokens side by side in memory if u has them so: callers go on with `view`."""
    return out.contiguous() if u.stride(-1) == 1 else out
