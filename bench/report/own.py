"""Networks of the user's own among the records: what each was made of."""

from collections.abc import Sequence

from bench.record import Record, Source
from bench.report import markup
from bench.report.lookup import DeviceRecords

HEADERS = ["Network", "From", "sha256", "Weights", "sha256", "Range", "Sides padded to a multiple of", "Arguments"]
INTRO = """\
These are no networks of this project. Their numbers stand beside the others' in the headline numbers, the figures and
`measured.md`, and in none of the paper's tables. The letters after "own" are of a checksum of all that is listed."""
SHORT = 12  # letters of a checksum


def own_body(device: DeviceRecords) -> str:
    """The section without its heading; "" where there is none."""
    records = {m.record.model: m.record for m in device.measured if m.record.source}
    if not records:
        return ""
    ordered = [records[model] for model in sorted(records)]
    rows = [_row(record, record.source) for record in ordered if record.source]
    return "\n\n".join(filter(None, [INTRO, markup.markdown_table(HEADERS, rows, left=5), _notes(ordered)])) + "\n"


def _row(record: Record, source: Source) -> list[str]:
    weights = record.weights
    where = f"{source.module or source.file}{':' * bool(source.network)}{source.network}, {source.kind}"
    key = f", {source.state_key}" if source.state_key else ""
    return [
        record.display_name,
        where,
        source.sha256[:SHORT],
        f"{weights.file}{key}" if weights.file else weights.status,
        (weights.sha256 or "")[:SHORT],
        f"{source.data_range:g}",
        str(source.size_multiple),
        markup.option_text(record.options),
    ]


def _notes(records: Sequence[Record]) -> str:
    lines = []
    for record in records:
        source = record.source
        notes = [*source.notes] if source else []
        if source and source.unsafe_weights:
            notes.append(f"its weights were unpickled, which can run code; the reason given: {source.unsafe_weights}")
        lines += [f"- {record.display_name}: {note}." for note in notes]
    return "\n".join(lines)
