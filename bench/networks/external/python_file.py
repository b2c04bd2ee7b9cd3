"""A network from the user's Python code: import, find the class, build it, load its weights.

The file's folder goes on the import path behind the standard library and before installed packages, so that the file
finds what lies beside it; this project's own packages come first and are not shadowed. Where mamba-ssm is not
installed, this project's scan stands in for it.
"""

import difflib
import hashlib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from bench.core.record import WeightsInfo
from bench.counts.counting import parameter_count
from bench.networks.external.code import OPENED
from bench.networks.external.opened import Opened, in_words
from bench.networks.external.own import OwnNetwork
from bench.networks.external.state import load_weights
from models.errors import EsrError
from models.scan.drop_in import install

OURS = ("models", "bench", "train", "tests")  # packages of this project, which a checkout's own must not be taken for
MAIN = "put what is not its definition under `if __name__ == '__main__':`"


def open_python(own: OwnNetwork, options: dict[str, Any]) -> Opened:
    """Run the code and build its network. Raises EsrError, one line with the cure, for whatever goes wrong in it."""
    opened = open_for_training(own, options)
    network = opened.network
    before = parameter_count(network)
    network.eval()
    after = parameter_count(network)
    if after != before:
        opened.notes.append(f"{before:,} parameters became {after:,} when it left training")
    return opened


def open_for_training(own: OwnNetwork, options: dict[str, Any]) -> Opened:
    """As `open_python`, in the mode in which it was built, with nothing merged that it merges for evaluation."""
    stand_in = install()
    module, path = _import(own)
    make = _find(module, own)
    network = _build(make, own, options, path)
    if own.weights:
        network.train()  # as it was when they were saved: what merges its branches merges them in evaluation mode
        weights = load_weights(network, own)
    else:
        weights = _made_by_its_code(network, lambda: _build(make, own, options, path))
    stood_in = ", ".join(sorted(stand_in.used))
    notes = [f"this project's selective scan stood in for {stood_in}, which is not installed"] if stood_in else []
    return Opened(network, path, weights, own.name, notes=notes)


def _made_by_its_code(network: nn.Module, again: Callable[[], nn.Module]) -> WeightsInfo:
    """Which weights a network has that was given none: its code may have loaded some, the same each time."""
    if not any(True for _ in network.parameters()):
        return WeightsInfo("none needed")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)  # not that of the first time
        other = again().state_dict()
    state = network.state_dict()
    same = state.keys() == other.keys() and all(_equal(state[key], other[key]) for key in state)
    if not same:
        return WeightsInfo("random", note="none were given")
    checksum = hashlib.sha256()
    for key, value in state.items():
        checksum.update(key.encode())
        if isinstance(value, torch.Tensor):
            checksum.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return WeightsInfo("custom", sha256=checksum.hexdigest(), note="as its own code makes them, each time the same")


def _equal(a: Any, b: Any) -> bool:
    return torch.equal(a, b) if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor) else bool(a == b)


def _import(own: OwnNetwork) -> tuple[ModuleType, Path]:
    file = Path(own.target).resolve() if own.kind == "Python file" else None
    folder = file.parent if file else Path.cwd()
    installed = [i for i, entry in enumerate(sys.path) if Path(entry).name in ("site-packages", "dist-packages")]
    sys.path.insert(min(installed, default=len(sys.path)), str(folder))
    try:
        module = _run(file) if file else importlib.import_module(own.target)
    except SystemExit as error:
        raise EsrError(f"it called sys.exit({error.code!r}) while it was imported; {MAIN}") from None
    except SyntaxError as error:
        raise EsrError(f"{Path(error.filename or own.target).name}, line {error.lineno}: {error.msg}") from None
    except ImportError as error:
        raise EsrError(_import_words(error, own, file)) from None
    except Exception as error:  # it is foreign code and may raise anything
        raise EsrError(f"it cannot be imported: {in_words(error, file)}") from None
    return module, file or Path(module.__file__ or own.target)


def _run(file: Path) -> ModuleType:
    name = f"{OPENED}{file.stem}"  # not its own name, which may be one of a module that is imported already
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up there
    spec.loader.exec_module(module)
    return module


def _import_words(error: ImportError, own: OwnNetwork, file: Path | None) -> str:
    words, missing = in_words(error, file), error.name or ""
    if missing.split(".")[0] in OURS:
        return (
            f"{words}: `{missing.split('.')[0]}` is this project's own package here; if the file belongs to a "
            "challenge's checkout, measure that with bench/ntire.py, else rename the package that it imports"
        )
    if "relative import" in str(error):
        return f"{words}; name it from the folder above its package, as package.module:{own.name or 'Class'}"
    if not file and isinstance(error, ModuleNotFoundError) and f"{own.target}.".startswith(f"{missing}."):
        return f"there is no module {own.target} in this folder or among the installed ones; write package.module:Class"
    if isinstance(error, ModuleNotFoundError):
        return f"{words}; install it into .venv, or put it beside the file"
    return f"it cannot be imported: {words}"


def _find(module: ModuleType, own: OwnNetwork) -> Callable[..., Any]:
    networks = [
        name
        for name, value in vars(module).items()
        if inspect.isclass(value) and issubclass(value, nn.Module) and not value.__module__.startswith("torch.")
    ]
    said = f"its networks are {', '.join(networks)}" if networks else "it defines no network (a torch.nn.Module)"
    if not own.name:
        raise EsrError(f"say which class, as {own.safe_label}:{networks[0] if networks else 'Class'}; {said}")
    found = getattr(module, own.name, None)
    if found is None:
        near = difflib.get_close_matches(own.name, networks, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else said
        raise EsrError(f"it has no {own.name}; {hint}")
    if inspect.isclass(found) and not issubclass(found, nn.Module):
        raise EsrError(f"{own.name} is a class, but no torch.nn.Module; {said}")
    if isinstance(found, nn.Module) or not callable(found):
        raise EsrError(f"{own.name} is a {type(found).__name__}; name a class, or a function that makes the network")
    return found


def _build(make: Callable[..., Any], own: OwnNetwork, options: dict[str, Any], path: Path) -> nn.Module:
    try:
        signature = inspect.signature(make)
    except (TypeError, ValueError):
        signature = None
    try:
        if signature:
            signature.bind(**options)
    except TypeError as error:
        example = f"--model '{own.safe_label}(name=value)' or --model-args name=value"
        raise EsrError(
            f"{own.name}{signature} cannot be called so: {error}; arguments are given by {example}"
        ) from None
    try:
        network = make(**options)
    except SystemExit as error:
        raise EsrError(f"{own.name} called sys.exit({error.code!r}) while it was built") from None
    except Exception as error:  # as in `_import`
        raise EsrError(f"{own.name} cannot be built with {options}: {in_words(error, path)}") from None
    if not isinstance(network, nn.Module):
        raise EsrError(f"{own.name} made a {type(network).__name__}, not a torch.nn.Module")
    return network
