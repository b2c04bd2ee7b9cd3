"""What a comparison says: a table, a verdict for each pair, and a sentence to cite."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from bench.core.statistics import quality_means
from bench.core.table import Column, Table, words
from bench.core.wording import threads_text
from bench.studies.comparison.comparison_record import Compared, ComparisonRecord
from bench.studies.comparison.intervals import Estimate, ratio_in_rounds, typical_time


class _Row(NamedTuple):
    """A network, and the first, which the others are compared with."""

    network: Compared
    first: Compared

    @property
    def time(self) -> Estimate | None:
        """None where it failed."""
        return typical_time(self.network.samples_ms) if self.network.samples_ms else None

    @property
    def ratio(self) -> Estimate | None:
        """Its time over the first's; a network that failed has fewer rounds than the others, and none."""
        network, first = self
        if network is first or network.error or first.error or not network.samples_ms:
            return None
        return ratio_in_rounds(network.samples_ms, first.samples_ms)


def _bounds(estimate: Estimate | None, decimals: int) -> str:
    if estimate is None or estimate.low is None:
        return "-"
    return f"{estimate.low:,.{decimals}f} to {estimate.high:,.{decimals}f}"


def _ratio(row: _Row) -> str:
    if row.ratio is None:
        return "1" if row.network is row.first and row.time else "-"
    return f"{row.ratio.value:.{_digits(row.ratio)}f}"


COLUMNS: tuple[Column[_Row], ...] = (
    words("network", lambda r: r.network.label),
    Column("scan backend", lambda r: r.network.settings.scan_backend or ""),
    Column("time [ms]", lambda r: r.time.value if r.time else "failed", decimals=2),
    Column("95 % interval [ms]", lambda r: _bounds(r.time, 2)),
    Column("processes", lambda r: len(r.network.samples_ms)),
    Column("samples of each", lambda r: _span(map(len, r.network.samples_ms))),
    Column("time / first's", lambda r: r.ratio.value if r.ratio else None, write=_ratio),
    Column("95 % interval", lambda r: _bounds(r.ratio, _digits(r.ratio) if r.ratio else 0)),
)


def comparison_table(record: ComparisonRecord) -> Table:
    """A row a network; the first is what the others are compared with."""
    s = record.networks[0].settings
    title = f"Times for an input of 1x3x{s.height}x{s.width} on {s.device_name}"
    columns = [*COLUMNS, *(_quality_column(name) for name in _scored_on(record.networks))]
    return Table.of(title, columns, [_Row(network, record.networks[0]) for network in record.networks])


def _scored_on(networks: Sequence[Compared]) -> list[str]:
    """The data sets that any of them was scored on."""
    return list(dict.fromkeys(quality.dataset for network in networks for quality in network.quality))


def _psnr(network: Compared, dataset: str) -> float | None:
    """Of luma, in dB."""
    found = [quality.images for quality in network.quality if quality.dataset == dataset]
    return quality_means(found[0]).psnr_y if found else None


def _quality_column(dataset: str) -> Column[_Row]:
    return Column(f"PSNR (Y) on {dataset} [dB]", lambda r: _psnr(r.network, dataset), decimals=3)


def quality_lines(record: ComparisonRecord) -> list[str]:
    """A sentence for each pair and data set that both were scored on: what the time buys, or costs."""
    first, *others = record.networks
    lines = []
    for dataset in _scored_on([first]):
        for other in others:
            ours, theirs = _psnr(other, dataset), _psnr(first, dataset)
            if ours is not None and theirs is not None:
                difference = "the same as" if ours == theirs else f"{ours - theirs:+.3f} dB to"
                lines.append(f"{other.label} scores {ours:.3f} dB (Y) on {dataset}, {difference} {first.label}")
    return lines


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
    threads = threads_text(s.threads, " with ")
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


def _digits(ratio: Estimate) -> int:
    """Decimals: more of them close to 1, where two would hide on which side of it a bound lies."""
    return 3 if 0.9 < ratio.value < 1.1 else 2


def _span(counts: Iterable[int]) -> str:
    numbers = sorted(set(counts)) or [0]
    return f"{numbers[0]}" if len(numbers) == 1 else f"{numbers[0]}-{numbers[-1]}"
