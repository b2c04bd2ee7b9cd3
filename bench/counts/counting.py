"""Parameters, FLOPs and activations of one forward pass, in two conventions side by side.

"FLOP" has no one meaning, so both are given and never share a column: *as published*, what the NTIRE scripts and the
papers print (`published`), and *complete*, every operator that runs, seen below the Python level. There a multiply-add
is 1 MAC and 2 FLOPs, the rest follows the written rules of `op_rules`, and operators that no rule covers are listed in
the result. Complete activations are the outputs of all convolutions and matrix products and of operators with a formula
of their own, such as the selective scan. What the published count misses is listed too.

Counting runs on the meta device, shapes only, so it takes milliseconds and no memory; a network that needs its data
(it computes outside PyTorch, or decides by values) is counted in a real pass.

Nothing here knows the networks of this project, so that it can count those of others in a process without them.
"""

import copy
from collections import Counter
from collections.abc import Callable

import torch
from torch import Tensor, nn

from bench.core.record import Complexity, Vanished
from bench.counts import published, vanished
from bench.counts.dispatch import light_meta_kernels
from bench.counts.op_counter import ModuleStack, OpCounter, outside_results

Form = Callable[[nn.Module], nn.Module]


@light_meta_kernels()
def count(model: nn.Module, shape: published.Shape, size: tuple[int, int], form: Form | None = None) -> Complexity:
    """Count one forward pass of `model`. The model itself is left as it was.

    Args:
        shape: of its input, (1, channels, height, width).
        size: height and width of the LR image, for the record.
        form: makes of the network what published counts saw of it; None where that is the network itself.

    Raises whatever the network makes of an input of that shape.
    """
    meta, complete = _without_data(model, shape)
    x = published.data_input(shape, model) if meta is None else published.meta_input(shape)
    complete = complete or _count_ops(model, x)
    stand_in = model if meta is None else meta
    unfused = _published(model, meta, shape)
    as_form = _published(form(model), form(meta) if meta is not None else None, shape) if form else unfused
    activations, convolutions = published.conv2d_activations(stand_in, x)
    thop_macs, thop_parameters = _thop(stand_in, x, form)
    counts = complete.counts()
    return Complexity(
        height=size[0],
        width=size[1],
        parameters=parameter_count(model),
        flops_published=as_form.total if as_form else None,
        flops_fvcore_unfused=unfused.total if unfused else None,
        macs=sum(op.macs for op in counts),
        flops=sum(op.flops for op in counts),
        ops=counts,
        uncovered_ops=sorted(complete.uncovered),
        activations_published=activations,
        activations=complete.activations,
        conv2d=convolutions,
        thop_macs=thop_macs,
        thop_parameters=thop_parameters,
        vanished=[
            *_vanished_flops(complete, unfused, form and form(stand_in), x),
            *vanished.vanished_activations(complete, activations),
            *vanished.outside_work(_outside(model, shape) if meta is None else []),
        ],
    )


def parameter_count(model: nn.Module) -> int:
    """All parameters, trainable or not; of modules that PyTorch quantised, the weights and biases that they pack."""
    packed = 0
    for module in model.modules():
        if type(module).__module__.startswith("torch.ao.nn.quantized"):
            for name in ("weight", "bias"):
                tensor = getattr(module, name, None)
                tensor = tensor() if callable(tensor) else None
                packed += tensor.numel() if isinstance(tensor, Tensor) else 0
    return sum(p.numel() for p in model.parameters()) + packed


def _without_data(model: nn.Module, shape: published.Shape) -> tuple[nn.Module, OpCounter] | tuple[None, None]:
    """The network on the meta device, and its pass there; nothing for one that needs its data."""
    try:
        meta = copy.deepcopy(model).to("meta").eval()
        return meta, _count_ops(meta, published.meta_input(shape))
    except Exception:  # whatever a network holds or does that works with data alone; the real pass will tell
        return None, None


def _count_ops(model: nn.Module, x: Tensor) -> OpCounter:
    modules = ModuleStack(model)
    with torch.no_grad(), modules.watch(), OpCounter(modules) as counter:
        model(x)
    return counter


def _published(model: nn.Module, meta: nn.Module | None, shape: published.Shape) -> published.Published | None:
    """None for a network that fvcore cannot trace."""
    try:
        return published.fvcore_count(model, meta, shape)
    except Exception:  # the tracer fails in many ways; the complete count does not need it
        return None


def _vanished_flops(
    complete: OpCounter, unfused: published.Published | None, formed: nn.Module | None, x: Tensor
) -> list[Vanished]:
    if formed is not None:
        seen = _count_ops(formed, x)
        products = Counter[str]()
        for (module, _), work in seen.work.items():
            products[module] += work.macs
        return vanished.vanished_flops(complete, products, dict(formed.named_modules()))
    if unfused is None:
        return []  # nothing was published that could miss it
    return vanished.vanished_flops(complete, unfused.products, {module for module, _ in complete.work})


def _thop(model: nn.Module, x: Tensor, form: Form | None) -> tuple[int | None, int | None]:
    try:
        clone = copy.deepcopy(model)
    except Exception:  # as in `_without_data`
        return None, None
    return published.thop_count(form(clone) if form else clone, x)


def _outside(model: nn.Module, shape: published.Shape) -> list[tuple[str, str]]:
    small = (*shape[:2], *published.CHECK_SIZE)
    inputs = [published.data_input(small, model) for _ in range(2)]
    try:
        return outside_results(model, inputs)
    except Exception:  # it does not take an input of that size
        return outside_results(model, [published.data_input(shape, model) for _ in range(2)])
