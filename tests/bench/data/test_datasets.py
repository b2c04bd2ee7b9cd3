"""Data sets in every layout, and every kind of bad image a folder may hold."""

import contextlib
import csv
import functools
import hashlib
import http.server
import struct
import threading
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.data import download
from bench.data.datasets import find_dataset, find_named, list_datasets
from bench.data.images import read_rgb
from bench.data.imresize import imresize
from bench.data.pairs import Dataset, ImagePair
from models.errors import EsrError
from tests.data import esr_data

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty cache, no $ESR_DATA: a test sees only what it makes."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("ESR_CACHE", str(folder))
    monkeypatch.delenv("ESR_DATA", raising=False)
    return folder


def noise(height: int, width: int, channels: int = 3) -> np.ndarray:
    return RNG.integers(0, 256, (height, width, channels), dtype=np.uint8)


def save(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(path)
    return path


def make_set(root: Path, hr: str | None, lr: str | None = None, names: tuple[str, ...] = ("b", "a", "c")) -> None:
    for name in names:
        if hr:
            save(root / hr / f"{name}.png", noise(16, 24))
        if lr:
            save(root / lr / f"{name}x4.png", noise(4, 6))


def error_of(call: Callable[[], object], *words: object) -> None:
    """`call` must raise an EsrError of one line that has all `words`."""
    with pytest.raises(EsrError) as caught:
        call()
    text = str(caught.value)
    assert "\n" not in text
    for word in words:
        assert str(word) in text


# Folders


@pytest.mark.parametrize(
    ("name", "hr", "lr"),
    [
        ("Set5", "images/Set5/HR", "images/Set5/LRx4"),
        ("Set5", "images/Set5/HR", "images/Set5/LR_bicubic/X4"),
        ("Set5", "Set5/HR", "Set5/LRx4"),
        ("Set5", "Set5/HR", "Set5/LR_bicubic/X4"),
        ("Set5", "Set5/HR", None),
        ("set5", "Images/SET5/hr", "Images/SET5/lrX4"),
        ("B100", "BSDS100/HR", "BSDS100/LR_bicubic/X4"),
        ("bsd100", "images/B100/HR", None),
        ("DIV2K_valid", "DIV2K_valid_HR", "DIV2K_valid_LR_bicubic/X4"),
        ("DIV2K_LSDIR_valid", "DIV2K_LSDIR_valid_HR", "DIV2K_LSDIR_valid_LR"),
        ("Set5", "Set5/GTmod12", "Set5/LRbicx4"),
        ("Set14", "Set14/GT", "Set14/LR_bicubic/X4"),
        ("Urban100", "Urban100", None),
    ],
)
def test_layouts(tmp_path: Path, name: str, hr: str, lr: str | None) -> None:
    make_set(tmp_path, hr, lr)
    found = find_dataset(name, tmp_path, allow_download=False)
    assert found.name in list_datasets()
    assert [pair.name for pair in found.pairs] == ["a", "b", "c"]
    assert [pair.hr for pair in found.pairs] == [tmp_path / hr / f"{n}.png" for n in "abc"]
    assert [pair.lr for pair in found.pairs] == [tmp_path / lr / f"{n}x4.png" if lr else None for n in "abc"]
    assert found.lr_source == ("files" if lr else "made by bench.imresize")
    assert found.pairs[0].load().lr.shape == (4, 6, 3)


@pytest.mark.parametrize(
    "lr",
    ["LR", "LRbicx4", "LR_bicubic", "LR_unknown/X4", "X4", "LR/x4", "LR_bicubic_X4", "lr_x4", "LRBI", "bicubic_x4",
     "LR_wild/X4", "LR_mild"],
)  # fmt: skip
@pytest.mark.parametrize("suffix", ["", "x4", "_x4", "_LR", "x4m"])
def test_lr_images_are_found_wherever_people_put_them(tmp_path: Path, lr: str, suffix: str) -> None:
    make_set(tmp_path, "Set5/HR", "Set5/LRx4")
    (tmp_path / "Set5" / lr).parent.mkdir(exist_ok=True)
    (tmp_path / "Set5/LRx4").rename(tmp_path / "Set5" / lr)
    for file in (tmp_path / "Set5" / lr).iterdir():
        file.rename(file.with_stem(file.stem.removesuffix("x4") + suffix))
    for other in ("LR_bicubic/X2", "LRx3"):  # of other scales, which are passed over
        make_set(tmp_path, f"Set5/{other}")
    found = find_dataset("Set5", tmp_path)
    assert [pair.lr for pair in found.pairs] == [tmp_path / "Set5" / lr / f"{name}{suffix}.png" for name in "abc"]
    assert found.lr_source == "files"
    known = lr in ("LRbicx4", "LR_bicubic")
    assert known != any("of whatever made them" in note for note in found.notes)


def test_bicubic_goes_before_unknown_and_two_alike_are_asked_about(tmp_path: Path) -> None:
    make_set(tmp_path, "DIV2K_valid_HR", "DIV2K_valid_LR_bicubic/X4")
    make_set(tmp_path, None, "DIV2K_valid_LR_unknown/X4")
    lr = find_dataset("DIV2K_valid", tmp_path).pairs[0].lr
    assert lr
    assert lr.parent == tmp_path / "DIV2K_valid_LR_bicubic/X4"
    make_set(tmp_path, "Set5/HR", "Set5/LR_one/X4")
    make_set(tmp_path, None, "Set5/LR_two/X4")
    error_of(lambda: find_dataset("Set5", tmp_path), "LR_one", "LR_two", "remove or rename")


def test_a_folder_of_anybodys_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_set(tmp_path, "My photos, 2.0/HR", "My photos, 2.0/LR")
    make_set(tmp_path, "flat")
    whole, inside = (find_dataset(str(tmp_path / "My photos, 2.0" / part), None) for part in ("", "HR"))
    assert whole.name == inside.name
    assert whole.name.startswith("My-photos-2-0-")  # without what names of figures are divided by
    assert [pair.name for pair in whole.pairs] == ["a", "b", "c"]
    assert whole.lr_source == "files"
    monkeypatch.chdir(tmp_path)
    flat = find_dataset("flat", None)
    assert flat.lr_source == "made by bench.imresize"
    assert flat.name.split("-")[1] != whole.name.rsplit("-", 1)[1]
    save(tmp_path / "flat/a.png", noise(20, 24))
    assert find_dataset("flat", None).name != flat.name  # other images are another set
    make_set(tmp_path, "set5")
    assert find_dataset("./set5", None).name.startswith("set5-")
    error_of(lambda: find_dataset("set5", None, allow_download=False), "Set5 is not in")  # the known one is meant
    (tmp_path / "empty").mkdir()
    error_of(lambda: find_dataset("empty", None), "empty holds no images")
    error_of(lambda: find_dataset("absent/x", None), "absent/x", "no folder of images")


def test_lr_images_of_a_folder_are_named(tmp_path: Path) -> None:
    make_set(tmp_path, "mine/sharp", "elsewhere/small")
    hr, lr = tmp_path / "mine/sharp", tmp_path / "elsewhere/small"
    (found,) = find_named([str(hr)], None, lr)
    assert [pair.lr for pair in found.pairs] == [lr / f"{name}x4.png" for name in "abc"]
    assert found.notes == ("LR images from small, of whatever made them",)
    without = find_dataset(str(hr), None)
    assert without.name != found.name  # whose figures are not those of LR images made here
    save(lr / "ax4.png", noise(4, 6))
    assert find_named([str(hr)], None, lr)[0].name != found.name
    error_of(lambda: find_named([str(hr), "photos"], None, lr), "--lr", "name one --data")
    error_of(lambda: find_named(["photos"], None, lr), "--lr", "photos")
    error_of(lambda: find_named([str(hr)], None, tmp_path / "absent"), "--lr", "absent")
    (lr / "bx4.png").unlink()
    error_of(lambda: find_named([str(hr)], None, lr), "b.png", "has no LR image", "leave --lr out")


def test_clips_lie_in_folders_as_in_reds(tmp_path: Path) -> None:
    for clip in ("000", "001"):
        make_set(tmp_path, f"val_sharp/{clip}", names=("00000000", "00000001"))
        for name in ("00000000", "00000001"):
            save(tmp_path / f"val_sharp_bicubic/X4/{clip}/{name}.png", noise(4, 6))
    (found,) = find_named([str(tmp_path / "val_sharp")], None, tmp_path / "val_sharp_bicubic/X4")
    assert [pair.name for pair in found.pairs] == ["000-00000000", "000-00000001", "001-00000000", "001-00000001"]
    for pair in found.pairs:
        assert pair.lr
        assert (pair.lr.parent.name, pair.lr.name) == (pair.hr.parent.name, pair.hr.name)
    made = find_dataset(str(tmp_path / "val_sharp"), None)
    assert [pair.lr for pair in made.pairs] == [None] * 4


def test_lr_images_are_never_taken_for_hr_images(tmp_path: Path) -> None:
    make_set(tmp_path, "a/sharp", "a/LRx4")  # no name of an HR folder: asking is right, scoring all six is not
    error_of(lambda: find_dataset(str(tmp_path / "a"), None), "LRx4", "holds LR images", "--lr")
    make_set(tmp_path, "b/HR", "b/LR")
    make_set(tmp_path, "b/GT")
    assert {pair.hr.parent.name for pair in find_dataset(str(tmp_path / "b"), None).pairs} == {"HR"}
    make_set(tmp_path, "c/GT")
    make_set(tmp_path, "c/original")
    error_of(lambda: find_dataset(str(tmp_path / "c"), None), "GT", "original", "name the one")
    for name in ("img_001", "img_002"):  # SelfExSR's, both in one folder
        save(tmp_path / f"Set5/image_SRF_4/{name}_SRF_4_HR.png", noise(16, 24))
        save(tmp_path / f"Set5/image_SRF_4/{name}_SRF_4_LR.png", noise(4, 6))
    found = find_dataset("Set5", tmp_path, allow_download=False)
    assert [pair.name for pair in found.pairs] == ["img_001_SRF_4_HR", "img_002_SRF_4_HR"]
    assert [pair.lr.name if pair.lr else "" for pair in found.pairs] == [
        "img_001_SRF_4_LR.png",
        "img_002_SRF_4_LR.png",
    ]


def test_what_was_cropped_otherwise_says_so(tmp_path: Path) -> None:
    make_set(tmp_path, "Set5/GTmod12", "Set5/LRbicx4")
    assert "HR images cropped to multiples of 12, by whatever made GTmod12" in find_dataset("Set5", tmp_path).notes


def test_no_image_is_left_out_without_a_word(tmp_path: Path) -> None:
    make_set(tmp_path, "Set5/HR")
    with Image.open(tmp_path / "Set5/HR/b.png") as image:
        image.save(tmp_path / "Set5/HR/b2.webp", lossless=True)
    assert [pair.name for pair in find_dataset("Set5", tmp_path).pairs] == ["a", "b", "b2", "c"]
    (tmp_path / "Set5/HR/d.gif").write_bytes(b"GIF89a")
    error_of(lambda: find_dataset("Set5", tmp_path), "d.gif", "not read", "convert or remove")
    (tmp_path / "Set5/HR/d.gif").unlink()
    (tmp_path / "Set5/HR/a.jpg").write_bytes(b"x")
    error_of(lambda: find_dataset("Set5", tmp_path), "a.png", "a.jpg", "of one name")


def test_search_order(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for root in (tmp_path / "flag", tmp_path / "variable", cache):
        make_set(root, "images/Manga109/HR")
    monkeypatch.setenv("ESR_DATA", str(tmp_path / "variable"))

    def root_of(found: Dataset) -> Path:
        return found.pairs[0].hr.parents[3]

    assert root_of(find_dataset("Manga109", tmp_path / "flag")) == tmp_path / "flag"
    assert root_of(find_dataset("Manga109", None)) == tmp_path / "variable"
    assert root_of(find_dataset("Manga109", tmp_path)) == tmp_path / "variable"  # the flag's folder lacks it
    monkeypatch.delenv("ESR_DATA")
    assert root_of(find_dataset("Manga109", None)) == cache


def test_incomplete_set_is_noted(tmp_path: Path) -> None:
    make_set(tmp_path, "Set5/HR")
    assert find_dataset("Set5", tmp_path).notes == ("3 images instead of the usual 5",)
    make_set(tmp_path, "Set5/HR", names=("d", "e"))
    assert find_dataset("Set5", tmp_path).notes == ()


def test_other_files_are_ignored(tmp_path: Path) -> None:
    make_set(tmp_path, "Set5/HR")
    for name in ("readme.txt", "._a.png", "Thumbs.db", "d.png.part"):
        (tmp_path / "Set5/HR" / name).write_bytes(b"x")
    assert len(find_dataset("Set5", tmp_path).pairs) == 3


def test_bad_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find = functools.partial(find_dataset, allow_download=False)
    error_of(lambda: find("Ubran100", None), "Ubran100", "did you mean Urban100")
    error_of(lambda: find("zzz", None), "zzz", "known: photos, Set5")
    error_of(lambda: find("Set5", tmp_path / "none"), "--data-dir", tmp_path / "none")
    error_of(lambda: find("Set5", tmp_path), f"--data-dir {tmp_path}", "images/Set5/HR")
    error_of(lambda: find_dataset("Manga109", None), "manga109.org", "images/Manga109/HR")
    error_of(lambda: find_dataset("DIV2K_LSDIR_valid", None), "NTIRE2024_ESR", "images/DIV2K_LSDIR_valid/HR")
    (tmp_path / "Set14/HR").mkdir(parents=True)
    error_of(lambda: find("Set14", tmp_path), tmp_path / "Set14/HR", "holds no images")
    monkeypatch.setenv("ESR_DATA", str(tmp_path / "none"))
    error_of(lambda: find("Set5", None), "$ESR_DATA", tmp_path / "none")


def test_files_that_do_not_match(tmp_path: Path) -> None:
    make_set(tmp_path, "Set5/HR", "Set5/LRx4")
    extra = save(tmp_path / "Set5/LRx4/dx4.png", noise(4, 6))
    error_of(lambda: find_dataset("Set5", tmp_path), extra, "has no HR image")
    extra.unlink()
    lost = tmp_path / "Set5/LRx4/bx4.png"
    lost.unlink()
    error_of(lambda: find_dataset("Set5", tmp_path), "b.png", lost, "remove")


# Images


@pytest.mark.parametrize(("height", "width"), [(16, 24), (19, 27), (4, 7)])
def test_hr_is_cropped_to_the_scale_and_lr_made(tmp_path: Path, height: int, width: int) -> None:
    pixels = noise(height, width)
    pair = ImagePair("a", save(tmp_path / "a.png", pixels), None).load()
    expected = pixels[: height // 4 * 4, : width // 4 * 4]
    np.testing.assert_array_equal(pair.hr, expected)
    np.testing.assert_array_equal(pair.lr, imresize(expected, 1 / 4))
    assert pair.lr.dtype == pair.hr.dtype == np.uint8
    assert pair.hr.flags.c_contiguous
    assert pair.notes == ()


def test_lr_file_belongs_to_the_cropped_hr(tmp_path: Path) -> None:
    hr, lr = save(tmp_path / "a.png", noise(19, 27)), save(tmp_path / "ax4.png", noise(4, 6))
    assert ImagePair("a", hr, lr).load().hr.shape == (16, 24, 3)
    save(lr, noise(5, 7))
    error_of(ImagePair("a", hr, lr).load, lr, "7x5", "6x4")


def test_centre_crop(tmp_path: Path) -> None:
    pixels = noise(20, 12)
    pair = ImagePair("a", save(tmp_path / "a.png", pixels), None, max_size=10).load()
    np.testing.assert_array_equal(pair.hr, pixels[5:13, 1:9])


@pytest.mark.parametrize(("height", "width"), [(3, 40), (40, 3), (1, 1)])
def test_hr_too_small(tmp_path: Path, height: int, width: int) -> None:
    path = save(tmp_path / "a.png", noise(height, width))
    error_of(ImagePair("a", path, None).load, path, f"{width}x{height}", "at least 4")


def test_grey_is_replicated_and_noted(tmp_path: Path) -> None:
    pixels = noise(8, 8, 1)
    hr, lr = save(tmp_path / "a.png", pixels), save(tmp_path / "ax4.png", noise(2, 2, 1))
    pair = ImagePair("a", hr, lr).load()
    np.testing.assert_array_equal(pair.hr, np.repeat(pixels, 3, axis=2))
    assert pair.notes == ("a.png is grey; replicated to RGB", "ax4.png is grey; replicated to RGB")


def test_palette(tmp_path: Path) -> None:
    image = Image.fromarray(noise(8, 8)).quantize(16)
    image.save(tmp_path / "opaque.png")
    rgb, notes = read_rgb(tmp_path / "opaque.png")
    np.testing.assert_array_equal(rgb, np.asarray(image.convert("RGB")))
    assert notes == ()
    image.save(tmp_path / "transparent.png", transparency=int(np.asarray(image)[0, 0]))
    error_of(lambda: read_rgb(tmp_path / "transparent.png"), "transparent.png", "transparency")


def test_exif_rotation_is_ignored(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(noise(8, 16)).save(tmp_path / "a.jpg", exif=exif)
    assert read_rgb(tmp_path / "a.jpg")[0].shape == (8, 16, 3)


def png(width: int, height: int, depth: int, colour: int, row: bytes) -> bytes:
    """A PNG file written by hand, for kinds that Pillow does not write."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress((b"\0" + row) * min(height, 16))), (b"IEND", b"")]
    packed = (struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def test_sixteen_bits(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    for colour, channels in ((0, 1), (2, 3), (4, 2), (6, 4)):  # grey, RGB, grey + alpha, RGB + alpha
        path.write_bytes(png(8, 8, 16, colour, bytes(8 * channels * 2)))
        error_of(lambda: read_rgb(path), path, "more than 8 bits", "8-bit RGB")


def test_alpha(tmp_path: Path) -> None:
    for channels in (2, 4):
        path = save(tmp_path / "a.png", noise(8, 8, channels))
        error_of(lambda path=path: read_rgb(path), path, "alpha")


def test_cmyk(tmp_path: Path) -> None:
    Image.new("CMYK", (8, 8)).save(tmp_path / "a.jpg")
    error_of(lambda: read_rgb(tmp_path / "a.jpg"), "a.jpg", "CMYK")


def test_absurdly_large(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    for side in (9_600, 60_000):  # Pillow warns of the first and refuses the second
        path.write_bytes(png(side, side, 8, 2, b""))
        error_of(lambda: read_rgb(path), path, "million pixels")


@pytest.mark.parametrize("suffix", ["png", "bmp", "jpg", "tif"])
def test_damaged_files(tmp_path: Path, suffix: str) -> None:
    path = save(tmp_path / f"a.{suffix}", noise(64, 64))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    error_of(lambda: read_rgb(path), path, "copy it again")
    path.write_bytes(b"")
    error_of(lambda: read_rgb(path), path, "empty")
    path.write_text("404: not found")
    error_of(lambda: read_rgb(path), path, "not an image")
    path.unlink()
    error_of(lambda: read_rgb(path), path, "cannot read")


def test_random_damage_never_escapes_as_another_error(tmp_path: Path) -> None:
    for suffix in ("png", "bmp", "jpg", "tif"):
        path = save(tmp_path / f"a.{suffix}", noise(32, 32))
        whole = np.frombuffer(path.read_bytes(), np.uint8)
        for _ in range(100):
            broken = whole[: RNG.integers(1, len(whole) + 1)].copy()
            broken[RNG.integers(0, len(broken), 5)] = RNG.integers(0, 256, 5)
            path.write_bytes(broken.tobytes())
            with contextlib.suppress(EsrError):
                read_rgb(path)


# Downloads, from a folder served on this machine


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, list[str]]]:
    """A folder of published files (with a sources.tsv of them) and the paths that were asked for."""
    folder = tmp_path / "published"
    make_set(folder, "Set5/HR", "Set5/LRx4")
    make_set(folder, "unzipped", "unzipped")
    for archive, pattern in (("HR.zip", "?.png"), ("LRx4.zip", "?x4.png")):
        (folder / "DIV2K_valid").mkdir(exist_ok=True)
        with zipfile.ZipFile(folder / "DIV2K_valid" / archive, "w") as zipped:
            for file in sorted((folder / "unzipped").glob(pattern)):
                zipped.write(file, f"../../outside/{file.name}")
            zipped.writestr("readme.txt", "not an image")

    asked: list[str] = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            asked.append(self.path)

    handler = functools.partial(Handler, directory=str(folder))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        lines = ["dataset\tfile\tbytes\tsha256\turl"]
        for name in ("Set5", "DIV2K_valid"):
            for file in sorted((folder / name).rglob("*.*")):
                content, relative = file.read_bytes(), file.relative_to(folder / name)
                url = f"http://127.0.0.1:{server.server_port}/{name}/{relative}"
                lines.append(f"{name}\t{relative}\t{len(content)}\t{hashlib.sha256(content).hexdigest()}\t{url}")
        (tmp_path / "sources.tsv").write_text("\n".join(lines) + "\n")
        monkeypatch.setattr(download, "SOURCES", tmp_path / "sources.tsv")
        yield folder, asked
        server.shutdown()


def test_download_of_files(published: tuple[Path, list[str]], cache: Path) -> None:
    folder, asked = published
    found = find_dataset("Set5", None)
    assert [pair.hr for pair in found.pairs] == [cache / f"images/Set5/HR/{n}.png" for n in "abc"]
    assert found.lr_source == "files"
    assert found.pairs[0].hr.read_bytes() == (folder / "Set5/HR/a.png").read_bytes()
    assert len(asked) == 6
    assert find_dataset("Set5", None, allow_download=False) == found
    assert len(asked) == 6


def test_interrupted_download_continues_with_what_is_missing(published: tuple[Path, list[str]], cache: Path) -> None:
    folder, asked = published
    hidden = (folder / "Set5/LRx4/bx4.png").rename(folder / "bx4.png")
    error_of(lambda: find_dataset("Set5", None), "/Set5/LRx4/bx4.png", "404", "as images/Set5/LRx4/bx4.png")
    assert not list(cache.rglob("bx4*"))
    error_of(lambda: find_dataset("Set5", None, allow_download=False), "Set5 is not in the cache")
    hidden.rename(folder / "Set5/LRx4/bx4.png")
    asked.clear()
    assert len(find_dataset("Set5", None).pairs) == 3
    assert sorted(asked) == ["/Set5/LRx4/bx4.png", "/Set5/LRx4/cx4.png"]


def test_download_of_archives(published: tuple[Path, list[str]], cache: Path, tmp_path: Path) -> None:
    found = find_dataset("DIV2K_valid", None)
    assert found.lr_source == "files"
    assert found.pairs[0].load().hr.shape == (16, 24, 3)
    assert sorted(f.name for f in (cache / "images/DIV2K_valid").iterdir()) == ["HR", "LRx4"]
    assert sorted(f.name for f in (cache / "images/DIV2K_valid/HR").iterdir()) == ["a.png", "b.png", "c.png"]
    assert not list(tmp_path.rglob("outside"))


def test_interrupted_unpacking_leaves_no_half_a_set(
    published: tuple[Path, list[str]], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(zipfile.ZipFile, "open", interrupt)
        with pytest.raises(KeyboardInterrupt):
            find_dataset("DIV2K_valid", None)
    assert [f.name for f in (cache / "images/DIV2K_valid").iterdir()] == ["HR.zip"]
    published[1].clear()
    assert len(find_dataset("DIV2K_valid", None).pairs) == 3
    assert published[1] == ["/DIV2K_valid/LRx4.zip"]  # the first archive was whole


# What is really there


@pytest.fixture(scope="module")
def real_data() -> Path:
    return esr_data()  # of module scope to be evaluated before `cache` hides it


def test_photos() -> None:
    found = find_dataset("photos", None, allow_download=False)
    assert found.lr_source == "made by bench.imresize"
    for pair in found.pairs:
        loaded = pair.load()
        h, w, _ = loaded.lr.shape
        assert loaded.hr.shape == (4 * h, 4 * w, 3)
        assert max(loaded.hr.shape) <= 512


def test_sources() -> None:
    with download.SOURCES.open() as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    counts = {name: sum(row["dataset"] == name for row in rows) for name in list_datasets()}
    assert {n: c for n, c in counts.items() if c} == {
        "Set5": 10,
        "Set14": 14,
        "B100": 100,
        "Urban100": 100,
        "DIV2K_valid": 2,
    }
    assert all(row["url"].startswith("https://") and len(row["sha256"]) == 64 for row in rows)
    assert len({row["sha256"] for row in rows}) == len({row["url"] for row in rows}) == len(rows)


@pytest.mark.parametrize(
    ("name", "count", "notes"),
    [("Set5", 5, []), ("Set14", 14, ["bridge.png is grey; replicated to RGB"]), ("B100", 100, [])],
)
def test_real_sets_load(real_data: Path, name: str, count: int, notes: list[str]) -> None:
    found = find_dataset(name, real_data, allow_download=False)
    assert len(found.pairs) == count
    assert found.lr_source == "files"
    assert [note for pair in found.pairs for note in pair.load().notes] == notes


@pytest.mark.parametrize("name", ["Set5", "Set14", "B100"])
def test_real_files_are_the_published_ones(real_data: Path, name: str) -> None:
    folder = real_data / "images" / name
    with download.SOURCES.open() as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["dataset"] == name]
    for row in rows:
        content = (folder / row["file"]).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (int(row["bytes"]), row["sha256"])
