"""Weights files: found, verified, read without running code, loaded strictly."""

import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save
from torch import nn

from models import create_model, get_spec
from models.errors import EsrError
from models.weights import WeightsUnavailableError, find_weights, load_into, pack_weights, read_spec, read_weights
from tests.data import esr_data

TINY = {"channels": 8, "depths": [1]}


@pytest.fixture
def state() -> dict[str, torch.Tensor]:
    return create_model("dvmsr", **TINY).state_dict()


@pytest.fixture(autouse=True)
def _empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ESR_CACHE", str(tmp_path / "cache"))


def test_averaged_weights_are_preferred(tmp_path: Path, state: dict[str, torch.Tensor]) -> None:
    zeros = {k: torch.zeros_like(v) for k, v in state.items()}
    torch.save({"params": zeros, "params_ema": state}, tmp_path / "both.pth")
    loaded = read_weights(tmp_path / "both.pth")
    assert loaded.state_key == "params_ema"
    assert torch.equal(loaded.state["conv_first.weight"], state["conv_first.weight"])
    assert not read_weights(tmp_path / "both.pth", "params").state["conv_first.weight"].any()


def test_formats(tmp_path: Path, state: dict[str, torch.Tensor]) -> None:
    torch.save(state, tmp_path / "plain.pth")
    (tmp_path / "safe.safetensors").write_bytes(pack_weights(state, "dvmsr", TINY, {}))
    torch.save({f"module.{k}": v for k, v in state.items()}, tmp_path / "parallel.pth")
    for file in ("plain.pth", "safe.safetensors", "parallel.pth"):
        model = create_model("dvmsr", pretrained=tmp_path / file, **TINY)
        assert torch.equal(model.state_dict()["conv_first.weight"], state["conv_first.weight"])


WRAPPED = {
    "DataParallel": lambda state: {f"module.{k}": v for k, v in state.items()},
    "torch.compile": lambda state: {f"_orig_mod.{k}": v for k, v in state.items()},
    "compiled, then parallel": lambda state: {f"module._orig_mod.{k}": v for k, v in state.items()},
    "parts compiled": lambda state: {k.replace("layers.", "layers._orig_mod."): v for k, v in state.items()},
    "AveragedModel": lambda state: {"n_averaged": torch.tensor(7), **{f"module.{k}": v for k, v in state.items()}},
    "averaged and compiled": lambda state: {
        "n_averaged": torch.tensor(7), **{f"module._orig_mod.{k}": v for k, v in state.items()},
    },
    "Lightning": lambda state: {
        "state_dict": {**{f"net_g.{k}": v for k, v in state.items()}, "loss.weight": torch.ones(1)}, "epoch": 3,
    },
    "a wrapper of one's own": lambda state: {f"wrap.inner.{k}": v for k, v in state.items()},
    "two networks": lambda state: {
        **{f"net_g.{k}": v for k, v in state.items()}, "net_d.conv.weight": torch.ones(2),
    },
}  # fmt: skip


@pytest.mark.parametrize("kind", WRAPPED)
def test_what_a_trainer_puts_around_a_network_comes_off(tmp_path: Path, state: dict[str, Any], kind: str) -> None:
    torch.save(WRAPPED[kind](state), tmp_path / "wrapped.pth")
    loaded = create_model("dvmsr", pretrained=tmp_path / "wrapped.pth", **TINY).state_dict()
    assert all(torch.equal(loaded[key], value) for key, value in state.items())


def test_a_submodule_called_module_keeps_its_name(tmp_path: Path) -> None:
    network = nn.Sequential()
    network.module = nn.Linear(2, 2)
    torch.save(network.state_dict(), tmp_path / "own.pth")
    before = {key: value.clone() for key, value in network.state_dict().items()}
    nn.init.zeros_(network.module.weight)
    assert load_into(network, read_weights(tmp_path / "own.pth"), "own") == ""
    assert all(torch.equal(network.state_dict()[key], value) for key, value in before.items())


def test_the_entry_is_asked_for_where_several_could_be_meant(tmp_path: Path, state: dict[str, Any]) -> None:
    torch.save({"netG": state, "opt": {"lr": 1.0}}, tmp_path / "gan.pth")
    with pytest.raises(EsrError, match=r"no state dict of tensors but netG, opt; name one of netG with --state-key"):
        read_weights(tmp_path / "gan.pth")
    assert read_weights(tmp_path / "gan.pth", "netG").state.keys() == state.keys()
    both = {f"{name}.{k}": v for name in ("net_g", "net_g_ema") for k, v in state.items()}
    torch.save(both, tmp_path / "both.pth")
    with pytest.raises(EsrError, match=r"more than once, as net_g and net_g_ema; name one with --state-key"):
        create_model("dvmsr", pretrained=tmp_path / "both.pth", **TINY)
    assert read_weights(tmp_path / "both.pth", "net_g_ema").state.keys() == state.keys()
    with pytest.raises(EsrError, match=r"has no entry 'net'; it has net_g\."):
        read_weights(tmp_path / "both.pth", "net")


def test_a_packed_file_says_what_it_is_of(tmp_path: Path, state: dict[str, torch.Tensor]) -> None:
    file = tmp_path / "safe.safetensors"
    file.write_bytes(pack_weights(state, "dvmsr", TINY, {"steps": "7"}))
    assert read_spec(file) == ("dvmsr", TINY)
    torch.save(state, tmp_path / "plain.pth")
    assert read_spec(tmp_path / "plain.pth") is None
    with pytest.raises(EsrError, match="does not exist"):
        read_spec(tmp_path / "none.safetensors")
    file.write_bytes(file.read_bytes()[:50])
    with pytest.raises(EsrError, match="truncated"):
        read_spec(file)


class Exploit:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (os.environ["ESR_CACHE"] + "-owned",)


def test_the_same_state_is_the_same_file(state: dict[str, torch.Tensor]) -> None:
    about = {name: name for name in "zyxwvutsrqponmlk"}
    files = {
        pack_weights(state, "dvmsr", TINY, dict(sorted(about.items(), reverse=turn))) for turn in (False, True) * 5
    }
    assert len(files) == 1


def test_a_pickle_that_would_run_code_does_not(tmp_path: Path) -> None:
    file = tmp_path / "evil.pth"
    torch.save({"params": Exploit()}, file)
    with pytest.raises(EsrError, match="would run code; it was not loaded"):
        read_weights(file)
    file.write_bytes(pickle.dumps(Exploit()))
    with pytest.raises(EsrError, match=r"evil\.pth"):
        read_weights(file)
    assert not Path(os.environ["ESR_CACHE"] + "-owned").exists()


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("keep", [0, 10, 0.5, 0.98])
def test_truncated(tmp_path: Path, state: dict[str, torch.Tensor], suffix: str, keep: float) -> None:
    file = tmp_path / f"cut{suffix}"
    if suffix == ".pth":
        torch.save(state, file)
    else:
        file.write_bytes(pack_weights(state, "dvmsr", TINY, {}))
    content = file.read_bytes()
    file.write_bytes(content[: int(keep * len(content)) if isinstance(keep, float) else keep])
    with pytest.raises(EsrError, match="cut") as error:
        read_weights(file)
    assert "\n" not in str(error.value)


def test_text_and_other_objects(tmp_path: Path) -> None:
    (tmp_path / "text.pth").write_text("not weights\n", encoding="utf-8")
    torch.save([1, 2, 3], tmp_path / "list.pth")
    torch.save({"epoch": 3}, tmp_path / "empty.pth")
    messages = {"text": "truncated or not a PyTorch weights file", "list": "holds a list", "empty": "no state dict"}
    for file, message in messages.items():
        with pytest.raises(EsrError, match=message):
            read_weights(tmp_path / f"{file}.pth")
    with pytest.raises(EsrError, match="does not exist"):
        read_weights(tmp_path / "absent.pth")


def test_another_networks_weights(tmp_path: Path) -> None:
    torch.save(create_model("rlfn_ntire").state_dict(), tmp_path / "rlfn.pth")
    with pytest.raises(EsrError, match=r"does not fit dvmsr: .*missing.*unexpected.*another network"):
        create_model("dvmsr", pretrained=tmp_path / "rlfn.pth")


def test_another_size(tmp_path: Path, state: dict[str, torch.Tensor]) -> None:
    torch.save(state, tmp_path / "small.pth")
    with pytest.raises(EsrError, match="of another shape"):
        create_model("dvmsr", pretrained=tmp_path / "small.pth", channels=16, depths=[1])


def test_nan_is_refused(tmp_path: Path, state: dict[str, torch.Tensor]) -> None:
    state["norm_f.weight"][0] = float("nan")
    torch.save(state, tmp_path / "nan.pth")
    with pytest.raises(EsrError, match=r"NaN or infinite values in norm_f\.weight"):
        create_model("dvmsr", pretrained=tmp_path / "nan.pth", **TINY)


def test_a_flipped_bit_is_seen(tmp_path: Path, state: dict[str, torch.Tensor]) -> None:
    path = tmp_path / "flipped.pth"
    torch.save(state, path)
    data = bytearray(path.read_bytes())
    place = data.find(state["norm_f.weight"].numpy().tobytes())
    assert place > 0
    data[place + 2] ^= 0x10
    path.write_bytes(data)
    with pytest.raises(EsrError, match=r"flipped\.pth is damaged: .* does not have its checksum"):
        read_weights(path)


@pytest.mark.parametrize("dtype", [torch.int8, torch.bool, torch.complex64])
def test_weights_of_another_kind_are_refused(
    tmp_path: Path, state: dict[str, torch.Tensor], dtype: torch.dtype
) -> None:
    torch.save({name: value.to(dtype) for name, value in state.items()}, tmp_path / "kind.pth")
    with pytest.raises(EsrError, match=rf"kind\.pth has .* in {dtype}, where dvmsr has torch\.float32"):
        create_model("dvmsr", pretrained=tmp_path / "kind.pth", **TINY)


def test_a_network_under_its_own_names_and_others_is_ambiguous(tmp_path: Path, state: dict[str, torch.Tensor]) -> None:
    torch.save({**state, **{f"module.{name}": value + 1 for name, value in state.items()}}, tmp_path / "two.pth")
    with pytest.raises(EsrError, match="holds the network more than once, as its own names and module"):
        create_model("dvmsr", pretrained=tmp_path / "two.pth", **TINY)


@pytest.mark.parametrize("content", [b"x", b"\x80", b"PK\x03\x04", b"root:x:0:0:root:/root:/bin/bash\n" * 20])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_what_is_no_weights_file(tmp_path: Path, content: bytes, suffix: str) -> None:
    path = tmp_path / f"w{suffix}"
    path.write_bytes(content)
    with pytest.raises(EsrError, match=rf"w\{suffix} is "):
        read_weights(path)


def test_metadata_that_says_nothing_of_use(tmp_path: Path) -> None:
    for options in ("[1]", "[" * 100_000, "{"):
        (tmp_path / "odd.safetensors").write_bytes(
            save({"x": torch.zeros(1)}, {"esr_model": "dvmsr", "esr_options": options})
        )
        with pytest.raises(EsrError, match=r"odd\.safetensors is truncated or not a weights file"):
            read_spec(tmp_path / "odd.safetensors")


def test_wrong_checksum_in_a_users_folder(tmp_path: Path, state: dict[str, torch.Tensor]) -> None:
    torch.save(state, tmp_path / "DVMSR.pth")
    with pytest.raises(EsrError, match=r"sha256 .*damaged or another file"):
        create_model("dvmsr", pretrained=True, data_dir=tmp_path)


def test_missing_file_names_its_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ESR_DATA", raising=False)
    weights = get_spec("swinir_light").weights
    assert weights
    with pytest.raises(WeightsUnavailableError, match=r"https://github\.com/JingyunLiang/SwinIR"):
        find_weights(weights, tmp_path, allow_download=False)


@pytest.mark.parametrize("name", ["dvmsr", "dvmsr_ntire", "rlfn", "rlfn_s", "rlfn_ntire"])
def test_official_weights_load_strictly(name: str) -> None:
    data = esr_data()
    spec = get_spec(name)
    assert spec.weights
    path = find_weights(spec.weights, data)
    assert path.stat().st_size == spec.weights.size
    load_into(create_model(name), read_weights(path, spec.weights.state_key), name)


def test_stored_attention_masks_are_accepted() -> None:
    model = create_model("swinir_light")
    state = model.state_dict()
    for layer in range(4):
        state[f"layers.{layer}.residual_group.blocks.1.attn_mask"] = torch.zeros(64, 64, 64)
    model.load_state_dict(state, strict=True)
