"""Numbers, options and messages as people read them, the same in a terminal and in a report."""

import math
import re
from collections.abc import Mapping
from typing import Any

from bench.core.statistics import Timing

NONE = "—"
APART = "not timed together"
MEBI = 2**-20  # mebibytes in a byte
ABSOLUTE_PATH = re.compile(r"(?<![\w:/.~<>-])/(?:[^\s/:;,'\"`]+/)*[^\s/:;,'\"`]+")


def number(value: float | None, decimals: int) -> str:
    """`value` with thousands separators; "—" for None, "∞" for an infinite PSNR."""
    if value is None:
        return NONE
    return "∞" if math.isinf(value) else f"{value:,.{decimals}f}"


def difference(measured: float | None, paper: float | None, decimals: int) -> str:
    """`measured - paper` with its sign, "0.000" where it rounds to nothing, "—" where a side is missing."""
    if measured is None or paper is None:
        return NONE
    if math.isinf(measured) or math.isinf(paper):
        return f"{0:.{decimals}f}" if measured == paper else "+∞" if measured > paper else "-∞"
    text = f"{measured - paper:+,.{decimals}f}"
    return text if text.strip("+-0.,") else text[1:]


def interval(value: float | None, low: float | None, high: float | None, decimals: int) -> str:
    """A median with its 95 % interval, "41.2 [40.9, 41.6]", or "41.2 (few samples)"."""
    if value is None:
        return NONE
    if low is None or high is None:
        return f"{number(value, decimals)} (few samples)"
    return f"{number(value, decimals)} [{number(low, decimals)}, {number(high, decimals)}]"


def milliseconds(timing: Timing | None) -> str:
    """The median of `timing` with its interval, in ms, with as many decimals as its size calls for."""
    if timing is None:
        return NONE
    return interval(timing.median_ms, timing.low_ms, timing.high_ms, time_decimals(timing.median_ms))


def time_decimals(ms: float | None) -> int:
    """Decimals for a time in ms: about four digits, never fewer than the unit."""
    return 2 if ms is None or ms < 100 else 1 if ms < 1000 else 0


def option_text(options: Mapping[str, Any]) -> str:
    """Model options in words: "channels=180, depths=2-2-2-2"; "" for none."""
    return ", ".join(f"{k}={_option(v)}" for k, v in sorted(options.items()))


def with_options(name: str, options: Mapping[str, Any]) -> str:
    """A network's name with the options that make it another one, in brackets."""
    return f"{name} ({option_text(options)})" if options else name


def threads_text(threads: int | None, before: str = "") -> str:
    """Such as "2 threads", behind `before`; "" where threads do not matter, as on a GPU."""
    return f"{before}{threads} thread{'s' * (threads > 1)}" if threads else ""


def without_paths(text: str) -> str:
    """`text` with the absolute paths of the machine that measured it replaced by PATH; addresses stay."""
    return ABSOLUTE_PATH.sub("PATH", text)


def printable(text: str, most: int = 300) -> str:
    """Text of strangers as a line of at most `most` characters: none that controls, none that UTF-8 cannot hold."""
    line = "".join(c if c.isprintable() else " " for c in text.encode("utf-8", "replace").decode("utf-8"))
    line = " ".join(line.split())
    return line if len(line) <= most else line[: most - 1] + "…"


def _option(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return "-".join(str(v) for v in value) if isinstance(value, list) else str(value)
