"""Readers of other frameworks' weights files: MATLAB's, MXNet's and ncnn's, without those frameworks.

They read numbers only; nothing in a file is run. Every reader raises EsrError for a file that is truncated or of
another kind.
"""

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.errors import EsrError

Array = NDArray[Any]


MXNET_LIST, MXNET_ARRAY = 0x112, 0xF993FAC9  # the file's magic number, and that of a dense array in it
MXNET_FLOAT32 = 0
NCNN_FLOAT16 = 0x01306B47  # flag in front of a layer's weights; 0 means float32


def read_matlab(path: Path) -> dict[str, Any]:
    """Variables of a .mat file, structs as objects with attributes, strings as str, vectors without their unit axes."""
    try:
        import scipy.io  # here, since few files need it

        return dict(scipy.io.loadmat(path, struct_as_record=False, squeeze_me=True, chars_as_strings=True))
    except (ValueError, TypeError, OSError, NotImplementedError) as error:
        raise EsrError(f"{path} is truncated or not a MATLAB file ({str(error)[:80]})") from None


def read_mxnet(path: Path) -> dict[str, Array]:
    """Arrays of an MXNet .params file by name, without the "arg:" or "aux:" in front.

    Layout, little-endian: magic, reserved, count; for each array magic, storage type, dimensions and their sizes,
    device, element type, elements; then the count of names, and each with its length.
    """
    file = _Binary(path, "an MXNet .params file of float32 arrays")
    magic, _, count = file.numbers("3Q")
    file.require(magic == MXNET_LIST)
    arrays = []
    for _ in range(count):
        magic, storage, dimensions = file.numbers("IiI")
        file.require(magic == MXNET_ARRAY and storage == 0 and dimensions <= 8)
        shape = file.numbers(f"{dimensions}q")
        *_, element = file.numbers("iii")
        file.require(element == MXNET_FLOAT32)
        arrays.append(file.array("<f4", shape))
    file.require(file.numbers("Q") == (count,))
    names = [file.take(file.numbers("Q")[0]).decode().split(":", 1)[-1] for _ in range(count)]
    file.require(file.at_end)
    return dict(zip(names, arrays, strict=True))


def read_ncnn(path: Path, shapes: Sequence[tuple[int, ...]]) -> list[tuple[Array, Array]]:
    """Weights and biases of the convolutions in an ncnn .bin file, which holds no names and no shapes.

    Layout, little-endian: for each convolution a flag (element type), weights, padding to 4 bytes, float32 biases.

    Args:
        shapes: of each convolution's weights, (outputs, inputs, kh, kw).
    """
    file = _Binary(path, "an ncnn .bin file of these convolutions")
    layers = []
    for shape in shapes:
        (flag,) = file.numbers("I")
        file.require(flag in (0, NCNN_FLOAT16))
        weights = file.array("<f2" if flag else "<f4", shape).astype(np.float32)
        file.align(4)
        layers.append((weights, file.array("<f4", shape[:1])))
    file.require(file.at_end)
    return layers


class _Binary:
    """A file read from front to back; whatever does not fit ends in one EsrError."""

    def __init__(self, path: Path, kind: str) -> None:
        self.path, self.kind, self.content, self.offset = path, kind, path.read_bytes(), 0

    def require(self, fits: bool) -> None:
        """Raise EsrError unless `fits`."""
        if not fits:
            raise EsrError(f"{self.path} is truncated or not {self.kind}")

    def take(self, size: int) -> bytes:
        """The next `size` bytes."""
        self.require(0 <= size <= len(self.content) - self.offset)
        self.offset += size
        return self.content[self.offset - size : self.offset]

    def numbers(self, layout: str) -> tuple[Any, ...]:
        """The next numbers, little-endian, `layout` as of the module struct."""
        return struct.unpack("<" + layout, self.take(struct.calcsize("<" + layout)))

    def array(self, dtype: str, shape: tuple[int, ...]) -> Array:
        """The next elements."""
        size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
        return np.frombuffer(self.take(size), dtype).reshape(shape)

    def align(self, size: int) -> None:
        """Skip to a multiple of `size` bytes."""
        self.take(-self.offset % size)

    @property
    def at_end(self) -> bool:
        """Whether everything was read."""
        return self.offset == len(self.content)
