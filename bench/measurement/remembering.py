"""Whether a network answers an image that it has seen from memory: then its time for one input says nothing."""

from collections.abc import Callable

REMEMBERS = 0.3  # of a fresh pass's time; a repeated input that is answered in less was remembered
REPEATS, REPEATS_MS = 5, 2000.0  # pairs of a fresh and a repeated input; two at least, no further one after so long


def remembered(fresh: Callable[[], float], again: Callable[[], float]) -> str:
    """What to say of a network that remembers, "" of one that does not show it.

    The shortest passes are compared: what else the machine does makes a pass longer and never shorter, so that one
    delayed pass can neither accuse a network nor excuse it.

    Args:
        fresh: milliseconds of a pass of an image that it has not seen.
        again: of that same image once more.
    """
    first, repeated = [fresh()], [again()]
    while len(first) < 2 or (len(first) < REPEATS and sum(first) + sum(repeated) < REPEATS_MS):
        first.append(fresh())
        repeated.append(again())
    if min(repeated) >= REMEMBERS * min(first):
        return ""
    return (
        f"answers an image that it has seen in {min(repeated):.1f} ms and a fresh one in {min(first):.1f} ms: it "
        "remembers outputs; every timed pass is of a fresh image"
    )
