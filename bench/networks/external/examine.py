"""What is learnt of a network of the user's own before it is timed: that it is a x4 network, and its counts."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from bench.core.identity import slug
from bench.core.record import Complexity, Settings, Source, WeightsInfo
from bench.counts.complexity import count_complexity
from bench.counts.counting import parameter_count
from bench.networks.external.code import own_code, package_version
from bench.networks.external.exported import convolution_calls
from bench.networks.external.load import Loaded
from bench.networks.external.opened import in_words
from bench.networks.external.own import CODE
from models.errors import EsrError
from models.input import input_shape

SMALL = 64  # pixels a side of the image for the check
KEY_LENGTH = 8
MULTIPLES = (2, 4, 8, 16, 32, 64, 128)


@dataclass(frozen=True)
class Examined:
    """The answer of a worker; only plain values, since the parent knows nothing of the network's code.

    Attributes:
        title: what the user calls it.
        complexity: None where it cannot be counted; `uncounted` says why.
        fixed: whether it takes no other input than the one that is timed.
    """

    title: str
    source: Source
    weights: WeightsInfo
    complexity: Complexity | None
    uncounted: str = ""
    fixed: bool = False

    def key(self, options: dict[str, Any]) -> str:
        """A checksum of its code, its arguments and how its input is made: of all but the weights it is given."""
        s = self.source
        parts = [s.code_sha256, s.package_version, s.network, s.state_key, s.data_range, s.size_multiple, options]
        return hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()[:KEY_LENGTH]

    def model_name(self, options: dict[str, Any]) -> str:
        """Its name in records, which no network of the registry has."""
        return "-".join([slug(self.title)[:60], self.key(options), *self._weights()])

    def display_name(self, options: dict[str, Any]) -> str:
        """Its name in reports, which says that it is the user's own."""
        return f"{self.title[:60]} ({', weights '.join([f'own {self.key(options)}', *self._weights()])})"

    def _weights(self) -> list[str]:
        """What tells two trainings of one network apart; nothing where a file is network and weights in one."""
        given = self.weights.status == "custom" and self.source.kind in CODE
        return [(self.weights.sha256 or "")[:KEY_LENGTH]] if given else []


def examine(
    loaded: Loaded,
    run: Callable[[Tensor], Any],
    place: Callable[[Tensor], Tensor],
    settings: Settings,
    counted: bool = True,
) -> Examined:
    """Run it once on a small image, look at what comes back, and count it.

    Args:
        run: its pass, with PyTorch's settings put back before.
        place: puts an input where the network is.
        counted: whether its counts are wanted, and not only what it is.

    Raises EsrError for a network that does not run, or returns anything but an image of four times the size.
    """
    opened, source = loaded.opened, loaded.source
    before = parameter_count(opened.network)
    notes = [*opened.notes, *_check(loaded, run, place, settings)]
    after = parameter_count(opened.network)  # counted after a pass, as the challenges do: some merge in their first
    if after != before:
        notes.append(f"{before:,} parameters became {after:,} in its first pass")
    complexity, uncounted = None, opened.uncountable
    if counted and not uncounted:
        try:
            complexity = count_complexity(opened.network, settings.height, settings.width, loaded.spec)
        except Exception as error:  # it ran, so this is a limit of the counters and not its fault
            uncounted = f"its operations could not be counted: {in_words(error)}"
    if complexity and source.kind == "torch.export file":
        complexity = _with_graph_convolutions(complexity, convolution_calls(opened.network))
    checksum, files = own_code(opened.path, source.kind)
    version = package_version(source.module)
    source = replace(
        source, notes=[*source.notes, *notes], code_sha256=checksum, code_files=files, package_version=version
    )
    return Examined(loaded.title, source, opened.weights, complexity, uncounted, opened.fixed is not None)


def _check(
    loaded: Loaded, run: Callable[[Tensor], Any], place: Callable[[Tensor], Tensor], settings: Settings
) -> list[str]:
    sizes = [(settings.height, settings.width)]
    if loaded.opened.fixed is None:
        sizes.insert(0, (min(SMALL, settings.height), min(SMALL, settings.width)))

    def image(size: tuple[int, int]) -> Tensor:
        return place(torch.rand(input_shape(loaded.spec, *size)) * loaded.spec.data_range)

    for size in sizes:
        x = image(size)
        try:
            y = run(x)
        except (Exception, SystemExit) as error:
            if isinstance(error, EsrError):
                raise
            if size == sizes[-1]:
                fixed = loaded.opened.fixed is not None or loaded.source.size_multiple > 1
                multiple = 0 if fixed else _working_multiple(size, lambda raised: run(image(raised)))
                raise EsrError(_cannot_run(error, size, loaded, multiple)) from None
        else:
            return check_output(y, x, loaded.spec.scale)
    raise AssertionError  # the last size either returned or raised


def _cannot_run(error: BaseException, size: tuple[int, int], loaded: Loaded, multiple: int) -> str:
    words = f"it cannot run on 1x3x{size[0]}x{size[1]}: {in_words(error, loaded.opened.path)}"
    return (
        f"{words}; its sides must be a multiple of {multiple}: give --size-multiple {multiple}" if multiple else words
    )


def _working_multiple(size: tuple[int, int], attempt: Callable[[tuple[int, int]], None]) -> int:
    """The least power of two to which both sides must be raised for `attempt` to succeed; 0 where none helps."""
    for multiple in MULTIPLES:
        raised = tuple(side + -side % multiple for side in size)
        if raised == size:
            continue
        try:
            attempt((raised[0], raised[1]))
        except (Exception, SystemExit):
            continue
        return multiple
    return 0


def check_output(y: Any, x: Tensor, scale: int) -> list[str]:
    """Notes on what a network returned for `x`. Raises EsrError for anything but an image that can be scored."""
    if not isinstance(y, Tensor):
        of = f" of {len(y)}" if isinstance(y, tuple | list | dict) else ""
        raise EsrError(f"it returns a {type(y).__name__}{of}, not a tensor; let it return the image alone")
    expected = (*x.shape[:2], *(scale * side for side in x.shape[2:]))
    if tuple(y.shape) != expected:
        raise EsrError(f"it returns {tuple(y.shape)} for an input of {tuple(x.shape)}, not {expected}{_why(y, x)}")
    if not y.is_floating_point():
        raise EsrError(f"it returns {y.dtype}, not floating-point numbers in the range of its input")
    if not torch.isfinite(y).all():
        raise EsrError("it returns NaN or infinite values for an image of random numbers")
    return [f"returns {str(y.dtype).removeprefix('torch.')}"] if y.dtype != x.dtype else []


def _why(y: Tensor, x: Tensor) -> str:
    if y.dim() != 4 or y.shape[0] != x.shape[0]:
        return ""
    if y.shape[1] != x.shape[1]:
        return f": it has {y.shape[1]} channels, and RGB networks are measured"
    across = y.shape[3] / x.shape[3]
    whole = across == int(across) and y.shape[2] == across * x.shape[2]
    return f": it is a x{int(across)} network, and x4 networks are measured" if whole else ""


def _with_graph_convolutions(c: Complexity, calls: int) -> Complexity:
    """An exported network calls its convolutions as functions; as published they count as the modules they were."""
    activations = sum(v.missing for v in c.vanished if v.what == "activations")
    return replace(
        c,
        activations_published=c.activations_published + activations,
        conv2d=c.conv2d + calls,
        vanished=[v for v in c.vanished if v.what != "activations"],
    )
