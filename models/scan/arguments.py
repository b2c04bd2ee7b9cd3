"""Whether the arguments of a selective scan fit together, and which forms of B and C go to the operator."""

from torch import Tensor

from ..errors import EsrError

COMPLEX = (
    "complex tensors are not scanned here, only real ones: take mamba-ssm's CUDA kernels for a complex A (S4), or a "
    "real A, as Mamba has it"
)


def check(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None,
    z: Tensor | None,
    delta_bias: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """B and C in forms with equally many groups: the given ones, or one group repeated without a copy.

    Raises:
        ValueError: for shapes that do not fit together, tensors on several devices and an empty sequence.
        EsrError: for complex tensors.
    """
    if any(x is not None and x.is_complex() for x in (u, delta, A, B, C, D, z, delta_bias)):
        raise EsrError(COMPLEX)
    if u.dim() != 3 or A.dim() != 2:
        raise ValueError(f"u must be (b, d, L) and A (d, n), not {tuple(u.shape)} and {tuple(A.shape)}")
    b, d, length = u.shape
    n = A.shape[1]
    if not u.numel() or not n:
        raise ValueError(f"an empty sequence cannot be scanned: u is {tuple(u.shape)}, A {tuple(A.shape)}")
    groups = max([1, *(x.shape[1] for x in (B, C) if x.dim() == 4)])
    if d % groups:
        raise ValueError(f"{groups} groups of B and C do not divide the {d} channels of u")
    B, C = (_in_groups(name, x, b, d, n, length, groups) for name, x in (("B", B), ("C", C)))
    expected = {
        "delta": (delta, (b, d, length)),
        "A": (A, (d, n)),
        "D": (D, (d,)),
        "z": (z, (b, d, length)),
        "delta_bias": (delta_bias, (d,)),
    }
    for name, (tensor, shape) in expected.items():
        if tensor is not None and tuple(tensor.shape) != shape:
            raise ValueError(f"{name} must be {shape} for u {tuple(u.shape)}, not {tuple(tensor.shape)}")
    for name, tensor in {"B": B, "C": C, **{name: tensor for name, (tensor, _) in expected.items()}}.items():
        if tensor is not None and tensor.device != u.device:
            raise ValueError(f"{name} is on {tensor.device}, u on {u.device}")
    return B, C


def _in_groups(name: str, x: Tensor, b: int, d: int, n: int, length: int, groups: int) -> Tensor:
    shapes = {2: (d, n), 3: (b, n, length), 4: (b, groups, n, length)}
    single = x.dim() == 4 and tuple(x.shape) == (b, 1, n, length)
    if not single and tuple(x.shape) != shapes.get(x.dim()):
        forms = f"{shapes[3]}, {shapes[4]} or, constant, {shapes[2]}"
        raise ValueError(f"{name} must be {forms} for u ({b}, {d}, {length}), not {tuple(x.shape)}")
    if x.dim() == 2 or groups == 1:
        return x
    return (x if x.dim() == 4 else x[:, None]).expand(b, groups, n, length)


def is_constant(B: Tensor, C: Tensor) -> bool:
    """Whether one of them is the same for all tokens."""
    return B.dim() == 2 or C.dim() == 2
