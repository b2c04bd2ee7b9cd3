"""The selective scan in C++ for any processor: `forward.cpp` and `backward.cpp`, called on the tensors' own memory.

The kernels read channels-last memory in any token stride, so slices of wider projections cost no copy. float32 and
float64 run as they are; half precision is widened first, since the state needs float32.
"""

import ctypes
from typing import Any

import torch
from torch import Tensor

from ..pointwise import working_dtype
from .build import BuildError, library


class _Sequence(ctypes.Structure):
    """`Sequence` of scan.hpp."""

    _fields_ = (("data", ctypes.c_void_p), ("batch_stride", ctypes.c_int64), ("token_stride", ctypes.c_int64))


class _Inputs(ctypes.Structure):
    """`Inputs` of scan.hpp."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("batch", "length", "channels", "state")),
        *((name, _Sequence) for name in ("u", "delta", "B", "C", "z")),
        *((name, ctypes.c_void_p) for name in ("A", "D", "delta_bias")),
        *((name, ctypes.c_int32) for name in ("softplus", "threads")),
    )


class _Gradients(ctypes.Structure):
    """`Gradients` of backward.cpp."""

    _fields_ = (
        *((name, _Sequence) for name in ("out", "u", "delta", "z")),
        *((name, ctypes.c_void_p) for name in ("A", "D", "delta_bias", "B", "C")),
        ("parts", ctypes.c_int64),
    )


def available() -> bool:
    """Whether the kernels could be built and loaded."""
    try:
        library()
    except BuildError:
        return False
    return True


def forward(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None,
    z: Tensor | None,
    delta_bias: Tensor | None,
    delta_softplus: bool,
) -> Tensor:
    """See `models.scan.operator.Kernel`."""
    call = _Call(u, delta, A, B, C, D, z, delta_bias, delta_softplus)
    out = call.sequence_like(u)
    call.run("scan_forward", _sequence(out))
    return out.to(u.dtype)


def backward(
    grad: Tensor,
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None,
    z: Tensor | None,
    delta_bias: Tensor | None,
    delta_softplus: bool,
) -> list[Tensor]:
    """See `models.scan.operator.Kernel`. The same bits each time for the same number of threads."""
    call = _Call(u, delta, A, B, C, D, z, delta_bias, delta_softplus)
    b, d, length = u.shape
    n = A.shape[1]
    parts = min(call.count_groups(d), -(-torch.get_num_threads() // b))
    grad = call.keep(_channels_last(grad, call.dtype))
    du, ddelta = call.sequence_like(u), call.sequence_like(u)
    dz = None if z is None else call.sequence_like(u)
    dA, dD, dbias = call.empty(b, d, n), call.empty(b, d), call.empty(b, d)
    dB, dC = call.empty(parts, b, length, n), call.empty(parts, b, length, n)
    pointers = (x.data_ptr() for x in (dA, dD, dbias, dB, dC))
    call.run("scan_backward", _Gradients(*map(_sequence, (grad, du, ddelta, dz)), *pointers, parts))
    return [
        du.to(u.dtype),
        ddelta.to(delta.dtype),
        dA.sum(0).to(A.dtype),
        dB.sum(0).transpose(1, 2).to(B.dtype),
        dC.sum(0).transpose(1, 2).to(C.dtype),
        u.new_empty(0) if D is None else dD.sum(0).to(D.dtype),
        u.new_empty(0) if z is None or dz is None else dz.to(z.dtype),
        u.new_empty(0) if delta_bias is None else dbias.sum(0).to(delta_bias.dtype),
    ]


class _Call:
    """Inputs in the kernel's precision and layout; keeps alive what the pointers refer to."""

    def __init__(
        self,
        u: Tensor,
        delta: Tensor,
        A: Tensor,
        B: Tensor,
        C: Tensor,
        D: Tensor | None,
        z: Tensor | None,
        delta_bias: Tensor | None,
        softplus: bool,
    ) -> None:
        self.dtype = working_dtype(u, delta, A, B, C)
        self.suffix = "_f64" if self.dtype == torch.float64 else "_f32"
        self._kept: list[Tensor] = []
        sequences = [None if x is None else self.keep(_channels_last(x, self.dtype)) for x in (u, delta, B, C, z)]
        vectors = [None if x is None else self.keep(x.to(self.dtype).contiguous()) for x in (A, D, delta_bias)]
        self.inputs = _Inputs(
            u.shape[0],
            u.shape[2],
            u.shape[1],
            A.shape[1],
            *map(_sequence, sequences),
            *(None if x is None else x.data_ptr() for x in vectors),
            int(softplus),
            torch.get_num_threads(),
        )

    def keep(self, x: Tensor) -> Tensor:
        self._kept.append(x)
        return x

    def empty(self, *shape: int) -> Tensor:
        return self.keep(torch.empty(shape, dtype=self.dtype))

    def sequence_like(self, x: Tensor) -> Tensor:
        """(b, c, L), channels-last in memory."""
        b, c, length = x.shape
        return self.empty(b, length, c).transpose(1, 2)

    def count_groups(self, channels: int) -> int:
        count = getattr(library(), "scan_groups" + self.suffix)
        count.restype = ctypes.c_int64
        return int(count(ctypes.c_int64(channels)))

    def run(self, name: str, results: Any) -> None:
        getattr(library(), name + self.suffix)(ctypes.byref(self.inputs), ctypes.byref(results))


def _channels_last(x: Tensor, dtype: torch.dtype) -> Tensor:
    """`x` (b, c, L) with neighbouring channels next to each other in memory; a copy only where it is laid out else."""
    x = x.to(dtype)
    return x if x.stride(1) == 1 else x.transpose(1, 2).contiguous().transpose(1, 2)


def _sequence(x: Tensor | None) -> _Sequence:
    return _Sequence(None, 0, 0) if x is None else _Sequence(x.data_ptr(), x.stride(0), x.stride(2))
