"""Every network: parameter counts of the papers, any input size, options, and the properties that define them."""

import csv
from pathlib import Path

import pytest
import torch

from models import create_model, get_spec, list_models
from models.errors import EsrError
from models.input import input_shape, output_shape
from models.mamba import Mamba
from models.swinir import MASKED, pad_to_multiple, shift_mask

# Networks whose whole size would only cost time in tests of shapes.
SMALL = {"drcn": {"channels": 8}, "drrn": {"channels": 8}, "memnet": {"channels": 8}, "vdsr": {"channels": 8}}
REFERENCE = Path(__file__).parents[2] / "reports" / "reference"


def parameters(name: str, **options: object) -> int:
    with torch.device("meta"):
        return sum(p.numel() for p in create_model(name, **options).parameters())


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("bicubic", 0),
        ("dvmsr", 424_428),
        ("dvmsr_ntire", 424_428),
        ("dvmsr_bi", 484_908),
        ("rlfn", 543_740),
        ("rlfn_s", 470_208),
        ("rlfn_ntire", 317_218),
        ("swinir_light", 929_628),
    ],
)
def test_parameter_counts(name: str, count: int) -> None:
    assert parameters(name) == count


def rows(table: str) -> list[dict[str, str]]:
    with (REFERENCE / f"{table}.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def classical(millions: str, **options: object) -> None:
    assert f"{parameters('dvmsr', upsampler='pixelshuffle', **options) / 1e6:.3f}" == f"{float(millions):.3f}"


def test_table_3_depths() -> None:
    for row in rows("table3"):
        classical(row["params_m"], channels=180, depths=[int(n) for n in row["vimm_per_rssb"].split("-")])


def test_table_4_rssbs() -> None:
    for row in rows("table4"):
        classical(row["params_m"], channels=180, depths=[2] * int(row["rssb"]))


def test_table_5_channels() -> None:
    for row in rows("table5"):
        classical(row["params_m"], channels=int(row["channels"]))


def test_table_8_teachers() -> None:
    depths = {"4.089": [2] * 4, "7.432": [2] * 8}
    for row in rows("table8"):
        if row["teacher_params_m"]:
            classical(row["teacher_params_m"], channels=192, depths=depths[row["teacher_params_m"]])


def test_section_4_4_4_wording() -> None:
    assert parameters("dvmsr", depths=[2, 2]) == 242_388


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (7, 33), (14, 15), (16, 16), (17, 40)])
@pytest.mark.parametrize("name", list_models())
def test_any_input_size(name: str, size: tuple[int, int]) -> None:
    model, spec = create_model(name, **SMALL.get(name, {})), get_spec(name)
    with torch.no_grad():
        out = model(torch.rand(input_shape(spec, *size)))
    assert out.shape == output_shape(spec, *size)
    assert torch.isfinite(out).all()


@pytest.mark.parametrize("name", list_models())
def test_images_of_a_batch_do_not_mix(name: str) -> None:
    model = create_model(name, **SMALL.get(name, {}))
    x = torch.rand(2, *input_shape(get_spec(name), 18, 20)[1:])
    with torch.no_grad():
        torch.testing.assert_close(model(x)[1:], model(x[1:]), rtol=1e-4, atol=1e-4)


def test_rlfn_repeats_the_edge_of_images_too_small_for_its_pooling() -> None:
    model = create_model("rlfn_ntire")
    x = torch.rand(1, 3, 13, 20) * 255
    with torch.no_grad():
        enlarged = model(torch.cat([x, x[:, :, -1:], x[:, :, -1:]], dim=2))
        torch.testing.assert_close(model(x), enlarged[:, :, :52])


def test_vimm_skip_adds_the_input() -> None:
    torch.manual_seed(0)
    plain = create_model("dvmsr", channels=8, depths=[1])
    skip = create_model("dvmsr", channels=8, depths=[1], vimm_skip=True)
    skip.load_state_dict(plain.state_dict())
    block, block_skip = (m.layers[0].residual_group["blocks"][0] for m in (plain, skip))
    x = torch.randn(1, 12, 8)
    torch.testing.assert_close(block_skip(x), block(x) + x)


def test_bidirectional_mixer_is_symmetric_when_both_directions_share_weights() -> None:
    torch.manual_seed(0)
    mixer = Mamba(8, bidirectional=True)
    state = mixer.state_dict()
    backward = {"A_log": "A_b_log", "D": "D_b"}
    for key in list(state):
        head, _, tail = key.partition(".")
        other = backward.get(key) or f"{head}_b.{tail}"
        if other in state:
            state[other] = state[key]
    mixer.load_state_dict(state)
    x = torch.randn(1, 30, 8)
    torch.testing.assert_close(mixer(x.flip(1)), mixer(x).flip(1))
    one_way = Mamba(8)
    one_way.load_state_dict({k: v for k, v in state.items() if "_b" not in k})
    torch.testing.assert_close(mixer(x), one_way(x) + one_way(x.flip(1)).flip(1))


def test_mixer_is_causal() -> None:
    mixer = Mamba(8)
    x = torch.randn(1, 40, 8)
    y = mixer(x)
    x[:, 25:] = 0
    torch.testing.assert_close(mixer(x)[:, :25], y[:, :25])
    assert not torch.allclose(mixer(x)[:, 25:], y[:, 25:])


def test_swinir_mask_separates_what_the_shift_brings_together() -> None:
    mask = shift_mask(16, 16, 8, torch.zeros(1))
    assert mask.shape == (4, 64, 64)
    assert (mask[0] == 0).all()  # no border of the image runs through the first window
    corner = mask[3].view(8, 8, 8, 8)
    assert corner[0, 0, 3, 3] == 0
    assert corner[0, 0, 4, 0] == MASKED
    assert corner[0, 0, 0, 4] == MASKED


def test_padding_reflects_where_it_can() -> None:
    x = torch.arange(5.0).view(1, 1, 1, 5).expand(1, 1, 8, 5)
    assert pad_to_multiple(x, 8)[0, 0, 0].tolist() == [0, 1, 2, 3, 4, 3, 2, 1]
    assert pad_to_multiple(x[..., :2], 8)[0, 0, 0].tolist() == [0, 1, 1, 1, 1, 1, 1, 1]


@pytest.mark.parametrize(
    "options",
    [{"depths": []}, {"channels": 0}, {"upsampler": "nearest"}, {"upsampler": "pixelshuffle", "scale": 3}, {"x": 1}],
)
def test_impossible_options(options: dict[str, object]) -> None:
    with pytest.raises(EsrError, match="cannot build dvmsr"):
        create_model("dvmsr", **options)


def test_unknown_model_names_the_nearest() -> None:
    with pytest.raises(EsrError, match=r"unknown model 'dvmrs'; did you mean dvmsr"):
        create_model("dvmrs")


def test_no_published_weights() -> None:
    with pytest.raises(EsrError, match="no weights of dvmsr_bi were published"):
        create_model("dvmsr_bi", pretrained=True)
