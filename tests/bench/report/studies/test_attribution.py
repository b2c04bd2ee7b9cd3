"""The section on attribution: its figures by hand, its files, and where its records are looked for."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.core.render import to_csv
from bench.report.build import main
from bench.report.lookup import load
from bench.report.studies.attribution import (
    attribution_section,
    field_table,
    lam_groups,
    lam_table,
    radii,
    radius_table,
)
from bench.report.studies.attribution_pictures import cumulated, direction, lam_gallery
from bench.report.studies.load import load_studies
from bench.studies.attribution.attribution_record import BlurPath, Grid, LamRecord
from tests.bench.report.records import field_record, lam_record
from tests.kept import write_record


def spike() -> LamRecord:
    signed = np.zeros((10, 8))
    signed[1, 1] = -3.3
    return lam_record("rlfn", "RLFN", signed, 5.0, 2.0)


def flat() -> LamRecord:
    return lam_record("dvmsr", "DVMSR", np.full((10, 8), 0.5), 10.0, 40.0)


def test_lam_table_by_hand() -> None:
    table = lam_table([spike(), flat()]).shown
    titles = [column.title for column in table.columns]
    one, other = (dict(zip(titles, [cell.text for cell in row], strict=True)) for row in table.rows)
    assert (one["image"], one["patch"], one["network"]) == ("grey (8x10)", "0,0,8", "RLFN")
    assert (one["DI"], one["Gini index"]) == ("1.25", "0.9875")  # 100 / 80 and 1 - 1 / 80
    assert one["sum"] == "1.100"
    assert (other["DI"], other["Gini index"]) == ("100.00", "0.0000")
    assert other["sum"] == "1.333"


def test_maps_share_a_figure_only_of_one_image_and_path() -> None:
    longer = replace(flat(), path=BlurPath(steps=100))
    groups = lam_groups([spike(), longer, flat()])
    assert {name: len(group) for name, group in groups.items()} == {
        "lam__grey__0_0_8": 2,
        "lam__grey__0_0_8__2": 1,
    }


def test_an_image_counts_once_however_many_positions_it_has() -> None:
    record = field_record("rlfn", "RLFN", [[1.0, 1.0, 1.0, 1.0], [3.0]])
    assert [mean for mean, *_ in radii(record)] == [2.0, 4.0, 2.0, 4.0]
    assert field_table([record]).rows[0][-1].text == "4.00 (few samples)"
    many = field_record("rlfn", "RLFN", [[1.0], [2.0], [3.0], [4.0], [5.0], [6.0]])
    mean, low, high = radii(many)[0]
    assert low is not None
    assert high is not None
    assert 1 < low < mean == 3.5 < high < 6


def test_cumulated_share_by_hand() -> None:
    distances, held = cumulated(field_record("rlfn", "RLFN", [[1.0]]).absolute.array().astype(np.float64))
    found = dict(zip(distances.round(3).tolist(), held.tolist(), strict=True))
    assert found[0] == pytest.approx(0.5)
    assert found[1] == pytest.approx(0.95)
    assert found[1.414] == pytest.approx(0.95)
    assert found[2] == pytest.approx(1)


@pytest.mark.parametrize(
    ("above", "below", "says"),
    [
        (
            0.2,
            0.001,
            "RLFN sees far only what lies above: 20 % of its gradient is more than 5 rows above a pixel, 0 % below.",
        ),
        (
            0.001,
            0.2,
            "RLFN sees far only what lies below: 0 % of its gradient is more than 5 rows above a pixel, 20 % below.",
        ),
        (0.2, 0.1, "RLFN looks both ways: 20 % of its gradient is more than 5 rows above a pixel, 10 % below."),
    ],
)
def test_whether_a_network_sees_what_lies_below(above: float, below: float, says: str) -> None:
    share = np.zeros((21, 21))
    share[10, 10], share[1, 3], share[18, 3] = 1 - above - below, above, below
    record = field_record("rlfn", "RLFN", [[1.0]])
    record.absolute = Grid.pack(share)
    assert direction(record).replace("0.1 %", "0 %") == says


def test_a_map_stands_beside_its_image_with_what_it_says() -> None:
    gallery = lam_gallery([spike(), flat()], "key")
    assert [picture.name for picture in gallery.pictures[:3]] == ["grey, LR 8x10", "RLFN", "DVMSR"]
    assert gallery.conclusion == "From most to fewest pixels that take part: DVMSR (DI 100.00), RLFN (DI 1.25)."
    assert gallery.columns == 3
    assert gallery.scale


def test_files_and_text() -> None:
    lams, fields = [spike(), flat()], [field_record("rlfn", "RLFN", [[1.0], [2.0]])]
    section = attribution_section(lams, fields)
    files, text = section.files(), section.body
    assert files == attribution_section(lams, fields).files()
    drawn = ("receptive_field", "receptive_field_maps", "lam__grey__0_0_8")
    assert set(files) == {
        "attribution.md", "attribution.csv", "attribution.tex", "receptive_field.csv",
        *(f"{name}.{kind}" for name in drawn for kind in ("png", "pdf")),
    }  # fmt: skip
    for name, data in files.items():
        if name.endswith(".png"):
            assert data.startswith(b"\x89PNG")
            assert f"({name})" in text
    for table, lines in ((lam_table(lams), 3), (radius_table(fields), 3)):
        content = to_csv(table).splitlines()
        assert len({line.count(",") for line in content}) == 1
        assert len(content) == lines
    assert attribution_section([], []).body == ""


def test_it_is_in_the_report(full_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "attribution"
    write_record(spike(), folder)
    write_record(field_record("rlfn", "RLFN", [[1.0]]), folder)
    elsewhere = flat()
    elsewhere.network.device_name = "Other CPU"
    write_record(elsewhere, folder)
    (folder / "lam__cut.json").write_text("{", encoding="utf-8")
    out = tmp_path / "out"
    assert main(["--records", str(full_folder), "--out", str(out)]) == 0
    report = (out / "report.md").read_text(encoding="utf-8")
    order = ["## Tables", "## Attribution", "## Known differences"]
    assert [report.index(title) for title in order] == sorted(report.index(title) for title in order)
    for name in ("attribution.md", "attribution.csv", "receptive_field.png", "lam__grey__0_0_8.png"):
        assert (out / name).is_file()
    studies = load_studies(full_folder)
    assert [entry.file for entry in studies.left_out] == ["attribution/lam__cut.json"]
    assert [e.file for e in studies.homeless(load(full_folder).devices)] == [f"attribution/{elsewhere.file_name}"]
