"""The flags that several commands have, with their checks: written once, so that a flag means the same everywhere."""

import argparse
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from bench.data.pairs import SCALE
from models.errors import EsrError

PRECISIONS = ("fp32", "tf32", "fp16", "bf16")
MOST_THREADS = 1024


def make_parser(command: str, description: str, examples: str) -> argparse.ArgumentParser:
    """The parser of `command`, such as "scan.py", whose help ends with `examples`."""
    return argparse.ArgumentParser(
        prog=command, description=description, epilog=examples, formatter_class=argparse.RawDescriptionHelpFormatter
    )


def add_networks(parser: argparse.ArgumentParser, **more: Any) -> None:
    """--model."""
    given: dict[str, Any] = {"required": True, "help": "networks, as in bench/profile.py", **more}
    parser.add_argument("--model", nargs="+", metavar="NAME", **given)


def add_device(parser: argparse.ArgumentParser, precisions: Sequence[str] = (), note: str = "(default: fp32)") -> None:
    """--device and --threads, and --precision where there is a choice of `precisions`."""
    add = parser.add_argument
    add("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: auto, a GPU where there is one)")
    add("--threads", type=int, metavar="N", help="CPU threads (default: all cores)")
    if precisions:
        add("--precision", default="fp32", choices=precisions, help=note)


def add_data_dir(parser: argparse.ArgumentParser, holds: str = "images/ and weights/") -> None:
    """--data-dir."""
    text = f"folder of {holds} (default: $ESR_DATA, the cache)"
    parser.add_argument("--data-dir", type=Path, metavar="PATH", help=text)


def add_data(parser: argparse.ArgumentParser, shown: str, **more: Any) -> None:
    """--data, whose help ends with `shown`, and --lr, for `bench.data.datasets.find_named`."""
    given: dict[str, Any] = {"nargs": "+", **more}
    add = parser.add_argument
    add("--data", metavar="NAME|FOLDER", help=f"data sets, in full, or folders of HR images{shown}", **given)
    add(
        "--lr", type=Path, metavar="FOLDER", help="LR images of the one folder of --data (default: looked for, or made)"
    )


def add_size(parser: argparse.ArgumentParser, of: str) -> None:
    """--input-size and --output-size, of which `settle_size` makes one; `of`: what the size is of."""
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--input-size", default="256", metavar="N|HxW", help=f"LR input of {of} (default: 256)")
    help_text = "the same by its output, width first, as lightweight-SR papers count: 1280x720 is --input-size 180x320"
    size.add_argument("--output-size", metavar="WxH", help=help_text)


def add_budget(parser: argparse.ArgumentParser, runs: int | Mapping[str, int], seconds: float, of: str) -> None:
    """--runs and --time-budget, both for each `of`; `runs` may hang on the device, and is then None by default."""
    by_device = not isinstance(runs, int)
    shown = " or ".join(f"{n} on {device}" for device, n in runs.items()) if isinstance(runs, Mapping) else runs
    add = parser.add_argument
    default = None if by_device else runs
    add("--runs", type=int, metavar="N", default=default, help=f"samples of each {of} (default: {shown})")
    budget = f"seconds for each {of}, at least one sample (default: {seconds:.0f})"
    add("--time-budget", type=float, metavar="S", default=seconds, help=budget)


def add_store(parser: argparse.ArgumentParser, folder: str, kept: str) -> None:
    """--out, by default results/`folder`, and --reuse, which keeps `kept` of what lies there."""
    path = Path("results") / folder
    parser.add_argument("--out", type=Path, default=path, help=f"folder of records (default: {path})")
    parser.add_argument("--reuse", action="store_true", help=f"keep {kept} that --out holds, measure the rest")


# ---- checks -------------------------------------------------------------------------------------------------------


def check_positive(arguments: argparse.Namespace, *names: str) -> None:
    """Raise EsrError for a flag of `names` whose value, or one of its values, is not positive and finite."""
    for name in names:
        given = getattr(arguments, name)
        for value in given if isinstance(given, list | tuple) else [given]:
            if value is not None and not 0 < value < math.inf:  # false for nan too
                raise EsrError(f"--{name.replace('_', '-')} {value} must be positive and finite")


def check_paths(arguments: argparse.Namespace) -> None:
    """Raise EsrError for a file or folder of the user's that is not there."""
    weights = getattr(arguments, "weights", None)
    if weights and not weights.is_file():
        raise EsrError(f"--weights {weights} does not exist")
    if arguments.data_dir and not arguments.data_dir.is_dir():
        raise EsrError(f"--data-dir {arguments.data_dir} is not a folder; name one that holds images/ or weights/")


def parse_device(text: str) -> torch.device:
    """Read "auto", "cpu", "cuda" or "cuda:N", and check that it is there."""
    if text == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(text)
    except RuntimeError:
        raise EsrError(f"--device {text} is not a device; use auto, cpu, cuda or cuda:N") from None
    if device.type not in ("cpu", "cuda"):
        raise EsrError(f"--device {text} is not supported; use cpu or cuda")
    if device.type == "cuda" and not torch.cuda.is_available():
        raise EsrError(f"--device {text}: no CUDA device is available here; use --device cpu")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise EsrError(f"--device {text}: this machine has {torch.cuda.device_count()} GPU(s), counted from cuda:0")
    return device


def settle_device(arguments: argparse.Namespace) -> tuple[torch.device, int | None]:
    """The device, and how many CPU threads PyTorch uses from here on, None on a GPU.

    Raises EsrError for a device or a number of threads that this machine has not, and for a precision that the device
    has not.
    """
    device, threads = parse_device(arguments.device), arguments.threads
    if device.type == "cpu" and getattr(arguments, "precision", "fp32") == "tf32":
        raise EsrError("--precision tf32 needs a CUDA device; leave it out, or use --device cuda")
    check_positive(arguments, "threads")
    if threads is not None and threads > MOST_THREADS:
        raise EsrError(f"--threads {threads} is more than any machine has; at most {MOST_THREADS}")
    if threads:
        torch.set_num_threads(threads)
    return device, torch.get_num_threads() if device.type == "cpu" else None


def check_backends(names: Sequence[str] | None, known: Sequence[str], device: torch.device) -> None:
    """Raise EsrError for a scan of --backends that cannot run here."""
    for name in names or ():
        if name not in known:
            raise EsrError(f"--backends {name} cannot run on {device.type} here; choose from {', '.join(known)}")


def parse_square(flag: str, text: str, pixels: str, example: str) -> tuple[int, int, int]:
    """Read "x,y,size". Raises EsrError for anything else, naming `flag`, what `pixels` they are, and an `example`."""
    parts = text.split(",")
    if len(parts) != 3 or not all(p.strip().isascii() and p.strip().isdigit() and len(p) < 8 for p in parts):
        raise EsrError(f"{flag} {text} is not X,Y,SIZE in {pixels}, such as {example}")
    x, y, size = map(int, parts)
    return x, y, size


def settle_size(arguments: argparse.Namespace) -> tuple[int, int]:
    """Height and width of the LR input, in pixels. Raises EsrError for what is no size, or no x4 output."""
    if arguments.output_size is None:
        if sides := _sides(arguments.input_size):
            return sides[0], sides[-1]
        raise EsrError(
            f"--input-size {arguments.input_size} is not a size; write N or HxW in pixels, such as 256 or 339x510"
        )
    sides = _sides(arguments.output_size)
    if len(sides) != 2 or any(side % SCALE for side in sides):
        raise EsrError(f"--output-size {arguments.output_size} is not WxH, both multiples of {SCALE}, such as 1280x720")
    return sides[1] // SCALE, sides[0] // SCALE


def _sides(text: str) -> list[int]:
    """One or two numbers of pixels; none where the text is no size."""
    sides = text.lower().split("x")
    fine = len(sides) <= 2 and all(s.isascii() and s.isdigit() and len(s) < 8 and int(s) > 0 for s in sides)
    return [int(side) for side in sides] if fine else []
