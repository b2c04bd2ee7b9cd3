"""causal-conv1d's functions: a short depthwise convolution over the tokens before each token.

w: taps; the last one meets the token itself.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

ACTIVATIONS = (None, "silu", "swish")


def causal_conv1d_fn(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    seq_idx: Tensor | None = None,
    initial_states: Tensor | None = None,
    return_final_states: bool = False,
    final_states_out: Tensor | None = None,
    activation: str | None = None,
) -> Tensor | tuple[Tensor, Tensor]:
    """out_t = sum_k weight_k x_{t - w + 1 + k} + bias, then SiLU if asked for, in x's dtype.

    Args:
        x: (b, d, L).
        weight, bias: (d, w) and (d); their precision is that of the sum.
        seq_idx: (b, L), of whole numbers: tokens see only those of the same number, and a negative one gives 0.
        initial_states: (b, d, w - 1), the tokens before the first; None: zeros.
        return_final_states: return the last w - 1 tokens too, (b, d, w - 1); with `final_states_out`, in it.
        activation: None, "silu" or "swish", which is the same.

    Raises:
        NotImplementedError: for another activation.
        ValueError: for `seq_idx` together with states.
    """
    _check_activation(activation)
    if seq_idx is not None and (initial_states is not None or return_final_states):
        raise ValueError("seq_idx goes with no initial and no final states")
    d, taps = weight.shape
    history = x if initial_states is None else torch.cat([initial_states.to(x.dtype), x], -1)
    if seq_idx is not None:
        out = _within_sequences(x.to(weight.dtype), weight, bias, seq_idx)
    elif initial_states is None:
        out = depthwise(x, weight, bias)
    else:
        out = F.conv1d(history.to(weight.dtype), weight[:, None], _to(bias, weight), groups=d)
    out = _activate(out, activation).to(x.dtype)
    if not return_final_states:
        return out
    final = F.pad(history, (taps - 1 - history.shape[-1], 0))
    return out, final if final_states_out is None else final_states_out.copy_(final)


def causal_conv1d_ref(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    initial_states: Tensor | None = None,
    return_final_states: bool = False,
    final_states_out: Tensor | None = None,
    activation: str | None = None,
) -> Tensor | tuple[Tensor, Tensor]:
    """`causal_conv1d_fn`, which is plain PyTorch already, in the order of the reference's arguments."""
    return causal_conv1d_fn(
        x, weight, bias, None, initial_states, return_final_states, final_states_out, activation=activation
    )


def causal_conv1d_update(
    x: Tensor,
    conv_state: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    activation: str | None = None,
    cache_seqlens: Tensor | None = None,
    conv_state_indices: Tensor | None = None,
) -> Tensor:
    """The convolution of the tokens that come next, after those in `conv_state`, which is changed in place.

    Args:
        x: (b, d) or (b, d, L).
        conv_state: (b, d, s), s >= w - 1, the last tokens; a ring that goes on at `cache_seqlens` (b), if given.
        weight, bias, activation: as in `causal_conv1d_fn`.
        conv_state_indices: (b), which rows of a larger conv_state belong to the batch.
    """
    _check_activation(activation)
    tokens = x if x.dim() == 3 else x[..., None]  # (b, d, L)
    (d, taps), length, size = weight.shape, tokens.shape[-1], conv_state.shape[-1]
    state = conv_state if conv_state_indices is None else conv_state[conv_state_indices.long()]
    if cache_seqlens is None:
        recent = torch.cat([state, tokens.to(state.dtype)], -1)
        state_after = recent[..., -size:]
    else:
        place = cache_seqlens.long()[:, None, None]
        before = (place + torch.arange(1 - taps, 0, device=x.device)).remainder(size).expand(-1, d, -1)
        here = (place + torch.arange(length, device=x.device)).remainder(size).expand(-1, d, -1)
        recent = torch.cat([state.gather(2, before), tokens.to(state.dtype)], -1)
        state_after = state.scatter(2, here, tokens.to(state.dtype))
    out = F.conv1d(recent.to(weight.dtype), weight[:, None], _to(bias, weight), groups=d)[..., -length:]
    if conv_state_indices is None:
        conv_state.copy_(state_after)
    else:
        conv_state[conv_state_indices.long()] = state_after
    return _activate(out, activation).to(x.dtype).view(x.shape)


def depthwise(x: Tensor, weight: Tensor, bias: Tensor | None, reverse: bool = False) -> Tensor:
    """Causal, (b, d, L) -> (b, d, L), by a weight (d, w), in its precision; reverse: over the tokens behind each."""
    d, taps = weight.shape
    weight = weight.flip(-1) if reverse else weight
    out = F.conv1d(x.to(weight.dtype), weight[:, None], _to(bias, weight), padding=taps - 1, groups=d)
    return out[..., taps - 1 :] if reverse else out[..., : x.shape[-1]]


def _within_sequences(x: Tensor, weight: Tensor, bias: Tensor | None, seq_idx: Tensor) -> Tensor:
    taps, length = weight.shape[1], x.shape[-1]
    out = x.new_zeros(x.shape) if bias is None else _to(bias, weight)[:, None].expand_as(x)  # type: ignore[index]
    for back in range(min(taps, length)):
        same = seq_idx[:, back:] == seq_idx[:, : length - back]
        seen = x[..., : length - back] * same[:, None] * weight[:, taps - 1 - back, None]
        out = out + F.pad(seen, (back, 0))
    return torch.where(seq_idx[:, None] < 0, 0, out)


def _activate(x: Tensor, activation: str | None) -> Tensor:
    return x if activation is None else F.silu(x)


def _check_activation(activation: str | None) -> None:
    if activation not in ACTIVATIONS:
        raise NotImplementedError(f"activation must be None, silu or swish, not {activation!r}")


def _to(bias: Tensor | None, weight: Tensor) -> Tensor | None:
    return None if bias is None else bias.to(weight.dtype)
