"""The section on accuracy: how backend, precision and fusion change a network's images, from accuracy records alone."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.core.statistics import mean_psnr
from bench.core.table import Column, Table, raw, words
from bench.core.wording import difference, option_text, threads_text, with_options, without_paths
from bench.report.document import Data, Part, Section
from bench.report.paper.table1 import DATASETS
from bench.studies.accuracy.accuracy_record import AccuracyRecord, Difference, VariantAccuracy

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


def share(found: Difference | None) -> float | None:
    """Of values that differ, 0 to 1."""
    return found.changed / found.values if found else None


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


ROWS: tuple[Column[AccuracyRow], ...] = (
    raw("model", lambda row: row.record.model),
    raw("device", lambda row: row.record.device_name),
    raw("threads", lambda row: row.record.threads),
    words("data set", lambda row: row.result.dataset, "dataset"),
    words("variant", lambda row: row.result.variant.text),
    raw("images", lambda row: len(row.result.images)),
    raw("precision", lambda row: row.result.variant.precision),
    raw("backend", lambda row: row.result.variant.backend),
    raw("options", lambda row: option_text(row.result.variant.options)),
    words("role", lambda row: row.role, "role"),
    Column("PSNR Y [dB]", lambda row: row.psnr_db, "psnr_y_db", decimals=4),
    Column(
        "difference [dB]",
        lambda row: row.psnr_difference_db,
        "psnr_y_difference_db",
        write=lambda row: difference(row.psnr_difference_db, 0.0, 6),
    ),
    Column("largest [levels]", lambda row: row.from_base.largest, "from_base_largest"),
    Column("changed [%]", lambda row: share(row.from_base), "from_base_changed_share", 4, 100),
    Column(
        "largest from float64", lambda row: row.from_exact.largest if row.from_exact else None, "from_float64_largest"
    ),
    Column("changed from float64 [%]", lambda row: share(row.from_exact), "from_float64_changed_share", 4, 100),
    raw("seconds", lambda row: row.result.seconds),
    raw("record", lambda row: row.record.file_name),
)


def accuracy_section(records: Sequence[AccuracyRecord]) -> Section:
    """The report's section."""
    parts: list[Part] = [INTRO]
    for record in records:
        name = with_options(record.display_name, record.options) + threads_text(record.threads, ", ")
        limit = f" First {record.limit} images of each set." if record.limit else ""
        parts.append(f"**{name}**, weights {record.weights.file}.{limit}")
        parts.append(accuracy_table([record]))
        if lines := left_out_lines(record):
            parts.append("Left out:\n\n" + "\n".join(f"- {without_paths(line)}" for line in lines))
    return Section("accuracy", "Accuracy", [*parts, Data(accuracy_table(records, "accuracy"))])


def accuracy_table(records: Sequence[AccuracyRecord], key: str = "") -> Table:
    """A row a variant and data set."""
    title = ", ".join(f"{record.display_name} on {record.device_name}" for record in records)
    return Table.of(title, ROWS, [row for record in records for row in accuracy_rows(record)], key)


def left_out_lines(record: AccuracyRecord) -> list[str]:
    """What was not run, and why."""
    return [f"{entry.variant.text} on {entry.dataset}: {entry.reason}" for entry in record.left_out]
