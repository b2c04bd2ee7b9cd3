"""The paper's Tables 2, 6 and 9, and the parameter counts of Tables 3, 4, 5 and 8, beside the measured values."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bench.report import commands, markup
from bench.report.entries import Entry, Network, Quantity, compare_with_paper, entries_csv
from bench.report.lookup import OWN_WEIGHTS, DeviceRecords
from bench.report.published import PublishedRow, find, read
from bench.report.variants import published_variants

REAL = (339, 510)  # LR size of a typical DIV2K image
MEBI = 2**-20

RGB = "RGB, uint8, 4-pixel border removed, mean over images"
MEMORY = "GPU: allocator peak with weights and input; CPU: resident growth of the first pass"

COUNTS = (
    Quantity("Parameters", "M", "all of them", "complexity.parameters", 4, "params_m", scale=1e-6),
    Quantity(
        "FLOPs, as published",
        "G",
        "256x256; fvcore, a multiply-add is 1, inside the fused mixer nothing is counted",
        "complexity.flops_published",
        4,
        "flops_g",
        scale=1e-9,
    ),
    Quantity("MACs, complete", "GMAC", "256x256; every product and convolution", "complexity.macs", 4, scale=1e-9),
    Quantity(
        "FLOPs, complete", "G", "256x256; every op, a multiply-add is 2, scan 9LDN", "complexity.flops", 4, scale=1e-9
    ),
)
ACTIVATIONS = (
    Quantity(
        "Activations, as published",
        "M",
        "256x256; outputs of Conv2d and ConvTranspose2d",
        "complexity.activations_published",
        4,
        "activations_m",
        scale=1e-6,
    ),
    Quantity(
        "Activations, complete",
        "M",
        "256x256; also Conv1d, Linear, matrix products and the scan",
        "complexity.activations",
        4,
        scale=1e-6,
    ),
)
STAND_IN_QUALITY = Quantity("PSNR on B100 (stand-in)", "dB", RGB, "quality.B100.psnr_rgb", 3)
TIMES = (
    Quantity("Time at 339x510 (stand-in)", "ms", "warm, median [95 % interval]", "runtime.median_ms", 2, size=REAL),
    Quantity("Time at 256x256", "ms", "warm, median [95 % interval]", "runtime.median_ms", 2),
)
MEMORIES = (
    Quantity("Memory at 339x510 (stand-in)", "MiB", MEMORY, "memory.peak_allocated", 1, scale=MEBI, size=REAL),
    Quantity("Memory at 256x256", "MiB", MEMORY, "memory.peak_allocated", 1, scale=MEBI),
)

TABLES_2_AND_6 = (
    Quantity("PSNR on DIV2K_valid", "dB", RGB, "quality.DIV2K_valid.psnr_rgb", 3, "psnr_div2k_db"),
    STAND_IN_QUALITY,
    Quantity(
        "Time on DIV2K_valid",
        "ms",
        "one pass an image, mean over images",
        "quality.DIV2K_valid.time_ms",
        2,
        "time_s",
        paper_scale=1000,
    ),
    *TIMES,
    *COUNTS,
    *ACTIVATIONS,
    Quantity(
        "Memory on DIV2K_valid",
        "MiB",
        "GPU allocator peak over the set; none on a CPU",
        "quality.DIV2K_valid.peak_memory",
        1,
        "memory_mib",
        scale=MEBI,
    ),
    *MEMORIES,
)

CHALLENGE_TIME = "challenge script: no warm-up, one pass an image, mean"
TABLE_9 = (
    Quantity("PSNR on DIV2K_LSDIR_valid", "dB", RGB, "quality.DIV2K_LSDIR_valid.psnr_rgb", 3, "val_psnr_db"),
    Quantity("PSNR on DIV2K_LSDIR_test", "dB", RGB, "quality.DIV2K_LSDIR_test.psnr_rgb", 3, "test_psnr_db"),
    STAND_IN_QUALITY,
    Quantity(
        "Time on DIV2K_LSDIR_valid",
        "ms",
        CHALLENGE_TIME,
        "quality.DIV2K_LSDIR_valid.time_ms",
        2,
        "val_time_ms",
        ntire_compat=True,
    ),
    Quantity(
        "Time on DIV2K_LSDIR_test",
        "ms",
        CHALLENGE_TIME,
        "quality.DIV2K_LSDIR_test.time_ms",
        2,
        "test_time_ms",
        ntire_compat=True,
    ),
    *TIMES,
    *COUNTS,
)


def _three_decimals(millions: float) -> float:
    return round(millions, 3)


ROUNDED = Quantity(
    "Parameters",
    "M",
    "all, to three decimals",
    "complexity.parameters",
    3,
    "params_m",
    scale=1e-6,
    cut=_three_decimals,
)
EXACT = Quantity("Parameters, exact", "", "all", "complexity.parameters", 0)

# Why a network's own column may stay empty whatever data there is.
NETWORK_NOTES = {
    "swinir_light": "SwinIR-light is scored only with its released weights "
    "(`002_lightweightSR_DIV2K_s64w8_SwinIR-S_x4.pth`): put the file into `PATH/weights` and add `--data-dir PATH`, "
    "or name it with `--weights FILE`.",
    "dvmsr_bi": "The bidirectional network's weights were not published: train it and name them with `--weights FILE`.",
}


@dataclass(frozen=True)
class Table:
    """A finished table: `key` names its files, `body` is its Markdown with the notes, `entries` its numbers.

    `short` is the form for the report where the whole is too long for it.
    """

    key: str
    title: str
    body: str
    csv: str
    entries: tuple[Entry, ...]
    short: str = ""

    @property
    def markdown(self) -> str:
        """The table as a page of its own."""
        return f"# {self.title}\n\n{self.body}"


def table2(device: DeviceRecords) -> Table:
    """Table 2: SwinIR-light and DVMSR."""
    rows = read("table2")
    networks = [
        Network("SwinIR-light", "swinir_light", find(rows, "SwinIR")),
        Network("DVMSR", "dvmsr", find(rows, "DVMSR")),
    ]
    return _side_by_side(device, "table2", "Table 2: DVMSR and SwinIR-light", networks, TABLES_2_AND_6)


def table6(device: DeviceRecords) -> Table:
    """Table 6: one scan direction and two."""
    rows = read("table6")
    networks = [
        Network("Unidirectional", "dvmsr", find(rows, "unidirectional SSM")),
        Network("Bidirectional", "dvmsr_bi", find(rows, "bidirectional SSM")),
    ]
    return _side_by_side(device, "table6", "Table 6: unidirectional and bidirectional SSM", networks, TABLES_2_AND_6)


def table9(device: DeviceRecords) -> Table:
    """Table 9: the entries of the NTIRE 2024 challenge."""
    rows = read("table9")
    networks = [
        Network("RLFN baseline", "rlfn_ntire", find(rows, "RLFN_baseline")),
        Network("DVMSR, team07", "dvmsr_ntire", find(rows, "DVMSR")),
    ]
    return _side_by_side(device, "table9", "Table 9: NTIRE 2024 Efficient SR challenge", networks, TABLE_9)


def parameter_table(device: DeviceRecords) -> Table:
    """Parameter counts of Tables 3, 4, 5 and 8: the paper's millions beside the measured integer."""
    entries, rows = [], []
    for variant in published_variants():
        published = PublishedRow(variant.label, {"params_m": f"{variant.params_m:.3f}"}, "")
        network = Network(variant.label, "dvmsr", published, variant.options)
        rounded, exact = (compare_with_paper(device, network, quantity) for quantity in (ROUNDED, EXACT))
        entries += [rounded, exact]
        rows.append(
            [network.label, rounded.paper_text, rounded.measured_text, rounded.difference_text, exact.measured_text]
        )
    headers = ["Network", "Paper (M)", "Measured (M)", "Difference (M)", "Measured, exact"]
    text = "All parameters, trainable or not. The networks are DVMSR with the classical upsampler (`pixelshuffle`)."
    body = f"{markup.markdown_table(headers, rows)}\n\n{text}\n\n{missing_notes(entries)}".rstrip() + "\n"
    title = "Parameter counts of Tables 3, 4, 5 and 8"
    return Table("table_parameters", title, body, entries_csv(device, entries), tuple(entries))


def _side_by_side(
    device: DeviceRecords, key: str, title: str, networks: Sequence[Network], quantities: Sequence[Quantity]
) -> Table:
    """Quantities down, networks across: paper, measured and difference of each."""
    grid = [[compare_with_paper(device, network, q) for network in networks] for q in quantities]
    headers = ["Quantity", "Unit"]
    for network in networks:
        headers += [f"{network.label}: paper", "measured", "difference"]
    rows = []
    for quantity, line in zip(quantities, grid, strict=True):
        cells = [cell for e in line for cell in (e.paper_text, e.measured_text, e.difference_text)]
        rows.append([quantity.name, quantity.unit, *cells])
    entries = [entry for line in grid for entry in line]
    names: dict[str, list[str]] = {}
    for quantity in quantities:
        names.setdefault(quantity.convention, []).append(quantity.name)
    conventions = "\n".join(f"- {'; '.join(group)}: {convention}." for convention, group in names.items())
    body = (
        f"Measured on {device.label}. The paper's times and memory are of another device: their differences compare "
        "devices as well as code.\n\n"
        f"{markup.markdown_table(headers, rows, left=2)}\n\n{conventions}\n\n{missing_notes(entries)}"
    )
    return Table(key, title, body.rstrip() + "\n", entries_csv(device, entries), tuple(entries))


def missing_notes(entries: Sequence[Entry]) -> str:
    """A list of the empty measured cells, each with the command that fills it; "" where nothing is empty."""
    empty: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.measured is None and entry.network.model:
            # Networks share a command, but for those that need a weights file of the user's.
            model = entry.network.model if entry.network.model in OWN_WEIGHTS else ""
            empty.setdefault(commands.fill([replace(entry.query, model=model)]), []).append(entry)
    if not empty:
        return ""
    lines = ["Empty cells, and what fills them:\n"]
    for group in empty.values():
        names = "; ".join(dict.fromkeys(e.quantity.name for e in group))
        labels = ", ".join(dict.fromkeys(e.network.label for e in group))
        queries = [e.query for e in group]
        lines.append(f"- {labels}: {names}: `{commands.fill(queries)}`{commands.remark(queries[0])}")
    unscored = {e.network.model for e in entries if e.measured is None and e.quantity.figure.startswith("quality.")}
    lines += [f"- {note}" for model, note in NETWORK_NOTES.items() if model in unscored]
    return "\n".join(lines)
