"""Checkpoints: whole or not at all, the last sound one found, no more kept than asked for."""

import os
from pathlib import Path

import pytest
import torch

from models.errors import EsrError
from tests.commands import run
from train.checkpoint import FOLDER, held, list_checkpoints, load_last, save_checkpoint
from train.log import _append


def save(run: Path, step: int, keep: int = 3, best: bool = False) -> Path:
    return save_checkpoint(run, step, {"step": step, "x": torch.full((1000,), float(step))}, keep, best)


def test_the_last_is_found_and_old_ones_go_but_the_best(tmp_path: Path) -> None:
    assert load_last(tmp_path, print) is None
    for step in range(1, 7):
        save(tmp_path, step, best=step in (1, 2))
    assert [found.step for found in list_checkpoints(tmp_path)] == [6, 5, 4, 2]
    state = load_last(tmp_path, print)
    assert state is not None
    assert torch.equal(state["x"], torch.full((1000,), 6.0))


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "other"])
def test_a_corrupt_one_is_passed_over_with_a_warning(tmp_path: Path, damage: str) -> None:
    save(tmp_path, 1)
    path = save(tmp_path, 2)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    changed = {"cut": bytes(content[:-100]), "flipped": bytes(content), "empty": b"", "other": b"hello"}
    path.write_bytes(changed[damage])
    said: list[str] = []
    state = load_last(tmp_path, said.append)
    assert state is not None
    assert state["step"] == 1
    assert said == [f"warning: {path} is cut short or damaged; using the one before"]


def test_a_full_disk_leaves_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path, 1)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(EsrError, match=r"the disk is full; free some space .* --resume"):
        save(tmp_path, 2)
    assert [found.step for found in list_checkpoints(tmp_path)] == [1]
    assert len(list((tmp_path / FOLDER).iterdir())) == 1


def test_parts_of_a_killed_process_are_swept(tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / ".step_00000001-0.pt.99.part").write_bytes(b"x")
    save(tmp_path, 1)
    assert [f.suffix for f in (tmp_path / FOLDER).iterdir()] == [".pt"]


def test_a_run_is_trained_by_one_process(tmp_path: Path) -> None:
    script = (
        "from pathlib import Path; from train.checkpoint import held\n"
        f"with held(Path({str(tmp_path / 'run')!r})): print('held')"
    )
    with held(tmp_path / "run"):
        done = run("-c", script)
        assert done.returncode == 1
        assert "is being trained by another process" in done.stderr
    assert run("-c", script).stdout == "held\n"
    (tmp_path / "file").touch()
    with pytest.raises(EsrError, match=r"cannot write .*file/run: Not a directory"), held(tmp_path / "file/run"):
        pass


def test_a_line_of_the_log_that_finds_no_room(tmp_path: Path) -> None:
    (tmp_path / "log.csv").symlink_to("/dev/full")
    with pytest.raises(EsrError, match="the disk is full"):
        _append(tmp_path / "log.csv", [1, 2])
