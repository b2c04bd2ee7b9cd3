"""Data sets that have a public address: their files, into the cache."""

import csv
import os
import shutil
import zipfile
import zlib
from pathlib import Path

from bench.data.folders import SUFFIXES
from models.cache import cache_dir
from models.errors import EsrError

SOURCES = Path(__file__).with_name("sources.tsv")  # dataset, file below images/<dataset>/, bytes, sha256, url


def not_in_cache(name: str) -> list[dict[str, str]]:
    """The rows of sources.tsv whose file, or whose folder X in the case of X.zip, is not in the cache yet."""
    with SOURCES.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["dataset"] == name]
    return [row for row in rows if not (cache_dir() / "images" / name / row["file"].removesuffix(".zip")).exists()]


def download_to_cache(name: str, missing: list[dict[str, str]]) -> None:
    from models.download import ProgressBar, download  # here, since few processes download and importing it takes 0.3 s

    with ProgressBar(name, sum(int(row["bytes"]) for row in missing)) as bar:
        for row in missing:
            target = cache_dir() / "images" / name / row["file"]
            by_hand = f"images/{name}/{row['file'].replace('.zip', '/*.png')} with the rest of the set"
            download(row["url"], target, row["sha256"], int(row["bytes"]), by_hand, bar)
            if target.suffix == ".zip":
                _unpack(target)


def _unpack(archive: Path) -> None:
    """Replace X.zip by the folder X, whole or not at all, with the archive's images directly inside."""
    folder, part = archive.with_suffix(""), archive.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        part.mkdir()
        with zipfile.ZipFile(archive) as zipped:
            for member in zipped.infolist():
                file_name = Path(member.filename).name  # no folders, so nothing can land outside `part`
                if Path(file_name).suffix.lower() in SUFFIXES:
                    with zipped.open(member) as packed, (part / file_name).open("wb") as file:
                        shutil.copyfileobj(packed, file)
        os.replace(part, folder)
        archive.unlink()
    except (OSError, zipfile.BadZipFile, zlib.error) as error:
        raise EsrError(f"cannot unpack {archive} ({error}); free some space, delete it and try again") from None
    finally:
        shutil.rmtree(part, ignore_errors=True)
