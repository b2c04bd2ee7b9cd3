"""What is minimised: the distance to the ground truth, and for a student those to its teacher.

DVMSR, section 3.3.2, Eq. (5):  L = lambda_dis |T(x) - S(x)| + lambda_1 |y - S(x)|, both weights 1 there, with T frozen.
Table 7 compares this *end-level* distillation with a *mid-level* one, between features inside the two networks.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.errors import EsrError
from models.input import training_pair
from models.spec import ModelSpec
from train.config import Distance, Distillation

CHARBONNIER_EPSILON = 1e-3  # of LapSRN (Lai et al. 2017), Eq. (4), with white at 1


def charbonnier(a: Tensor, b: Tensor) -> Tensor:
    """mean sqrt((a - b)^2 + epsilon^2)."""
    return torch.sqrt((a - b) ** 2 + CHARBONNIER_EPSILON**2).mean()


DISTANCES: dict[Distance, Callable[[Tensor, Tensor], Tensor]] = {
    "l1": F.l1_loss,
    "l2": F.mse_loss,
    "charbonnier": charbonnier,
}


class Objective(nn.Module):
    """The network in training with its losses, so that one forward pass of one module makes all gradients.

    Args:
        model: the network to train (the student).
        loss: distance to the ground truth.
        student_range, teacher_range: value of white at inputs and outputs; losses are of values in [0, 1].
        teacher: a network of the same scale, or None. It is frozen, stays in eval mode, and is not part of this
            module's state.
        distillation: weights, pairs of modules and distance.
        example: an LR batch in [0, 1], run once to learn the widths of the paired features.
        spec: what the network takes in, where that is not RGB; a teacher then takes in the same.

    Raises:
        EsrError: for a teacher whose output has another size, a name that is no module, features of another length.
    """

    def __init__(
        self,
        model: nn.Module,
        loss: Distance,
        student_range: float,
        teacher: nn.Module | None = None,
        teacher_range: float = 1.0,
        distillation: Distillation | None = None,
        example: Tensor | None = None,
        spec: ModelSpec | None = None,
    ) -> None:
        super().__init__()
        self.model, self.distance = model, DISTANCES[loss]
        self.student_range, self.teacher_range = student_range, teacher_range
        self.distillation = distillation or Distillation()
        self.to_teacher = DISTANCES[self.distillation.distance]
        self.projections = nn.ModuleDict()
        self.spec = spec
        self._teacher = [] if teacher is None else [teacher.eval().requires_grad_(False)]  # a list hides it from torch
        self._features: dict[str, Tensor] = {}
        if teacher is None:
            return
        pairs = self.distillation.pairs if self.distillation.mid else {}
        for student_name, teacher_name in pairs.items():
            _listen(model, student_name, self._features, f"student {student_name}")
            _listen(teacher, teacher_name, self._features, f"teacher {teacher_name}")
        if example is not None:
            self._check(example, pairs)

    @property
    def teacher(self) -> nn.Module | None:
        """The frozen network."""
        return self._teacher[0] if self._teacher else None

    def forward(self, lr: Tensor, hr: Tensor) -> dict[str, Tensor]:
        """LR and HR batches in [0, 1] -> the losses by name; "loss" is what is minimised."""
        if self.spec:
            lr, hr = training_pair(lr, hr, self.spec)
        out = self.model(lr * self.student_range).float() / self.student_range
        losses = {"truth": self.distance(out, hr)}
        total = losses["truth"]
        if self.teacher is not None:
            with torch.no_grad():
                target = self.teacher(lr * self.teacher_range).float() / self.teacher_range
            d = self.distillation
            if d.end:
                losses["end"] = self.to_teacher(out, target)
                total = total + d.end * losses["end"]
            if d.mid:
                losses["mid"] = torch.stack([self._mid(s, t) for s, t in d.pairs.items()]).mean()
                total = total + d.mid * losses["mid"]
        return {"loss": total, **losses}

    def to_device(self, device: torch.device) -> "Objective":
        """Move everything, the teacher too."""
        if self.teacher is not None:
            self.teacher.to(device)
        return self.to(device)

    def _mid(self, student_name: str, teacher_name: str) -> Tensor:
        """Distance of one pair of features, the student's projected to the teacher's width where that differs."""
        ours, theirs = self._features[f"student {student_name}"], self._features[f"teacher {teacher_name}"]
        key = _key(student_name)
        if key in self.projections:
            ours = self.projections[key](ours)
        return self.to_teacher(ours.float(), theirs.float())

    def _check(self, example: Tensor, pairs: dict[str, str]) -> None:
        if self.spec:
            example, _ = training_pair(example, example, self.spec)
        with torch.no_grad():
            ours, theirs = self.model(example * self.student_range), self._teacher[0](example * self.teacher_range)
        if ours.shape != theirs.shape:
            raise EsrError(
                f"the teacher makes {theirs.shape[-1]}x{theirs.shape[-2]} of {example.shape[-1]}x{example.shape[-2]}, "
                f"the student {ours.shape[-1]}x{ours.shape[-2]}; a teacher must have the student's scale"
            )
        for student_name, teacher_name in pairs.items():
            a, b = self._features[f"student {student_name}"], self._features[f"teacher {teacher_name}"]
            axis = _channel_axis(a)
            if a.dim() != b.dim() or _without(a, axis) != _without(b, axis):
                raise EsrError(
                    f"distillation.pairs {student_name}: {teacher_name}: features of {tuple(a.shape)} and "
                    f"{tuple(b.shape)} cannot be compared; pair modules of the same kind"
                )
            if a.shape[axis] != b.shape[axis]:
                self.projections[_key(student_name)] = _projection(a.shape[axis], b.shape[axis], a.dim())


def _listen(network: nn.Module, name: str, features: dict[str, Tensor], key: str) -> None:
    modules = dict(network.named_modules())
    if name not in modules or not name:
        near = [known for known in modules if known and known.split(".")[-1] == name.split(".")[-1]][:3]
        hint = f" such as {', '.join(near)}" if near else ""
        raise EsrError(f"distillation.pairs: {key.split()[0]} has no module {name!r}; name one{hint}")

    def keep(module: nn.Module, inputs: Any, output: Tensor) -> None:
        features[key] = output

    modules[name].register_forward_hook(keep)


def _key(name: str) -> str:
    return name.replace(".", "_")


def _channel_axis(x: Tensor) -> int:
    """Tokens are (b, L, c), images (b, c, h, w)."""
    return 2 if x.dim() == 3 else 1


def _without(x: Tensor, axis: int) -> tuple[int, ...]:
    return tuple(size for i, size in enumerate(x.shape) if i != axis)


def _projection(inputs: int, outputs: int, dimensions: int) -> nn.Module:
    return nn.Linear(inputs, outputs) if dimensions == 3 else nn.Conv2d(inputs, outputs, 1)
