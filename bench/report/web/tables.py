"""The page's tables of figures: every measured number beside the record it comes from."""

from collections.abc import Sequence

from bench.report.entries import Entry
from bench.report.headline import HEADERS, HeadlineRow
from bench.report.lookup import DeviceRecords
from bench.report.summary import measured_sections
from bench.report.table1 import DATASETS
from bench.report.table1_notes import COUNTS, score_note
from bench.report.tables import Table
from bench.report.web.grid import Cell, Grid, cited, plain


def networks(rows: Sequence[HeadlineRow]) -> Grid:
    """The networks as they are, a row each."""
    cells = []
    for row in rows:
        figures = zip(row.cells, [*row.found, row.timed], strict=True)
        cells.append((Cell(row.name), *(cited(text, found) for text, found in figures)))
    return Grid("Networks at 1 x 3 x 256 x 256 in fp32", HEADERS, tuple(cells))


def measured(device: DeviceRecords) -> list[Grid]:
    """Counts, times, memory and quality, a row a record."""
    return [
        Grid(s.title, tuple(s.headers), tuple((Cell(row[0], file), *plain(row[1:])) for file, row in s.rows), 2)
        for s in measured_sections(device)
    ]


def comparisons(table: Table) -> list[Grid]:
    """Paper, measured and difference: quantities down and networks across, or turned where networks are more."""
    if table.key == "table1":
        return _table1(table.entries)
    networks = list(dict.fromkeys(e.network.label for e in table.entries))
    quantities = list(dict.fromkeys(e.quantity.name for e in table.entries))
    if len(networks) > len(quantities):
        return [_by_network(table.title, table.entries)]
    rows = []
    for name in quantities:
        line = [e for e in table.entries if e.quantity.name == name]
        rows.append((*plain([name, line[0].quantity.unit]), *(cell for e in line for cell in _compared(e))))
    headers = ("Quantity", "Unit", *(("Paper", "Measured", "Difference") * len(networks)))
    groups = (("", 2), *((label, 3) for label in networks))
    return [Grid(table.title, headers, tuple(rows), 2, groups)]


def _table1(entries: Sequence[Entry]) -> list[Grid]:
    """Parameters, then a table a data set, with the reason for what differs."""
    counts = [e for e in entries if e.quantity.name.startswith("Parameters")]
    grids = [_by_network("Parameters (K) of Table 1", counts, notes=True)]
    for dataset in DATASETS:
        scores = [e for e in entries if e.quantity.name in (f"PSNR on {dataset}", f"SSIM on {dataset}")]
        grids.append(_by_network(f"{dataset}: PSNR (dB) and SSIM of Table 1", scores, notes=True))
    return grids


def _by_network(caption: str, entries: Sequence[Entry], notes: bool = False) -> Grid:
    """A row a network; a quantity that no paper gives has its measured value alone."""
    compared = {q: any(e.paper is not None for e in entries if e.quantity.name == q) for q in _quantities(entries)}
    headers, groups = ["Network"], [("", 1)]
    for name, both in compared.items():
        headers += ["Paper", "Measured", "Difference"] if both else ["Measured"]
        groups.append((name, 3 if both else 1))
    rows = []
    for label in dict.fromkeys(e.network.label for e in entries):
        line = [e for e in entries if e.network.label == label]
        cells = [cell for e in line for cell in (_compared(e) if compared[e.quantity.name] else [_measured(e)])]
        rows.append((Cell(label), *cells, *([Cell(_note(line))] if notes else [])))
    if notes:
        headers.append("Why")
        groups.append(("", 1))
    return Grid(caption, tuple(headers), tuple(rows), groups=tuple(groups))


def _quantities(entries: Sequence[Entry]) -> list[str]:
    return list(dict.fromkeys(e.quantity.name for e in entries))


def _compared(entry: Entry) -> list[Cell]:
    return [Cell(entry.paper_text), _measured(entry), Cell(entry.difference_text)]


def _measured(entry: Entry) -> Cell:
    return Cell(entry.measured_text if entry.network.model else "not measured", entry.file)


def _note(entries: Sequence[Entry]) -> str:
    """What is known of the differences in a row of Table 1."""
    first = entries[0]
    if first.quantity.name.startswith("Parameters"):
        return COUNTS.get(first.network.label, "").replace("`", "") if first.measured is not None else ""
    return "; ".join(filter(None, map(score_note, entries)))
