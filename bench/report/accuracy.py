"""The section on accuracy: how backend, precision and fusion change a network's images, from accuracy records alone."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.report import markup
from bench.report.table1 import DATASETS
from bench.statistics import mean_psnr
from bench.studies.accuracy.record import AccuracyRecord, Difference, VariantAccuracy

INTRO = """\
The same weights and images in every variant, by `bench/accuracy.py`. PSNR of Y (classic protocol), mean over images,
and its difference from the base; then the 8-bit output images compared value by value with the base's and with those of
a float64 run (in which A, stored in float32, keeps that precision): largest difference in levels of 255, and the share
of values that differ."""


@dataclass(frozen=True)
class AccuracyRow:
    """One variant on one data set."""

    record: AccuracyRecord
    result: VariantAccuracy
    psnr_db: float
    psnr_difference_db: float | None  # None where one of both is infinite, or the base is missing
    from_base: Difference
    from_exact: Difference | None

    @property
    def role(self) -> str:
        """ "base", "float64", or "" for any other variant."""
        variant = self.result.variant
        return "base" if variant == self.record.base else "float64" if variant == self.record.exact else ""


def accuracy_rows(record: AccuracyRecord) -> list[AccuracyRow]:
    """A row a variant and data set, by data set."""
    base = {r.dataset: _psnr(r) for r in record.results if r.variant == record.base}
    # As in Table 1, whatever order they were run in; others behind.
    order = {name: i for i, name in enumerate(dict.fromkeys([*DATASETS, *(r.dataset for r in record.results)]))}
    return [
        AccuracyRow(
            record,
            result,
            _psnr(result),
            _subtract(_psnr(result), base.get(result.dataset)),
            _total([image.from_base for image in result.images]),
            _total_of_all([image.from_exact for image in result.images]),
        )
        for result in sorted(record.results, key=lambda r: order[r.dataset])
    ]


def share(difference: Difference) -> float:
    """Of values that differ, 0 to 1."""
    return difference.changed / difference.values


def _psnr(result: VariantAccuracy) -> float:
    return mean_psnr([image.psnr_y for image in result.images])


def _subtract(value: float, base: float | None) -> float | None:
    infinite = float("inf")
    return None if base is None or infinite in (value, base) else value - base


def _total(differences: Sequence[Difference]) -> Difference:
    """Of all images together."""
    return Difference(
        max(d.largest for d in differences), sum(d.changed for d in differences), sum(d.values for d in differences)
    )


def _total_of_all(differences: Sequence[Difference | None]) -> Difference | None:
    known = [d for d in differences if d is not None]
    return _total(known) if len(known) == len(differences) else None


HEADERS = ("data set", "variant", "role", "PSNR Y [dB]", "difference [dB]", "largest [levels]", "changed [%]")
EXACT_HEADERS = ("largest from float64", "changed from float64 [%]")


def accuracy_cells(record: AccuracyRecord) -> tuple[list[str], list[list[str]]]:
    """Headers and text cells, a row a variant and data set."""
    return [*HEADERS, *EXACT_HEADERS], [_cells(row) for row in accuracy_rows(record)]


def _cells(row: AccuracyRow) -> list[str]:
    return [
        row.result.dataset,
        row.result.variant.text,
        row.role,
        markup.number(row.psnr_db, 4),
        markup.difference(row.psnr_difference_db, 0.0, 6),
        *_difference_cells(row.from_base),
        *_difference_cells(row.from_exact),
    ]


def _difference_cells(difference: Difference | None) -> list[str]:
    if difference is None:
        return [markup.NONE, markup.NONE]
    return [str(difference.largest), markup.number(100 * share(difference), 4)]


def accuracy_body(records: Sequence[AccuracyRecord]) -> str:
    """The section without its heading."""
    parts = [INTRO]
    for record in records:
        threads = f", {record.threads} thread{'s' * (record.threads > 1)}" if record.threads else ""
        options = f" ({markup.option_text(record.options)})" if record.options else ""
        limit = f" First {record.limit} images of each set." if record.limit else ""
        parts.append(f"**{record.display_name}{options}{threads}**, weights {record.weights.file}.{limit}")
        parts.append(markup.markdown_table(*accuracy_cells(record), left=3))
        if lines := left_out_lines(record):
            parts.append("Left out:\n\n" + "\n".join(f"- {markup.without_paths(line)}" for line in lines))
    return "\n\n".join(parts) + "\n"


def left_out_lines(record: AccuracyRecord) -> list[str]:
    """What was not run, and why."""
    return [f"{entry.variant.text} on {entry.dataset}: {entry.reason}" for entry in record.left_out]


def accuracy_csv(records: Sequence[AccuracyRecord]) -> str:
    """Every row as raw numbers."""
    headers = [
        "model",
        "device",
        "threads",
        "dataset",
        "images",
        "precision",
        "backend",
        "options",
        "role",
        "psnr_y_db",
    ]
    headers += ["psnr_y_difference_db", "from_base_largest", "from_base_changed_share"]
    headers += ["from_float64_largest", "from_float64_changed_share", "seconds", "record"]
    return markup.csv_text(headers, [_line(row) for record in records for row in accuracy_rows(record)])


def _line(row: AccuracyRow) -> list[markup.Value]:
    r, result = row.record, row.result
    v, base, exact = result.variant, row.from_base, row.from_exact
    return [
        *(r.model, r.device_name, r.threads, result.dataset, len(result.images)),
        *(v.precision, v.backend, markup.option_text(v.options), row.role, row.psnr_db, row.psnr_difference_db),
        *(base.largest, share(base)),
        *((exact.largest, share(exact)) if exact else (None, None)),
        *(result.seconds, r.file_name),
    ]
