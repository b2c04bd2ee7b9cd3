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
from bench.core.record_file import read_as, to_json
from bench.core.store import save
from bench.core.training_record import FILE, TrainingRecord, write_training
from bench.studies.accuracy.accuracy_record import AccuracyRecord
from bench.studies.attribution.attribution_record import FIELD, LAM, FieldRecord, LamRecord
from bench.studies.challenge.team_record import TeamRecord
from bench.studies.comparison.comparison_record import ComparisonRecord
from bench.studies.crops.crops_record import CROP, CropRecord
from bench.studies.roofline.roofline_record import RooflineRecord
from bench.studies.scaling.scaling_record import ScalingRecord
from bench.studies.scan.scan_record import ScanRecord
from bench.studies.step.step_record import StepRecord
from models.errors import EsrError

# Where records lie below a folder of results, and their kind. A training's record stays where its run is.
KINDS: tuple[tuple[str, Any], ...] = (
    ("records/**/*.json", Record),
    ("comparisons/*.json", ComparisonRecord),
    ("ntire*/records/*.json", TeamRecord),
    ("scan/*.json", ScanRecord),
    ("accuracy/*.json", AccuracyRecord),
    ("step/*.json", StepRecord),
    ("scaling/*.json", ScalingRecord),
    ("roofline/*.json", RooflineRecord),
    (f"attribution/{LAM}__*.json", LamRecord),
    (f"attribution/{FIELD}__*.json", FieldRecord),
    (f"crops/{CROP}__*.json", CropRecord),
    (f"training/*/{FILE}", TrainingRecord),
)
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
    moved, problems = 0, []
    for pattern, kind in KINDS:
        found: list[tuple[Path, Any]] = []
        for path in sorted(p for p in folder.glob(pattern) if not p.name.startswith(".")):
            try:
                found.append((path, read_as(kind, path)))
            except EsrError as error:
                problems.append(str(error))
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
