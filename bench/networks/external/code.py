"""All code of its own that a user's network runs, as one checksum: what is edited is another network.

Called in a worker process after the network ran once, when it has imported what it imports.
"""

import hashlib
import os
import sys
from collections.abc import Collection
from importlib import metadata
from pathlib import Path

from bench.networks.external.own import CODE
from models.cache import sha256_of

ROOT = Path(__file__).resolve().parents[3]
# Not the user's: this project, the standard library, installed packages.
OTHERS = (*(ROOT / name for name in ("bench", "models", "train", "tests")), *map(Path, (sys.prefix, sys.base_prefix)))
OPENED = "own_"  # what the modules of files that were opened are called from
INSTALLED = ("site-packages", "dist-packages")


def own_code(path: Path, kind: str, before: Collection[str] = ()) -> tuple[str, int]:
    """Checksum over the network's file and every module of the user's that is imported, and how many files that are.

    Args:
        before: names of the modules that were there before the network was opened, in a process that opens several: of
            those only what lies beside the network is taken for its own, and no file of another network.
    """
    files = {path.resolve()}
    if kind in CODE:
        beside = path.resolve().parent
        loaded = {name: getattr(module, "__file__", None) for name, module in list(sys.modules.items())}
        modules = [
            file
            for name, file in loaded.items()
            if file and (name not in before or (beside in Path(file).resolve().parents and not name.startswith(OPENED)))
        ]
        files |= {found for name in modules if name and is_own(found := Path(name).resolve(), path.resolve())}
    lines = sorted(f"{os.path.relpath(file, path.resolve().parent)} {sha256_of(file)}\n" for file in files)
    return hashlib.sha256("".join(lines).encode()).hexdigest(), len(files)


def is_own(file: Path, path: Path) -> bool:
    """Whether a module's file belongs to the network at `path`: is of its package, if that is installed, or of none."""
    if not file.is_file():
        return False
    if any(part in INSTALLED for part in path.parts):
        return path.parent == file.parent or path.parent in file.parents
    return not any(part in INSTALLED for part in file.parts) and not any(other in file.parents for other in OTHERS)


def package_version(module: str) -> str:
    """Of the installed package that a dotted module name belongs to; "" for none."""
    top = module.split(".")[0]
    names = metadata.packages_distributions().get(top, []) if top else []
    return metadata.version(names[0]) if names else ""
