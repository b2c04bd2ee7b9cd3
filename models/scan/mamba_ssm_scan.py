"""The authors' CUDA kernel, as a rival: mamba-ssm's `selective_scan_fn`.

It brings its own autograd, and keeping out of our operator leaves it exactly as its users run it.
"""

from torch import Tensor


def scan(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None,
    z: Tensor | None,
    delta_bias: Tensor | None,
    delta_softplus: bool,
    reverse: bool,
) -> tuple[Tensor, Tensor]:
    """See `models.scan.selective_scan_with_state`; its state has no gradient."""
    from mamba_ssm.ops.selective_scan_interface import selective_scan_fn

    if reverse:
        u, delta = u.flip(-1), delta.flip(-1)
        B, C = (x.flip(-1) if x.dim() > 2 else x for x in (B, C))
        z = None if z is None else z.flip(-1)
    # Its kernel takes these in float32 only, whatever the precision of the sequences.
    A, B, C = A.float(), *(x.float() if x.dim() == 2 else x for x in (B, C))
    D, delta_bias = (None if x is None else x.float() for x in (D, delta_bias))
    out, state = selective_scan_fn(
        u, delta, A, B, C, D=D, z=z, delta_bias=delta_bias, delta_softplus=delta_softplus, return_last_state=True
    )
    return out.flip(-1) if reverse else out, state
