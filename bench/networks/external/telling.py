"""What the command says of networks of the user's own."""

from collections.abc import Sequence

from bench.core.console import Tell
from bench.counts.text import counts_lines
from bench.networks.external.examine import Examined
from bench.networks.external.own import CODE, OwnNetwork


def tell_of_code(networks: Sequence[OwnNetwork], tell: Tell, apart: bool = True) -> None:
    """Say once whose code is going to run, and whether `apart` from this command."""
    runs = dict.fromkeys(own.safe_label for own in networks if own.kind in CODE or own.unsafe_reason)
    if runs:
        where = "each in a process of its own, which is no sandbox" if apart else "in this process"
        tell(f"running the code of {', '.join(runs)} as your user, {where}")


def found_lines(label: str, found: Examined) -> list[str]:
    """The counts of a network, or why there are none, and what a reader should know of it."""
    lines = counts_lines(label, found.complexity) if found.complexity else [f"{label}: no counts: {found.uncounted}"]
    return lines + [f"{label}: {note}" for note in found.source.notes]


def flag_words(own: OwnNetwork) -> list[str]:
    """The flags that make this network, as words of a command, without the folders of this machine."""
    words: list[str] = []
    for flag, value in (
        ("--weights", own.weights.name if own.weights else None),
        ("--data-range", f"{own.data_range:g}" if own.data_range is not None else None),
        ("--size-multiple", own.size_multiple),
        ("--state-key", own.state_key),
        ("--allow-unsafe-weights", own.unsafe_reason or None),
    ):
        words += [flag, str(value)] if value is not None else []
    return words
