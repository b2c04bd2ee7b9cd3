"""Networks of the user's own, in this process: how they are named, opened, checked and counted."""

import argparse
import pickle
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from bench.core.record import Source, WeightsInfo
from bench.counts.complexity import count_complexity
from bench.networks.choice import Choice, parse_choice
from bench.networks.external.examine import Examined, check_output
from bench.networks.external.exported import no_pickles
from bench.networks.external.own import OwnNetwork
from bench.networks.external.padding import Padded, pad
from bench.networks.external.python_file import open_python
from bench.studies.profile.arguments import build_parser, make_plan
from models import create_model, get_spec
from models.errors import EsrError
from tests.bench.own_networks import CODE, MACS_PER_PIXEL, OUTPUTS_PER_PIXEL, PARAMETERS, write_code, write_weights

ONE_LINE = r"^[^\n]*$"


@pytest.fixture(autouse=True)
def _import_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """What opening a file adds to the import path is gone after the test."""
    monkeypatch.setattr(sys, "path", list(sys.path))


def plan_of(*words: str) -> list[Choice]:
    return make_plan(build_parser().parse_args([*words, "--device", "cpu"])).choices


def opened(folder: Path, code: str, name: str = "TinyNet", **options: object) -> nn.Module:
    return open_python(OwnNetwork("Python file", str(write_code(folder, code)), name), dict(options)).network


# ---- names ----------------------------------------------------------------------------------------------------------


def test_names_of_every_kind(tmp_path: Path) -> None:
    net = write_code(tmp_path / "my nets (old)@home")
    choice = parse_choice(f"{net}:TinyNet(channels=48, kernel=(3, 3), act=None, weights='{net}', data_range=255)")
    assert choice.own == OwnNetwork("Python file", str(net), "TinyNet", weights=net, data_range=255.0)
    assert choice.options == {"channels": 48, "kernel": (3, 3), "act": None}
    assert choice.name == "net.py:TinyNet"
    module = parse_choice("package.module:Net")
    assert module.own == OwnNetwork("Python module", "package.module", "Net")
    for name, kind in (("a.onnx", "ONNX file"), ("a.pt2", "torch.export file"), ("a.safetensors", "weights file")):
        (tmp_path / name).touch()
        own = parse_choice(str(tmp_path / name)).own
        assert own
        assert own.kind == kind


@pytest.mark.parametrize("file", ["net (1).pth", "my weights (final, best).pth", "a=b.pth", "(x).pth"])
@pytest.mark.parametrize("more", ["", ", data_range=255", ", channels=(3, 4)"])
def test_weights_files_are_called_what_they_like(tmp_path: Path, file: str, more: str) -> None:
    net = write_code(tmp_path)
    (tmp_path / file).touch()
    choice = parse_choice(f"{net}:TinyNet(weights={tmp_path / file}{more})")
    assert choice.own
    assert choice.own.weights == tmp_path / file
    assert choice.options == ({"channels": (3, 4)} if "channels" in more else {})


def test_names_of_the_registry_are_as_before() -> None:
    assert parse_choice("dvmsr@chunked") == Choice("dvmsr", {}, "chunked", "dvmsr@chunked")
    depths = parse_choice("dvmsr(channels=48, depths=[2, 2])")
    assert (depths.own, depths.options) == (None, {"channels": 48, "depths": [2, 2]})


def test_flags_fill_what_brackets_leave_open(tmp_path: Path) -> None:
    net, weights = write_code(tmp_path), write_weights(tmp_path)
    choices = plan_of(
        "--model", f"{net}:TinyNet", f"{net}:TinyNet(weights={weights}, size_multiple=8)", "rlfn",
        "--weights", str(weights), "--data-range", "255", "--size-multiple", "4",
    )  # fmt: skip
    first, second, third = (choice.own for choice in choices)
    assert first
    assert second
    assert third is None
    assert (first.weights, first.data_range, first.size_multiple) == (weights, 255.0, 4)
    assert (second.weights, second.data_range, second.size_multiple) == (weights, 255.0, 8)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("{net}:TinyNet", "{net}:Other", "--weights", "{net}"), "say whose it is"),
        (("rlfn", "--data-range", "255"), "--data-range is for a network of your own"),
        (("rlfn", "--allow-unsafe-weights", "mine"), "--allow-unsafe-weights is for a network of your own"),
        (("{net}:TinyNet", "--allow-unsafe-weights", " "), '--allow-unsafe-weights "why'),
        (("{net}:TinyNet", "--scale", "2"), "--scale 2: the benchmark measures x4 networks only"),
        (("{net}:TinyNet", "--model-args", "scale=2"), "scale is 2, and the benchmark measures x4"),
        (("{net}:TinyNet", "--data-range", "0"), "data_range is the value of white"),
        (("{net}:TinyNet(size_multiple=1.5)",), "size_multiple is a number of pixels"),
        (("{net}:TinyNet(weights=no.pth)",), "the weights file no.pth does not exist"),
        (("{net}:TinyNet@chunked",), "leave it out"),
        (("no/such.py:Net",), "the file no/such.py does not exist"),
        (("no/such.h5",), "a network of your own is net.py:Class"),
        (("{onnx}", "--precision", "bf16"), "leave --precision bf16 out"),
        (("{onnx}", "--weights", "{net}"), "say whose it is"),
        (("{onnx}(channels=8)",), "only Python code has arguments"),
    ],
)
def test_wrong_calls_are_one_line(tmp_path: Path, words: tuple[str, ...], says: str) -> None:
    onnx = tmp_path / "a.onnx"
    onnx.touch()
    names = {"net": write_code(tmp_path), "onnx": onnx}
    with pytest.raises(EsrError, match=ONE_LINE) as error:
        plan_of("--model", *(word.format(**names) for word in words))
    assert says in str(error.value)


def test_help_names_them() -> None:
    assert isinstance(build_parser(), argparse.ArgumentParser)
    assert "networks of your own" in build_parser().format_help()


# ---- Python code ----------------------------------------------------------------------------------------------------


def test_counts_by_hand(tmp_path: Path) -> None:
    counts = count_complexity(opened(tmp_path, CODE), 24, 32)
    assert counts.parameters == PARAMETERS == 3_728
    assert counts.flops_published == counts.macs == 24 * 32 * MACS_PER_PIXEL == 2_820_096
    assert counts.activations_published == 24 * 32 * OUTPUTS_PER_PIXEL == 43_008
    assert counts.conv2d == 2
    assert counts.vanished == []


def test_counts_of_a_network_of_the_registry_are_the_same_from_a_file(tmp_path: Path) -> None:
    network = opened(tmp_path, "from models.rlfn import RLFN\n", "RLFN", channels=46, inner=48, blocks=4)
    spec = get_spec("rlfn_ntire")
    assert count_complexity(network, 24, 32) == count_complexity(create_model("rlfn_ntire"), 24, 32, spec)


def test_a_file_finds_what_lies_beside_it_and_shadows_nothing(tmp_path: Path) -> None:
    write_code(tmp_path, "CHANNELS = 4\n", "own_settings.py")
    write_code(tmp_path / "models", "raise RuntimeError\n", "__init__.py")
    write_code(tmp_path, "raise RuntimeError\n", "copy.py")
    code = f"import copy\nfrom own_settings import CHANNELS\nfrom models.rlfn import RLFN\n{CODE}"
    network = opened(tmp_path, code.replace("channels=8", "channels=CHANNELS"))
    assert sum(p.numel() for p in network.parameters()) == (3 * 9 + 1) * 4 + (4 * 9 + 1) * 48


def test_a_function_that_makes_a_network(tmp_path: Path) -> None:
    code = f"{CODE}\n\ndef small(channels=4):\n    return TinyNet(channels)\n"
    assert isinstance(opened(tmp_path, code, "small", channels=2), nn.Module)


@pytest.mark.parametrize(
    ("code", "name", "says"),
    [
        (CODE, "TinyNte", "it has no TinyNte; did you mean TinyNet?"),
        (CODE, "Xyz", "its networks are TinyNet"),
        (CODE, "", "say which class, as net.py:TinyNet"),
        ("x = 1", "Net", "it defines no network"),
        ("class Net: pass", "Net", "is a class, but no torch.nn.Module"),
        (f"{CODE}\nnet = TinyNet()", "net", "net is a TinyNet; name a class, or a function"),
        ("def make(): return {}", "make", "make made a dict, not a torch.nn.Module"),
        (CODE.replace("channels=8", "channels"), "TinyNet", "missing a required argument: 'channels'"),
        (CODE.replace("super().__init__()", "raise ValueError('bad depth')"), "TinyNet", "bad depth (net.py:7)"),
        ("def broken(:", "Net", "net.py, line 1: "),
        ("import sys\nsys.exit(3)", "Net", "it called sys.exit(3) while it was imported"),
        ("1 / 0", "Net", "ZeroDivisionError: division by zero (net.py:1)"),
        ("import no_such_package", "Net", "install it into .venv, or put it beside the file"),
        ("from .layers import Block", "Net", "as package.module:Net"),
        ("from models.team07_DVMSR import DVMSR", "Net", "measure that with bench/ntire.py"),
        ("from models import NoSuchThing", "Net", "measure that with bench/ntire.py"),
    ],
)
def test_code_that_cannot_be_measured_is_one_line(tmp_path: Path, code: str, name: str, says: str) -> None:
    with pytest.raises(EsrError, match=ONE_LINE) as error:
        opened(tmp_path, code, name)
    assert says in str(error.value)


def test_a_module_that_does_not_exist() -> None:
    with pytest.raises(EsrError, match=r"there is no module no_such\.module"):
        open_python(OwnNetwork("Python module", "no_such.module", "Net"), {})


def test_weights_and_their_entry(tmp_path: Path) -> None:
    own = OwnNetwork("Python file", str(write_code(tmp_path)), "TinyNet", weights=write_weights(tmp_path))
    assert open_python(own, {}).weights == WeightsInfo(
        "custom", "net.pth", open_python(own, {}).weights.sha256, note="entry params_ema"
    )
    with pytest.raises(EsrError, match="has no entry 'ema'; it has params_ema"):
        open_python(replace(own, state_key="ema"), {})
    with pytest.raises(EsrError, match="does not fit TinyNet: parameters"):
        open_python(own, {"channels": 4})
    assert open_python(replace(own, weights=None), {}).weights.status == "random"


class Evil:
    """Unpickled, it writes a file."""

    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.write_text, (self.proof, "run")


def test_an_export_may_not_unpickle(tmp_path: Path) -> None:
    # torch.export's reader loads some weights with torch.load(weights_only=False), and some constants with pickle.
    proof, file = tmp_path / "proof", tmp_path / "weights"
    torch.save(Evil(proof), file)
    for read in (lambda: torch.load(file, weights_only=False), lambda: pickle.loads(pickle.dumps(Evil(proof)))):
        with no_pickles(unsafe=False), pytest.raises(EsrError, match="holds Python objects"):
            read()
    assert not proof.exists()
    torch.save({"w": torch.ones(2)}, file)
    with no_pickles(unsafe=False):
        assert torch.equal(torch.load(file, weights_only=False)["w"], torch.ones(2))


# ---- input and output -----------------------------------------------------------------------------------------------


def test_padding_reflects_at_the_right_and_the_bottom() -> None:
    x = torch.arange(6.0).view(1, 1, 2, 3)
    assert pad(x, 1) is x
    assert pad(x, 4).tolist() == [[[[0, 1, 2, 2], [3, 4, 5, 5], [3, 4, 5, 5], [3, 4, 5, 5]]]]  # 2 rows: repeated
    y = torch.arange(9.0).view(1, 1, 3, 3)
    assert pad(y, 4).tolist() == [[[[0, 1, 2, 1], [3, 4, 5, 4], [6, 7, 8, 7], [3, 4, 5, 4]]]]


def test_a_padded_network_sees_multiples_and_returns_the_size_it_owes() -> None:
    class Strict(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            assert x.shape[2] % 16 == x.shape[3] % 16 == 0
            return x.repeat_interleave(4, 2).repeat_interleave(4, 3)

    x = torch.rand(1, 3, 17, 30)
    y = Padded(Strict(), 16, 4)(x)
    assert torch.equal(y, x.repeat_interleave(4, 2).repeat_interleave(4, 3))
    assert Padded(nn.Upsample(scale_factor=8), 16, 4)(x).shape == (1, 3, 256, 256)  # not cropped to look right


@pytest.mark.parametrize(
    ("y", "says"),
    [
        ((torch.rand(1, 3, 32, 32), 0), "it returns a tuple of 2, not a tensor"),
        ({"sr": 1}, "it returns a dict of 1"),
        (None, "it returns a NoneType"),
        (torch.rand(1, 3, 16, 16), "it is a x2 network, and x4 networks are measured"),
        (torch.rand(1, 3, 31, 32), r"it returns (1, 3, 31, 32) for an input of (1, 3, 8, 8), not (1, 3, 32, 32)"),
        (torch.rand(1, 1, 32, 32), "it has 1 channels, and RGB networks are measured"),
        (torch.full((1, 3, 32, 32), torch.nan), "NaN or infinite"),
        (torch.zeros(1, 3, 32, 32, dtype=torch.uint8), "it returns torch.uint8"),
    ],
)
def test_what_cannot_be_scored_is_named(y: object, says: str) -> None:
    with pytest.raises(EsrError, match=ONE_LINE) as error:
        check_output(y, torch.rand(1, 3, 8, 8), 4)
    assert says in str(error.value)


def test_float64_is_noted() -> None:
    x = torch.rand(1, 3, 8, 8)
    assert check_output(torch.rand(1, 3, 32, 32), x, 4) == []
    assert check_output(torch.rand(1, 3, 32, 32, dtype=torch.float64), x, 4) == ["returns float64"]


def test_names_in_records_are_safe_and_of_one_network_each() -> None:
    source = Source("Python file", "net.py", "ab" * 32, "RLFN", code_sha256="ab" * 32)
    found = Examined("RLFN", source, WeightsInfo("custom", "a.pth", "cd" * 32), None)
    name = found.model_name({})
    key = found.key({})
    assert name == f"rlfn-{key}-cdcdcdcd"
    assert found.display_name({}) == f"RLFN (own {key}, weights cdcdcdcd)"
    untrained = replace(found, weights=WeightsInfo("random"))
    assert untrained.display_name({}) == f"RLFN (own {key})"  # the same network, before it has its weights
    others = [
        replace(found, source=replace(source, code_sha256="00" * 32)),
        replace(found, source=replace(source, data_range=255.0)),
        replace(found, source=replace(source, size_multiple=8)),
        replace(found, weights=WeightsInfo("random")),
    ]
    assert len({name, found.model_name({"channels": 4}), *(other.model_name({}) for other in others)}) == 6
