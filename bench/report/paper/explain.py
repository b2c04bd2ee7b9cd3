"""Checks the known differences between paper and measurement against records; nothing is taken for granted.

A `KnownDifference` (they are in `bench.report.paper.differences`) names the numbers it rests on. `judge` looks them up,
computes what must hold, and says whether these records bear it out.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from bench.core.table import Column, Table, words
from bench.core.wording import number
from bench.report.document import Part, Section
from bench.report.lookup import DeviceRecords, Found, Query
from bench.report.paper import commands

Verdict = Literal["explained", "not confirmed by these records", "needs records"]
NEEDS_RECORDS: Verdict = "needs records"
Numbers = Mapping[str, float]  # a number's key -> its value, in its unit


@dataclass(frozen=True)
class Number:
    """One number to take from the records, and how to print it: its value there times `scale`, in `unit`."""

    key: str
    label: str
    query: Query
    unit: str = ""
    scale: float = 1
    decimals: int = 0


@dataclass(frozen=True)
class Expectation:
    """Something that must hold if the cause is right: `compute` lies between `low` and `high`, both included.

    `device` limits it to one kind of device ("cuda"); elsewhere it is not asked.
    """

    says: str
    compute: Callable[[Numbers], float]
    low: float
    high: float = math.inf
    unit: str = ""
    decimals: int = 0
    device: str | None = None


@dataclass(frozen=True)
class KnownDifference:
    """One known difference between the paper and what is measured.

    Attributes:
        key, title: "a", and a few words.
        paper: what the paper (or the challenge) states.
        cause: why it differs, in plain words.
        with_cause, without_cause: the two numbers to compare.
        beside: further numbers that the expectations need.
        difference: what is computed of the two; by default without minus with, in their unit.
        expectations: what must hold.
        conclusive: False where no such records could settle it, so that it is never called explained.
    """

    key: str
    title: str
    paper: str
    cause: str
    with_cause: Number
    without_cause: Number
    expectations: tuple[Expectation, ...]
    beside: tuple[Number, ...] = ()
    difference: Expectation | None = None
    conclusive: bool = True

    @property
    def numbers(self) -> tuple[Number, ...]:
        """Every number it rests on."""
        return (self.with_cause, self.without_cause, *self.beside)


@dataclass(frozen=True)
class Citation:
    """A number with the record it was found in; `found` is None where no record has it."""

    number: Number
    found: Found | None

    @property
    def value(self) -> float | None:
        """In the number's unit."""
        return None if self.found is None else self.found.value * self.number.scale


@dataclass(frozen=True)
class Outcome:
    """An expectation with what was computed."""

    expectation: Expectation
    value: float

    @property
    def holds(self) -> bool:
        """Whether the value is where it must be."""
        return self.expectation.low <= self.value <= self.expectation.high


@dataclass(frozen=True)
class Finding:
    """A known difference, judged by the records of one device."""

    known: KnownDifference
    citations: tuple[Citation, ...]
    verdict: Verdict
    difference: float | None = None
    outcomes: tuple[Outcome, ...] = field(default=())

    @property
    def missing(self) -> list[Query]:
        """What no record answers."""
        return [c.number.query for c in self.citations if c.found is None]

    @property
    def needs(self) -> list[str]:
        """The commands that measure what is missing, as one Markdown line; none where nothing is."""
        wanted = dict.fromkeys(f"`{commands.fill([q])}`{commands.remark(q)}" for q in self.missing)
        return [f"- ({self.known.key}) {self.known.title}: {'; '.join(wanted)}"] if wanted else []


def exactly(says: str, key: str, value: float) -> Expectation:
    return Expectation(says, lambda n: n[key], value, value)


def rounds_to(says: str, key: str, value: float, decimals: int, scale: float = 1, unit: str = "") -> Expectation:
    """Between the two numbers that round to `value` at the stated decimals."""
    half = 0.5 * 10**-decimals
    return Expectation(says, lambda n: n[key] * scale, value - half, value + half, unit, decimals + 2)


def judge(known: KnownDifference, device: DeviceRecords) -> Finding:
    """Look up the numbers of `known` and check its expectations."""
    citations = tuple(Citation(number, device.find(number.query)) for number in known.numbers)
    values = {c.number.key: c.value for c in citations if c.value is not None}
    if len(values) < len(citations):
        return Finding(known, citations, NEEDS_RECORDS)
    asked = [e for e in known.expectations if e.device in (None, device.kind)]
    outcomes = tuple(Outcome(e, e.compute(values)) for e in asked)
    borne_out = known.conclusive and all(o.holds for o in outcomes)
    return Finding(
        known,
        citations,
        "explained" if borne_out else "not confirmed by these records",
        _difference(known).compute(values),
        outcomes,
    )


def _difference(known: KnownDifference) -> Expectation:
    """What is computed of the two numbers, as an expectation that any value meets."""
    with_cause, without = known.with_cause, known.without_cause
    return known.difference or Expectation(
        "second minus first",
        lambda n: n[without.key] - n[with_cause.key],
        -math.inf,
        unit=with_cause.unit,
        decimals=with_cause.decimals,
    )


def finding_section(finding: Finding) -> Section:
    """One explanation as a section of the report."""
    known = finding.known
    files = list(dict.fromkeys(c.found.file for c in finding.citations if c.found))
    rows = [(c, f"[{files.index(c.found.file) + 1}]" if c.found else "no record") for c in finding.citations]
    parts: list[Part] = [f"**Published.** {known.paper}", f"**Cause.** {known.cause}"]
    parts.append(Table.of("Cited numbers", NUMBERS, rows))
    if files:
        parts.append("Records: " + ", ".join(f"[{i}] `{file}`" for i, file in enumerate(files, 1)))
    if finding.difference is not None:
        d = _difference(known)
        parts.append(f"**Difference** ({d.says}): {number(finding.difference, d.decimals)} {d.unit}".rstrip() + ".")
        parts.append(Table.of("What must hold", CHECKS, finding.outcomes))
    return Section("", f"({known.key}) {known.title}", parts, finding.needs)


def _cited(citation: Citation) -> str:
    unit = citation.number.unit if citation.found else ""
    return f"{number(citation.value, citation.number.decimals)} {unit}".strip()


def _file(citation: Citation) -> str:
    return citation.found.file if citation.found else ""


def _value(outcome: Outcome) -> str:
    e = outcome.expectation
    return f"{number(outcome.value, e.decimals)} {e.unit}".strip()


NUMBERS: tuple[Column[tuple[Citation, str]], ...] = (
    words("Number", lambda c: c[0].number.label),
    Column("Value", lambda c: c[0].value, write=lambda c: _cited(c[0]), text=True, source=lambda c: _file(c[0])),
    words("Field", lambda c: f"`{c[0].number.query.figure}`"),
    words("Record", lambda c: c[1]),
)
CHECKS: tuple[Column[Outcome], ...] = (
    words("Must hold", lambda o: o.expectation.says),
    Column("Computed", lambda o: o.value, write=_value, text=True),
    words("Holds", lambda o: "yes" if o.holds else "no"),
)
