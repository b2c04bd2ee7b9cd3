"""A network by its name: what there is, and how it is built and loaded."""

import difflib
import functools
import inspect
from pathlib import Path
from typing import Any

from torch import nn

from models.cache import sha256_of
from models.errors import EsrError
from models.registry import REGISTRY
from models.rgb import RGBNetwork
from models.spec import ModelSpec
from models.weights import find_weights, load_into, options_in, read_weights


def list_models() -> list[str]:
    """Names of all networks, in the order of the registry."""
    return list(REGISTRY)


def get_spec(name: str) -> ModelSpec:
    """The spec of a network; raises EsrError with the nearest names for an unknown one."""
    if name not in REGISTRY:
        near = difflib.get_close_matches(name.lower(), REGISTRY, n=3, cutoff=0.4)
        hint = f"did you mean {' or '.join(near)}?" if near else f"known are {', '.join(REGISTRY)}"
        raise EsrError(f"unknown model {name!r}; {hint}")
    return REGISTRY[name]


def default_options(name: str) -> dict[str, Any]:
    """What a network's options are where none is given, as plain data; raises EsrError for an unknown name."""
    spec = get_spec(name)
    given = {p.name: p.default for p in inspect.signature(spec.build).parameters.values() if p.default is not p.empty}
    return {k: list(v) if isinstance(v, tuple) else v for k, v in {**given, **spec.options}.items()}


@functools.cache
def needs_own_weights(name: str) -> bool:
    """Whether a user must bring the weights: none were published, or none whose checksum could be checked.

    Raises EsrError for an unknown name.
    """
    weights = get_spec(name).weights
    return not (weights and weights.checked) and any(True for _ in create_model(name).parameters())


def create_model(
    name: str,
    pretrained: bool | str | Path = False,
    data_dir: Path | None = None,
    *,
    rgb: bool = False,
    **options: Any,
) -> nn.Module:
    """Build a network of the registry, in eval mode, on the CPU.

    Args:
        name: one of `list_models()`.
        pretrained: True for the published weights (found in `data_dir`, $ESR_DATA or the cache, else downloaded, and
            verified), a path for a weights file of your own, False for random weights. A file that training exported
            brings its options with it.
        rgb: whether it is to take and return RGB batches in [0, 1] (`models.rgb`), whatever it is itself: some networks
            see luma alone, some an enlarged image, some a range of 0 to 255.
        options: arguments of the network that differ from the registry's.

    Raises:
        EsrError: for an unknown name, unknown options, or weights that are missing or do not fit.
    """
    spec = get_spec(name)
    if not isinstance(pretrained, bool):
        options = {**options_in(Path(pretrained), name), **options}
    try:
        model = spec.build(**{**spec.options, **options})
    except Exception as error:  # whatever a constructor makes of impossible options, it is the options' fault
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise EsrError(f"cannot build {name} with {options}: {reason}") from None
    if pretrained is True:
        if spec.weights is None:
            reason = f" ({spec.no_weights})" if spec.no_weights else ""
            raise EsrError(f"no weights of {name} were published{reason}; use pretrained=False or a file of your own")
        path, key = find_weights(spec.weights, data_dir), spec.weights.state_key
        load_into(model, read_weights(path, key, spec.weights), name)
    elif pretrained is not False:
        path = Path(pretrained)
        load_into(model, read_weights(path, _state_key(spec, path), spec.weights), name)
    return (RGBNetwork(model, spec) if rgb else model).eval()


def _state_key(spec: ModelSpec, path: Path) -> str | None:
    """The entry to read where `path` is the published file, which may hold several state dicts; else None."""
    published = spec.weights is not None and path.is_file() and sha256_of(path) == spec.weights.sha256
    return spec.weights.state_key if spec.weights and published else None
