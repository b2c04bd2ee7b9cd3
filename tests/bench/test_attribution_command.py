"""`bench/attribution.py`: records, refusals, and the command on a small network and image."""

import argparse
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from bench.attribution import _parser, main, make_plan, parse_patch
from bench.core.record_file import read_as
from bench.studies.attribution.attribution_record import FieldRecord, Grid, LamRecord, Patch
from bench.studies.attribution.map import diffusion_index
from models import create_model
from models.errors import EsrError
from models.weights import pack_weights
from tests.bench.own_networks import write_code
from tests.commands import run

ROOT = Path(__file__).parents[2]
SCRIPT = str(ROOT / "bench" / "attribution.py")
rng = np.random.default_rng(0)


@pytest.fixture
def tiny(tmp_path: Path) -> list[str]:
    """Words that name a tiny DVMSR, its weights and a small image."""
    options = {"channels": 8, "depths": [1]}
    torch.manual_seed(0)
    state = create_model("dvmsr", **options).state_dict()
    weights, image = tmp_path / "tiny.safetensors", tmp_path / "grey.png"
    weights.write_bytes(pack_weights(state, "dvmsr", options, {}))
    Image.fromarray(rng.integers(0, 256, (18, 20), dtype=np.uint8)).save(image)
    return ["--model", "dvmsr@chunked", "--weights", str(weights), "--image", str(image), "--device", "cpu"]


def test_grid_keeps_every_bit() -> None:
    array = rng.normal(size=(3, 5)).astype(np.float32)
    assert np.array_equal(Grid.pack(array).array(), array)
    with pytest.raises(ValueError, match=r"damaged|padding|reshape"):
        Grid(3, 5, Grid.pack(array[:2]).data).array()


def test_whole_command(tiny: list[str], tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = ["--steps", "4", "--erf", "2", "--erf-size", "16", "--patch", "10,20,8", "--out", str(out)]
    done = run("bench/attribution.py", *tiny, *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (lam_path,), (field_path,) = out.glob("lam__*.json"), out.glob("field__*.json")
    lam, seen = read_as(LamRecord, lam_path), read_as(FieldRecord, field_path)
    assert (lam.patch, lam.path.steps, lam.network.scan_backend) == (Patch(10, 20, 8), 4, "chunked")
    assert lam.notes == ["grey.png is grey; replicated to RGB"]
    assert lam.lr().shape == (18, 20, 3)
    assert 0 < diffusion_index(lam.signed.array()) < 100
    assert [len(image.half_squared) for image in seen.images] == [2] * 6
    assert seen.squared.array().sum() == pytest.approx(1, abs=1e-5)
    assert "DVMSR" in done.stdout
    made = {path.name for path in out.iterdir()}
    drawn = ("receptive_field", "receptive_field_maps", "lam__grey__10_20_8")
    assert made == {
        lam_path.name, field_path.name, "attribution.md", "attribution.csv", "attribution.tex", "receptive_field.csv",
        *(f"{name}.{kind}" for name in drawn for kind in ("png", "pdf")),
    }  # fmt: skip
    assert all(str(tmp_path).encode() not in path.read_bytes() for path in out.iterdir())
    before = {path: path.read_bytes() for path in (lam_path, field_path)}
    assert main([*tiny, *words, "--reuse"]) == 0
    assert before == {path: path.read_bytes() for path in before}
    assert main([*tiny, *words, "--reuse", "--steps", "5", "--erf", "3"]) == 0
    assert before == {path: path.read_bytes() for path in before}  # another path and other positions are other maps
    (other_lam,), (other_field,) = ({*out.glob(f"{kind}__*.json")} - {*before} for kind in ("lam", "field"))
    assert read_as(LamRecord, other_lam).path.steps == 5
    assert [len(image.half_squared) for image in read_as(FieldRecord, other_field).images] == [3] * 6
    lam = read_as(LamRecord, lam_path)
    lam_path.write_text(lam_path.read_text().replace(lam.signed.data, "AAAA"))
    with pytest.raises(EsrError, match="is damaged"):
        read_as(LamRecord, lam_path)


def arguments(*words: str) -> argparse.Namespace:
    return _parser().parse_args(["--model", "dvmsr", "--device", "cpu", *words])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--patch", "1,2"), "--patch 1,2 is not X,Y,SIZE"),
        (("--patch", "1,-2,3"), "--patch 1,-2,3 is not X,Y,SIZE"),
        (("--steps", "0"), "--steps 0"),
        (("--sigma", "nan"), "--sigma nan"),
        (("--kernel", "8"), "--kernel 8"),
        (("--image", "nowhere.png"), "--image nowhere.png does not exist"),
        (("--shrink",), "--shrink needs the HR image"),
        (("--weights", "nowhere.pth"), "--weights nowhere.pth does not exist"),
        (("--memory", "0"), "--memory 0"),
        (("--threads", "0"), "--threads 0"),
        (("--device", "tpu"), "--device tpu"),
        (("--data-dir", "nowhere"), "--data-dir nowhere is not a folder"),
        (("--erf", "0"), "--erf 0"),
        (("--erf", "1", "--data", "Set6"), "unknown data set 'Set6'"),
        (("--erf", "1", "--erf-size", "999"), "--erf-size 999 must be from 2 to"),
    ],
)
def test_bad_arguments(words: tuple[str, ...], message: str) -> None:
    with pytest.raises(EsrError, match=r"^[^\n]+$") as error:
        make_plan(arguments(*words))
    assert message in str(error.value)


def test_the_photo_that_is_always_here() -> None:
    plan = make_plan(arguments())
    assert (plan.picture.name, plan.picture.lr.shape) == ("astronaut", (64, 64, 3))
    assert parse_patch("110, 150,16") == Patch(110, 150, 16)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--patch", "70,0,16"], "--patch 70,0,16 (x,y,size in SR pixels) needs x + size < 80"),
        (["--kernel", "41"], "too small for a blur of 41"),
        (["--memory", "0.00001"], "larger --memory"),
    ],
)
def test_refusals_are_one_line_and_leave_nothing(
    tiny: list[str], tmp_path: Path, words: list[str], message: str,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    assert main([*tiny, "--steps", "2", *words, "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert message in error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", ["alpha", "deep"])
def test_images_that_are_refused(tmp_path: Path, kind: str) -> None:
    file = tmp_path / f"{kind}.png"
    if kind == "alpha":
        Image.fromarray(np.full((8, 8, 4), 90, dtype=np.uint8), "RGBA").save(file)
    else:
        Image.fromarray(np.full((8, 8), 9000, dtype=np.uint16)).save(file)
    with pytest.raises(EsrError, match=r"alpha channel|more than 8 bits"):
        make_plan(arguments("--image", str(file)))


def test_own_networks_have_the_maps_of_the_same_network_registered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    options = {"channels": 8, "blocks": 1}
    weights = tmp_path / "w.safetensors"
    weights.write_bytes(pack_weights(create_model("rlfn_ntire", **options).state_dict(), "rlfn_ntire", options, {}))
    made = "create_model('rlfn_ntire', channels=8, blocks=1)"
    code = f"from models import create_model\n\n\ndef make():\n    return {made}\n"
    own = write_code(tmp_path, code)
    out, rest = tmp_path / "out", ["--steps", "2", "--erf", "2", "--erf-size", "16", "--device", "cpu"]
    assert main(["--model", "rlfn_ntire", "--weights", str(weights), *rest, "--out", str(out)]) == 0
    assert main(["--model", f"{own}:make(weights={weights}, data_range=255)", *rest, "--out", str(out)]) == 0
    a, b = (read_as(LamRecord, path) for path in sorted(out.glob("lam__*.json")))
    assert a.network.model != b.network.model
    assert np.array_equal(a.signed.array(), b.signed.array())
    first, second = (read_as(FieldRecord, path) for path in sorted(out.glob("field__*.json")))
    assert np.array_equal(first.squared.array(), second.squared.array())
    assert str(tmp_path).encode() not in b"".join(path.read_bytes() for path in out.iterdir())


def test_own_networks_without_a_map_say_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    onnx = tmp_path / "net.onnx"
    onnx.write_bytes(b"")
    for name, words in (
        (f"{write_code(tmp_path)}:TinyNet", "random weights would say nothing"),
        (str(onnx), "is an ONNX file, through which no gradient flows"),
    ):
        assert main(["--model", name, "--steps", "2", "--out", str(tmp_path / "out")]) == 2
        assert words in capsys.readouterr().err
