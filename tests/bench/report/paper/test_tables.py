"""Cells, differences, empty columns and their commands."""

import csv
import io
from pathlib import Path

from bench.core.record import Runtime, Skipped, WeightsInfo
from bench.core.render import to_csv, to_markdown
from bench.report.document import markdown
from bench.report.lookup import DeviceRecords
from bench.report.paper.paper_table import PaperTable
from bench.report.paper.reproduction import Reproduction
from bench.report.paper.table1 import table1
from bench.report.paper.tables import parameter_table, table2, table6, table9
from bench.report.summary import environment_table, measured_data, measured_section
from tests.bench.report.conftest import MakeDevice
from tests.bench.report.records import complexity, quality, record, runtime


def cell(table: PaperTable, network: str, quantity: str) -> Reproduction:
    """The comparison of one network and quantity."""
    return next(c for c in table.found if (c.network.label, c.quantity.name) == (network, quantity))


def row(markdown: str, start: str) -> list[str]:
    """Cells of the first Markdown row that starts with `start`."""
    line = next(line for line in markdown.split("\n") if line.startswith(f"| {start}"))
    return [c.strip() for c in line.strip("|").split("|")]


def test_table1_paper_measured_and_difference(full_device: DeviceRecords) -> None:
    table = table1(full_device)
    psnr = cell(table, "DVMSR", "PSNR on Set5")
    assert (psnr.paper_text, psnr.measured_text, psnr.difference_text) == ("32.19", "32.213", "+0.023")
    assert psnr.difference == 0.0229
    assert cell(table, "DVMSR", "SSIM on Set5").difference_text == "-0.0004"
    section = table.body.split("## Parameters")[1]
    assert row(section, "DVMSR ") == ["DVMSR", "424", "424", "0", "424,428"]
    assert row(section, "SRCNN") == ["SRCNN", "8", "not measured", "—", "not measured"]
    assert row(section, "RLFN-S") == ["RLFN-S", "—", "470", "—", "470,208"]
    set5 = table.body.split("## Set5")[1]
    assert row(set5, "VDSR") == ["VDSR", "31.35", "not measured", "—", "0.8838", "not measured", "—"]
    assert row(set5, "DVMSR (vimm_skip=on)")[2] == "20.589"
    assert "180 channels" not in set5


def test_table1_shows_every_method_and_shortens_unmeasured_sets_in_the_report(full_device: DeviceRecords) -> None:
    table = table1(full_device)
    assert len({c.network.label for c in table.found if c.network.published}) == 16
    assert "## Manga109" in table.body
    assert "## Manga109" not in markdown(table.short)
    assert "Nothing was measured on Urban100, Manga109" in markdown(table.short)
    assert any("--data Urban100" in line for line in table.missing)


def test_table2_both_conventions_and_stand_ins(full_device: DeviceRecords) -> None:
    table = table2(full_device)
    assert cell(table, "DVMSR", "FLOPs, as published").difference_text == "0.0000"
    assert cell(table, "DVMSR", "FLOPs, complete").measured_text == "62.4610"
    assert cell(table, "SwinIR-light", "Activations, as published").measured_text == "26.7387"
    assert cell(table, "SwinIR-light", "Activations, complete").measured_text == "1,385.6932"
    assert cell(table, "DVMSR", "PSNR on DIV2K_valid").measured is None
    assert cell(table, "DVMSR", "PSNR on B100 (stand-in)").measured_text == "25.684"
    assert cell(table, "DVMSR", "Time on DIV2K_valid").paper_text == "48"
    assert cell(table, "DVMSR", "Time at 339x510 (stand-in)").measured_text.startswith("2,400 [")
    assert cell(table, "DVMSR", "Memory at 256x256").measured_text == "300.0"
    assert row(table.body, "PSNR on DIV2K_valid") == ["PSNR on DIV2K_valid", "dB", "29.2", "—", "—", "28.97", "—", "—"]
    assert "Measured on Test CPU, 2 threads" in table.body
    missing = "\n".join(table.missing)
    assert "python bench/profile.py --model dvmsr --measure quality --data DIV2K_valid" in missing
    assert "--model swinir_light --measure quality --data DIV2K_valid --weights FILE" in missing
    assert "002_lightweightSR_DIV2K_s64w8_SwinIR-S_x4.pth" in missing


def test_a_filled_column_loses_its_note(make_device: MakeDevice) -> None:
    scored = record("dvmsr", quality=[quality("DIV2K_valid", 30.0, psnr_rgb=28.96)])
    table = table2(make_device([scored]))
    filled = cell(table, "DVMSR", "PSNR on DIV2K_valid")
    assert (filled.measured_text, filled.difference_text) == ("28.960", "-0.010")
    notes = "\n".join(table.missing)
    assert "--model swinir_light --measure quality --data DIV2K_valid" in notes
    assert "--model dvmsr --measure quality --data DIV2K_valid --reuse" not in notes


def test_table6_and_table9(full_device: DeviceRecords) -> None:
    assert cell(table6(full_device), "Bidirectional", "FLOPs, as published").difference_text == "0.0000"
    assert cell(table6(full_device), "Bidirectional", "Parameters").measured_text == "0.4849"
    nine = table9(full_device)
    assert cell(nine, "RLFN baseline", "FLOPs, as published").measured_text == "19.6749"
    assert cell(nine, "RLFN baseline", "PSNR on B100 (stand-in)").measured_text == "25.600"
    missing = "\n".join(nine.missing)
    assert "--data DIV2K_LSDIR_valid --data-dir PATH --ntire-compat" in missing
    assert "only the challenge's organisers" in missing


def test_one_sample_says_so(make_device: MakeDevice) -> None:
    device = make_device([record("dvmsr", runtime=Runtime(9.0, [], [8.0]))])
    assert cell(table2(device), "DVMSR", "Time at 256x256").measured_text == "8.00 (few samples)"


def test_parameter_table_counts_and_difference(make_device: MakeDevice, full_device: DeviceRecords) -> None:
    table = parameter_table(full_device)
    exact = row(table.body, "Table 3: 180 channels, depths 2-2-9-2")
    assert exact[1:] == ["5.214", "5.214", "0.000", "5,213,559"]
    wrong = record(
        "dvmsr",
        options={"channels": 150, "upsampler": "pixelshuffle"},
        complexity=complexity(2_663_069),
        weights=WeightsInfo("random"),
    )
    table = parameter_table(make_device([wrong]))
    assert row(table.body, "Table 5: 150 channels")[1:] == ["2.664", "2.663", "-0.001", "2,663,069"]
    command = "--model dvmsr --model-args channels=180 'depths=[6,6,6,6]' upsampler=pixelshuffle --measure counts"
    assert any(command in line for line in table.missing)


def test_csv_has_raw_numbers_and_provenance(full_device: DeviceRecords) -> None:
    rows = list(csv.DictReader(io.StringIO(table1(full_device).files()["table1.csv"].decode())))
    found = next(r for r in rows if (r["network"], r["quantity"]) == ("DVMSR", "PSNR on Set5"))
    assert (found["paper"], found["measured"], found["difference"]) == ("32.19", "32.2129", "0.0229")
    assert found["device"] == "Test CPU, 2 threads"
    assert found["record"].startswith("dvmsr__test-cpu__2t__256x256__fp32__chunked__")
    assert found["weights"] == "official"


def test_measured_tables_hold_every_record(full_device: DeviceRecords) -> None:
    rows = list(csv.DictReader(io.StringIO(to_csv(measured_data(full_device)))))
    assert len(rows) == len(full_device.measured)
    dvmsr = next(r for r in rows if r["record"].startswith("dvmsr__test-cpu__2t__256x256__fp32__chunked__"))
    assert dvmsr["FLOPs complete (multiply-add 2)"] == "62461041984"
    assert dvmsr["Set5: PSNR Y (dB, 4-pixel border removed)"] == "32.2129"
    page = measured_section(full_device).body
    assert "256x256, fp32, ntire_compat" in page
    assert "- **DVMSR**, quality:Urban100: no such data (about 12 s): `python bench/profile.py --model dvmsr`" in page


def test_paths_of_the_measuring_machine_stay_out(make_device: MakeDevice, tmp_path: Path) -> None:
    item = record("dvmsr", runtime=runtime(1.0))
    item.skipped = [Skipped("quality:Set5", f"not in {tmp_path}/images; see https://a.org/b/c", "python x")]
    page = measured_section(make_device([item])).body
    assert "not in PATH; see https://a.org/b/c" in page
    assert str(tmp_path) not in page


def test_environment_shows_ranges_where_records_differ(make_device: MakeDevice) -> None:
    device = make_device(
        [
            record("dvmsr", environment={"torch": "2.13.0", "gpu": {"temperature_c": 40, "driver": None}}),
            record("rlfn", environment={"torch": "2.13.0", "gpu": {"temperature_c": 45}}),
        ]
    )
    table = to_markdown(environment_table(device.measured))
    assert row(table, "torch") == ["torch", "2.13.0"]
    assert row(table, "gpu.temperature_c") == ["gpu.temperature_c", "40 to 45"]
    assert "driver" not in table
