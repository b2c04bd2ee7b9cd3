"""Eq. (5) against values worked out by hand, and the teacher, which nothing changes."""

import pytest
import torch
from torch import Tensor, nn

from models import create_model
from models.errors import EsrError
from train.config import Config, Distillation, Network
from train.networks import build_objective, recompute, student
from train.objective import Objective, charbonnier


class Scale(nn.Module):
    """x -> w x, enlarged by repetition."""

    def __init__(self, w: float, factor: int = 1) -> None:
        super().__init__()
        self.w, self.factor = nn.Parameter(torch.tensor(w)), factor

    def forward(self, x: Tensor) -> Tensor:
        return (self.w * x).repeat_interleave(self.factor, 2).repeat_interleave(self.factor, 3)


def test_equation_5_by_hand() -> None:
    student, teacher = Scale(0.5), Scale(2.0)
    lr = torch.tensor([[[[0.2, 0.4]]]])
    hr = torch.tensor([[[[0.3, 0.1]]]])
    objective = Objective(student, "l1", 1.0, teacher, 1.0, Distillation(end=5.0), lr)
    losses = objective(lr, hr)
    # Student 0.1, 0.2; truth: (0.2 + 0.1) / 2; teacher 0.4, 0.8: (0.3 + 0.6) / 2.
    assert float(losses["truth"]) == pytest.approx(0.15)
    assert float(losses["end"]) == pytest.approx(0.45)
    assert float(losses["loss"]) == pytest.approx(0.15 + 5 * 0.45)
    losses["loss"].backward()
    # d|S - y| = -0.2 / 2 + 0.4 / 2; d|T - S| = -(0.2 + 0.4) / 2.
    assert float(student.w.grad) == pytest.approx(0.1 + 5 * -0.3)  # type: ignore[arg-type]
    assert teacher.w.grad is None
    assert not teacher.w.requires_grad


def test_squares_and_mid_level_by_hand() -> None:
    student, teacher = nn.Sequential(Scale(0.5), Scale(1.0)), nn.Sequential(Scale(2.0), Scale(1.0))
    lr = torch.full((1, 1, 1, 2), 0.4)
    d = Distillation(end=0.0, mid=3.0, pairs={"0": "0"}, distance="l2")
    objective = Objective(student, "l2", 1.0, teacher, 1.0, d, lr)
    losses = objective(lr, torch.full((1, 1, 1, 2), 0.3))
    assert set(losses) == {"loss", "truth", "mid"}
    assert float(losses["truth"]) == pytest.approx(0.01)
    assert float(losses["mid"]) == pytest.approx(0.36)  # (0.8 - 0.2)^2
    assert float(losses["loss"]) == pytest.approx(0.01 + 3 * 0.36)
    losses["loss"].backward()
    # Through the first module alone: d mid / d w0 = 2 (0.2 - 0.8) 0.4, d truth / d w0 = 2 (0.2 - 0.3) 0.4.
    assert float(student[0].w.grad) == pytest.approx(3 * -0.48 - 0.08)
    assert float(student[1].w.grad) == pytest.approx(2 * -0.1 * 0.2)


def test_ranges_do_not_reach_the_loss() -> None:
    lr, hr = torch.rand(2, 1, 3, 3), torch.rand(2, 1, 3, 3)
    one = Objective(Scale(0.7), "l1", 1.0)(lr, hr)["loss"]
    assert float(Objective(Scale(0.7), "l1", 255.0)(lr, hr)["loss"]) == pytest.approx(float(one), rel=1e-5)


def test_charbonnier_by_hand() -> None:
    assert float(charbonnier(torch.tensor([0.0]), torch.tensor([0.0]))) == pytest.approx(1e-3)
    assert float(charbonnier(torch.tensor([3e-3]), torch.tensor([-1e-3]))) == pytest.approx(1e-3 * 17**0.5)


def test_the_teacher_never_changes() -> None:
    torch.manual_seed(0)
    student = create_model("dvmsr", channels=8, depths=[1], scan_backend="chunked")
    teacher = create_model("dvmsr", channels=12, depths=[1, 1], scan_backend="chunked")
    before = {k: v.clone() for k, v in teacher.state_dict().items()}
    d = Distillation(mid=1.0, pairs={"layers.0": "layers.1", "conv_first": "conv_first"})
    objective = Objective(student, "l1", 1.0, teacher, 1.0, d, torch.rand(1, 3, 8, 8))
    assert {k: tuple(p.weight.shape) for k, p in objective.projections.items()} == {
        "layers_0": (12, 8),
        "conv_first": (12, 8, 1, 1),
    }
    optimizer = torch.optim.Adam(objective.parameters(), 1e-2)
    assert len(list(objective.parameters())) == len(list(student.parameters())) + 4
    objective.train()
    for _ in range(3):
        optimizer.zero_grad()
        losses = objective(torch.rand(2, 3, 8, 8), torch.rand(2, 3, 32, 32))
        losses["loss"].backward()
        optimizer.step()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in objective.projections.parameters())
    assert all(torch.equal(before[k], v) for k, v in teacher.state_dict().items())
    assert all(p.grad is None for p in teacher.parameters())
    assert not any("teacher" in key for key in objective.state_dict())
    assert not teacher.training


def test_unfit_teachers() -> None:
    lr = torch.rand(1, 3, 8, 8)
    with pytest.raises(EsrError, match=r"makes 16x16 of 8x8, the student 32x32; a teacher must have"):
        Objective(Scale(1.0, 4), "l1", 1.0, Scale(1.0, 2), 1.0, Distillation(), lr)
    d = Distillation(mid=1.0, pairs={"layers.9": "w"})
    with pytest.raises(EsrError, match=r"student has no module 'layers.9'"):
        Objective(Scale(1.0), "l1", 1.0, Scale(1.0), 1.0, d, lr)
    model, other = (create_model("dvmsr", channels=8, depths=[1], scan_backend="chunked") for _ in range(2))
    d = Distillation(mid=1.0, pairs={"layers.0": "conv_first"})
    with pytest.raises(EsrError, match="cannot be compared; pair modules of the same kind"):
        Objective(model, "l1", 1.0, other, 1.0, d, lr)
    with pytest.raises(EsrError, match="untrained network has nothing to teach"):
        build_objective(Config(teacher=Network()), student(Config()), lr)
    with pytest.raises(EsrError, match="teacher: weights file"):
        build_objective(Config(teacher=Network(weights="none.pth")), student(Config()), lr)


def test_recomputed_activations_give_the_same_gradients() -> None:
    torch.manual_seed(0)
    plain = create_model("dvmsr", channels=8, depths=[1, 1], scan_backend="chunked").train()
    frugal = create_model("dvmsr", channels=8, depths=[1, 1], scan_backend="chunked").train()
    frugal.load_state_dict(plain.state_dict())
    recompute(frugal, ["layers.*"])
    x = torch.rand(1, 3, 8, 8)
    for model in (plain, frugal):
        model(x).square().mean().backward()
    for (name, a), b in zip(plain.named_parameters(), frugal.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, msg=name)
    with pytest.raises(EsrError, match=r"no module is called 'blocks.\*'; the outermost are conv_after_body"):
        recompute(plain, ["blocks.*"])
