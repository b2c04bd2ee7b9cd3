"""What a table says to cite: every network of the registry has its paper."""

import re

from bench.report.references import references
from models.registry import REGISTRY


def words(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower()))


def test_every_network_has_the_paper_that_the_registry_names() -> None:
    found = references()
    assert set(found) == {"", *REGISTRY}
    for name, spec in REGISTRY.items():
        (title,) = re.findall(r"^  title = \{(.*)\},$", found[name], re.MULTILINE)
        (year,) = re.findall(r"^  year = \{(\d{4})\},$", found[name], re.MULTILINE)
        (author,) = re.findall(r"^  author = \{(\w+)", found[name], re.MULTILINE)
        assert words(title) in words(spec.paper), name
        assert year in spec.paper, name
        assert author in spec.paper, name


def test_entries_are_whole_and_their_keys_differ() -> None:
    entries = set(references().values())
    keys = [re.match(r"@\w+\{(\w+),", entry) for entry in entries]
    assert all(keys)
    assert len({key[1] for key in keys if key}) == len(entries)
    for entry in entries:
        assert entry.count("{") == entry.count("}")
        assert "keywords" not in entry
