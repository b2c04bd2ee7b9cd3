"""Table 1 of the paper: parameters, Y-PSNR and SSIM of classic x4 networks on five data sets."""

import json
from collections.abc import Sequence

from bench.report import markup
from bench.report.entries import Entry, Network, Quantity, compare_with_paper, entries_csv
from bench.report.lookup import DeviceRecords, canonical, is_of_own_weights
from bench.report.published import read
from bench.report.table1_notes import table1_notes
from bench.report.tables import Table, missing_notes

# Data set -> its columns' prefix in the published table.
DATASETS = {"Set5": "set5", "Set14": "set14", "B100": "bsd100", "Urban100": "urban100", "Manga109": "manga109"}


def _thousands(parameters: float) -> float:
    return parameters // 1000


PARAMETERS = Quantity("Parameters", "K", "all, cut off", "complexity.parameters", 0, "params_k", cut=_thousands)
EXACT = Quantity("Parameters, exact", "", "all", "complexity.parameters", 0)
PSNR = {
    dataset: Quantity(
        f"PSNR on {dataset}", "dB", "Y, 4-pixel border removed", f"quality.{dataset}.psnr_y", 3, f"{column}_psnr"
    )
    for dataset, column in DATASETS.items()
}
SSIM = {
    dataset: Quantity(
        f"SSIM on {dataset}", "", "Y, 4-pixel border removed", f"quality.{dataset}.ssim_y", 4, f"{column}_ssim"
    )
    for dataset, column in DATASETS.items()
}
# Row of the paper -> registry name; a row not named here is its own name in lower case.
MODELS = {
    "IMDN": "imdn",
    "RFDN": "rfdn",  # 549,624 parameters, which its paper rounds to 550 K
    "DIPNet": "dipnet",
}
FURTHER = (
    "dvmsr_ntire",
    "dvmsr_bi",
    "rlfn_s",
    "rlfn_ntire",
    "swinir_light",
    "srcnn_955",
    "carn_m",
    "rfdn_aim",
    "dipnet_ntire",
)  # first among the rows below the paper's


def table1(device: DeviceRecords) -> Table:
    """The paper's 16 rows, then every other measured network; a section for each data set."""
    measured_models = {m.record.model for m in device.measured}
    networks = [_paper_network(row.label, measured_models) for row in read("table1")]
    networks += _further_networks(device, {n.model for n in networks})
    intro = (
        f"Measured on {device.label}. Classic protocol: uint8 output, Y as float, 4-pixel border removed, mean over "
        "images; PSNR in dB. The paper's parameters are thousands, cut off."
    )
    entries = [compare_with_paper(device, n, q) for n in networks for q in (PARAMETERS, EXACT)]
    parameters = _section(
        "Parameters", ["Method", "Paper (K)", "Measured (K)", "Difference (K)", "Measured, exact"], entries
    )
    scored: dict[str, str] = {}
    unscored: dict[str, str] = {}
    for dataset in DATASETS:
        scores = [compare_with_paper(device, n, q) for n in networks for q in (PSNR[dataset], SSIM[dataset])]
        headers = ["Method", "PSNR: paper", "measured", "difference", "SSIM: paper", "measured", "difference"]
        part = scored if any(e.file for e in scores) else unscored
        part[dataset] = _section(dataset, headers, scores)
        entries += scores
    said = table1_notes(device, entries)
    notes = missing_notes([e for e in entries if e.network.model in measured_models and not e.network.options])
    elsewhere = f"Nothing was measured on {', '.join(unscored)}; the paper's values are in `table1.md`." * bool(
        unscored
    )
    return Table(
        "table1",
        "Table 1: classic methods",
        "\n\n".join(filter(None, [intro, parameters, *scored.values(), *unscored.values(), said, notes])) + "\n",
        entries_csv(device, entries),
        tuple(entries),
        "\n\n".join(filter(None, [intro, parameters, *scored.values(), elsewhere, said, notes])) + "\n",
    )


def _paper_network(label: str, measured_models: set[str]) -> Network:
    row = next(r for r in read("table1") if r.label == label)
    model = MODELS.get(label, label.lower())
    return Network(label, model if model in measured_models else None, row)


def _further_networks(device: DeviceRecords, shown: set[str | None]) -> list[Network]:
    """Measured networks that the paper's rows do not hold; variants by option only where they were scored."""
    further: dict[tuple[int, str, str], Network] = {}
    for record in (m.record for m in device.measured if not (m.record.source or is_of_own_weights(m.record))):
        options = canonical(record.model, record.options)
        scored = any(q.dataset in DATASETS for q in record.quality)
        if (not options and record.model not in shown) or (options and scored):
            label = f"{record.display_name} ({markup.option_text(options)})" if options else record.display_name
            rank = FURTHER.index(record.model) if record.model in FURTHER else len(FURTHER)
            further[rank, record.model, json.dumps(options)] = Network(label, record.model, None, options)
    return [network for _, network in sorted(further.items(), key=lambda item: item[0])]


def _section(title: str, headers: Sequence[str], entries: Sequence[Entry]) -> str:
    """A heading and a table with two entries of one network a row."""
    rows = [
        [first.network.label, *_cells(first), *_cells(second)]
        for first, second in zip(entries[::2], entries[1::2], strict=True)
    ]
    return f"## {title}\n\n{markup.markdown_table(headers, rows)}"


def _cells(entry: Entry) -> list[str]:
    measured = entry.measured_text if entry.network.model else "not measured"
    return [measured] if entry.quantity is EXACT else [entry.paper_text, measured, entry.difference_text]
