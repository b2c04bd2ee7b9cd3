"""The shape of every study: a checked plan, `run(plan, tell) -> Measured`, and records that are kept as they fill.

What a command plans comes from its flags; what it shows are tables of its records, which the report shows too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from bench.core.identity import Kept

R = TypeVar("R", bound=Kept)


@dataclass(frozen=True)
class Measured(Generic[R]):
    """What a study found: its records as the store holds them, and whether something of this run failed."""

    records: Sequence[R]
    failed: bool = False
