"""Networks of the user's own among the records: what each was made of."""

from collections.abc import Sequence
from typing import NamedTuple

from bench.core.record import Record, Source
from bench.core.table import Column, Table, words
from bench.core.wording import option_text
from bench.report.document import Section
from bench.report.lookup import DeviceRecords

INTRO = """\
These are no networks of this project. Their numbers stand beside the others' in the headline numbers, the figures and
`measured.md`, and in none of the paper's tables. The letters after "own" are of a checksum of all that is listed."""
SHORT = 12  # letters of a checksum


class _Row(NamedTuple):
    """A network's record, and what the network was made of."""

    record: Record
    source: Source


def _origin(row: _Row) -> str:
    source = row.source
    return f"{source.module or source.file}{':' * bool(source.network)}{source.network}, {source.kind}"


def _weights(row: _Row) -> str:
    key = f", {row.source.state_key}" if row.source.state_key else ""
    weights = row.record.weights
    return f"{weights.file}{key}" if weights.file else weights.status


COLUMNS: tuple[Column[_Row], ...] = (
    words("Network", lambda r: r.record.display_name),
    words("From", _origin),
    words("sha256", lambda r: r.source.sha256[:SHORT]),
    words("Weights", _weights),
    words("sha256", lambda r: (r.record.weights.sha256 or "")[:SHORT]),
    Column("Range", lambda r: r.source.data_range, write=lambda r: f"{r.source.data_range:g}"),
    Column("Sides padded to a multiple of", lambda r: r.source.size_multiple),
    words("Arguments", lambda r: option_text(r.record.options)),
)


def own_section(device: DeviceRecords) -> Section | None:
    """The report's section; None where there is none."""
    found = {m.record.model: _Row(m.record, m.record.source) for m in device.measured if m.record.source}
    if not found:
        return None
    rows = [found[model] for model in sorted(found)]
    title = "Networks of your own"
    return Section("", title, [INTRO, Table.of(title, COLUMNS, rows), _notes(rows)])


def _notes(rows: Sequence[_Row]) -> str:
    lines = []
    for record, source in rows:
        notes = [*source.notes]
        if source.unsafe_weights:
            notes.append(f"its weights were unpickled, which can run code; the reason given: {source.unsafe_weights}")
        lines += [f"- {record.display_name}: {note}." for note in notes]
    return "\n".join(lines)
