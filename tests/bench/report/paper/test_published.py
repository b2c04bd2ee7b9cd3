"""The published tables are read as printed, and a damaged one is named."""

from pathlib import Path

import pytest

from bench.report.paper.published import find, read
from bench.report.paper.variants import published_variants
from models.errors import EsrError


def test_table1_has_16_methods_as_printed() -> None:
    rows = read("table1")
    assert len(rows) == 16
    dvmsr = find(rows, "DVMSR")
    assert dvmsr.text("set5_psnr") == "32.19"
    assert dvmsr.number("params_k") == 424
    assert find(rows, "RLFN").number("manga109_psnr") is None
    assert find(rows, "Bicubic").text("set14_psnr") == "26.00"


def test_variants_are_every_parameter_count_of_the_ablations() -> None:
    variants = published_variants()
    assert [v.params_m for v in variants] == [
        *(7.222, 5.214, 3.651, 2.758),
        *(2.175, 3.651, 5.128, 8.08),
        *(2.664, 3.651, 4.089, 4.809),
        *(4.089, 7.432),
    ]
    assert variants[1].options == {"channels": 180, "depths": [2, 2, 9, 2], "upsampler": "pixelshuffle"}
    assert variants[-1].options == {"channels": 192, "depths": [2] * 8, "upsampler": "pixelshuffle"}


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "missing or empty"), ("a,b\n1\n", "uneven"), ("a,b\nx,y\n", "not a number")],
    ids=["empty", "uneven", "text"],
)
def test_a_damaged_table_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "t.csv").write_text(text, encoding="utf-8")
    with pytest.raises(EsrError, match=message) as error:
        read("t", tmp_path)[0].number("b")
    assert "t.csv" in str(error.value)


def test_unknown_rows_and_columns_are_named() -> None:
    rows = read("table2")
    with pytest.raises(EsrError, match="no row 'SRCNN'"):
        find(rows, "SRCNN")
    with pytest.raises(EsrError, match=r"table2\.csv has no column ssim"):
        rows[0].number("ssim")
