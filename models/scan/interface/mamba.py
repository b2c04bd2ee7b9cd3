"""mamba-ssm's `Mamba` module, with the options of Vim's fork for two directions.

Mamba (Gu and Dao 2023), section 3.4 and, of the initial values, 3.6; Vision Mamba (Zhu et al. 2024). The parameters are
named as there. b: batch; c: channels (d_model); L: tokens; d: inner channels; n: states; w: taps.
"""

import math
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .. import selective_scan_with_state
from .conv import causal_conv1d_update
from .inner import bimamba_inner_fn, convolve, mamba_inner_fn, mamba_inner_fn_no_out_proj


class Mamba(nn.Module):
    """The Mamba-1 mixer.

    Args:
        d_model, d_state, d_conv: c, n and w.
        expand: d / c.
        dt_rank: of the projection that makes the step; "auto": c / 16, rounded up.
        dt_min, dt_max, dt_init_floor: range of the steps at the start of training, and their least value.
        dt_init, dt_scale: "random" or "constant" weights of that projection, and a factor.
        conv_bias, bias: whether the convolution, and in_proj and out_proj, have one.
        use_fast_path: which kernels mamba-ssm takes; without meaning here.
        layer_idx: the module's key among the states of `inference_params`.
        bimamba_type: "none"; "v1": a second scan, with own A, in the other direction; "v2": a second convolution,
            x_proj, dt_proj, A and D for it too.
        if_divide_out: of v2, the mean of the two directions instead of their sum.
        init_layer_scale: the first value of a learnt factor of each output channel; None: no factor.

    Raises:
        NotImplementedError: for another `dt_init` or `bimamba_type`.
    """

    A_log: nn.Parameter
    D: nn.Parameter
    conv1d: nn.Conv1d
    x_proj: nn.Linear
    dt_proj: nn.Linear

    def __init__(
        self,
        d_model: int,
        d_state: int = 16,
        d_conv: int = 4,
        expand: float = 2,
        dt_rank: int | Literal["auto"] = "auto",
        dt_min: float = 0.001,
        dt_max: float = 0.1,
        dt_init: str = "random",
        dt_scale: float = 1.0,
        dt_init_floor: float = 1e-4,
        conv_bias: bool = True,
        bias: bool = False,
        use_fast_path: bool = True,
        layer_idx: int | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        bimamba_type: str = "none",
        if_divide_out: bool = False,
        init_layer_scale: float | None = None,
    ) -> None:
        super().__init__()
        if dt_init not in ("random", "constant"):
            raise NotImplementedError(f"dt_init must be random or constant, not {dt_init!r}")
        if bimamba_type not in ("none", "v1", "v2"):
            raise NotImplementedError(f"bimamba_type must be none, v1 or v2, not {bimamba_type!r}")
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        self.d_model, self.d_state, self.d_conv, self.expand = d_model, d_state, d_conv, expand
        self.d_inner = d = int(expand * d_model)
        self.dt_rank = rank = math.ceil(d_model / 16) if dt_rank == "auto" else dt_rank
        self.use_fast_path, self.layer_idx = use_fast_path, layer_idx
        self.activation, self.act = "silu", nn.SiLU()
        self.bimamba_type, self.if_divide_out, self.init_layer_scale = bimamba_type, if_divide_out, init_layer_scale
        if init_layer_scale is not None:
            self.gamma = nn.Parameter(torch.full((d_model,), init_layer_scale, device=device))
        self.in_proj = nn.Linear(d_model, 2 * d, bias=bias, **factory)
        for suffix in ("", "_b") if bimamba_type == "v2" else ("",):
            conv = nn.Conv1d(d, d, d_conv, groups=d, padding=d_conv - 1, bias=conv_bias, **factory)
            self.add_module("conv1d" + suffix, conv)
            self.add_module("x_proj" + suffix, nn.Linear(d, rank + 2 * d_state, bias=False, **factory))
            self.add_module("dt_proj" + suffix, nn.Linear(rank, d, **factory))
            self.register_parameter("D" + suffix, _float32(torch.ones(d, device=device)))
        for name in ("A_log",) if bimamba_type == "none" else ("A_log", "A_b_log"):
            rates = torch.arange(1, d_state + 1, dtype=torch.float32, device=device)  # S4D-real
            self.register_parameter(name, _float32(rates.log().repeat(d, 1)))
        self._init_steps(dt_init, rank**-0.5 * dt_scale, dt_min, dt_max, dt_init_floor)
        self.out_proj = nn.Linear(d, d_model, bias=bias, **factory)

    @torch.no_grad()
    def _init_steps(self, kind: str, bound: float, least: float, most: float, floor: float) -> None:
        """Weights that keep the variance, and biases whose softplus is log-uniform in [least, most]; as in mamba-ssm
        only of the first direction."""
        weight, bias = self.dt_proj.weight, self.dt_proj.bias
        if kind == "constant":
            weight.fill_(bound)
        else:
            weight.uniform_(-bound, bound)
        steps = torch.empty_like(bias, dtype=torch.float32).uniform_(math.log(least), math.log(most)).exp()
        steps = steps.clamp(min=floor)
        bias.copy_(steps + torch.log(-torch.expm1(-steps)))
        bias._no_reinit = True  # type: ignore[attr-defined]  # what initialises networks anew looks for this

    def forward(self, hidden_states: Tensor, inference_params: Any = None) -> Tensor:
        """(b, L, c) -> (b, L, c).

        Args:
            inference_params: mamba-ssm's object with `key_value_memory_dict` and `seqlen_offset`, to go on token by
                token: at offset 0 the states behind all of `hidden_states` are kept in it, later one token is added.
        """
        if inference_params is not None:
            return self._scaled(self._with_states(hidden_states, inference_params))
        xz = self.in_proj(hidden_states).transpose(1, 2)  # (b, 2 d, L)
        if self.bimamba_type == "v2":
            forwards = mamba_inner_fn_no_out_proj(xz, *self._inner(""), **self._step_and_skip(""))
            backwards = mamba_inner_fn_no_out_proj(xz, *self._inner("_b"), **self._step_and_skip("_b"), reverse=True)
            y = forwards + backwards
            return self._scaled(self.out_proj((y / 2 if self.if_divide_out else y).transpose(1, 2)))
        *weights, rates = self._inner("")
        weights += [self.out_proj.weight, self.out_proj.bias, rates]
        if self.bimamba_type == "v1":
            weights.append(self._rates("A_b_log"))
            return self._scaled(bimamba_inner_fn(xz, *weights, **self._step_and_skip("")))
        return self._scaled(mamba_inner_fn(xz, *weights, **self._step_and_skip("")))

    def _inner(self, suffix: str) -> list[Any]:
        conv = getattr(self, "conv1d" + suffix)
        projections = [getattr(self, name + suffix).weight for name in ("x_proj", "dt_proj")]
        return [conv.weight, conv.bias, *projections, self._rates("A_b_log" if suffix else "A_log")]

    def _step_and_skip(self, suffix: str) -> dict[str, Any]:
        bias = getattr(self, "dt_proj" + suffix).bias
        return {"D": getattr(self, "D" + suffix).float(), "delta_bias": bias.float(), "delta_softplus": True}

    def _rates(self, name: str) -> Tensor:
        return -torch.exp(getattr(self, name).float())

    def _scaled(self, out: Tensor) -> Tensor:
        return out if self.init_layer_scale is None else out * self.gamma

    # ---- token by token -------------------------------------------------------------------------------------------

    def _with_states(self, hidden_states: Tensor, inference_params: Any) -> Tensor:
        conv_state, ssm_state = self._get_states_from_cache(inference_params, hidden_states.shape[0])
        if inference_params.seqlen_offset > 0:
            return self.step(hidden_states, conv_state, ssm_state)[0]
        x, z = self.in_proj(hidden_states).transpose(1, 2).chunk(2, dim=1)
        conv_state.copy_(F.pad(x, (self.d_conv - x.shape[-1], 0)))
        x = convolve(x, self.conv1d.weight, self.conv1d.bias)
        dt, B, C = self.x_proj(x.transpose(1, 2)).split([self.dt_rank, self.d_state, self.d_state], -1)
        y, state = selective_scan_with_state(
            x,
            F.linear(dt, self.dt_proj.weight).transpose(1, 2),
            self._rates("A_log"),
            B.transpose(1, 2),
            C.transpose(1, 2),
            self.D.float(),
            z,
            self.dt_proj.bias.float(),
            delta_softplus=True,
        )
        ssm_state.copy_(state)
        out: Tensor = self.out_proj(y.transpose(1, 2))
        return out

    def step(self, hidden_states: Tensor, conv_state: Tensor, ssm_state: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """One token (b, 1, c) more: its output (b, 1, c), and the states, changed in place.

        Args:
            conv_state: (b, d, w), the last inputs of the convolution.
            ssm_state: (b, d, n).
        """
        if hidden_states.shape[1] != 1:
            raise NotImplementedError(f"one token at a time, not {hidden_states.shape[1]}")
        x, z = self.in_proj(hidden_states[:, 0]).chunk(2, dim=-1)  # (b, d) each
        x = causal_conv1d_update(x, conv_state, self.conv1d.weight[:, 0], self.conv1d.bias, "silu")
        dt, B, C = self.x_proj(x).split([self.dt_rank, self.d_state, self.d_state], -1)
        dt = F.softplus(F.linear(dt, self.dt_proj.weight).float() + self.dt_proj.bias.float())[..., None]  # (b, d, 1)
        state = (
            ssm_state.float() * torch.exp(dt * self._rates("A_log")) + dt * x.float()[..., None] * B.float()[:, None]
        )
        ssm_state.copy_(state)
        y = (state * C.float()[:, None]).sum(-1) + self.D.float() * x.float()
        out = self.out_proj((y * F.silu(z.float())).to(x.dtype))
        return out[:, None], conv_state, ssm_state

    def allocate_inference_cache(
        self, batch_size: int, max_seqlen: int, dtype: torch.dtype | None = None, **_: Any
    ) -> tuple[Tensor, Tensor]:
        """The states of `step` before the first token; their size does not depend on `max_seqlen`."""
        conv, step = self.conv1d.weight, self.dt_proj.weight
        return (
            conv.new_zeros(batch_size, self.d_inner, self.d_conv, dtype=dtype or conv.dtype),
            step.new_zeros(batch_size, self.d_inner, self.d_state, dtype=dtype or step.dtype),
        )

    def _get_states_from_cache(
        self, inference_params: Any, batch_size: int, initialize_states: bool = False
    ) -> tuple[Tensor, Tensor]:
        if self.layer_idx is None:
            raise ValueError("a Mamba that keeps states needs a layer_idx")
        kept = inference_params.key_value_memory_dict
        if self.layer_idx not in kept:
            kept[self.layer_idx] = self.allocate_inference_cache(batch_size, 0)
        elif initialize_states:
            for state in kept[self.layer_idx]:
                state.zero_()
        states: tuple[Tensor, Tensor] = kept[self.layer_idx]
        return states


def _float32(values: Tensor) -> nn.Parameter:
    """A parameter that stays in float32, and is not decayed."""
    parameter = nn.Parameter(values)
    parameter._no_weight_decay = True  # type: ignore[attr-defined]
    return parameter
