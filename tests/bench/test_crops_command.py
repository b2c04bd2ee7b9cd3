"""`bench/crops.py`: places, crops, what it keeps, and what it refuses, on a small network and images."""

import argparse
import json
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from bench.core.record_file import read_as
from bench.crops import _parser, main, make_plan, parse_crop
from bench.data.metrics import luma, psnr
from bench.studies.attribution.attribution_record import image_of
from bench.studies.crops.contest import REFERENCE, Contestant
from bench.studies.crops.crops_record import CropRecord
from bench.studies.crops.study import Square
from models import create_model
from models.errors import EsrError
from models.weights import pack_weights
from tests.commands import run, start

ROOT = Path(__file__).parents[2]
SCRIPT = str(ROOT / "bench" / "crops.py")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data set of two small images, noise in one corner of the second, and the weights of a tiny DVMSR."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "data" / "images" / "Set5" / "HR"
    folder.mkdir(parents=True)
    for name, noise in (("calm", 5), ("rough", 90)):
        picture = np.full((64, 72, 3), 120, dtype=np.int64)
        picture[8:40, 8:40] += rng.integers(-noise, noise, (32, 32, 3))
        Image.fromarray(picture.astype(np.uint8)).save(folder / f"{name}.png")
    options = {"channels": 8, "depths": [1]}
    torch.manual_seed(0)
    state = create_model("dvmsr", **options).state_dict()
    (tmp_path / "tiny.safetensors").write_bytes(pack_weights(state, "dvmsr", options, {}))
    return tmp_path / "data"


def words(data: Path, out: str = "out") -> list[str]:
    folder = data.parent
    return ["--data-dir", str(data), "--size", "16", "--device", "cpu", "--threads", "1", "--out", str(folder / out)]


def dvmsr(data: Path) -> list[str]:
    return ["--model", "dvmsr@chunked", "--weights", str(data.parent / "tiny.safetensors")]


def kept(folder: Path) -> dict[str, CropRecord]:
    return {path.name: read_as(CropRecord, path) for path in sorted(folder.glob("crop__*.json"))}


def test_whole_command_and_a_second_network_beside_the_first(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = data.parent / "out"
    done = run("bench/crops.py", "--model", "bicubic", *words(data), cwd=data.parent)
    assert done.returncode == 0, done.stderr
    (first,) = kept(out).values()
    assert (first.network.model, first.place.image, first.chosen.how) == ("bicubic", "rough", "hardest")
    assert first.chosen.lowest == first.chosen.highest
    truth = np.asarray(Image.open(data / "images/Set5/HR/rough.png"))
    p = first.place
    assert np.array_equal(image_of(first.hr_png), truth[p.y : p.y + 16, p.x : p.x + 16])
    assert first.psnr_y == pytest.approx(psnr(luma(image_of(first.sr_png)), luma(image_of(first.hr_png))))
    assert "Bicubic" in done.stdout

    monkeypatch.setattr(signal, "signal", lambda *_: None)
    stamps = {path.name: path.stat().st_mtime_ns for path in out.glob("crop__*.json")}
    assert main([*dvmsr(data), *words(data), "--reuse"]) == 0
    records = kept(out)
    assert {r.network.model for r in records.values()} == {"bicubic", "dvmsr"}
    assert {repr(r.place) for r in records.values()} == {repr(first.place)}
    assert {name: (out / name).stat().st_mtime_ns for name in stamps} == stamps
    assert capsys.readouterr().out.count("hardest for all") == 2
    made = {path.name for path in out.iterdir()}
    assert {"crops.md", "crops.csv", *records} < made
    assert all(str(data.parent).encode() not in path.read_bytes() for path in out.iterdir())

    def nothing(*_: object) -> None:
        raise AssertionError("nothing is left to run")

    monkeypatch.setattr(Contestant, "upscale", nothing)
    assert main([*dvmsr(data), *words(data), "--reuse"]) == 0
    assert kept(out) == records


def test_other_images_under_the_same_name_are_searched_anew(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    assert main(["--model", "bicubic", *words(data)]) == 0
    (before,) = kept(data.parent / "out").values()
    rough = data / "images/Set5/HR/rough.png"
    Image.fromarray(np.ascontiguousarray(np.asarray(Image.open(rough))[::-1, ::-1])).save(rough)
    assert main(["--model", "bicubic", *words(data), "--reuse"]) == 0
    places = {repr(r.place) for r in kept(data.parent / "out").values()}
    assert len(places) == 2
    assert repr(before.place) in places


def test_an_interrupt_keeps_the_search_and_reuse_goes_on(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    upscale, seen = Contestant.upscale, []

    def once(self: Contestant, lr: np.ndarray, checksum: str) -> np.ndarray:
        seen.append(checksum)
        if len(seen) == 2:
            raise KeyboardInterrupt
        return upscale(self, lr, checksum)

    monkeypatch.setattr(Contestant, "upscale", once)
    assert main(["--model", "bicubic", *words(data)]) == 130
    (search,) = (data.parent / "out").glob("search__*.json")
    assert [image["image"] for image in json.loads(search.read_text())["images"]] == ["calm"]
    assert main(["--model", "bicubic", *words(data), "--reuse"]) == 0
    assert len(seen) == 4  # the second image twice, as the first try was cut short, and the crop's
    assert len(kept(data.parent / "out")) == 1


def test_a_signal_ends_it_in_one_line(data: Path) -> None:
    with start("bench/crops.py", "--model", "bicubic", *words(data), "--data", "photos") as run:
        for _ in range(600):
            if list((data.parent / "out").glob("search__*.json")):
                break
            time.sleep(0.05)
        run.send_signal(signal.SIGINT)
        assert run.stderr
        said = run.stderr.read()
    assert "Traceback" not in said
    assert run.returncode in (0, 130)  # it may have been done already
    assert run.returncode == 0 or "--reuse continues from there" in said


def test_a_network_that_fails_leaves_the_others(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    (data.parent / "net.py").write_text(
        "import torch\nclass Net(torch.nn.Module):\n    def forward(self, x):\n"
        "        return torch.nn.functional.interpolate(x, scale_factor=4)[..., : 10_000 if x.shape[-1] > 60 else 0]\n"
    )
    assert main(["--model", "dvmsr(depths=[1])", *words(data)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    nearest = data.parent / "near.py"
    nearest.write_text("import torch\nclass Net(torch.nn.Module):\n    def forward(self, x):\n"
                       "        return torch.nn.functional.interpolate(x, scale_factor=4)\n")  # fmt: skip
    models = ["--model", f"{nearest}:Net", f"{data.parent / 'net.py'}:Net", *words(data)]
    assert main(models) == 1
    assert "failed" in capsys.readouterr().err
    records = kept(data.parent / "out").values()
    assert len(records) == 2
    own = next(r.network for r in records if r.network.model != "bicubic")
    assert own.weights.status == "none needed"


def test_named_places(data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    assert main(["--model", "bicubic", *words(data), "--image", "calm", "--crop", "4,8,20"]) == 0
    (record,) = kept(data.parent / "out").values()
    assert (record.place.x, record.place.y, record.place.size, record.chosen.how) == (4, 8, 20, "named")
    capsys.readouterr()
    assert main(["--model", "bicubic", *words(data, "other"), "--image", "calm", "--crop", "60,8,20"]) == 2
    assert "--crop 60,8,20 does not fit calm, which is 72x64" in capsys.readouterr().err
    assert not (data.parent / "other").exists()


def test_squares_larger_than_all_images(data: Path, monkeypatch: pytest.MonkeyPatch,
                                        capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    assert main(["--model", "bicubic", *words(data), "--size", "128"]) == 2
    assert "--size 128 is larger than every image of Set5; use a smaller one" in capsys.readouterr().err


def arguments(*more: str) -> argparse.Namespace:
    return _parser().parse_args(["--model", "dvmsr", "--device", "cpu", "--data", "photos", *more])


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--crop", "1,2,32"), "--crop needs the image"),
        (("--image", "coffee", "--crop", "1,2"), "--crop 1,2 is not X,Y,SIZE"),
        (("--image", "coffee", "--crop", "1,2,999"), "the size must be from 16 to 256"),
        (("--image", "tea"), "--image tea is in none of photos; they have astronaut"),
        (("--size", "8"), "--size 8 must be from 16 to 256"),
        (("--weights", "nowhere.pth"), "--weights nowhere.pth does not exist"),
        (("--threads", "0"), "--threads 0"),
        (("--device", "tpu"), "--device tpu"),
        (("--data-dir", "nowhere"), "--data-dir nowhere is not a folder"),
        (("--data", "Set6"), "unknown data set 'Set6'"),
        (("--model", "nonet"), "nonet"),
        (("--model", "dvmsr", "rlfn", "--weights", "x"), "--weights belongs to one network"),
    ],
)
def test_bad_arguments(more: tuple[str, ...], message: str) -> None:
    with pytest.raises(EsrError, match=r"^[^\n]+$") as error:
        make_plan(arguments(*more))
    assert message in str(error.value)


def test_bicubic_is_always_there_once() -> None:
    plan = make_plan(_parser().parse_args(["--model", "rlfn", "bicubic", "rlfn", "--data", "photos"]))
    assert [choice.name for choice in plan.choices] == [REFERENCE, "rlfn"]
    assert parse_crop("4, 8,20") == Square(4, 8, 20)


def test_help_has_examples_and_defaults() -> None:
    text = _parser().format_help()
    assert "python bench/crops.py --model dvmsr rlfn swinir_light --data Set5 Set14" in text
    assert "default: 128" in text
