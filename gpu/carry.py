"""Gather what a lent machine has not: `python -m gpu.carry b`, into the ignored folder carried/.

Wheels of the packages that are not installed there, the images and weights of a stage, compiled kernels, and the
results so far. Says how much it is with the tree itself, which travels along.
"""

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.core.console import open_console
from bench.core.render import print_table
from bench.core.table import Column, Table, words
from bench.core.wording import MEBI
from gpu.archive import CACHED
from gpu.stages import CORE, OTHERS
from models import get_spec
from models.errors import EsrError
from models.weights import DATA_VARIABLE

ROOT = Path(__file__).resolve().parents[1]
LIMIT_MIB = 64
TESTED = ("dvmsr", "rlfn", "rlfn_ntire")
# Stage -> data sets, and networks whose weights are read.
DATA: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "a": (("Set5",), TESTED),
    "b": (("Set5", "Set14"), TESTED),
    "c": (("Set5", "Set14", "T91"), (*CORE, *OTHERS)),
}


ONLY_HR = ("T91",)  # what is trained on, and never scored


def gather(stage: str, folder: Path, data: Path, rival: Path | None, dry: Path | None) -> None:
    """Fill `folder` for `stage`; what it holds of results stays.

    Args:
        data: folder of images/ and weights/.
        rival: folder of the wheels that gpu/build_rival.sh made.
        dry: results of a dry run, whose compiled kernels are taken where no results have their own.

    Raises EsrError for something that is not there.
    """
    for part in ("wheels", "data", "triton"):
        if part != "wheels":
            shutil.rmtree(folder / part, ignore_errors=True)
        (folder / part).mkdir(parents=True, exist_ok=True)
    if not list((folder / "wheels").glob("fvcore*")):
        _build_wheels(folder / "wheels")
    if rival:
        wheels = sorted(rival.glob("*.whl"))
        if not wheels:
            raise EsrError(f"--rival {rival} holds no wheel; make them with gpu/build_rival.sh")
        for wheel in wheels:
            shutil.copy(wheel, folder / "wheels")
    sets, networks = DATA[stage]
    for name in sets:
        part = f"images/{name}/HR" if name in ONLY_HR else f"images/{name}"
        _copy(data / part, folder / "data" / part)
    for file in sorted({w.file for name in networks if (w := get_spec(name).weights)}):
        source = data / "weights" / file
        if source.is_file():  # of those that were published and are not here the record says so
            (folder / "data/weights").mkdir(parents=True, exist_ok=True)
            shutil.copy(source, folder / "data/weights" / file)
    if dry and not (folder / "results/triton").is_dir():
        for path in (dry / "triton").rglob("*"):
            if path.suffix in CACHED:
                target = folder / "triton" / path.relative_to(dry / "triton")
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, target)


def _copy(source: Path, target: Path) -> None:
    if not source.is_dir():
        raise EsrError(f"{source} is not there; name a folder of images/ and weights/ with --data-dir")
    shutil.copytree(source, target)


def _build_wheels(folder: Path) -> None:
    """Of gpu/carried.txt, those that are only published as source built here: all are plain Python."""
    names = (ROOT / "gpu/carried.txt").read_text(encoding="utf-8").splitlines()
    wanted = [line for line in names if line and not line.startswith("#")]
    line = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), *wanted]
    if subprocess.run(line, check=False).returncode:
        raise EsrError("the wheels of gpu/carried.txt could not be made; pip says why above")


def sizes(folder: Path) -> list[tuple[str, int]]:
    """What travels and its bytes: each part of `folder`, and the files of the tree that git does not ignore."""
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    tree = sum((ROOT / name).stat().st_size for name in listed.stdout.split("\0") if (ROOT / name).is_file())
    parts = [p for p in sorted(folder.iterdir()) if p.is_dir()]
    return [("the tree", tree), *((f"{folder.name}/{p.name}", _bytes(p)) for p in parts)]


def _bytes(folder: Path) -> int:
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns 0, 1 where it is more than can be taken along, or 2 where something is missing."""
    parser = argparse.ArgumentParser(prog="python -m gpu.carry", description=__doc__)
    add = parser.add_argument
    add("stage", choices=sorted(DATA))
    add("--data-dir", type=Path, default=Path(os.environ.get(DATA_VARIABLE, "data")), help="(default: $ESR_DATA)")
    add("--rival", type=Path, help="folder of the wheels of gpu/build_rival.sh (default: without them)")
    add("--dry", type=Path, help="results of a dry run with the GPU machine's Triton, whose kernels are taken along")
    add("--out", type=Path, default=ROOT / "carried", help="(default: carried)")
    asked = parser.parse_args(argv)
    out, tell = open_console()
    try:
        gather(asked.stage, asked.out, asked.data_dir, asked.rival, asked.dry)
    except EsrError as error:
        tell(f"error: {error}")
        return 2
    found = sizes(asked.out)
    total = sum(size for _, size in found)
    columns: list[Column[tuple[str, int]]] = [
        words("what", lambda row: row[0]),
        Column("MiB", lambda row: row[1], decimals=1, scale=MEBI),
    ]
    print_table(out, Table.of(f"stage {asked.stage}", columns, [*found, ("together", total)]))
    if total * MEBI > LIMIT_MIB:
        tell(f"error: more than the {LIMIT_MIB} MiB that can be taken along")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
