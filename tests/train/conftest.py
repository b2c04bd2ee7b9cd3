"""A small training set, a small run, and a cache of the test's own."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.data import empty_cache
from train.config import Config, Data, Network, Optimizer, Validation

TINY = {"channels": 8, "depths": [1], "scan_backend": "chunked"}


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = empty_cache(tmp_path_factory.mktemp("cache"))
    monkeypatch.setenv("ESR_CACHE", str(folder))
    return folder


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Five smooth colour images, 48 to 64 pixels."""
    folder = tmp_path / "hr"
    folder.mkdir()
    for i in range(5):
        write_image(folder / f"{i}.png", 48 + 4 * i, 64 - 3 * i, seed=i)
    return folder


def write_image(path: Path, height: int, width: int, seed: int = 0) -> None:
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC).save(path)


@pytest.fixture
def config(tmp_path: Path, images: Path) -> Config:
    """Twelve steps of two patches, in about a second."""
    return Config(
        name="tiny",
        model=Network("dvmsr", dict(TINY)),
        data=Data(hr=[str(images)], patch=32, workers=0),
        steps=12,
        batch=2,
        optimizer=Optimizer(lr=2e-3, milestones=[8]),
        ema=0.9,
        validation=Validation(sets=["photos"], every=0, limit=1),
        save_every=5,
        log_every=4,
        device="cpu",
        threads=1,
        out=str(tmp_path / "runs"),
    )
