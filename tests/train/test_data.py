"""Patches: aligned, a function of their number alone, from images decoded once."""

import os
import shutil
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from bench.data.imresize import imresize
from models.errors import EsrError
from tests.train.conftest import write_image
from train import store
from train.config import Data
from train.data import Patches, Share, make_loader, make_patches
from train.store import find_pairs, pack, resolve_names


def patches_of(images: Path, augment: bool = True, seed: int = 0, patch: int = 32) -> Patches:
    return make_patches(Data(hr=[str(images)], patch=patch, augment=augment), seed)


def test_packed_pixels_are_the_files(images: Path) -> None:
    packed = pack("x", find_pairs(str(images), None, None))
    assert len(packed) == 5
    for image, file in zip(packed.open(), sorted(images.iterdir()), strict=True):
        hr = np.asarray(Image.open(file))
        hr = hr[: hr.shape[0] // 4 * 4, : hr.shape[1] // 4 * 4]
        assert image.entry.name == file.stem
        assert np.array_equal(image.hr, hr)
        assert np.array_equal(image.lr, imresize(hr, 1 / 4))


def test_available_is_what_is_found(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ESR_DATA", raising=False)
    assert resolve_names(["available", "DIV2K"]) == ["photos", "DIV2K"]
    (cache / "images/BSD200/HR").mkdir(parents=True)
    assert resolve_names(["available"]) == ["BSD200"]
    (cache / "T91").mkdir()
    assert resolve_names(["available"]) == ["T91", "BSD200"]


def test_patches_lie_on_each_other(images: Path) -> None:
    patches = patches_of(images, augment=False)
    for number in range(10):
        lr, hr = patches[number]
        image = next(i for i in patches.images if i.entry.name == patches.name_of(number))
        places = [
            (t, left)
            for t in range(image.lr.shape[0] - 7)
            for left in range(image.lr.shape[1] - 7)
            if np.array_equal(image.lr[t : t + 8, left : left + 8].transpose(2, 0, 1), lr.numpy())
        ]
        cuts = [image.hr[4 * t : 4 * t + 32, 4 * left : 4 * left + 32].transpose(2, 0, 1) for t, left in places]
        assert any(np.array_equal(cut, hr.numpy()) for cut in cuts)


def test_both_are_turned_alike_and_in_all_eight_ways(tmp_path: Path) -> None:
    # One image of exactly one patch, with LR images of its own: what comes out is one of its eight symmetries.
    for name, size in (("hr", 32), ("lr", 8)):
        (tmp_path / name).mkdir()
        ramp = np.arange(size * size, dtype=np.uint32).reshape(size, size) * (32 // size) ** 2 // 4
        Image.fromarray(np.stack([ramp % 256] * 3, -1).astype(np.uint8)).save(
            tmp_path / name / ("a.png" if name == "hr" else "ax4.png")
        )
    patches = make_patches(Data(hr=[str(tmp_path / "hr")], lr=[str(tmp_path / "lr")], patch=32), 0)
    image = patches.images[0]

    def ways(x: np.ndarray) -> list[bytes]:  # type: ignore[type-arg]
        turned = [np.rot90(y, k) for y in (x, x[:, ::-1]) for k in range(4)]
        return [np.ascontiguousarray(y.transpose(2, 0, 1)).tobytes() for y in turned]

    pairs = list(zip(ways(image.lr), ways(image.hr), strict=True))
    seen = {pairs.index((lr.numpy().tobytes(), hr.numpy().tobytes())) for lr, hr in (patches[i] for i in range(80))}
    assert seen == set(range(8))


def test_an_epoch_takes_every_image_once_in_its_own_order(images: Path) -> None:
    patches = patches_of(images)
    epochs = [[patches.name_of(5 * epoch + i) for i in range(5)] for epoch in range(6)]
    assert all(sorted(names) == ["0", "1", "2", "3", "4"] for names in epochs)
    assert len({tuple(names) for names in epochs}) > 1
    assert [patches_of(images, seed=1).name_of(i) for i in range(30)] != [name for names in epochs for name in names]


@pytest.mark.parametrize("workers", [0, 1, 3])
@pytest.mark.parametrize(("processes", "parts"), [(1, 1), (2, 1), (1, 2), (2, 3)])
def test_any_division_of_the_work_sees_the_same_patches(images: Path, workers: int, processes: int, parts: int) -> None:
    patches = patches_of(images)
    whole = [patches[number] for number in range(2 * 12, 4 * 12)]  # steps 2 and 3 of batches of 12
    got: dict[int, list[tuple[torch.Tensor, torch.Tensor]]] = {2: [], 3: []}
    for step_part in range(2 * parts):
        for rank in range(processes):
            share = Share(12, parts, rank, processes)
            batches = list(make_loader(patches, share, 2, 4, workers if rank == 0 and step_part == 0 else 0))
            lr, hr = batches[step_part]
            assert lr.shape == (12 // processes // parts, 3, 8, 8)
            got[2 + step_part // parts] += list(zip(lr, hr, strict=True))
    assert all(
        torch.equal(a, c) and torch.equal(b, d)
        for (a, b), (c, d) in zip(got[2] + got[3], whole, strict=True)
    )  # fmt: skip


def test_a_batch_that_does_not_divide_is_refused() -> None:
    with pytest.raises(EsrError, match="batch 12 does not divide into 5 process"):
        Share(12, 1, 0, 5)


def test_decoded_once_and_anew_when_a_file_changes(images: Path, cache: Path) -> None:
    first = pack("x", find_pairs(str(images), None, None))
    before = (first.folder / "shard_0000.bin").stat().st_mtime_ns
    assert pack("x", find_pairs(str(images), None, None)) == first
    assert (first.folder / "shard_0000.bin").stat().st_mtime_ns == before
    write_image(images / "0.png", 48, 64, seed=9)
    assert pack("x", find_pairs(str(images), None, None)).folder != first.folder


def test_shards_that_are_finished_survive(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "SHARD_BYTES", 22_000)
    pairs = find_pairs(str(images), None, None)
    whole = [image.hr.copy() for image in pack("a", pairs).open()]
    assert len(pack("a", pairs).shards) == 3

    calls = 0
    real = store._write_shard

    def dies_in_the_second(*arguments: object) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise KeyboardInterrupt
        real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "_write_shard", dies_in_the_second)
    with pytest.raises(KeyboardInterrupt):
        pack("b", pairs)
    calls = 10
    again = pack("b", pairs)
    assert calls == 12  # two of three
    assert all(np.array_equal(image.hr, hr) for image, hr in zip(again.open(), whole, strict=True))
    assert not list(again.folder.glob("*.part"))


def test_a_full_disk_leaves_nothing_half_written(images: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = find_pairs(str(images), None, None)
    usage = namedtuple("usage", "total used free")
    with monkeypatch.context() as m:
        m.setattr(shutil, "disk_usage", lambda _: usage(1, 1, 1000))
        with pytest.raises(EsrError, match=r"GB free; free some, or set \$ESR_CACHE"):
            pack("x", pairs)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(EsrError, match="the disk is full"):
        pack("x", pairs)
    assert not [f for f in (cache / "packed").rglob("*") if f.is_file()]


def test_bad_folders_and_images(tmp_path: Path, images: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    for hr, words in (
        (str(empty), "holds no images"),
        (str(tmp_path / "none"), "is not a folder"),
        ("DIV2K", "DIV2K_train_HR.zip"),
        ("Nonsense", "the training set Nonsense is in none of"),
    ):
        with pytest.raises(EsrError, match=words):
            make_patches(Data(hr=[hr], patch=32), 0)
    with pytest.raises(EsrError, match=r"smaller than data.patch 64 \(5 images"):
        patches_of(images, patch=64)
    write_image(images / "big.png", 64, 80)
    few = make_patches(Data(hr=[str(images)], patch=64, skip_small=True), 0)
    assert few.count == 1
    with pytest.raises(EsrError, match="every image"):
        make_patches(Data(hr=[str(images)], patch=128, skip_small=True), 0)
    with pytest.raises(EsrError, match="multiple of the scale"):
        patches_of(images, patch=30)
    (images / "text.png").write_text("no image")
    with pytest.raises(EsrError, match=r"text.png is damaged or not an image"):
        patches_of(images)


def test_images_of_one_name_in_two_folders_have_each_their_own_lr(tmp_path: Path) -> None:
    """As in REDS: hr/000/00000000.png and hr/001/00000000.png."""
    for folder, grey in (("000", 10), ("001", 200)):
        for name, size in (("hr", 32), ("lr", 8)):
            (tmp_path / name / folder).mkdir(parents=True)
            Image.new("RGB", (size, size), (grey,) * 3).save(tmp_path / name / folder / "00000000.png")
    pairs = find_pairs(str(tmp_path / "hr"), str(tmp_path / "lr"), None)
    assert [(p.hr.parent.name, p.lr and p.lr.parent.name) for p in pairs] == [("000", "000"), ("001", "001")]
    assert [int(p.load().lr[0, 0, 0]) for p in pairs] == [10, 200]


def test_lr_images_that_do_not_match(tmp_path: Path, images: Path) -> None:
    lr = tmp_path / "lr"
    lr.mkdir()
    with pytest.raises(EsrError, match=r"has no LR image .*0x4\.png"):
        make_patches(Data(hr=[str(images)], lr=[str(lr)], patch=32), 0)
    for file in images.iterdir():
        write_image(lr / f"{file.stem}x4.png", 10, 10)
    with pytest.raises(EsrError, match="needs 16x12"):
        make_patches(Data(hr=[str(images)], lr=[str(lr)], patch=32), 0)
