"""What is found out of one network as a submission: plain values, so that reports can say it without the network."""

from dataclasses import dataclass

from bench.core.record import Record

UNLIKE = 12.0  # levels of 255, on the average; an enlarged photograph, shrunk again, differs from itself by 1 to 4


@dataclass(frozen=True)
class Likeness:
    """How far the enlarged image, shrunk again, is from the one that was given, in levels of 255 on the average.

    Attributes:
        difference: with the range that the network is said to have.
        other: the same with `other_range` at input and output.
    """

    difference: float
    other: float
    other_range: float


@dataclass(frozen=True)
class Cost:
    """What one module costs a pass: milliseconds of the profiled pass, multiply-adds, and its own parameters."""

    ms: float = 0.0
    macs: int = 0
    parameters: int = 0

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.ms + other.ms, self.macs + other.macs, self.parameters + other.parameters)


@dataclass
class Examined:
    """What was found out besides counts, times and quality; filled question by question.

    Attributes:
        sizes: of the LR images that it was given, with why it failed or "".
        keeps: how far an answer moved with the images before it, in levels of 255.
        likeness: None for random weights, which enlarge nothing.
        remembers: what to say of a network that answers from memory, or "".
        costs: by module.
        failure: why the rest is missing, or "".
    """

    sizes: dict[tuple[int, int], str]
    keeps: float | None = None
    likeness: Likeness | None = None
    remembers: str | None = None
    costs: dict[str, Cost] | None = None
    failure: str = ""


@dataclass(frozen=True)
class Checked:
    """The network and the baseline, as they were measured in turn, and what the network was found to do.

    Attributes:
        fixed: whether it takes inputs of one size only.
        error: why it could not be measured, or "".
    """

    record: Record
    baseline: Record
    examined: Examined
    fixed: bool = False
    error: str = ""
