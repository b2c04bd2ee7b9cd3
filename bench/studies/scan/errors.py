"""How far a backend's results are from `reference` in float64: on random inputs and on a trained network's."""

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from bench.networks.engine import DTYPES
from bench.studies.scan.contender import Variant
from bench.studies.scan.inputs import Inputs, convert, lay_out, layer_inputs, random_inputs
from bench.studies.scan.scan_record import ScanError, ScanLeftOut, ScanSettings
from models.errors import EsrError
from models.scan import selective_scan

NETWORKS = ("dvmsr", "dvmsr_ntire")
Results = dict[str, Tensor]  # "out", "grad u", ...


def measure_errors(
    variants: Sequence[Variant],
    settings: ScanSettings,
    length: int,
    device: torch.device,
    data_dir: Path | None,
    on_inputs: Callable[[str], None],
) -> tuple[list[ScanError], list[ScanLeftOut]]:
    """Errors of every variant on random inputs (output and gradients) and on the networks' layers (output).

    Args:
        on_inputs: called with the name of the inputs before they are run, for progress.
    """
    dtype = DTYPES[settings.precision]
    on_inputs("random")
    shape = (1, length, settings.channels, settings.state, torch.float32, device)
    errors, left_out = _compare("random", random_inputs(*shape), variants, dtype, gradients=True)
    for network in NETWORKS:
        on_inputs(network)
        try:
            layers = layer_inputs(network, length, data_dir)
        except EsrError as error:
            left_out.append(ScanLeftOut("all", f"errors on {network}'s layers: {error}"))
            continue
        for i, x in enumerate(layers):
            on_device = {name: v.to(device) for name, v in x.items()}
            found = _compare(f"{network} layer {i}", on_device, variants, dtype, gradients=False)
            errors, left_out = errors + found[0], left_out + found[1]
    return errors, left_out


def _compare(
    inputs: str, x: Inputs, variants: Sequence[Variant], dtype: torch.dtype, gradients: bool
) -> tuple[list[ScanError], list[ScanLeftOut]]:
    errors: list[ScanError] = []
    left_out: list[ScanLeftOut] = []
    given = convert(x, dtype)  # rounding the inputs is not the backend's error
    length = given["u"].shape[-1]
    weight = given["z"].flip(-1) if gradients else None  # any numbers of the output's shape
    exact = _results(Variant("exact", "reference"), convert(given, torch.float64), weight)
    for variant in variants:
        if variant.multiple != 1:
            continue  # the same kernel
        try:
            results = _results(variant, given, weight)
        except (RuntimeError, EsrError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
            left_out.append(ScanLeftOut(variant.name, f"errors on {inputs}: failed: {reason}"))
            continue
        errors += [
            ScanError(variant.name, inputs, tensor, length, relative_error(results[tensor], exact[tensor]))
            for tensor in exact
        ]
    return errors, left_out


def _results(variant: Variant, x: Inputs, weight: Tensor | None) -> Results:
    """The output, and with a `weight` the gradients of its weighted sum."""
    leaves = {k: v.detach() for k, v in lay_out(x, variant.channels_last).items()}
    if weight is None:
        return {"out": selective_scan(**leaves, delta_softplus=True, backend=variant.backend, reverse=False)}
    for v in leaves.values():
        v.requires_grad_()
    out = selective_scan(**leaves, delta_softplus=True, backend=variant.backend, reverse=False)
    grads = torch.autograd.grad(out, list(leaves.values()), weight.to(out.dtype))
    return {"out": out.detach(), **{f"grad {k}": g for k, g in zip(leaves, grads, strict=True)}}


def relative_error(a: Tensor, exact: Tensor) -> float | None:
    """|a - exact| / |exact| in 2-norms; None if it is not a finite number."""
    value = float((a.double() - exact).norm() / exact.norm())
    return value if value == value and value != float("inf") else None
