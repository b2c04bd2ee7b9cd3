"""What is taken along to a lent GPU: that it is there, and that it is not too much."""

from pathlib import Path

import pytest

from gpu import carry
from gpu.stages import stages
from models import list_models
from models.errors import EsrError
from tests.data import esr_data


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    # As much as all wheels, the rival's among them, and a dry run's kernels were seen to be.
    monkeypatch.setattr(carry, "_build_wheels", lambda folder: (folder / "fvcore.whl").write_bytes(bytes(21 * 2**20)))


def test_every_stage_has_its_data() -> None:
    assert carry.DATA.keys() == stages(Path("out"), True).keys()
    for sets, networks in carry.DATA.values():
        assert all((esr_data() / "images" / name).is_dir() for name in sets)
        assert set(networks) <= set(list_models())


@pytest.mark.parametrize("stage", ["a", "b", "c"])
def test_each_stage_can_be_taken_along(stage: str, no_network: None, tmp_path: Path) -> None:
    carry.gather(stage, tmp_path, esr_data(), rival=None, dry=None)
    parts = dict(carry.sizes(tmp_path))
    assert parts.keys() == {"the tree", *(f"{tmp_path.name}/{part}" for part in ("data", "triton", "wheels"))}
    assert (tmp_path / "data/weights/DVMSR.pth").is_file()
    assert sum(parts.values()) < carry.LIMIT_MIB * 2**20


def test_what_is_gathered_is_what_was_made(no_network: None, tmp_path: Path) -> None:
    data, rival, dry = tmp_path / "data", tmp_path / "rival", tmp_path / "dry"
    (data / "images/Set5/HR").mkdir(parents=True)
    for path in (rival / "mamba_ssm.whl", dry / "triton/K/k.cubin", dry / "triton/K/k.ptx", tmp_path / "to/results/x"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    for _ in range(2):  # a second time replaces the first, but for the results
        carry.gather("a", tmp_path / "to", data, rival, dry)
    files = {p.relative_to(tmp_path / "to").as_posix() for p in (tmp_path / "to").rglob("*") if p.is_file()}
    assert files == {"wheels/fvcore.whl", "wheels/mamba_ssm.whl", "triton/K/k.cubin", "results/x"}


def test_what_is_missing_is_named(no_network: None, tmp_path: Path) -> None:
    with pytest.raises(EsrError, match="Set5 is not there"):
        carry.gather("a", tmp_path / "to", tmp_path, None, None)
    with pytest.raises(EsrError, match="holds no wheel"):
        carry.gather("a", tmp_path / "to", tmp_path, tmp_path, None)
