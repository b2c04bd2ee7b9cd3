"""A stage's results as one file: `python -m gpu.archive pack FOLDER FILE`, and back: `unpack FILE`.

A lent machine gives back few files, of no more than 16 MiB each. What can be had again is left out first, and said so.
"""

import argparse
import shutil
import sys
import tarfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.core.console import Tell, open_console
from bench.core.identity import slug
from bench.core.wording import MEBI
from bench.studies.kinds import KINDS
from gpu.run import read_stage
from models.errors import EsrError

LIMIT = 15 * 2**20
# Of Triton's cache what is read again; between source and binary lie several times as many bytes.
CACHED = (".json", ".cubin", ".so")


def pack(results: Path, file: Path, limit: int = LIMIT) -> list[str]:
    """Write everything below `results` to `file`; returns what was left out, as not to be larger than `limit` bytes."""
    left_out: list[str] = []
    size = 0
    file.parent.mkdir(parents=True, exist_ok=True)
    begun = file.with_name(f".{file.name}.part")
    with tarfile.open(begun, "w:gz") as archive:
        for path in _by_importance(results):
            size += len(zlib.compress(path.read_bytes())) + 512  # at most; neighbours share what they repeat
            name = path.relative_to(results).as_posix()
            if size > limit:
                left_out.append(name)
            else:
                archive.add(path, name)
    begun.replace(file)
    return left_out


def _by_importance(results: Path) -> Iterator[Path]:
    """Records first, then what compiles and trains would have to be done again for."""
    places = {"triton": 1, "training": 2}

    def importance(path: Path) -> tuple[int, bool, str]:
        parts = path.relative_to(results).parts
        return places.get(parts[0], 0), path.suffix != ".json", path.as_posix()

    for path in sorted((p for p in results.rglob("*") if p.is_file()), key=importance):
        if importance(path)[0] != 1 or path.suffix in CACHED:
            yield path


def unpack(file: Path, results: Path, reports: Path) -> Path:
    """Lay an archive's files into `results`, to go on from, and its records into a device's folder of `reports`.

    Returns that folder. Raises EsrError for a file that is no archive of a stage.
    """
    results.mkdir(parents=True, exist_ok=True)
    try:
        with tarfile.open(file, "r:gz") as archive:
            archive.extractall(results, filter="data")
    except (OSError, tarfile.TarError) as error:
        raise EsrError(f"{file} is no archive of a stage ({error}); name one that run_gpu.sh wrote") from None
    devices = {read_stage(path).device for path in (results / "stages").glob("*.json")}
    if len(devices) != 1:
        raise EsrError(f"{results} holds results of {len(devices)} devices; unpack each device's archives apart")
    folder = reports / slug(devices.pop())
    for pattern in KINDS.values():
        for path in results.glob(pattern):
            target = folder / path.relative_to(results)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    return folder


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns 0, or 2 for a file that is no archive or holds nothing to report."""
    parser = argparse.ArgumentParser(prog="python -m gpu.archive", description=__doc__)
    what = parser.add_subparsers(dest="what", required=True)
    packing = what.add_parser("pack", help="results -> one file")
    packing.add_argument("results", type=Path)
    packing.add_argument("file", type=Path)
    unpacking = what.add_parser("unpack", help="one file -> results, records in reports/<device>/, and their report")
    unpacking.add_argument("file", type=Path)
    unpacking.add_argument("--results", type=Path, default=Path("carried/results"), help="(default: carried/results)")
    unpacking.add_argument("--reports", type=Path, default=Path("reports"), help="(default: reports)")
    asked = parser.parse_args(argv)
    _, tell = open_console()
    if asked.what == "pack":
        left_out = pack(asked.results, asked.file)
        tell(f"{asked.file}: {asked.file.stat().st_size * MEBI:.1f} MiB, {len(left_out)} files left out")
        for name in left_out:
            tell(f"left out: {name}")
        return 0
    return _unpack_and_report(asked, tell)


def _unpack_and_report(asked: argparse.Namespace, tell: Tell) -> int:
    from bench.report import build  # not where results are packed: a lent machine has not what draws pages

    try:
        folder = unpack(asked.file, asked.results, asked.reports)
    except EsrError as error:
        tell(f"error: {error}")
        return 2
    tell(f"records in {folder}")
    if not (folder / "records").is_dir():
        tell("no network was measured yet, so there is no report")
        return 0
    return build.main(["--records", str(folder / "records"), "--out", str(folder / "report")])


if __name__ == "__main__":
    sys.exit(main())
