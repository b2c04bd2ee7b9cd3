"""Tables 3 to 8: what was trained stands in its row with its budget, the others have their command."""

import csv
import io

from bench.core.render import to_csv
from bench.report.build import build
from bench.report.lookup import DeviceRecords, Loaded
from bench.report.paper.published import read
from bench.report.studies.ablation import ablation_section, score_table
from tests.bench.report.studies.test_training import run


def rows_of(body: str, table: str) -> list[list[str]]:
    section = body.split(f"### Table {table}:")[1].split("###")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_a_table_shows_every_row_of_the_paper_and_its_parameters(full_device: DeviceRecords) -> None:
    trained = [run(f"table{table}_row1_x") for table in "345678"]
    section = ablation_section(full_device, trained)
    for table in "345678":
        rows = rows_of(section.body, table)
        assert len(rows) == len(read(f"table{table}"))
        assert [row[-2] for row in rows][1:] == ["—"] * (len(rows) - 1)
    assert [row[-3] for row in rows_of(section.body, "3")][1:] == ["5,213,559", "3,651,159", "2,758,359"]
    assert [row[-3] for row in rows_of(section.body, "6")][1:] == ["484,908"]
    assert [row[-3] for row in rows_of(section.body, "8")][1:] == ["4,089,027", "7,432,131"]
    assert rows_of(section.body, "7")[3][:4] == ["yes", "mid", "L2", "1:1"]


def test_what_nobody_trained_is_no_table_but_a_line_with_its_command(full_device: DeviceRecords) -> None:
    section = ablation_section(full_device, [])
    assert section.body == ""
    assert section.files() == {}
    assert len(section.missing) == 6
    assert section.missing[0] == (
        "- Table 3: ViMMs in each RSSB: rows 1, 2, 3, 4 not trained here: "
        "`python train/ablation.py --table 3 --row 1`, and so on"
    )
    some = ablation_section(full_device, [run("table6_row1_x")])
    assert "### Table 6" in some.body
    assert "### Table 3" not in some.body
    assert any(line.startswith("- Table 6") and "row 2 not trained" in line for line in some.missing)


def test_each_training_is_marked_with_its_budget(full_device: DeviceRecords) -> None:
    name = "table8_row2_200x8x48_seed3"
    trained = [run(name, steps=200), run(f"{name}b"), run("table3_row9_x"), run("smoke")]
    rows = rows_of(ablation_section(full_device, trained).body, "8")
    assert len(rows) == 4
    assert rows[1][-3:] == ["54,321", "Set5 29.50 / 0.8300", "200 steps of 8 patches of 48x48, seed 3"]
    assert rows[2][-1] == "200 steps of 8 patches of 48x48, seed 3, unfinished at step 100"
    assert rows[1][:2] == rows[2][:2]
    lines = list(csv.DictReader(io.StringIO(to_csv(score_table(full_device, trained)))))
    (done,) = [line for line in lines if line["run"] == name]
    assert (done["psnr_y"], done["steps"], done["finished"]) == ("29.5", "200", "True")
    assert sum(bool(line["command"]) for line in lines) == sum(len(read(f"table{n}")) for n in "345678") - 1


def test_it_is_in_the_report_of_any_records(full_device: DeviceRecords) -> None:
    files = build(Loaded((full_device,), ()))
    for name in ("report.md", "report.html"):
        assert b"train/ablation.py --table 7 --row 1" in files[name]
    assert "ablation.csv" not in files
