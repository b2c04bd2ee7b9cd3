"""Networks of the user's own in training: as students and teachers, resumed, exported, and opened by the benchmark."""

import copy
import signal
from pathlib import Path

import pytest
import torch

from bench.core.record_file import read_as
from bench.core.training_record import FILE, TrainingRecord
from bench.networks.external.own import OwnNetwork, without_folders
from bench.networks.external.python_file import open_python
from bench.profile import main as profile
from bench.report.studies.training import validation_table
from models import create_model
from models.errors import EsrError
from models.weights import pack_weights, read_spec, read_weights
from tests.bench.own_networks import CODE, write_code
from tests.train.test_loop import equal, finish
from train.config import Config, Network, read_yaml
from train.finished import finished_record
from train.loop import EXPORT, Run
from train.networks import build_network, student

# Merges a low-rank pair for good when it leaves training, and cannot learn any more then.
MERGES = (
    CODE.replace(
        "        self.shuffle",
        "        self.a = nn.Parameter(torch.randn(4, channels) * 0.1)\n"
        "        self.b = nn.Parameter(torch.zeros(48, 4))\n"
        "        self.merged = False\n"
        "        self.shuffle",
    )
    + """
    def train(self, mode=True):
        if not mode and not self.merged:
            self.merged = True
            self.tail.weight.data[:, :, 1, 1] += self.b.data @ self.a.data
        return super().train(mode)

    def forward(self, x):
        x = self.head(x)
        y = self.tail(x)
        if not self.merged:
            y = y + torch.einsum("oi,bihw->bohw", self.b @ self.a, x)
        return self.shuffle(y)
"""
)


@pytest.fixture
def own(config: Config, tmp_path: Path) -> Config:
    """The small run, of a network of the user's own."""
    config.model = Network(f"{write_code(tmp_path / 'mine', MERGES)}:TinyNet", {"channels": 4})
    config.validation.every = 5
    return config


def test_it_trains_resumes_and_exports(own: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = finish(own)
    assert whole.keys() == build_network(own.model, "model").network.state_dict().keys()
    record = read_as(TrainingRecord, own.folder / FILE)
    assert record.config["model"] == {"name": "net.py:TinyNet", "options": {"channels": 4}, "weights": "random"}
    assert record.source
    assert (record.source.file, record.source.network, record.source.code_files) == ("net.py", "TinyNet", 1)
    assert str(own.folder.parents[1]) not in read_spec(own.folder / EXPORT)[0]  # type: ignore[index]
    assert [s.step for s in record.scores] == [5, 10, 12]
    assert finished_record(own) is not None
    assert "net.py:TinyNet" in [cell.text for cell in validation_table([record]).rows[0]]

    cut = copy.deepcopy(own)
    cut.name = "cut"
    real = Run._one_step

    def dies(self: Run, batches: object) -> dict[str, torch.Tensor]:
        if self.done == 7:
            raise RuntimeError("power cut")
        return real(self, batches)

    with monkeypatch.context() as m:
        m.setattr(Run, "_one_step", dies)
        with pytest.raises(RuntimeError, match="power cut"):
            finish(cut)
    assert equal(finish(cut, resume=True), whole)


def test_what_it_merges_to_be_scored_it_goes_on_training(own: Config) -> None:
    """A validation leaves no trace: scored often or never, averaged or not, the same weights come out."""
    for ema in (0.9, 0.0):
        own.ema, own.validation.every, own.name = ema, 3, f"often{ema}"
        often = finish(own)
        own.validation.every, own.name = 0, f"never{ema}"
        assert equal(finish(own), often)
        assert often["b"].abs().sum() > 0  # the pair has learnt


def test_what_was_exported_scores_what_the_run_says(
    own: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    finish(own)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    weights, out = str(own.folder / EXPORT), str(tmp_path / "out")
    given = ["--model", f"{own.model.name}(channels=4)", "--weights", weights, "--data", "photos", "--limit", "1"]
    assert profile([*given, "--measure", "quality", "--threads", "1", "--device", "cpu", "--out", out]) == 0
    (score,) = read_as(TrainingRecord, own.folder / FILE).last_scores()
    assert f"{score.psnr_y:.3f}" in capsys.readouterr().out


def test_own_and_registered_networks_teach_each_other(own: Config, tmp_path: Path) -> None:
    torch.manual_seed(1)
    registered = create_model("rlfn_ntire", channels=8, blocks=1)
    file = tmp_path / "teacher.safetensors"
    file.write_bytes(pack_weights(registered.state_dict(), "rlfn_ntire", {"channels": 8, "blocks": 1}, {}))
    own.teacher = Network("rlfn_ntire", {"channels": 8, "blocks": 1}, str(file))
    own.name = "student"
    finish(own)
    losses = read_as(TrainingRecord, own.folder / FILE).losses[-1].losses
    assert losses["end"] > 0

    taught = copy.deepcopy(own)
    taught.teacher = Network(own.model.name, {"channels": 4}, str(own.folder / EXPORT))
    taught.model, taught.name = Network("rlfn_ntire", {"channels": 8, "blocks": 1}), "taught"
    finish(taught)
    record = read_as(TrainingRecord, taught.folder / FILE)
    assert record.config["teacher"]["name"] == "net.py:TinyNet"
    assert record.source is None
    assert record.teacher_parameters == sum(v.numel() for v in read_weights(own.folder / EXPORT).state.values())


def test_its_settings_are_read_back_and_its_code_is_part_of_it(own: Config, tmp_path: Path) -> None:
    finish(own)
    assert read_yaml(own.folder / "config.yaml") == own
    edited = own.folder / "checkpoints"
    assert list(edited.iterdir())
    code = Path(own.model.name.partition(":")[0])
    code.write_text(MERGES.replace("* 0.1)", "* 0.2)"), encoding="utf-8")
    assert finished_record(own) is None
    with pytest.raises(EsrError, match="was begun with another code"):
        Run(own, True, print)


def test_a_range_and_a_multiple_are_kept(own: Config) -> None:
    code = Path(own.model.name.partition(":")[0])
    strict = CODE.replace(
        "        return self", "        assert x.shape[2] % 8 == 0 == x.shape[3] % 8\n        return self"
    )
    code.write_text(strict, encoding="utf-8")
    own.model = Network(f"{code}:TinyNet(data_range=255, size_multiple=8)")
    built = student(own)
    assert built.source
    assert (built.spec.data_range, built.source.size_multiple) == (255.0, 8)
    finish(own)  # the photograph that it is scored on is no multiple of 8
    source = read_as(TrainingRecord, own.folder / FILE).source
    assert source
    assert (source.data_range, source.size_multiple) == (255.0, 8)


def test_networks_of_one_process_have_their_own_code_each(tmp_path: Path) -> None:
    write_code(tmp_path, "WIDTH = 4\n", "helper_of_these_two.py")
    using = "from helper_of_these_two import WIDTH\n" + CODE
    alone, first, second = (
        build_network(Network(f"{write_code(tmp_path, code, name)}:TinyNet"), "model").source
        for name, code in (("alone.py", CODE), ("first.py", using), ("second.py", using))
    )
    assert alone
    assert first
    assert second
    assert (alone.code_files, first.code_files, second.code_files) == (1, 2, 2)
    again = build_network(Network(f"{tmp_path / 'second.py'}:TinyNet"), "model").source
    assert again == second


@pytest.mark.parametrize(
    ("network", "words"),
    [
        (Network("absent.py:Net"), "model: .*absent.py does not exist"),
        (Network("{code}:Absent"), "model: it has no Absent"),
        (Network("{code}:TinyNet", {"colour": 3}), "model: .*colour"),
        (Network("{code}:TinyNet", {"scale": 2}), "model: .*x2 network"),
        (Network("{code}:TinyNet", weights="published"), "model: nothing was published of net.py:TinyNet"),
        (Network("{code}:TinyNet", weights="absent.pth"), "model: weights: .*absent.pth does not exist"),
    ],
)
def test_wrong_networks(network: Network, words: str, config: Config, tmp_path: Path) -> None:
    code = write_code(tmp_path / "mine")
    config.model = Network(network.name.replace("{code}", str(code)), network.options, network.weights)
    with pytest.raises(EsrError, match=words):
        student(config)


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("/home/me/net.py:Net", "net.py:Net"),
        ("../a b/net.py:Net(data_range=255)", "net.py:Net(data_range=255)"),
        ("net.py:Net", "net.py:Net"),
        ("package.module:Net", "package.module:Net"),
        ("dvmsr", "dvmsr"),
        ("x/y.onnx", "y.onnx"),
    ],
)
def test_names_without_folders(name: str, safe: str) -> None:
    assert without_folders(name) == safe


def test_opened_for_evaluation_it_is_merged(own: Config, tmp_path: Path) -> None:
    finish(own)
    opened = open_python(
        OwnNetwork("Python file", own.model.name.rpartition(":")[0], "TinyNet", weights=own.folder / EXPORT),
        {"channels": 4},
    )
    trained = read_weights(own.folder / EXPORT).state
    merged = opened.network.state_dict()["tail.weight"]
    assert torch.allclose(merged[:, :, 1, 1], trained["tail.weight"][:, :, 1, 1] + trained["b"] @ trained["a"])
