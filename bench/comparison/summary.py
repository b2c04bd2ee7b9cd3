"""What a comparison says: a table, a verdict for each pair, and a sentence to cite."""

from collections.abc import Iterable

from bench.comparison.intervals import Estimate, ratio_in_rounds, typical_time
from bench.comparison.record import Compared, ComparisonRecord

HEADERS = [
    "network",
    "scan backend",
    "time [ms]",
    "95 % interval [ms]",
    "processes",
    "samples of each",
    "time / first's",
    "95 % interval",
]


def comparison_cells(record: ComparisonRecord) -> tuple[list[str], list[list[str]]]:
    """Headers, and a row a network; the first is what the others are compared with."""
    return HEADERS, [_row(network, record.networks[0]) for network in record.networks]


def verdicts(record: ComparisonRecord) -> list[str]:
    """A sentence for each network beside the first, and for each that failed."""
    first, *others = record.networks
    failed = [f"{n.label} failed: {n.error}" for n in record.networks if n.error]
    pairs = [] if first.error else [verdict(first, other) for other in others if not other.error]
    return [*failed, *pairs]


def verdict(a: Compared, b: Compared) -> str:
    """Which is the faster one, and by how much; or that no difference is shown."""
    ratio = ratio_in_rounds(b.samples_ms, a.samples_ms)  # as in the table: over the first's
    if ratio.low is None:
        return f"no difference shown between {a.label} and {b.label}: one process each gives no interval (--repeats)"
    says = f"{b.label} takes {in_words(ratio)} times as long as {a.label}"
    if not ratio.resolved:
        return f"no difference shown: {says}"
    return f"{(b if ratio.value < 1 else a).label} is faster: {says}"


def in_words(ratio: Estimate) -> str:
    """A ratio and its interval, such as "1.01 [0.97, 1.05]"."""
    digits = _digits(ratio)
    interval = "" if ratio.low is None else f" [{ratio.low:.{digits}f}, {ratio.high:.{digits}f}]"
    return f"{ratio.value:.{digits}f}{interval}"


def citation(record: ComparisonRecord) -> str:
    """How it was measured, and what the intervals mean, in sentences that stand on their own in a paper.

    At least one network must have been timed.
    """
    s = record.networks[0].settings
    processes = [p for n in record.networks for p in n.processes if p.runtime]
    torch = next((p.environment.get("packages", {}).get("torch") for p in processes), None)
    threads = f" with {s.threads} thread{'s' * (s.threads > 1)}" if s.threads else ""
    switches = [n.replace("_", " ") for n in ("channels_last", "compile", "cuda_graph") if getattr(s, n)]
    how = ", ".join([f"PyTorch {torch}", s.precision, *switches])
    samples = _span([len(p.runtime.samples_ms) for p in processes if p.runtime])
    repeats = _span([len(n.samples_ms) for n in record.networks if n.samples_ms])
    return (
        f"Times are of single forward passes on an LR input of {s.height}x{s.width} on {s.device_name}{threads} "
        f"({how}): {repeats} fresh process{'es' * (repeats != '1')} a network, {samples} samples in each after a "
        "warm-up, all networks sampled in turn. A time is the geometric mean over processes of their medians. "
        "Intervals are at 95 %, for each pair by itself, from a hierarchical bootstrap over processes and samples with "
        "Student's t for the number of processes; they take processes as independent and speak for this one machine. "
        "Where an interval contains 1, no difference is claimed."
    )


def _row(network: Compared, first: Compared) -> list[str]:
    scan = network.settings.scan_backend or ""
    if not network.samples_ms:
        return [network.label, scan, "failed", "", "", "", "", ""]
    time, count = typical_time(network.samples_ms), len(network.samples_ms)
    interval = "-" if time.low is None else f"{time.low:,.2f} to {time.high:,.2f}"
    row = [network.label, scan, f"{time.value:,.2f}", interval, str(count), _span(map(len, network.samples_ms))]
    if network is first or network.error or first.error:  # a network that failed has fewer rounds than the others
        return [*row, "1" if network is first else "-", "-"]
    ratio = ratio_in_rounds(network.samples_ms, first.samples_ms)
    digits = _digits(ratio)
    bounds = "-" if ratio.low is None else f"{ratio.low:.{digits}f} to {ratio.high:.{digits}f}"
    return [*row, f"{ratio.value:.{digits}f}", bounds]


def _digits(ratio: Estimate) -> int:
    """Decimals: more of them close to 1, where two would hide on which side of it a bound lies."""
    return 3 if 0.9 < ratio.value < 1.1 else 2


def _span(counts: Iterable[int]) -> str:
    numbers = sorted(set(counts))
    return f"{numbers[0]}" if len(numbers) == 1 else f"{numbers[0]}-{numbers[-1]}"
