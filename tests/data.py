"""Where tests find the real images and weights, and the kernels that set-up built."""

import os
from pathlib import Path

import pytest

from models.cache import cache_dir


def esr_data() -> Path:
    """The folder $ESR_DATA. Skips the test where it is unset; under CI, or where it is wrong, that is a failure."""
    value = os.environ.get("ESR_DATA")
    if value and Path(value).is_dir():
        return Path(value)
    if value:
        pytest.fail(f"ESR_DATA is {value}, which is not a folder")
    if os.environ.get("CI"):
        pytest.fail("ESR_DATA is not set, and under CI the tests on real data must run")
    pytest.skip("needs real images and weights: set ESR_DATA to their folder")


def empty_cache(folder: Path) -> Path:
    """A cache with nothing in it but the native kernels of this machine's own, which take seconds to compile."""
    folder.mkdir(parents=True, exist_ok=True)
    built = cache_dir() / "native"
    if built.is_dir():
        (folder / "native").symlink_to(built)
    return folder
