"""Long passes are foreseen, and not begun."""

from pathlib import Path

import pytest

from bench.measurement import estimate
from bench.measurement.estimate import multiply_add_rate, pass_estimate_s
from bench.networks.choice import parse_choice
from bench.studies.profile import session
from bench.studies.profile.arguments import build_parser, make_plan
from bench.studies.profile.subject import start
from tests.bench.report.records import complexity, record


def test_estimate_is_macs_over_the_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimate, "multiply_add_rate", lambda: 1e11)
    long = complexity(1000, macs=int(3e12))
    assert pass_estimate_s(record("drrn", complexity=long)) == pytest.approx(30.0)
    assert pass_estimate_s(record("drrn", complexity=long, device="cuda", threads=None)) == 0
    assert pass_estimate_s(record("drrn", complexity=complexity(1000, macs=int(4e11)))) == 0


def test_the_rate_is_a_machines() -> None:
    assert 1e8 < multiply_add_rate() < 1e14


def test_what_is_too_long_is_noted_with_its_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["--model", "drrn", "--time-budget", "25", "--out", str(tmp_path), "--device", "cpu"]
    subject = start(parse_choice("drrn"), None, make_plan(build_parser().parse_args(words)), lambda _: None)
    said: list[str] = []
    monkeypatch.setattr(session, "pass_estimate_s", lambda _: 40.0)
    assert session._too_long(subject, said.append)
    assert {s.what: s.estimate_s for s in subject.record.skipped} == {"runtime": 40.0, "memory": 40.0}
    assert "--time-budget 160" in subject.record.skipped[0].command
    assert said == ["drrn: one pass takes about 40 s, over the time budget of 25 s"]
    monkeypatch.setattr(session, "pass_estimate_s", lambda _: 24.0)
    assert not session._too_long(subject, said.append)
