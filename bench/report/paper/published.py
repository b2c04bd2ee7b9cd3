"""The published numbers: reads `reports/reference/*.csv`, which hold the paper's tables as they are printed."""

import csv
from dataclasses import dataclass
from pathlib import Path

from models.errors import EsrError

REFERENCE = Path(__file__).resolve().parents[3] / "reports" / "reference"


@dataclass(frozen=True)
class PublishedRow:
    """One row of a published table: its first column as `label`, and every column as printed."""

    label: str
    cells: dict[str, str]
    file: str

    def text(self, column: str) -> str:
        """The cell as printed, "" where it is empty. Raises EsrError if the table has no such column."""
        if column not in self.cells:
            raise EsrError(f"reports/reference/{self.file} has no column {column}; restore the file from git")
        return self.cells[column]

    def number(self, column: str) -> float | None:
        """The cell as a number, None where the paper gives none. Raises EsrError if it is not a number."""
        text = self.text(column)
        try:
            return float(text) if text else None
        except ValueError:
            raise EsrError(
                f"reports/reference/{self.file}: {column} of {self.label} is {text!r}, not a number; "
                "restore the file from git"
            ) from None


def read(table: str, folder: Path = REFERENCE) -> list[PublishedRow]:
    """Rows of `<table>.csv` in the paper's order. Raises EsrError if the file is missing or its rows are uneven."""
    file = f"{table}.csv"
    try:
        header, *rows = csv.reader((folder / file).read_text(encoding="utf-8").splitlines())
    except (OSError, ValueError):
        raise EsrError(f"reports/reference/{file} is missing or empty; restore it from git") from None
    try:
        return [PublishedRow(row[0], dict(zip(header, row, strict=True)), file) for row in rows]
    except ValueError:
        raise EsrError(f"reports/reference/{file} has rows of uneven length; restore it from git") from None


def find(rows: list[PublishedRow], label: str) -> PublishedRow:
    """The row called `label`. Raises EsrError if there is none."""
    for row in rows:
        if row.label == label:
            return row
    raise EsrError(f"reports/reference holds no row {label!r}; restore the file from git")
