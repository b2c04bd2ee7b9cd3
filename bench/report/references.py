"""What to cite: the papers of the networks, and this benchmark, as BibTeX."""

import re
from functools import cache
from pathlib import Path

FILE = Path(__file__).with_name("references.bib")
ENTRY = re.compile(r"^@\w+\{.*?^\}$", re.DOTALL | re.MULTILINE)
KEYWORDS = re.compile(r"^  keywords = \{([\w ]*)\},\n", re.MULTILINE)


@cache
def references() -> dict[str, str]:
    """Name of a network in the registry -> its paper's entry; "" -> this benchmark's."""
    found: dict[str, str] = {}
    for entry in ENTRY.findall(FILE.read_text(encoding="utf-8")):
        models = KEYWORDS.search(entry)
        text = KEYWORDS.sub("", entry)
        found |= dict.fromkeys(models.group(1).split() if models and models.group(1) else [""], text)
    return found
