"""Damaged records: each is named and left out, or does no harm, and none of them ends the report."""

import json
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.report.build import contents, files_of
from bench.report.lookup import load
from bench.report.studies.load import load_studies
from tests.commands import ROOT

COMMITTED = ROOT / "reports/amd-epyc-2-threads"
STUDIES = ("scan", "roofline", "scaling", "accuracy", "attribution")
VALUES: tuple[Any, ...] = (
    *(None, 0, -1, True, 1e308, 1e-320, 10**18, 10**400, 3.5, "", "NaN", "2020", "x" * 5000, "a.b", "../x", "<script>"),
    *("\ud83d", "\x1b[31m", "%s{}|", "\n\n# x", [], {}, [0], [[]], {"a": {}}),
)


def places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where something stands in JSON data; of a list the first three."""
    if place:
        yield place
    found = value.items() if isinstance(value, dict) else enumerate(value[:3]) if isinstance(value, list) else ()
    for key, inner in found:
        yield from places(inner, (*place, key))


def damage(data: Any, chance: random.Random) -> None:
    *way, last = chance.choice(list(places(data)))
    for key in way:
        data = data[key]
    kind = chance.random()
    if kind < 0.1 and isinstance(data, dict):
        del data[last]
    elif kind < 0.3 and isinstance(data[last], list):
        data[last] = data[last] * chance.choice([0, 2, 300])
    else:
        data[last] = chance.choice(VALUES)


@pytest.mark.slow("a report of each of many damaged records")
@pytest.mark.parametrize("seed", range(20))
def test_no_record_ends_the_report(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    records = [next((COMMITTED / "records").glob(f"{name}__*256x256*")) for name in ("dvmsr", "rlfn", "bicubic")]
    for path in [*records, *(sorted((COMMITTED / study).glob("*.json"))[0] for study in STUDIES)]:
        (tmp_path / path.parent.name).mkdir(exist_ok=True)
        shutil.copy(path, tmp_path / path.parent.name)
    for path in chance.sample(sorted(tmp_path.rglob("*.json")), 3):
        data = json.loads(path.read_bytes())
        damage(data, chance)
        path.write_text(json.dumps(data), encoding="utf-8")
    shutil.copy(next((COMMITTED / "records").glob("span__*256x256*")), tmp_path / "records/sound.json")
    loaded, studies = load(tmp_path / "records"), load_studies(tmp_path / "records")
    files = files_of(contents(loaded, studies), loaded, studies)
    assert b"SPAN" in files["report.html"]
