"""Where downloaded and compiled files are kept, and how a file is told from another."""

import hashlib
import os
from pathlib import Path

import platformdirs


def cache_dir() -> Path:
    """Folder of downloaded files: $ESR_CACHE, else the user's cache folder. It need not exist yet."""
    chosen = os.environ.get("ESR_CACHE")
    return Path(chosen).expanduser() if chosen else Path(platformdirs.user_cache_dir("esr-bench"))


def sha256_of(path: Path) -> str:
    """SHA-256 of the file at `path`, as 64 lower-case hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
