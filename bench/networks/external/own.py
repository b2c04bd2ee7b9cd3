"""A network of the user's own as a command line names it: `net.py:Class`, `package.module:Class`, or a file."""

import math
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from models.errors import EsrError

Kind = Literal["Python file", "Python module", "TorchScript file", "torch.export file", "ONNX file", "weights file"]
FILES: dict[str, Kind] = {
    ".py": "Python file",
    ".torchscript": "TorchScript file",
    ".pt2": "torch.export file",
    ".onnx": "ONNX file",
    ".pt": "weights file",  # or TorchScript, which its content says
    ".pth": "weights file",
    ".ckpt": "weights file",
    ".safetensors": "weights file",
}
FORMS = f"net.py:Class, package.module:Class or a file ({', '.join(list(FILES)[1:])})"
NAMED = re.compile(
    r"\s*(?:(?P<code>.*\.py|[A-Za-z_][\w.]*):(?P<name>[^:()/\\]*)"
    rf"|(?P<file>.*(?:{'|'.join(map(re.escape, FILES))})))\s*(?P<options>\(.*)?",
    re.DOTALL,
)
# What brackets may say of the network besides the arguments of its class.
SAYINGS = ("weights", "data_range", "size_multiple", "state_key")
MOST_MULTIPLE = 1024
CODE: tuple[Kind, ...] = ("Python file", "Python module")


@dataclass(frozen=True)
class OwnNetwork:
    """What to open, and how its input is made; everything a worker needs to know besides the class's arguments.

    Attributes:
        target: the file, or the module's dotted name.
        name: of the class, or of the function that makes the network; "" where the file is the network.
        weights: state dict for a class of Python code.
        data_range: value of white at input and output; None where the user did not say.
        size_multiple: sides of the input are padded to a multiple of it; None where the user did not say.
        state_key: entry of the weights file that holds the state dict; None for the usual ones.
        unsafe_reason: why weights may be unpickled; "" where they may not.
    """

    kind: Kind
    target: str
    name: str = ""
    weights: Path | None = None
    data_range: float | None = None
    size_multiple: int | None = None
    state_key: str | None = None
    unsafe_reason: str = ""

    @property
    def safe_label(self) -> str:
        """As it was named, without the folders of this machine."""
        target = self.target if self.kind == "Python module" else Path(self.target).name
        return f"{target}:{self.name}" if self.name else target


def without_folders(text: str) -> str:
    """A network as it was named, without the folders of this machine."""
    match = NAMED.fullmatch(text)
    target = (match["code"] or match["file"]) if match else ""
    return text.strip().replace(target, Path(target).name, 1) if "/" in target else text


def parse_own(text: str) -> tuple[OwnNetwork, str] | None:
    """The network that `text` names, and its options in brackets or ""; None for a name of the registry's kind.

    Raises EsrError where a file that it names is not there.
    """
    match = NAMED.fullmatch(text)
    if not match:
        return None
    target = match["code"] or match["file"]
    path = Path(target)
    kind = FILES.get(path.suffix, "Python module")
    if match["code"] and path.suffix != ".py":
        kind = "Python module"
    if kind != "Python module" and not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise EsrError(f"--model {text}: the file {target} {what}; a network of your own is {FORMS}")
    if kind == "weights file" and _is_torchscript(path):
        kind = "TorchScript file"
    return OwnNetwork(kind, target, (match["name"] or "").strip()), match["options"] or ""


def _is_torchscript(path: Path) -> bool:
    """Whether a PyTorch file holds code for TorchScript's interpreter; both kinds are zip files."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith("/constants.pkl") for name in archive.namelist())
    except (zipfile.BadZipFile, OSError):
        return False


def check_sayings(where: str, said: Mapping[str, Any]) -> dict[str, Any]:
    """Values for fields of OwnNetwork from what `where` said. Raises EsrError, beginning with `where`."""
    found: dict[str, Any] = {key: value for key, value in said.items() if value is not None}
    if "weights" in found:
        found["weights"] = Path(str(found["weights"]))
        if not found["weights"].is_file():
            raise EsrError(f"{where}: the weights file {found['weights']} does not exist")
    if "data_range" in found:
        number = found["data_range"]
        if isinstance(number, bool) or not isinstance(number, int | float) or not 0 < number < math.inf:
            raise EsrError(f"{where}: data_range is the value of white, such as 1 or 255, not {number}")
        found["data_range"] = float(number)
    if "size_multiple" in found:
        number = found["size_multiple"]
        if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= MOST_MULTIPLE:
            raise EsrError(f"{where}: size_multiple is a number of pixels from 1 to {MOST_MULTIPLE}, not {number}")
    return found
