"""A network as it is named on a command line: `dvmsr`, `dvmsr@chunked` or `dvmsr(channels=48, depths=[2, 2])`."""

import ast
from dataclasses import dataclass, field
from typing import Any

from models import get_spec
from models.errors import EsrError
from models.scan import BACKENDS


@dataclass(frozen=True)
class Choice:
    """One network to measure.

    Attributes:
        label: as it was named, without spaces; what messages call it.
        backend: the selective scan it names; None leaves the choice to the plan.
    """

    name: str
    options: dict[str, Any] = field(default_factory=dict)
    backend: str | None = None
    label: str = ""


def parse_choice(text: str) -> Choice:
    """Read a name with what may follow it. Raises EsrError for anything else, naming the nearest networks."""
    named, at, backend = text.partition("@")
    name, bracket, inside = named.strip().partition("(")
    spec = get_spec(name)
    if at and (not spec.scan or backend not in BACKENDS):
        raise EsrError(f"--model {text}: write network@backend, with a scan of {', '.join(BACKENDS)}")
    options = _options_in_brackets(text, f"f({inside}") if bracket else {}
    return Choice(name, options, backend or None, text.replace(" ", ""))


def _options_in_brackets(text: str, call: str) -> dict[str, Any]:
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
        options[keyword.arg] = read_option(keyword.arg, ast.unparse(keyword.value), f"--model {text}")
    return options


def parse_options(pairs: list[str]) -> dict[str, Any]:
    """["depths=[2,2]", "upsampler=pixelshuffle"] -> options; a value that is no Python literal is text."""
    options = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key.isidentifier():
            raise EsrError(f"--model-args {pair} is not K=V, such as depths=[2,2]")
        options[key] = read_option(key, value, f"--model-args {pair}")
    return options


def read_option(key: str, value: str, where: str) -> Any:
    """The value that a text stands for. Raises EsrError, beginning with `where`, for what is no option here."""
    if key == "scan_backend":
        raise EsrError(f"{where}: the scan is no option; use --backend")
    if key in ("name", "pretrained", "data_dir", "scale"):
        raise EsrError(f"{where}: {key} is no option here; the benchmark measures x4 networks as registered")
    try:
        read = ast.literal_eval(value.title() if value.lower() in ("true", "false") else value)
    except (ValueError, SyntaxError):
        read = value
    if not isinstance(read, bool | int | float | str | list):
        raise EsrError(f"{where}: write a number, True, False, a word or a list")
    return read
