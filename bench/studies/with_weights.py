"""A network with weights that mean something, and what a record says of it."""

from dataclasses import dataclass
from pathlib import Path

import torch

from bench.core.environment import describe, device_name, now
from bench.core.record import WeightsInfo
from bench.data.pairs import SCALE
from bench.networks.choice import Choice
from bench.networks.external.examine import Examined
from bench.studies.attribution.attribution_record import Attributed
from models import create_model, get_spec
from models.cache import sha256_of
from models.errors import EsrError
from models.scan import resolve_backend
from models.weights import find_weights, options_in


@dataclass(frozen=True)
class Weighted:
    """The network, and the file to load; None for one without parameters."""

    about: Attributed
    file: Path | None


def find_weighted(
    choice: Choice, given: Path | None, data_dir: Path | None, device: torch.device, threads: int | None
) -> Weighted:
    """Find the weights of `choice`, published or `given`; nothing is loaded yet.

    Raises EsrError where they cannot be had: random ones would say nothing of an image.
    """
    spec = get_spec(choice.name)
    options = {**(options_in(given, choice.name) if given else {}), **choice.options}
    file, info = _weights(choice, given, data_dir)
    about = Attributed(
        model=choice.name,
        options=options,
        display_name=spec.display_name,
        scale=spec.scale,
        weights=info,
        scan_backend=resolve_backend(choice.backend, device.type) if spec.scan else None,
        device=device.type,
        device_name=device_name(device),
        threads=threads,
        created=now(),
        environment=describe(device),
    )
    return Weighted(about, file)


def attributed(found: Examined, choice: Choice, device: torch.device, threads: int | None) -> Attributed:
    """What a record says of a network of the user's own. Raises EsrError for random weights, which say nothing."""
    if found.weights.status == "random":
        raise EsrError("random weights would say nothing; name some in brackets: 'net.py:Net(weights=FILE)'")
    return Attributed(
        model=found.model_name(choice.options),
        options={},  # its name stands for them
        display_name=found.display_name(choice.options),
        scale=SCALE,
        weights=found.weights,
        scan_backend=None,
        device=device.type,
        device_name=device_name(device),
        threads=threads,
        created=now(),
        environment=describe(device),
        code=found.source.code_sha256,
    )


def _weights(choice: Choice, given: Path | None, data_dir: Path | None) -> tuple[Path | None, WeightsInfo]:
    name, published = choice.name, get_spec(choice.name).weights
    if given:
        known = published is not None and sha256_of(given) == published.sha256
        return given, WeightsInfo("official" if known else "custom", given.name, sha256_of(given))
    if published is None:
        if not any(True for _ in create_model(name, **choice.options).parameters()):
            return None, WeightsInfo("none needed")
        raise EsrError(f"no weights of {name} were published, and random ones would say nothing; give --weights FILE")
    path = find_weights(published, data_dir)
    return path, WeightsInfo("official", path.name, published.sha256, published.url, published.note)
