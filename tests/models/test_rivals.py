"""The later classics, the challenge baselines and the two Mamba rivals: sizes, gradients, and what defines them."""

import csv
from pathlib import Path

import pytest
import torch

from models import create_model
from models.classic.rfdn import RFDN
from models.directional import DirectionalScan
from models.mambairv2 import AttentiveStateSpace, pad_symmetric
from models.pfvm import SS2D

REFERENCE = Path(__file__).parents[2] / "reports" / "reference"
# Exact, and as the network's paper or the challenge prints it, with that source's own rounding.
PARAMETERS = [
    ("imdn", 715_176, "715 K"),
    ("rfdn", 549_624, "550 K"),
    ("rfdn_aim", 433_448, "0.433 M"),
    ("dipnet", 543_740, "543 K"),  # cut off, as RLFN's
    ("dipnet_ntire", 243_252, "0.243 M"),
    ("efdn", 276_192, "0.276 M"),
    ("span", 150_688, "0.151 M"),
    ("bsrn", 352_400, "352 K"),
    ("mambairv2_light", 789_680, "790 K"),
    ("pfvm", 427_848, "0.428 M"),
]
NAMES = [name for name, *_ in PARAMETERS]
PRINTED = {"K": lambda n: (f"{n / 1e3:.0f} K", f"{n // 1000} K"), "M": lambda n: (f"{n / 1e6:.3f} M",)}


@pytest.mark.parametrize(("name", "exact", "printed"), PARAMETERS)
def test_parameters(name: str, exact: int, printed: str) -> None:
    with torch.device("meta"):
        count = sum(p.numel() for p in create_model(name).parameters())
    assert count == exact
    assert printed in PRINTED[printed[-1]](count)


def test_parameters_of_table_1() -> None:
    with (REFERENCE / "table1.csv").open(encoding="utf-8") as file:
        table = {row["method"]: row["params_k"] for row in csv.DictReader(file)}
    exact = {name: count for name, count, _ in PARAMETERS}
    assert str(exact["imdn"] // 1000) == table["IMDN"]
    assert str(exact["dipnet"] // 1000) == table["DIPNet"]
    assert f"{exact['rfdn'] / 1000:.0f}" == table["RFDN"]  # rounded, as in its own paper; cut off it would be 549


def test_every_size_of_the_rfdn_paper() -> None:
    def thousands(channels: int) -> list[int]:
        return [round(sum(p.numel() for p in RFDN(channels=channels, scale=s).parameters()) / 1e3) for s in (2, 3, 4)]

    assert thousands(48) == [534, 541, 550]
    assert thousands(52) == [626, 633, 643]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [(16, 16), (20, 33)])
def test_forward_at_two_sizes(name: str, size: tuple[int, int]) -> None:
    with torch.no_grad():
        out = create_model(name)(torch.rand(1, 3, *size))
    assert out.shape == (1, 3, 4 * size[0], 4 * size[1])


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_gets_a_gradient(name: str) -> None:
    torch.manual_seed(0)
    model = create_model(name).train()
    model(torch.rand(2, 3, 16, 16)).square().mean().backward()
    without = [n for n, p in model.named_parameters() if p.grad is None or not torch.isfinite(p.grad).all()]
    assert without == []


def test_contrast_of_a_constant_image_has_a_finite_gradient() -> None:
    model = create_model("imdn", channels=16, blocks=1)
    torch.nn.init.zeros_(model.IMDB1.c4.weight)
    model(torch.zeros(1, 3, 8, 8)).sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


def test_efdn_clamps_only_outside_training() -> None:
    torch.manual_seed(0)
    model = create_model("efdn")
    with torch.no_grad():
        model.tail[0].bias.fill_(3.0)
        assert model(torch.rand(1, 3, 16, 16)).max() == 1
        assert model.train()(torch.rand(1, 3, 16, 16)).max() > 1


def test_dipnet_is_rlfn_without_biases() -> None:
    dipnet, rlfn = create_model("dipnet_ntire"), create_model("rlfn", channels=44, inner=38, blocks=4)
    state = {k: torch.zeros_like(v) for k, v in rlfn.state_dict().items()} | dipnet.state_dict()
    rlfn.load_state_dict(state)
    x = torch.rand(1, 3, 16, 20)
    with torch.no_grad():
        torch.testing.assert_close(dipnet(x), rlfn(x))


def test_two_dimensional_scan_turns_with_its_image() -> None:
    """With the same parameters for rows and columns, the transposed image gives the transposed result."""
    torch.manual_seed(0)
    scan = SS2D(8, state=4, expand=2, scan_backend="chunked").eval()
    with torch.no_grad():
        for p in (scan.x_proj_weight, scan.dt_projs_weight, scan.dt_projs_bias):
            p[1], p[3] = p[0], p[2]
        scan.conv2d.weight.copy_((scan.conv2d.weight + scan.conv2d.weight.transpose(2, 3)) / 2)
        x = torch.randn(1, 5, 7, 8)
        torch.testing.assert_close(scan(x.transpose(1, 2)), scan(x).transpose(1, 2))


def test_directional_scan_is_causal_and_the_prompt_adds_to_c() -> None:
    torch.manual_seed(0)
    scan = DirectionalScan(6, 4, 2, 1, "reference")
    x, prompt = torch.randn(1, 20, 6), torch.randn(1, 20, 4)
    with torch.no_grad():
        y, shown = scan.scan(x), scan.scan(x, prompt=prompt)
        changed = torch.cat([x[:, :10], torch.randn(1, 10, 6)], dim=1)
        torch.testing.assert_close(scan.scan(changed)[:, :10], y[:, :10])
        # The output is linear in C, and the skip D u is in each term.
        torch.testing.assert_close(scan.scan(x, prompt=2 * prompt) - y, 2 * (shown - y), rtol=1e-4, atol=1e-5)


def state_space(**options: object) -> AttentiveStateSpace:
    arguments = {"expand": 1, "state": 4, "prompts": 8, "rank": 4, "sample": False, "scan_backend": "reference"}
    return AttentiveStateSpace(12, **{**arguments, **options}).eval()


def test_prompts_are_drawn_only_on_request() -> None:
    torch.manual_seed(0)
    fixed, drawn = state_space(), state_space(sample=True)
    drawn.load_state_dict(fixed.state_dict())
    x, basis = torch.randn(1, 48, 12), torch.randn(4, 4)
    with torch.no_grad():
        assert torch.equal(fixed(x, (6, 8), basis), fixed(x, (6, 8), basis))
        assert not torch.equal(drawn(x, (6, 8), basis), drawn(x, (6, 8), basis))


def test_tokens_of_one_prompt_are_neighbours_in_the_scan() -> None:
    torch.manual_seed(0)
    module = state_space()
    x, basis, seen = torch.randn(1, 48, 12), torch.zeros(4, 4), []
    module.in_proj = torch.nn.Identity()
    module.CPE = torch.nn.Hardtanh(40.0, 41.0)  # its sigmoid is 1: tokens pass as they are
    module.selectiveScan.scan = lambda y, prompt: seen.append(y) or y  # type: ignore[method-assign]
    module.out_norm = module.out_proj = torch.nn.Identity()
    with torch.no_grad():
        torch.testing.assert_close(module(x, (6, 8), basis), x)  # what the sort moved comes back
        chosen = module.route(seen[0]).argmax(-1)[0]
    assert (chosen.diff() >= 0).all()
    assert chosen.unique().numel() > 1


def test_symmetric_padding_repeats_the_edge_pixel() -> None:
    x = torch.arange(5.0).view(1, 1, 1, 5).expand(1, 1, 8, 5)
    assert pad_symmetric(x, 8)[0, 0, 0].tolist() == [0, 1, 2, 3, 4, 4, 3, 2]
    assert pad_symmetric(x[..., :2], 8)[0, 0, 0].tolist() == [0, 1, 1, 0, 0, 1, 1, 0]
    assert pad_symmetric(x[..., :1], 4)[0, 0, 0].tolist() == [0, 0, 0, 0]
