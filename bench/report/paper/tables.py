"""The paper's Tables 2, 6 and 9, and the parameter counts of Tables 3, 4, 5 and 8, beside the measured values."""

from bench.core.table import Column, Table, words
from bench.core.wording import MEBI
from bench.report.lookup import DeviceRecords
from bench.report.paper.paper_table import Line, PaperTable, paper_table, reproduction_columns, side_by_side
from bench.report.paper.published import PublishedRow, find, read
from bench.report.paper.reproduction import Network, Quantity, compare_with_paper
from bench.report.paper.variants import published_variants

REAL = (339, 510)  # LR size of a typical DIV2K image

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


def table2(device: DeviceRecords) -> PaperTable:
    """Table 2: SwinIR-light and DVMSR."""
    rows = read("table2")
    networks = [
        Network("SwinIR-light", "swinir_light", find(rows, "SwinIR")),
        Network("DVMSR", "dvmsr", find(rows, "DVMSR")),
    ]
    return side_by_side(device, "table2", "Table 2: DVMSR and SwinIR-light", networks, TABLES_2_AND_6)


def table6(device: DeviceRecords) -> PaperTable:
    """Table 6: one scan direction and two."""
    rows = read("table6")
    networks = [
        Network("Unidirectional", "dvmsr", find(rows, "unidirectional SSM")),
        Network("Bidirectional", "dvmsr_bi", find(rows, "bidirectional SSM")),
    ]
    return side_by_side(device, "table6", "Table 6: unidirectional and bidirectional SSM", networks, TABLES_2_AND_6)


def table9(device: DeviceRecords) -> PaperTable:
    """Table 9: the entries of the NTIRE 2024 challenge."""
    rows = read("table9")
    networks = [
        Network("RLFN baseline", "rlfn_ntire", find(rows, "RLFN_baseline")),
        Network("DVMSR, team07", "dvmsr_ntire", find(rows, "DVMSR")),
    ]
    return side_by_side(device, "table9", "Table 9: NTIRE 2024 Efficient SR challenge", networks, TABLE_9)


def parameter_table(device: DeviceRecords) -> PaperTable:
    """Parameter counts of Tables 3, 4, 5 and 8: the paper's millions beside the measured integer."""
    lines = []
    for variant in published_variants():
        published = PublishedRow(variant.label, {"params_m": f"{variant.params_m:.3f}"}, "")
        network = Network(variant.label, "dvmsr", published, variant.options)
        lines.append(Line(variant.label, [compare_with_paper(device, network, q) for q in (ROUNDED, EXACT)]))
    columns: list[Column[Line]] = [words("Network", lambda line: line.name), *reproduction_columns(0, "Millions")]
    exact = Column[Line]("Measured, exact", lambda line: line.found[1].measured, source=lambda line: line.found[1].file)
    columns.append(exact)
    title, key = "Parameter counts of Tables 3, 4, 5 and 8", "table_parameters"
    text = "All parameters, trainable or not. The networks are DVMSR with the classical upsampler (`pixelshuffle`)."
    found = [one for line in lines for one in line.found]
    return paper_table(device, key, title, [Table.of(title, columns, lines, key), text], found)
