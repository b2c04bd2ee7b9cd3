"""Write records of earlier versions anew: `python bench/migrate.py results`. See --help."""

import sys
from pathlib import Path

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])  # as in bench/profile.py

import argparse
from typing import Any

from bench.core.console import open_console
from bench.core.migration import name_runs
from bench.core.record import Record
from bench.core.record_file import to_json
from bench.core.store import save
from bench.core.training_record import TrainingRecord, write_training
from bench.studies.kinds import KINDS, read_all
from models.errors import EsrError

DESCRIPTION = """\
Read every record below a folder of results, in this version's form or an earlier one's, write it under the name that
says what it is of, and remove the file it was in. What is of the same thing is laid one over the other, the newer on
top. Records that are of this version already stay as they are. A file that is no record stays, and is named."""


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns 0, 1 if a file was no record, 2 for a wrong call."""
    parser = argparse.ArgumentParser(
        prog="migrate.py",
        description=DESCRIPTION,
        epilog="example: python bench/migrate.py results reports/amd-epyc-2-threads",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", nargs="+", type=Path, help="folder with records/, scan/ and so on in it")
    arguments = parser.parse_args(argv)
    _, tell = open_console()
    refused = 0
    try:
        for folder in arguments.folder:
            if not folder.is_dir():
                raise EsrError(f"{folder} is not a folder; name one that holds records/")
            moved, problems = migrate(folder)
            for problem in problems:
                tell(f"left as it is: {problem}")
            tell(f"{folder}: {moved} record{'s' * (moved != 1)} written anew")
            refused += len(problems)
    except EsrError as error:
        tell(f"error: {error}")
        return 2
    return 1 if refused else 0


def migrate(folder: Path) -> tuple[int, list[str]]:
    """Write the records below `folder` anew: how many, and what is wrong with the files that were left."""
    moved, problems = 0, list[str]()
    for kind in KINDS:
        found = list(read_all(folder, kind, lambda _, error: problems.append(str(error))))
        if kind is Record:
            name_runs([record for _, record in found])
        for path, record in sorted(found, key=lambda item: getattr(item[1], "created", "")):
            moved += _place(path, record)
    return moved, problems


def _place(path: Path, record: Any) -> bool:
    """Write `record` where it belongs and remove the file it came from. Returns whether anything changed."""
    before = path.read_bytes()
    if isinstance(record, TrainingRecord):
        write_training(record, path.parent)
    elif path.name != record.file_name or before != to_json(record).encode():
        save(record, path.parent)
        if path.name != record.file_name:
            path.unlink()
    return not path.is_file() or path.read_bytes() != before


if __name__ == "__main__":
    sys.exit(main())
