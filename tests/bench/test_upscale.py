"""The command that enlarges: its images are what bench/profile.py scores, and every kind of input is survived."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.core.record_file import read_record
from bench.core.statistics import quality_means
from bench.data.datasets import find_dataset
from bench.measurement.quality import score
from bench.studies.upscale.study import find_tasks
from bench.upscale import main
from models.errors import EsrError
from tests.bench.own_networks import write_code, write_weights
from tests.data import esr_data


def save(path: Path, height: int = 12, width: int = 16, mode: str = "RGB") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.radial_gradient("L").resize((width, height)).convert(mode).save(path)
    return path


def size_of(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.size


def test_a_folder_of_everything(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photos, out = tmp_path / "photos", tmp_path / "out"
    for file, mode in (("0801x4.png", "RGB"), ("sub/grey.bmp", "L"), ("photo.webp", "RGB"), ("deep.png", "I;16")):
        save(photos / file, mode=mode)
    save(photos / "large.png", 1030, 1030)  # in tiles, since it has more than a million pixels
    (photos / "broken.png").write_bytes(b"no image")
    (photos / "readme.txt").write_text("not an image", encoding="utf-8")
    assert main(["--model", "bicubic", str(photos), "--out", str(out), "--device", "cpu"]) == 1
    said = capsys.readouterr()
    assert "left out: broken.png" in said.err
    assert "deep.png has more than 8 bits" in said.err
    assert "grey.bmp is grey; replicated to RGB" in said.err
    assert "4 of 6 images are in" in said.out
    made = {path.relative_to(out).as_posix(): size_of(path) for path in out.rglob("*.png")}
    small = (64, 48)
    assert made == {"0801.png": small, "sub/grey.png": small, "photo.png": small, "large.png": (4120, 4120)}


@pytest.mark.slow("an image of 12 megapixels")
def test_a_photograph_of_a_camera(tmp_path: Path) -> None:
    photo, out = save(tmp_path / "photo.jpg", 3000, 4000), tmp_path / "out"
    assert main(["--model", "bicubic", str(photo), "--out", str(out), "--device", "cpu"]) == 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Image, "MAX_IMAGE_PIXELS", None)
        assert size_of(out / "photo.png") == (16_000, 12_000)


def test_what_is_there_is_not_made_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photo, out = save(tmp_path / "a.png"), tmp_path / "out"
    words = ["--model", "bicubic", str(photo), "--out", str(out), "--device", "cpu"]
    assert main(words) == 0
    (out / "a.png").write_bytes(b"mine")
    assert main(words) == 0
    assert (out / "a.png").read_bytes() == b"mine"
    assert "1 of 1 are there already" in capsys.readouterr().err
    assert main([*words, "--again"]) == 0
    assert size_of(out / "a.png") == (64, 48)


def test_an_archive_for_the_challenge(tmp_path: Path) -> None:
    for name in ("0901x4", "0902x4"):
        save(tmp_path / "lr" / f"{name}.png")
    archive = tmp_path / "results.zip"
    net, weights = write_code(tmp_path), write_weights(tmp_path)
    words = ["--model", f"{net}:TinyNet(weights={weights})", str(tmp_path / "lr"), "--device", "cpu"]
    assert main([*words, "--out", str(tmp_path / "out"), "--challenge-zip", str(archive)]) == 0
    with zipfile.ZipFile(archive) as zipped:
        assert zipped.namelist() == ["0901.png", "0902.png", "readme.txt"]
        readme = zipped.read("readme.txt").decode()
    assert float(readme.splitlines()[0].removeprefix("runtime per image [s] : ")) > 0
    assert "CPU[1] / GPU[0] : 1" in readme


def test_tiles_are_as_the_whole_where_the_network_looks_no_farther(tmp_path: Path) -> None:
    photo = save(tmp_path / "a.png", 40, 52)
    for name, tile in (("whole", "0"), ("tiled", "24")):
        out = str(tmp_path / name)
        assert main(["--model", "bicubic", str(photo), "--out", out, "--tile", tile, "--overlap", "4"]) == 0
    whole, tiled = (np.asarray(Image.open(tmp_path / name / "a.png")) for name in ("whole", "tiled"))
    assert np.array_equal(whole, tiled)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["absent.png"], "absent.png does not exist"),
        (["empty"], "empty holds no images"),
        (["a/x.png", "b/x.png"], "would both be"),
        (["a/x.png", "--out", "a"], "would be written over"),
        (["a/x.png", "--tile", "8", "--overlap", "4"], "nothing left inside"),
        (["a/x.png", "--model", "dipnet"], "no weights of dipnet were published"),
    ],
)
def test_wrong_calls_are_one_line(
    words: list[str], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    for folder in ("a", "b"):
        save(tmp_path / folder / "x.png")
    model = [] if "--model" in words else ["--model", "bicubic"]
    assert main([*words, *model, "--device", "cpu"]) == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.startswith("error: ")
    assert error.count("\n") == 1


def test_names_keep_their_folders_and_lose_x4(tmp_path: Path) -> None:
    save(tmp_path / "in/000/7x4.jpg")
    save(tmp_path / "in/001/7x4.jpg")
    found = [
        task.target.relative_to(tmp_path / "out").as_posix() for task in find_tasks([tmp_path / "in"], tmp_path / "out")
    ]
    assert found == ["000/7.png", "001/7.png"]
    with pytest.raises(EsrError, match="does not exist"):
        find_tasks([tmp_path / "no"], tmp_path)


@pytest.mark.parametrize("model", ["dvmsr", "fsrcnn"])
def test_images_score_what_profile_says(tmp_path: Path, model: str) -> None:
    data, out = esr_data(), tmp_path / "out"
    dataset = find_dataset("Set5", data, allow_download=False)
    lr = dataset.pairs[0].lr
    assert lr
    assert main(["--model", model, str(lr.parent), "--out", str(out), "--data-dir", str(data), "--device", "cpu"]) == 0
    images = []
    for pair in dataset.pairs:
        loaded = pair.load()
        sr = np.asarray(Image.open(out / f"{pair.name}.png"))
        images.append(score(pair.name, loaded.lr, loaded.hr, sr, 1.0))
    from bench.profile import main as profile

    words = ["--model", model, "--data", "Set5", "--data-dir", str(data), "--measure", "quality", "--device", "cpu"]
    assert profile([*words, "--out", str(tmp_path / "records")]) == 0
    record = read_record(next((tmp_path / "records").iterdir()))
    mine, theirs = quality_means(images), quality_means(record.quality[0].images)
    assert (mine.psnr_y, mine.psnr_rgb, mine.ssim_y) == (theirs.psnr_y, theirs.psnr_rgb, theirs.ssim_y)
