"""Find a network's weights file, verify it, and load it strictly."""

import json
import os
import pickle
import typing
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor, nn

from models.cache import cache_dir, sha256_of
from models.errors import EsrError
from models.spec import Weights

DATA_VARIABLE = "ESR_DATA"
# Where a state dict hides in a checkpoint, in the order in which they are tried: averaged weights first.
STATE_KEYS = ("params_ema", "params", "state_dict", "model")

COMPILED = "_orig_mod."  # what torch.compile puts before the names of what it compiled

MODEL_KEY, OPTIONS_KEY = "esr_model", "esr_options"  # of a safetensors file's metadata


class WeightsUnavailableError(EsrError):
    """The file is neither on this machine nor to be had from its public address."""


class UnsafeWeightsError(EsrError):
    """The file holds more than tensors, and loading it would run code."""


@dataclass(frozen=True)
class LoadedWeights:
    """A state dict with its provenance."""

    state: dict[str, Tensor]
    path: Path
    sha256: str
    state_key: str | None


def find_weights(weights: Weights, data_dir: Path | None = None, allow_download: bool = True) -> Path:
    """Path of a published weights file: in `data_dir`, $ESR_DATA, the cache, else downloaded.

    A folder may hold the file itself or in its subfolder `weights`. The checksum is verified wherever it was found.
    Raises WeightsUnavailableError where the file is nowhere and cannot be downloaded, and EsrError where a file of that
    name in a user's folder has another checksum.
    """
    for root in search_roots(data_dir):
        for candidate in (root / "weights" / weights.file, root / weights.file):
            if candidate.is_file():
                verify(candidate, weights)
                return candidate
    target = cache_dir() / "weights" / weights.file
    if target.is_file() and sha256_of(target) == weights.sha256:
        return target
    if not allow_download:
        where = f"--data-dir, ${DATA_VARIABLE} or the cache"
        raise WeightsUnavailableError(f"{weights.file} is not in {where}; get it from {weights.url}")
    try:
        from models.download import download  # here, since few processes download and importing it takes 0.3 s

        return download(weights.url, target, weights.sha256, weights.size, by_hand=f"weights/{weights.file}")
    except EsrError as error:
        raise WeightsUnavailableError(f"{error}{f'; {weights.note}' if weights.note else ''}") from None


def search_roots(data_dir: Path | None) -> list[Path]:
    """Folders that may hold a user's files: `data_dir` where given, then $ESR_DATA where set."""
    named = os.environ.get(DATA_VARIABLE)
    roots = [data_dir] if data_dir else []
    return roots + ([Path(named)] if named else [])


def verify(path: Path, weights: Weights) -> None:
    """Raise EsrError unless the file has the checksum of `weights`."""
    found = sha256_of(path)
    if found != weights.sha256:
        note = f" ({weights.note})" if weights.note else ""
        raise EsrError(
            f"{path} has sha256 {found[:12]}..., the published file {weights.sha256[:12]}...: it is damaged or another "
            f"file; delete it to fetch it again, or name it with --weights if it is meant{note}"
        )


def read_weights(
    path: Path, state_key: str | None = None, published: Weights | None = None, unsafe: bool = False
) -> LoadedWeights:
    """Read a state dict from a PyTorch file (never unpickling code, unless `unsafe`) or a safetensors file.

    Args:
        state_key: entry that holds the state dict; None tries STATE_KEYS, then the file itself.
        published: a published file that `path` may be; if its checksum says so, its own reader is used.
        unsafe: unpickle whatever the file holds, which may run code; the state of a whole network is taken too.

    Raises:
        UnsafeWeightsError: for a file that only unpickling code would read.
        EsrError: for a missing, truncated, foreign or unsafe file, or one without tensors.
    """
    if not path.is_file():
        raise EsrError(f"weights file {path} does not exist")
    sha256 = sha256_of(path)
    if published and published.reader and sha256 == published.sha256:
        return LoadedWeights(published.reader(path), path, sha256, None)
    content = _read(path, unsafe)
    if state_key is None and not _is_state(content):
        state_key = next((k for k in STATE_KEYS if k in content and _is_state(content[k])), None)
    state = content if state_key is None else content.get(state_key)
    if state is None and state_key is not None:  # it may be the beginning of names, as Lightning's net_g.
        state = {k[len(state_key) + 1 :]: v for k, v in content.items() if str(k).startswith(f"{state_key}.")}
        if not state:
            raise EsrError(f"{path} has no entry {state_key!r}; it has {_entries(content)}")
    if not _is_state(state):
        states = [k for k, v in content.items() if _is_state(v)]
        which = f"name one of {', '.join(map(str, states))} with --state-key" if states else "name another file"
        raise EsrError(f"{path} holds no state dict of tensors but {_entries(content)}; {which}")
    return LoadedWeights(dict(typing.cast(Mapping[str, Tensor], state)), path, sha256, state_key)


def read_spec(path: Path) -> tuple[str, dict[str, Any]] | None:
    """Which network a file is of, registry name and options, where `pack_weights` wrote that into it; else None.

    Raises EsrError for a file that is missing or damaged.
    """
    if not path.is_file():
        raise EsrError(f"weights file {path} does not exist")
    if path.suffix != ".safetensors":
        return None
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
        if MODEL_KEY not in metadata:
            return None
        options = json.loads(metadata[OPTIONS_KEY])
        if not isinstance(options, dict):
            raise ValueError(f"its options are a {type(options).__name__}")
        return metadata[MODEL_KEY], options
    except (SafetensorError, OSError, ValueError, KeyError, RecursionError) as error:
        raise EsrError(f"{path} is truncated or not a weights file ({str(error)[:120]})") from None


def options_in(path: Path, name: str) -> dict[str, Any]:
    """The options that a file brings for network `name`; none where it does not say what it is of.

    Raises EsrError for a file of another network, and as `read_spec` does.
    """
    saved = read_spec(path)
    if saved and saved[0] != name:
        raise EsrError(f"{path} holds weights of {saved[0]}, not of {name}")
    return saved[1] if saved else {}


def pack_weights(state: Mapping[str, Tensor], name: str, options: Mapping[str, Any], about: Mapping[str, str]) -> bytes:
    """A safetensors file of a network's state that says which network it is of, and `about` it whatever is given.

    The same state gives the same bytes: safetensors writes its metadata in another order each time.
    """
    metadata = {**about, MODEL_KEY: name, OPTIONS_KEY: json.dumps(dict(options))}
    content: bytes = save({k: v.detach().cpu().contiguous() for k, v in state.items()}, metadata)
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:end])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    sorted_header = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    padded = sorted_header + b" " * (-len(sorted_header) % 8)  # tensors begin at a multiple of 8
    return len(padded).to_bytes(8, "little") + padded + content[end:]


def _read(path: Path, unsafe: bool) -> Mapping[str, Any]:
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        _check_archive(path)
        content = torch.load(path, map_location="cpu", weights_only=not unsafe)
    except pickle.UnpicklingError as error:
        if "GLOBAL" in str(error) or "Unsupported class" in str(error) or "Unsupported global" in str(error):
            raise UnsafeWeightsError(
                f"{path} holds Python objects and not only tensors, and loading it would run code; it was not loaded. "
                "Save the state dict with safetensors or torch.save(model.state_dict(), ...)"
            ) from None
        raise EsrError(f"{path} is truncated or not a PyTorch weights file") from None
    except EsrError:
        raise
    except Exception as error:  # of a damaged pickle, anything
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise EsrError(f"{path} is truncated or not a weights file ({reason[:120]})") from None
    if isinstance(content, nn.Module):
        return content.state_dict()
    if not isinstance(content, Mapping):
        raise EsrError(f"{path} holds a {type(content).__name__}, not a state dict")
    return content


def _check_archive(path: Path) -> None:
    """Raises EsrError where a part of a .pth file does not have its checksum, which torch.load does not look at."""
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        damaged = archive.testzip()
    if damaged:
        raise EsrError(f"{path} is damaged: {damaged} in it does not have its checksum; copy it again")


def _is_state(content: Any) -> bool:
    return (
        isinstance(content, Mapping)
        and bool(content)
        and all(isinstance(k, str) and isinstance(v, Tensor) for k, v in content.items())
    )


def _entries(content: Mapping[str, Any]) -> str:
    return ", ".join(map(str, list(content)[:5])) + ", ..." * (len(content) > 5)


def load_into(model: nn.Module, weights: LoadedWeights, name: str) -> str:
    """Load strictly, and return what was taken off the names, such as "module."; "" for nothing.

    Whatever a trainer wraps a network into (DataParallel, torch.compile, AveragedModel, a Lightning module) puts words
    before its names, and entries of its own beside them. Raises EsrError that says what does not fit where the file
    belongs to another network, or holds it more than once.
    """
    expected = model.state_dict()
    state, wrapper = unwrapped(weights.state, expected, str(weights.path))
    kinds = [k for k, v in state.items() if k in expected and expected[k].is_floating_point() != v.is_floating_point()]
    if kinds:
        found, wanted = state[kinds[0]].dtype, expected[kinds[0]].dtype
        raise EsrError(f"{weights.path} has {kinds[0]} in {found}, where {name} has {wanted}; it was not loaded")
    try:
        model.load_state_dict(state, strict=True)
    except RuntimeError:
        missing = [k for k in expected if k not in state]
        unexpected = [k for k in state if k not in expected]
        other = [k for k in expected if k in state and expected[k].shape != state[k].shape]
        what = ", ".join(
            f"{len(keys)} {kind} (such as {keys[0]})"
            for kind, keys in (("missing", missing), ("unexpected", unexpected), ("of another shape", other))
            if keys
        )
        raise EsrError(f"{weights.path} does not fit {name}: parameters {what}; is it for another network?") from None
    bad = [k for k, v in state.items() if v.is_floating_point() and not torch.isfinite(v).all()]
    if bad:
        raise EsrError(f"{weights.path} holds NaN or infinite values in {bad[0]}; it cannot be measured")
    return wrapper


def unwrapped(state: Mapping[str, Tensor], expected: Mapping[str, Any], path: str) -> tuple[dict[str, Tensor], str]:
    """`state` under the names that are `expected`, and what was taken off; as it is where it fits or cannot be made to.

    Raises EsrError where it fits in more than one way.
    """
    if state.keys() == expected.keys() or not expected:
        return dict(state), ""
    plain = {key.replace(COMPILED, ""): value for key, value in state.items()}
    compiled = COMPILED if len(plain) == len(state) and plain.keys() != state.keys() else ""
    for found, taken in ((state, ""), (plain, compiled)):
        if found.keys() == expected.keys():
            return dict(found), taken
        first = next(iter(expected))
        starts = {key.removesuffix(first) for key in found if key.endswith(f".{first}")}
        fitting = sorted(s for s in starts if {k for k in found if k.startswith(s)} == {s + k for k in expected})
        if fitting and expected.keys() <= found.keys():
            fitting = ["its own names", *fitting]
        if len(fitting) > 1:
            names = " and ".join(s.rstrip(".") for s in fitting)
            raise EsrError(f"{path} holds the network more than once, as {names}; name one with --state-key")
        if fitting:
            return {key: found[fitting[0] + key] for key in expected}, taken + fitting[0]
    return dict(state), ""
