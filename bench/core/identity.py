"""What a record is of: a network, or several that were compared, under one set of conditions.

Two records are of the same thing where their identities are equal, and only then do they share a file. An identity is
plain data: whatever could make the numbers others has to be in it, and nothing that merely differs from run to run.
"""

import enum
import hashlib
import json
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, ClassVar

KEY_DIGITS = 8
LONGEST_NAME = 160  # characters before the checksum; file systems take 255 with the part that marks a half-written file

TellApart = Callable[[Any], Any]


class Rank(enum.IntEnum):
    """How much a cell holds."""

    FAILED = 0
    PARTIAL = 1  # cut short
    WHOLE = 2


class Kept:
    """A kind of record that `bench.core.store` keeps: a dataclass that derives from this and says what it is of.

    Attributes:
        CELLS: the fields that hold what was measured: one value (None), or a list, with what tells its entries apart.
            A record that has none is one cell as a whole.
        GROUPED: those of the fields whose entries are told apart by a pair, of which the first is what was sampled in
            turn: such a group is replaced as a whole or not at all, since its times compare with each other alone.
    """

    CELLS: ClassVar[Mapping[str, TellApart | None]] = {}
    GROUPED: ClassVar[frozenset[str]] = frozenset()

    @property
    def identity(self) -> dict[str, Any]:
        """What it is of, as plain data."""
        raise NotImplementedError

    @property
    def words(self) -> list[str]:
        """The same for people, as the beginning of a file's name; it may say less."""
        raise NotImplementedError

    @property
    def canonical(self) -> str:
        """The identity as text, the same for what was just made and for what was read back: a tuple is a list there."""
        return json.dumps(self.identity, sort_keys=True, default=str)

    @property
    def key(self) -> str:
        """A checksum of the identity."""
        return hashlib.sha256(self.canonical.encode()).hexdigest()[:KEY_DIGITS]

    @property
    def file_name(self) -> str:
        """Of the one file in a folder that holds this identity."""
        name = "__".join(slug(word) for word in self.words if word)
        return f"{name[:LONGEST_NAME]}__{self.key}.json"

    def check(self) -> None:
        """Raise ValueError or OSError for what may still be wrong in a file of the right form, as a damaged image."""

    def settle(self, old: Any, stayed: Collection[str]) -> None:
        """Drop what its cells have made untrue, such as a note of a failure that a result has followed.

        Args:
            old: the record that it was laid over; None where there was none.
            stayed: the cells that are still those of `old`: a field's name, and for a list ":" and what tells apart.
        """


def slug(text: str) -> str:
    """Lower-case letters, digits, '.', '_', '=' and '-' only, for file and folder names."""
    return re.sub(r"[^a-z0-9._=]+", "-", text.lower()).strip("-.") or "x"


def with_instructions(cpu: str, flags: str) -> str:
    """A CPU's name and its instruction set, "AVX2" or "AVX512"; "DEFAULT" says nothing."""
    return cpu if flags in ("", "DEFAULT") else f"{cpu} ({flags})"


def versions(environment: Mapping[str, Any]) -> dict[str, Any]:
    """Versions that change times or results: PyTorch's, and on a GPU its compiler's, libraries' and driver's."""
    packages, gpu = environment.get("packages", {}), environment.get("gpu")
    found = {"torch": packages.get("torch")}
    if gpu:
        found |= {"triton": packages.get("triton"), "cuda": environment.get("cuda"), "cudnn": environment.get("cudnn")}
        found |= {"driver": gpu.get("driver")}
    return found
