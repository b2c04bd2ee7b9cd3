"""Table 1 of the paper: parameters, Y-PSNR and SSIM of classic x4 networks on five data sets."""

import json
from collections.abc import Sequence

from bench.core.table import Column, Table, words
from bench.core.wording import with_options
from bench.report.document import Part
from bench.report.lookup import DeviceRecords, canonical, is_of_own_weights
from bench.report.paper.paper_table import Line, PaperTable, measured_text, paper_table, reproduction_columns
from bench.report.paper.published import read
from bench.report.paper.reproduction import Network, Quantity, compare_with_paper
from bench.report.paper.table1_notes import count_note, reported_notes, score_note

# Data set -> its columns' prefix in the published table.
DATASETS = {"Set5": "set5", "Set14": "set14", "B100": "bsd100", "Urban100": "urban100", "Manga109": "manga109"}


def _thousands(parameters: float) -> float:
    return parameters // 1000


PARAMETERS = Quantity("Parameters", "K", "all, cut off", "complexity.parameters", 0, "params_k", cut=_thousands)
EXACT = Quantity("Parameters, exact", "", "all", "complexity.parameters", 0)
# By the convention of lightweight-SR papers since CARN (2018): for an output of 1280x720.
FLOPS_720P = Quantity("FLOPs", "G", "as published", "complexity.flops_published", 2, scale=1e-9, size=(180, 320))
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


def table1(device: DeviceRecords) -> PaperTable:
    """The paper's 16 rows, then every other measured network; a table for each data set."""
    measured_models = {m.record.model for m in device.measured}
    networks = [_paper_network(row.label, measured_models) for row in read("table1")]
    networks += _further_networks(device, {n.model for n in networks})
    intro = (
        f"Measured on {device.label}. Classic protocol: uint8 output, Y as float, 4-pixel border removed, mean over "
        "images; PSNR in dB. The paper's parameters are thousands, cut off. FLOPs there are for an output of 1280x720, "
        "as lightweight-SR papers count them, a multiply-add as one; NTIRE's are for an input of 256x256."
    )
    counts = _lines(device, networks, (PARAMETERS, EXACT, FLOPS_720P))
    exact: Column[Line] = Column(
        "Measured, exact",
        lambda line: line.found[1].measured,
        write=lambda line: measured_text(line.found[1]),
        source=lambda line: line.found[1].file,
    )
    flops: Column[Line] = Column(
        "FLOPs for 1280x720 (G)",
        lambda line: line.found[2].measured,
        decimals=2,
        source=lambda line: line.found[2].file,
    )
    method: Column[Line] = words("Method", lambda line: line.name)
    columns = [method, *reproduction_columns(0, "Thousands"), exact, flops, words("Why", count_note)]
    parameters: list[Part] = ["### Parameters", Table.of("Table 1: parameters", columns, counts, "table1_parameters")]
    found = [one for line in counts for one in line.found]
    scored: list[Part] = []
    unscored: dict[str, list[Part]] = {}
    for dataset in DATASETS:
        lines = _lines(device, networks, (PSNR[dataset], SSIM[dataset]))
        columns = [method, *reproduction_columns(0, "PSNR"), *reproduction_columns(1, "SSIM")]
        columns.append(words("Why", lambda line: "; ".join(filter(None, map(score_note, line.found)))))
        table = Table.of(f"Table 1: {dataset}", columns, lines, f"table1_{dataset.lower()}")
        found += [one for line in lines for one in line.found]
        if any(one.file for line in lines for one in line.found):
            scored += [f"### {dataset}", table]
        else:
            unscored[dataset] = [f"### {dataset}", table]
    published = [c for c in found if c.network.model in measured_models and not c.network.options]
    wanted = [c for c in published if c.quantity is not FLOPS_720P]  # a convention that the paper does not use
    notes: list[Part] = [reported_notes(device, found)]
    names = ", ".join(unscored)
    elsewhere = f"Nothing was measured on {names}; the paper's values are in `table1.md`." * bool(names)
    whole = [intro, *parameters, *scored, *(part for parts in unscored.values() for part in parts), *notes]
    short = [part for part in (intro, *parameters, *scored, elsewhere, *notes) if part]
    return paper_table(device, "table1", "Table 1: classic methods", whole, found, short, wanted)


def _lines(device: DeviceRecords, networks: Sequence[Network], quantities: Sequence[Quantity]) -> list[Line]:
    return [Line(n.label, [compare_with_paper(device, n, q) for q in quantities]) for n in networks]


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
            label = with_options(record.display_name, options)
            rank = FURTHER.index(record.model) if record.model in FURTHER else len(FURTHER)
            further[rank, record.model, json.dumps(options)] = Network(label, record.model, None, options)
    return [network for _, network in sorted(further.items(), key=lambda item: item[0])]
