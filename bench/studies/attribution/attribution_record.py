"""What attribution finds of one network <-> one JSON file: a local attribution map, or an effective receptive field."""

import base64
import dataclasses
import hashlib
import io
import zlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bench.core.identity import Kept, versions
from bench.core.record import WeightsInfo
from bench.core.wording import option_text

SCHEMA = 2
LAM, FIELD = "lam", "field"  # what the files' names begin with


@dataclass(frozen=True)
class Patch:
    """A square of the SR image, in its pixels, from its upper left corner."""

    x: int
    y: int
    size: int


@dataclass(frozen=True)
class BlurPath:
    """The path from the blurred image to the image, as `bench.studies.attribution.lam` walks it."""

    steps: int = 50  # the published code's `fold`
    sigma: float = 1.2  # of the blur where the path starts, in LR pixels
    kernel: int = 9  # pixels a side, odd


@dataclass
class Grid:
    """A float32 array of height x width, as base64 of zlib of its rows, little-endian."""

    height: int
    width: int
    data: str

    @classmethod
    def pack(cls, array: NDArray[np.floating]) -> "Grid":
        """(h, w) -> the packed form; float32 is kept to the bit."""
        raw = zlib.compress(np.ascontiguousarray(array, dtype="<f4").tobytes(), 9)
        height, width = array.shape
        return cls(height, width, base64.b64encode(raw).decode())

    def array(self) -> NDArray[np.float32]:
        """(h, w) float32. Raises ValueError for data of another size."""
        try:
            raw = zlib.decompress(base64.b64decode(self.data, validate=True))
        except zlib.error as error:
            raise ValueError(f"a grid is damaged: {error}") from None
        return np.frombuffer(raw, "<f4").reshape(self.height, self.width).astype(np.float32)


@dataclass
class Attributed:
    """The network that was looked into, and what it ran on."""

    model: str
    options: dict[str, Any]
    display_name: str
    scale: int
    weights: WeightsInfo
    scan_backend: str | None  # that ran; None for a network without a scan
    device: str  # "cpu" or "cuda"
    device_name: str
    threads: int | None  # CPU threads; None on a GPU
    created: str  # UTC, ISO 8601
    environment: dict[str, Any]
    code: str = ""  # checksum of a user's own code; "" for a network of the registry

    @property
    def label(self) -> str:
        """The network's name, with what sets it apart from the published one."""
        extra = [option_text(self.options)] if self.options else []
        named = self.weights.status == "custom" and not self.code  # a user's own network has them in its name
        extra += [self.weights.file or "own weights"] if named else []
        return f"{self.display_name} ({', '.join(extra)})" if extra else self.display_name

    @property
    def identity(self) -> dict[str, Any]:
        """The network with its weights and scan backend, and the machine."""
        return {
            "model": self.model,
            "options": self.options,
            "code": self.code,
            "weights": self.weights.sha256 or self.weights.status,
            "scan_backend": self.scan_backend,
            "device": [self.device, self.device_name, self.threads],
            "versions": versions(self.environment),
        }

    @property
    def words(self) -> list[str]:
        """Network, scan backend, weights that are not the published, device."""
        options = [f"{k}={v}" for k, v in sorted(self.options.items())]
        weights = f"weights-{(self.weights.sha256 or '')[:8]}" if self.weights.status == "custom" else ""
        return [self.model, *options, self.scan_backend or "", weights, self.device_name]


@dataclass
class LamRecord(Kept):
    """One network, one image, one patch. The diffusion index and the area are made from `signed` by readers."""

    network: Attributed
    image: str  # name of its file
    lr_png: str  # the LR image, RGB, as base64 of a PNG
    patch: Patch
    path: BlurPath
    signed: Grid  # attribution a pixel, summed over path steps and colours
    start: float  # the detector's value at the blurred image
    end: float  # and at the image
    notes: list[str] = field(default_factory=list)  # what was changed on the way from the file
    schema: int = SCHEMA

    @property
    def identity(self) -> dict[str, Any]:
        """The network, the image, the patch and the path."""
        where = [dataclasses.asdict(self.patch), dataclasses.asdict(self.path)]
        return {LAM: self.network.identity, "image": [self.image, _checksum(self.lr_png)], "where": where}

    @property
    def words(self) -> list[str]:
        """Network, image, patch."""
        return [LAM, *self.network.words, self.image, f"{self.patch.x}_{self.patch.y}_{self.patch.size}"]

    def check(self) -> None:
        """Raise ValueError or OSError for a map or an image that is damaged."""
        self.signed.array()
        self.lr()

    def lr(self) -> NDArray[np.uint8]:
        """The LR image, (h, w, 3). Raises OSError or ValueError for data that is no image."""
        return image_of(self.lr_png)


@dataclass
class FieldImage:
    """Radii in LR pixels around single output pixels of one image, one a position."""

    name: str
    half_squared: list[float]  # that hold 50 % of the summed squared gradient
    most_squared: list[float]  # 95 % of it
    half_absolute: list[float]  # 50 % of the summed absolute gradient
    most_absolute: list[float]  # 95 % of it


@dataclass
class FieldRecord(Kept):
    """The effective receptive field of one network over many images and positions."""

    network: Attributed
    dataset: str
    size: int  # pixels a side of the LR pieces; nothing outside a piece can be seen
    seed: int
    images: list[FieldImage]
    squared: Grid  # (size, size): share of the squared gradient, mean over positions
    absolute: Grid  # (size, size): share of the absolute gradient, mean over positions
    schema: int = SCHEMA

    @property
    def identity(self) -> dict[str, Any]:
        """The network, the images, and the positions in them."""
        images = [[image.name, len(image.half_squared)] for image in self.images]
        return {FIELD: self.network.identity, "images": [self.dataset, self.size, self.seed, images]}

    @property
    def words(self) -> list[str]:
        """Network, data set, size of the pieces."""
        return [FIELD, *self.network.words, self.dataset, f"{self.size}px"]

    def check(self) -> None:
        """Raise ValueError for maps that are damaged."""
        self.squared.array()
        self.absolute.array()


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def png_text(image: NDArray[np.uint8]) -> str:
    """(h, w, 3) -> base64 of a PNG."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="PNG", optimize=True)
    return base64.b64encode(buffer.getvalue()).decode()


def image_of(png: str) -> NDArray[np.uint8]:
    """(h, w, 3) of base64 of a PNG. Raises OSError or ValueError for data that is no image."""
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(png, validate=True))).convert("RGB"))
