"""The selective scan in C++ for any processor: `forward.cpp` and `backward.cpp`, called on the tensors' own memory.

The kernels read channels-last memory in any token stride, so slices of wider projections cost no copy, nor does a scan
from the last token to the first. float32 and float64 run as they are; half precision is widened first, since the state
needs float32.
"""

import ctypes
from typing import Any

import torch
from torch import Tensor

from ..pointwise import working_dtype
from .build import BuildError, library
from .cores import count_threads


class _Sequence(ctypes.Structure):
    """`Sequence` of scan.hpp."""

    _fields_ = (("data", ctypes.c_void_p), ("batch_stride", ctypes.c_int64), ("token_stride", ctypes.c_int64))


class _Rows(ctypes.Structure):
    """`Rows` of scan.hpp."""

    _fields_ = (
        ("data", ctypes.c_void_p),
        *((name, ctypes.c_int64) for name in ("batch_stride", "token_stride", "group_stride", "constant")),
    )


class _Inputs(ctypes.Structure):
    """`Inputs` of scan.hpp."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("batch", "length", "channels", "state", "groups")),
        *((name, _Sequence) for name in ("u", "delta", "z")),
        *((name, _Rows) for name in ("B", "C")),
        *((name, ctypes.c_void_p) for name in ("A", "D", "delta_bias")),
        *((name, ctypes.c_int32) for name in ("softplus", "threads")),
    )


class _Outputs(ctypes.Structure):
    """`Outputs` of forward.cpp."""

    _fields_ = (("out", _Sequence), ("last_state", ctypes.c_void_p))


class _Gradients(ctypes.Structure):
    """`Gradients` of backward.cpp."""

    _fields_ = (
        *((name, _Sequence) for name in ("out", "u", "delta", "z")),
        *((name, ctypes.c_void_p) for name in ("A", "D", "delta_bias", "B", "C", "last_state")),
        *((name, ctypes.c_int64) for name in ("parts", "reverse")),
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
    reverse: bool = False,
    last_state: Tensor | None = None,
) -> Tensor:
    """See `models.scan.operator.Kernel`."""
    call = _Call(u, delta, A, B, C, D, z, delta_bias, delta_softplus, reverse)
    out = call.sequence_like(u)
    call.run("scan_forward", _Outputs(call.sequence(out), None if last_state is None else last_state.data_ptr()))
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
    reverse: bool = False,
    grad_state: Tensor | None = None,
) -> list[Tensor]:
    """See `models.scan.operator.Kernel`. The same bits each time for the same number of threads."""
    call = _Call(u, delta, A, B, C, D, z, delta_bias, delta_softplus, reverse)
    b, d, _ = u.shape
    n, groups = A.shape[1], call.inputs.groups
    parts = min(call.count_strips(d // groups), -(-count_threads() // (b * groups)))
    grad = call.keep(_channels_last(grad, call.dtype))
    du, ddelta = call.sequence_like(u), call.sequence_like(u)
    dz = None if z is None else call.sequence_like(u)
    dA, dD, dbias = call.empty(b, d, n), call.empty(b, d), call.empty(b, d)
    dB, dC = (call.empty(b, d, n) if x.dim() == 2 else call.rows_like(x, parts) for x in (B, C))
    state = None if grad_state is None else call.keep(grad_state.to(call.dtype).contiguous()).data_ptr()
    pointers = (x.data_ptr() for x in (dA, dD, dbias, dB, dC))
    call.run(
        "scan_backward", _Gradients(*map(call.sequence, (grad, du, ddelta, dz)), *pointers, state, parts, int(reverse))
    )
    return [
        du.to(u.dtype),
        ddelta.to(delta.dtype),
        dA.sum(0).to(A.dtype),
        call.in_order(dB.sum(0), B),
        call.in_order(dC.sum(0), C),
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
        reverse: bool,
    ) -> None:
        self.dtype = working_dtype(u, delta, A, B, C)
        self.suffix = "_f64" if self.dtype == torch.float64 else "_f32"
        self.reverse = reverse
        self._kept: list[Tensor] = []
        sequences = [None if x is None else self.keep(_channels_last(x, self.dtype)) for x in (u, delta, z)]
        vectors = [None if x is None else self.keep(x.to(self.dtype).contiguous()) for x in (A, D, delta_bias)]
        self.inputs = _Inputs(
            u.shape[0],
            u.shape[2],
            u.shape[1],
            A.shape[1],
            max(x.shape[1] if x.dim() == 4 else 1 for x in (B, C)),
            *map(self.sequence, sequences),
            *map(self.rows, (B, C)),
            *(None if x is None else x.data_ptr() for x in vectors),
            int(softplus),
            count_threads(),
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

    def rows_like(self, x: Tensor, parts: int) -> Tensor:
        """(parts, b, L, g, n) for x (b, g, n, L), without the g for x (b, n, L)."""
        b, *group, n, length = x.shape
        return self.empty(parts, b, length, *group, n)

    def in_order(self, rows: Tensor, like: Tensor) -> Tensor:
        """(b, L, g, n) -> (b, g, n, L) or, without groups, (b, L, n) -> (b, n, L); (d, n) stays."""
        return (rows if like.dim() == 2 else rows.movedim(1, -1)).to(like.dtype)

    def sequence(self, x: Tensor | None) -> _Sequence:
        if x is None:
            return _Sequence(None, 0, 0)
        first, stride = self._walk(x, x.stride(2))
        return _Sequence(first, x.stride(0), stride)

    def rows(self, x: Tensor) -> _Rows:
        if x.dim() == 2:
            return _Rows(self.keep(x.to(self.dtype).contiguous()).data_ptr(), 0, 0, 0, 1)
        x = x.to(self.dtype)
        if x.stride(-2) != 1:
            x = x.movedim(-1, 1).contiguous().movedim(1, -1)
        first, stride = self._walk(self.keep(x), x.stride(-1))
        return _Rows(first, x.stride(0), stride, x.stride(1) if x.dim() == 4 else 0, 0)

    def _walk(self, x: Tensor, stride: int) -> tuple[int, int]:
        """Where the first token that is visited lies, and how far the next one is."""
        if not self.reverse:
            return x.data_ptr(), stride
        return x.data_ptr() + (x.shape[-1] - 1) * stride * x.element_size(), -stride

    def count_strips(self, channels: int) -> int:
        count = getattr(library(), "scan_strips" + self.suffix)
        count.restype = ctypes.c_int64
        return int(count(ctypes.c_int64(channels)))

    def run(self, name: str, results: Any) -> None:
        getattr(library(), name + self.suffix)(ctypes.byref(self.inputs), ctypes.byref(results))


def _channels_last(x: Tensor, dtype: torch.dtype) -> Tensor:
    """`x` (b, c, L) with neighbouring channels next to each other in memory; a copy only where it is laid out else."""
    x = x.to(dtype)
    return x if x.stride(1) == 1 else x.transpose(1, 2).contiguous().transpose(1, 2)
