"""Whether a network is a valid submission: every question that a challenge asks, and the verdict in one line."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from bench.core.table import Column, Table, words
from bench.counts.text import vanished_lines
from bench.report.ranks.doubts import rgb_scores
from bench.report.submission.standing import Standing, ranks_text
from bench.score import GATE_SETS
from bench.studies.check.check_record import UNLIKE, Checked

State = Literal["passed", "FAILED", "not measured", "look"]
MOVES = 0.5  # levels of 255; a network that keeps nothing moves by rounding alone


class Finding(NamedTuple):
    """One question that a challenge asks of a submission."""

    question: str
    state: State
    detail: str


def findings(checked: Checked, at: Standing) -> list[Finding]:
    """Every question with its answer, those that decide first."""
    record, examined = checked.record, checked.examined
    found = [_gate(checked, at)]
    if examined.failure:
        found.append(Finding("runs", "FAILED", examined.failure))
    failed = [f"{h}x{w}: {why}" for (h, w), why in examined.sizes.items() if why]
    sizes = ", ".join(f"{h}x{w}" for h, w in examined.sizes)
    if checked.fixed:
        found.append(Finding("sizes", "FAILED", "it takes one size only, and the challenge's images have many"))
    elif sizes:
        found.append(Finding("sizes", "FAILED" if failed else "passed", "; ".join(failed[:2]) or sizes))
    found += [_range(checked), _state(checked)]
    if examined.remembers is not None:
        found.append(
            Finding("memory of images", "FAILED" if examined.remembers else "passed", examined.remembers or "none seen")
        )
    notes = record.source.notes if record.source else []
    changed = [note for note in notes if note.startswith("changed ")]
    found.append(Finding("settings", "look" if changed else "passed", "; ".join(changed) or "it changes none"))
    hidden = vanished_lines(record.complexity) if record.complexity else []
    uncovered = record.complexity.uncovered_ops if record.complexity else []
    hidden += [f"no rule covers {', '.join(uncovered)}"] if uncovered else []
    found.append(Finding("hidden work", "look" if hidden else "passed", "; ".join(hidden) or "all of it is published"))
    others = [note for note in notes if note not in changed]
    return found + ([Finding("remarks", "look", "; ".join(others))] if others else [])


def _gate(checked: Checked, at: Standing) -> Finding:
    record, base = checked.record, checked.baseline
    theirs = rgb_scores(base.quality)
    others = [
        f"{dataset} {psnr:.3f} dB RGB ({psnr - theirs[dataset]:+.3f} to {at.over.name})"
        for dataset, psnr in rgb_scores(record.quality).items()
        if dataset in theirs
    ]
    limits = f"{at.rule.psnr_valid:.2f} dB on {GATE_SETS['psnr_valid']}, {at.rule.psnr_test:.2f} on _test"
    if record.weights.status == "random":
        return Finding("gate", "not measured", f"no weights ({record.weights.note}); it is {limits}")
    said = f"; here {', '.join(others)}" if others else ""
    if at.passes is None:
        return Finding("gate", "not measured", f"{limits}: not here (--data-dir){said}")
    return Finding("gate", "passed" if at.passes else "FAILED", (at.result.reason or limits) + said)


def _range(checked: Checked) -> Finding:
    likeness = checked.examined.likeness
    if likeness is None:
        why = "it fails" if checked.examined.failure else "its weights are random"
        return Finding("range", "not measured", "it takes one size only" if checked.fixed else why)
    words = f"shrunk again, its image is {likeness.difference:.1f} of 255 levels from the one it was given"
    if likeness.difference <= UNLIKE:
        return Finding("range", "passed", words)
    if likeness.other <= UNLIKE:
        return Finding("range", "FAILED", f"{words}; with --data-range {likeness.other_range:g} {likeness.other:.1f}")
    return Finding("range", "FAILED", f"{words}; are these its weights, and its arguments?")


def _state(checked: Checked) -> Finding:
    keeps = checked.examined.keeps
    if keeps is None:
        return Finding("order of images", "not measured", "it takes one size only" * checked.fixed or "it fails")
    words = f"its answer moves by {keeps:.2g} of 255 levels with the images before it"
    return Finding("order of images", "FAILED" if keeps > MOVES else "passed", words if keeps else "changes nothing")


def headline(checked: Checked, at: Standing, answers: Sequence[Finding]) -> str:
    """The verdict in one line."""
    name, failed = (
        checked.record.display_name,
        [answer.question for answer in answers if answer.state == "FAILED"],
    )
    if failed:
        return f"{name} is NO valid submission of {at.rule.year}: {', '.join(failed)}"
    gate = "passes the gate" if at.passes else f"is valid as far as can be told; the gate was {at.result.gate}"
    place = at.place
    if place is None:
        return f"{name} {gate}"
    beside = f"{len(at.published)} published entries of {at.rule.year}"
    return f"{name} {gate}, and would be number {ranks_text(place)} among the {beside}"


def findings_table(answers: Sequence[Finding]) -> Table:
    """A row a question."""
    columns: tuple[Column[Finding], ...] = (
        words("question", lambda f: f.question),
        words("answer", lambda f: f.state),
        words("why", lambda f: f.detail),
    )
    return Table.of("As a submission", columns, answers)


def remarks(checked: Checked, at: Standing) -> list[str]:
    """What could not be measured here, and what the ranks are worth."""
    device = checked.record.settings.device_name
    lines = []
    if at.published:
        lines.append(
            f"Ranks are beside the entries' published figures, which were timed on one {at.rule.baseline.device}; "
            f"yours is the ratio to the baseline on {device}, and a rank here is no rank there."
        )
    else:
        lines.append(f"No list of the entries of {at.rule.year} is at hand, so there are no ranks.")
    if at.result.score is not None and at.result.low is None:
        lines.append("The times are too few for an interval; --time-budget gives more, and ranks with their range.")
    missing = [name for name in GATE_SETS.values() if name not in {q.dataset for q in checked.record.quality}]
    if missing:
        lines.append(f"Not measured here: PSNR on {' and '.join(missing)}.")
    if checked.record.settings.device == "cpu":
        lines.append("Not measured here: runtime and memory on a GPU.")
    return lines
