"""What a submission's parts cost, and what each would have to save for the next rank."""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from bench.core.statistics import compare
from bench.core.table import Column, Table, words
from bench.core.wording import NONE
from bench.report.submission.standing import Standing
from bench.score import Rule, score
from bench.studies.check.check_record import Cost

MOST_ROWS = 8  # parts that are shown
DIVIDE = 0.3  # share of the time from which on a part is divided into its own


class Share(NamedTuple):
    """One part of the network, as shares of the whole.

    Attributes:
        gain: how much lower the score would be, if it cost nothing; None without a score.
        saving: the fraction of all that it costs that would reach the next rank; None where not even all of it does.
    """

    name: str
    time: float
    macs: float
    parameters: float
    gain: float | None = None
    saving: float | None = None


def cost_table(costs: dict[str, Cost], at: Standing) -> Table:
    """The parts that cost most score, and how much each alone would have to save for the next rank."""
    target = at.next_better
    goal = f"for the next rank ({target[0].name}, {target[1]:.2f})" if target else "for the next rank"
    columns: list[Column[Share]] = [
        words("part", lambda s: s.name or "the network itself"),
        Column("time", lambda s: f"{s.time:.1%}"),
        Column("multiply-adds", lambda s: f"{s.macs:.1%}"),
        Column("parameters", lambda s: f"{s.parameters:.1%}"),
        Column("score without it", lambda s: NONE if s.gain is None else f"{-s.gain:+,.2f}"),
        Column(f"must save {goal}", lambda s: NONE if target is None else _saving_text(s.saving)),
    ]
    rows = shares(costs, at, target[1] if target else None)
    title = f"What it costs: the {min(MOST_ROWS, len(rows))} parts of {len(rows)} that weigh most"
    return Table.of(title, columns, rows[:MOST_ROWS])


def _saving_text(saving: float | None) -> str:
    return "not enough alone" if saving is None else f"{saving:.0%}"


def shares(costs: dict[str, Cost], at: Standing, target: float | None) -> list[Share]:
    """Every part with its shares, the heaviest first. `target`: the score to get below; None for no such."""
    parts = divided(costs)
    whole = sum(parts.values(), Cost())
    ratios = None if at.result.score is None else _ratios(at)
    found = []
    for name, cost in parts.items():
        of = (cost.ms, whole.ms), (cost.macs, whole.macs), (cost.parameters, whole.parameters)
        share = Share(name, *(part / total if total else 0.0 for part, total in of))
        if ratios:
            gain = score(at.rule, *ratios) - _without(at.rule, ratios, share, 1.0)
            saving = None if target is None else _needed(at.rule, ratios, share, target)
            share = share._replace(gain=gain, saving=saving)
        found.append(share)
    return sorted(found, key=lambda s: (-(s.gain or 0.0), -s.time))


def divided(costs: dict[str, Cost]) -> dict[str, Cost]:
    """The network's parts by name; one that takes much of the time is divided into its own, as long as it has any."""
    much = DIVIDE * sum(cost.ms for cost in costs.values())

    def parts(name: str, inside: dict[str, Cost]) -> dict[str, Cost]:
        total = sum(inside.values(), Cost())
        children: defaultdict[str, dict[str, Cost]] = defaultdict(dict)
        for full, cost in inside.items():
            if full != name:
                step = full.removeprefix(f"{name}." if name else "").partition(".")[0]
                children[f"{name}.{step}" if name else step][full] = cost
        if not children or total.ms <= much:
            return {name: total}
        found = {name: inside[name]} if name in inside else {}
        for child, members in children.items():
            found |= parts(child, members)
        return found

    return parts("", costs)


def _ratios(at: Standing) -> tuple[float, float, float]:
    own, over = at.entry.runtime_ms, at.over.runtime_ms
    assert not isinstance(own, int | float)
    assert not isinstance(over, int | float)
    return compare(own, over).ratio, at.entry.flops / at.over.flops, at.entry.parameters / at.over.parameters


def _without(rule: Rule, ratios: Sequence[float], share: Share, saved: float) -> float:
    """The score, were that part cheaper by the fraction `saved` in all three."""
    runtime, flops, parameters = ratios
    return score(
        rule,
        runtime * (1 - saved * share.time),
        flops * (1 - saved * share.macs),
        parameters * (1 - saved * share.parameters),
    )


def _needed(rule: Rule, ratios: Sequence[float], share: Share, target: float) -> float | None:
    if _without(rule, ratios, share, 1.0) >= target:
        return None
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if _without(rule, ratios, share, middle) < target else (middle, high)
    return high
