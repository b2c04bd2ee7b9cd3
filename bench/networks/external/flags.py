"""What the command's flags mean for the networks of the user's own among those it names."""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from bench.networks.choice import Choice
from bench.networks.external.own import CODE, SAYINGS, OwnNetwork, check_sayings
from models.errors import EsrError

SCALE = 4


def with_flags(choices: Sequence[Choice], arguments: argparse.Namespace) -> list[Choice]:
    """The choices with what the flags say of the user's own, where brackets do not say it.

    Raises EsrError, naming the flag, for one that says nothing of any network here.
    """
    if arguments.scale != SCALE:
        raise EsrError(f"--scale {arguments.scale}: the benchmark measures x4 networks only")
    own = [choice for choice in choices if choice.own]
    code = [choice for choice in own if choice.own and choice.own.kind in CODE]
    given = {key: getattr(arguments, key) for key in SAYINGS if key != "weights"}
    for flag in [key for key, value in given.items() if value is not None and not own]:
        raise EsrError(f"--{flag.replace('_', '-')} is for a network of your own, such as --model net.py:Net")
    if arguments.allow_unsafe_weights is not None and not own:
        raise EsrError("--allow-unsafe-weights is for a network of your own; weights of others are never unpickled")
    if arguments.allow_unsafe_weights is not None and not arguments.allow_unsafe_weights.strip():
        raise EsrError('--allow-unsafe-weights "why you trust the file": the reason goes into the record')
    if own and arguments.weights:
        _one_for_weights(code, arguments.weights)
        given["weights"] = arguments.weights
    said: dict[str, Any] = {}
    for key, value in given.items():
        said |= check_sayings(f"--{key.replace('_', '-')}", {key: value})
    unsafe = (arguments.allow_unsafe_weights or "").strip()
    return [_filled(choice, said, unsafe) for choice in choices]


def _one_for_weights(code: Sequence[Choice], weights: object) -> None:
    bare = [choice for choice in code if choice.own and choice.own.weights is None]
    if len(bare) != 1:
        example = code[0].own.safe_label if code and code[0].own else "net.py:Net"
        raise EsrError(
            f"--weights {weights} belongs to one network of your own, and {len(bare)} here could take it; say whose it "
            f"is, as --model '{example}(weights={weights})'"
        )


def _filled(choice: Choice, said: dict[str, Any], unsafe: str) -> Choice:
    if choice.own is None:
        return choice
    own = choice.own
    missing = {k: v for k, v in said.items() if getattr(own, k) is None and (k != "weights" or own.kind in CODE)}
    return replace(choice, own=replace(own, unsafe_reason=unsafe, **missing))


def check_conditions(own: OwnNetwork, label: str, arguments: argparse.Namespace, device: torch.device) -> None:
    """Raise EsrError where a file cannot be run as the flags ask."""
    if own.kind == "ONNX file":
        flags = {"--compile": arguments.compile, "--channels-last": arguments.channels_last}
        flags |= {f"--precision {arguments.precision}": arguments.precision != "fp32"}
        for flag in [flag for flag, given in flags.items() if given]:
            raise EsrError(f"{label}: onnxruntime runs an ONNX file as it is; leave {flag} out")
        if device.type != "cpu":
            raise EsrError(f"{label}: ONNX files are measured on the CPU only; give --device cpu")
    if own.kind == "TorchScript file" and arguments.compile:
        raise EsrError(f"{label}: torch.compile does not take a TorchScript file; leave --compile out")
