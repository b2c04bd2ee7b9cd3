"""A network as it is named on a command line: `dvmsr`, `dvmsr@chunked` or `dvmsr(channels=48, depths=[2, 2])`.

One of the user's own is named by its code or file (`bench.networks.external.own`): `net.py:Net(data_range=255)`.
"""

import ast
import json
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bench.networks.external.own import CODE, FORMS, SAYINGS, OwnNetwork, check_sayings, parse_own
from models import get_spec
from models.errors import EsrError
from models.scan import BACKENDS

# Paths and entries in brackets need no quotes, although they are no Python.
BARE = re.compile(r"\b(weights|state_key)\s*=\s*([^\s'\"][^'\"]*?)\s*(?=,\s*\w+\s*=|\)\s*$)")


@dataclass(frozen=True)
class Choice:
    """One network to measure.

    Attributes:
        name: in the registry; of an own network, as messages call it.
        label: as it was named, without spaces; what messages call it.
        backend: the selective scan it names; None leaves the choice to the plan.
        own: what to open, where it is the user's own.
        weights: file to load into a network of the registry instead of what was published.
    """

    name: str
    options: dict[str, Any] = field(default_factory=dict)
    backend: str | None = None
    label: str = ""
    own: OwnNetwork | None = None
    weights: Path | None = None


def parse_choice(text: str) -> Choice:
    """Read a name with what may follow it. Raises EsrError for anything else, naming the nearest networks."""
    if parsed := parse_own(text):
        return _own_choice(text, *parsed)
    named, at, backend = text.partition("@")
    name, bracket, inside = named.strip().partition("(")
    if any(sign in name for sign in "./:"):
        raise EsrError(f"--model {text}: a network of your own is {FORMS}, each with options in brackets if need be")
    spec = get_spec(name)
    if at and (not spec.scan or backend not in BACKENDS):
        raise EsrError(f"--model {text}: write network@backend, with a scan of {', '.join(BACKENDS)}")
    options = _options_in_brackets(text, f"f({inside}") if bracket else {}
    return Choice(name, options, backend or None, text.replace(" ", ""))


def _own_choice(text: str, own: OwnNetwork, brackets: str) -> Choice:
    if "@" in own.name:
        raise EsrError(f"--model {text}: @ chooses the scan of a network of this project; leave it out")
    quoted = BARE.sub(lambda match: f"{match[1]}={match[2].strip()!r}", brackets)
    given = _options_in_brackets(text, f"f{quoted}", own=True) if brackets else {}
    said = check_sayings(f"--model {text}", {key: given.pop(key) for key in SAYINGS if key in given})
    own = replace(own, **said)
    refuse_options(f"--model {text}", own, given)
    return Choice(own.safe_label, given, None, text.strip(), own)


def refuse_options(where: str, own: OwnNetwork, options: dict[str, Any]) -> None:
    """Raise EsrError, beginning with `where`, for arguments that nothing can be called with."""
    if own.kind in CODE:
        return
    if options:
        raise EsrError(f"{where}: {own.kind}s take no {next(iter(options))}; only Python code has arguments")
    if own.weights:
        raise EsrError(f"{where}: {own.kind}s have their weights in them; give weights with net.py:Class")


def _options_in_brackets(text: str, call: str, own: bool = False) -> dict[str, Any]:
    wrong = EsrError(f"--model {text}: write options as in Python, such as 'dvmsr(channels=48, depths=[2, 2])'")
    try:
        node = ast.parse(call, mode="eval").body
    except (SyntaxError, ValueError):
        raise wrong from None
    if not isinstance(node, ast.Call) or node.args or not isinstance(node.func, ast.Name):
        raise wrong
    options = {}
    for keyword in node.keywords:
        if keyword.arg is None:
            raise wrong
        value = ast.get_source_segment(call, keyword.value) or ""  # as it was written: dir/w.pth is no division
        options[keyword.arg] = read_option(keyword.arg, value, f"--model {text}", own)
    return options


def parse_options(pairs: list[str], own: bool = False) -> dict[str, Any]:
    """["depths=[2,2]", "upsampler=pixelshuffle"] -> options; a value that is no Python literal is text.

    Args:
        own: they are for networks of the user's own, which take what they like.
    """
    options = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key.isidentifier():
            raise EsrError(f"--model-args {pair} is not K=V, such as depths=[2,2]")
        options[key] = read_option(key, value, f"--model-args {pair}", own)
    return options


def read_option(key: str, value: str, where: str, own: bool = False) -> Any:
    """The value that a text stands for. Raises EsrError, beginning with `where`, for what is no option here."""
    if key == "scan_backend" and not own:
        raise EsrError(f"{where}: the scan is no option; use --backend")
    if key in ("name", "pretrained", "data_dir", "scale") and not own:
        raise EsrError(f"{where}: {key} is no option here; the benchmark measures x4 networks as registered")
    try:
        read = ast.literal_eval(value.title() if value.lower() in ("true", "false") else value)
    except (ValueError, SyntaxError):
        read = value
    if own and key in ("scale", "upscale") and type(read) is int and read != 4:
        raise EsrError(f"{where}: {key} is {read}, and the benchmark measures x4 networks only")
    if own and (read is None or isinstance(read, tuple | dict)) and _is_plain(read):
        return read
    if not isinstance(read, bool | int | float | str | list):
        raise EsrError(f"{where}: write a number, True, False, a word or a list")
    return read


def _is_plain(value: Any) -> bool:
    """Whether a record can hold it."""
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return False
    return True
