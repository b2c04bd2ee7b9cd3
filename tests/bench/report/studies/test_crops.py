"""The section on crops: what stands side by side and what must not, its figures and its files."""

from dataclasses import replace
from pathlib import Path

from bench.core.render import to_csv
from bench.report.build import main
from bench.report.lookup import load
from bench.report.studies.crops import crop_groups, crop_table, crops_section, why
from bench.report.studies.load import load_studies
from bench.report.web.crops import MOST_BYTES, crops_view
from bench.studies.attribution.attribution_record import image_of
from bench.studies.crops.crops_record import Chosen, CropRecord
from tests.bench.report.studies.crops import CHOSEN, crop_record, crop_records, place
from tests.kept import write_record


def test_networks_of_one_place_stand_side_by_side_bicubic_first() -> None:
    groups = crop_groups(crop_records())
    assert [g.place.image for g in groups] == ["comic", "bird"]  # Set14 before Set5, as text sorts
    assert [[r.network.model for r in g.records] for g in groups] == [["bicubic", "dvmsr", "rlfn"]] * 2


def test_other_places_and_other_images_stand_apart() -> None:
    one = crop_record("rlfn", "RLFN", 20)
    moved = crop_record("dvmsr", "DVMSR", 20, place(x=9))
    otherwise = crop_record("dvmsr", "DVMSR", 20, replace(place(), hr_sha256="c" * 64))
    made = crop_record("dvmsr", "DVMSR", 20, replace(place(), lr_sha256="c" * 64))
    assert [len(g.records) for g in crop_groups([one, moved, otherwise, made])] == [1] * 4
    assert len({g.key for g in crop_groups([one, moved, otherwise, made])}) == 4


def test_a_crop_named_by_hand_joins_those_of_a_search_at_its_place() -> None:
    (group,) = crop_groups([crop_record("dvmsr", "DVMSR", 5, chosen=Chosen("named")), crop_record("rlfn", "RLFN", 5)])
    assert group.chosen == CHOSEN
    assert why(group.chosen) == "Where errors differ most: from 8.0 to 12.5 grey levels (5 images, over RLFN, DVMSR)."
    assert why(Chosen("named")) == "Named by hand."


def test_cells_text_and_files() -> None:
    crops = [*crop_records(), crop_record("span", "SPAN", 0)]
    table = crop_table(crops).shown
    assert {column.title: cell.text for column, cell in zip(table.columns, table.rows[-1], strict=True)} == {
        "image": "bird (Set5)", "place": "8,4,16", "chosen": "networks differ most", "network": "SPAN",
        "PSNR Y [dB]": "∞", "PSNR RGB [dB]": "∞",
    }  # fmt: skip
    section = crops_section(crops)
    files, text = section.files(), section.body
    assert files == crops_section(list(reversed(crops))).files()
    for name, data in files.items():
        if name.endswith(".png"):
            assert data.startswith(b"\x89PNG")
            assert f"({name})" in text
    assert "bicubic has no part in the choice" in " ".join(text.split())
    assert {"crops.md", "crops.csv", "crops.tex"} < set(files)
    assert len({line.count(",") for line in to_csv(crop_table(crops)).splitlines()}) == 1
    assert ",inf,inf," in to_csv(crop_table(crops))


def test_devices_are_never_mixed_and_damage_is_named(full_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "crops"
    for record in crop_records():
        write_record(record, folder)
    elsewhere = crop_record("span", "SPAN", 9)
    elsewhere.network.device_name = "Other CPU"
    write_record(elsewhere, folder)
    damaged = crop_record("imdn", "IMDN", 9)
    damaged.sr_png = crop_record("imdn", "IMDN", 9, place(size=8)).sr_png
    write_record(damaged, folder)
    (folder / "crop__cut.json").write_text("{", encoding="utf-8")
    (folder / "search__x.json").write_text("{", encoding="utf-8")  # no part of a report
    studies, devices = load_studies(full_folder), load(full_folder).devices
    assert [r.network.model for r in studies.of(devices[0]).all(CropRecord)].count("span") == 0
    assert [e.file for e in studies.homeless(devices)] == [f"crops/{elsewhere.file_name}"]
    reasons = {entry.file: entry.reason for entry in studies.left_out}
    assert reasons[f"crops/{damaged.file_name}"].startswith(
        "the file is damaged (it holds a picture of 8x8, not 16x16)"
    )
    assert set(reasons) == {f"crops/{damaged.file_name}", "crops/crop__cut.json"}
    out = tmp_path / "out"
    assert main(["--records", str(full_folder), "--out", str(out)]) == 0
    report = (out / "report.md").read_text(encoding="utf-8")
    assert report.index("## Tables") < report.index("## Crops side by side") < report.index("## Known differences")
    assert (out / "crops.csv").is_file()
    page = (out / "report.html").read_text(encoding="utf-8")
    assert page.count('data-name="DVMSR"') == 2
    assert 'data-name="SPAN"' not in page
    truth = crop_record("rlfn", "RLFN", 1).hr_png
    assert page.count(truth) == 2  # once a place: the viewer takes it from the strip
    assert image_of(truth).shape == (16, 16, 3)


def test_a_page_of_many_networks_stays_small() -> None:
    view = crops_view([replace(r, sr_png="A" * (MOST_BYTES // 4)) for r in crop_records()])
    assert view.left_out == ("DVMSR", "RLFN")
    assert [[shot.name for shot in strip.shots] for strip in view.strips] == [["Bicubic", "Ground truth"]] * 2
