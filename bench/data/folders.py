"""Folders of images as people have them: which files are images, where LR images lie, and which belong to which HR."""

import re
from collections.abc import Sequence
from pathlib import Path

from models.errors import EsrError

SUFFIXES = (".png", ".bmp", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".ppm")
UNREAD = (".gif", ".heic", ".heif", ".avif", ".jp2", ".jxl", ".tga", ".exr", ".hdr", ".dng")
# Names of folders with HR images: EDSR's, KAIR's and the challenges', then BasicSR's.
HR_NAMES = re.compile(r"hr|gt(mod\d+)?|original", re.IGNORECASE)
# Names of folders with LR images at x4, the likeliest first. REDS, DIV2K, BasicSR, EDSR and KAIR each have their own.
LR_NAMES = (
    r"lrx4", r"lr_bicubic/x4", r"lr_?bicx4", r"lr_bicubic", r"lr_?bi(c(ubic)?)?(_?x4)?", r"lr_?x4", r"lr/x4", r"lr",
    r"x4", r"bicubic(_?x4)?", r"lr_?\w+/x4", r"lr_?\w*x4\w?", r"lr_?\w+",
)  # fmt: skip
USUAL = 4  # of them: what lies there is known to be MATLAB's bicubic
OTHER_SCALE = re.compile(r"(^|[^0-9])x(?!4)\d+\w?$", re.IGNORECASE)
# What people put behind the name that HR and LR image share.
ENDING = re.compile(r"(?:[-_ .](?:hr|lr|gt|lrbi|bicubic|bic|srf[-_]4)|[-_ .]?x4[mwd]?)+$", re.IGNORECASE)


def images_in(folder: Path, deep: bool = False) -> list[Path]:
    """The images of a folder, or of those below it too, by name; other files and hidden ones are passed over.

    Raises EsrError for an image of a kind that is not read: leaving it out would score another set.
    """
    files = [f for f in (folder.rglob("*") if deep else folder.iterdir()) if not f.name.startswith(".")]
    if unread := sorted(f for f in files if f.suffix.lower() in UNREAD):
        known = ", ".join(SUFFIXES)
        raise EsrError(f"{unread[0]} is of a kind that is not read ({known} are); convert or remove it")
    return sorted((f for f in files if f.suffix.lower() in SUFFIXES), key=lambda file: file.relative_to(folder))


def hr_folder(folder: Path) -> Path:
    """Where in `folder` the HR images lie: in itself, or in one below it that is called as such are.

    Raises EsrError where two folders have as good a claim.
    """
    claims = [child for child in sorted(folder.iterdir()) if child.is_dir() and HR_NAMES.fullmatch(child.name)]
    named = [child for child in claims if child.name.lower() == "hr"] or claims
    if len(named) > 1:
        raise EsrError(f"HR images lie in {named[0]} and in {named[1]}; name the one that is meant")
    return named[0] if named else folder


def images_below(folder: Path) -> list[Path]:
    """The images of a folder, or, where it has none itself, of the folders in it, as REDS keeps its clips.

    Raises EsrError as `images_in` does, and where one of those folders is called as LR images are.
    """
    here = images_in(folder)
    if here:
        return here
    below = images_in(folder, deep=True)
    for child in sorted({file.relative_to(folder).parts[0] for file in below}):
        if any(re.fullmatch(known, child.lower()) for known in LR_NAMES):
            raise EsrError(f"{folder / child} holds LR images; name the folder of the HR images, and that by --lr")
    return below


def image_name(file: Path, folder: Path) -> str:
    """What an image of `folder` is called: its stem, behind the folders between them."""
    return "-".join(file.relative_to(folder).with_suffix("").parts)


def split_by_name(files: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """The HR and the LR images of one folder that holds both, as img_001_SRF_4_HR.png and img_001_SRF_4_LR.png.

    All are HR images where they are not such pairs.
    """
    ends = {end: {f.stem[: -len(end)] for f in files if f.stem.upper().endswith(end)} for end in ("_HR", "_LR")}
    if not ends["_LR"] or ends["_HR"] != ends["_LR"]:
        return list(files), []
    lr = [f for f in files if f.stem.upper().endswith("_LR")]
    return [f for f in files if f.stem.upper().endswith("_HR")], lr


def lr_folder(hr: Path) -> tuple[Path, bool] | None:
    """Where the x4 LR images lie that go with `hr`, a folder called "HR", "GT" or "..._HR"; None for nowhere.

    Also says whether they are known to be bicubic. Raises EsrError where two folders have as good a claim.
    """
    if HR_NAMES.fullmatch(hr.name):
        stem = ""
    elif hr.name.lower().endswith("_hr"):
        stem = hr.name[: -len("_HR")] + "_"
    else:
        return None
    found: list[tuple[int, Path]] = []
    for folder in sorted(f for f in hr.parent.iterdir() if f.is_dir() and f != hr):
        if not folder.name.lower().startswith(stem.lower()):
            continue
        for place in (folder, *(f for f in sorted(folder.iterdir()) if f.is_dir() and f.name.lower() == "x4")):
            name = place.relative_to(hr.parent).as_posix()[len(stem) :].lower()
            rank = next((i for i, known in enumerate(LR_NAMES) if re.fullmatch(known, name)), None)
            if rank is not None and not OTHER_SCALE.search(name) and images_in(place):
                found.append((rank, place))
    if not found:
        return None
    best = min(rank for rank, _ in found)
    usual = best < USUAL or bool(stem and LR_NAMES[best] == "lr")  # X_LR beside X_HR is the challenges' own
    claims = [place for rank, place in found if rank == best]
    if len(claims) > 1:
        raise EsrError(f"LR images lie in {claims[0]} and in {claims[1]}; remove or rename the one that is not meant")
    return claims[0], usual


def pair_files(hr_files: Sequence[Path], hr: Path, lr: Path, lr_files: Sequence[Path], cure: str) -> list[Path]:
    """The LR file of each HR file: in the same folder below `lr` as that lies in below `hr`, with the same name.

    Behind the name may stand what sets the two apart, as in 0801.png and 0801x4.png. Raises EsrError, with the `cure`,
    for a file without its counterpart.
    """
    exact = {(f.relative_to(lr).parent, f.stem.lower()): f for f in lr_files}
    bare: dict[tuple[Path, str], list[Path]] = {}
    for f in lr_files:
        bare.setdefault((f.relative_to(lr).parent, _bare(f)), []).append(f)
    pairs, used = [], set()
    for f in hr_files:
        parent, name = f.relative_to(hr).parent, f.stem.lower()
        alike = bare.get((parent, _bare(f)), [])
        found = exact.get((parent, f"{name}x4")) or exact.get((parent, name)) or (alike[0] if len(alike) == 1 else None)
        if found is None or found in used:
            raise EsrError(f"{f} has no LR image {lr / parent / f.stem}x4.png; add it, or {cure}")
        used.add(found)
        pairs.append(found)
    return pairs


def _bare(file: Path) -> str:
    return (ENDING.sub("", file.stem) or file.stem).lower()
