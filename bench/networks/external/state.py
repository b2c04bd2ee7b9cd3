"""The weights of a network of the user's own, from a file that is never unpickled unless the user gave a reason."""

from pathlib import Path

from torch import nn

from bench.core.record import WeightsInfo
from bench.networks.external.own import OwnNetwork
from models.errors import EsrError
from models.weights import LoadedWeights, UnsafeWeightsError, load_into, read_weights


def load_weights(network: nn.Module, own: OwnNetwork) -> WeightsInfo:
    """Load `own.weights` strictly. Raises EsrError as `read_state` and `load_into` do."""
    assert own.weights
    loaded = read_state(own.weights, own)
    return describe(loaded, load_into(network, loaded, own.name))


def read_state(path: Path, own: OwnNetwork) -> LoadedWeights:
    """The state dict in `path`. Raises EsrError for a file without one, or that would run code."""
    try:
        return read_weights(path, own.state_key, unsafe=bool(own.unsafe_reason))
    except UnsafeWeightsError as error:
        raise EsrError(f'{error}; or give --allow-unsafe-weights "why you trust it"') from None


def describe(loaded: LoadedWeights, wrapper: str = "") -> WeightsInfo:
    """Which weights they are, for the record. `wrapper`: what was taken off their names."""
    notes = [f"entry {loaded.state_key}"] if loaded.state_key else []
    note = ", ".join([*notes, f"{wrapper} taken off the names"] if wrapper else notes)
    return WeightsInfo("custom", loaded.path.name, loaded.sha256, note=note)
