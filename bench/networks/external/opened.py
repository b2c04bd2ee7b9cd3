"""What every way of opening a network of the user's own returns, and how errors of foreign code are put into words."""

import traceback
from dataclasses import dataclass, field
from pathlib import Path

from torch import nn

from bench.core.record import WeightsInfo


@dataclass(frozen=True)
class Opened:
    """A network in memory, in evaluation mode unless it is to be trained.

    Attributes:
        path: the file that it came from.
        weights: which ones it has.
        name: its class or architecture; "" where the file does not say.
        multiple: of the sides that it can take, where the file says so.
        fixed: height and width of the only input that it takes; None where it takes any.
        uncountable: why its operations cannot be counted; "" where they can.
        versions: of the optional packages that run it.
        notes: for the record.
    """

    network: nn.Module
    path: Path
    weights: WeightsInfo
    name: str = ""
    multiple: int = 1
    fixed: tuple[int, int] | None = None
    uncountable: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def in_words(error: BaseException, path: Path | None = None) -> str:
    """The error in one line, with the line of the user's file that it came from."""
    text = (str(error).strip().splitlines() or [""])[0][:300]
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if path and Path(f.filename).name == path.name]
    where = f" ({path.name}:{own[-1].lineno})" if path and own else ""
    return f"{type(error).__name__}: {text}{where}" if text else f"{type(error).__name__}{where}"
