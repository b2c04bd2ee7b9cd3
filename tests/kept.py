"""Records that a test lays down for what it tests to find."""

from pathlib import Path

from bench.core.identity import Kept
from bench.core.store import save


def write_record(record: Kept, folder: Path) -> Path:
    """Keep `record` in `folder`, and return its file."""
    save(record, folder)
    return folder / record.file_name
