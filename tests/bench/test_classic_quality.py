"""Y-PSNR of the classic networks on Set5 with the public weights, by the project's own protocol."""

import pytest
import torch

from bench.core.statistics import quality_means
from bench.data.datasets import find_dataset
from bench.data.metrics import crop_border, luma, psnr
from bench.data.pairs import ImagePair
from bench.measurement.quality import score
from models import create_model, get_spec
from models.input import to_image, to_input
from tests.bench.test_published_quality import evaluate
from tests.data import esr_data


@pytest.mark.slow("PSNR of the slower networks")
@pytest.mark.parametrize(
    ("name", "expected"),
    [("fsrcnn", 30.509), ("lapsrn", 31.518), ("srmdnf", 31.924), ("carn_m", 31.883), ("idn", 31.721)],
)
def test_set5(name: str, expected: float) -> None:
    assert quality_means(evaluate(name, "Set5").images).psnr_y == pytest.approx(expected, abs=0.02)


# Of full runs, which take a minute or two: mean, and the value of each image in dB.
FULL_RUNS = {
    "vdsr": (31.343, {"baby": 33.4171, "bird": 33.5284, "butterfly": 27.2785, "head": 32.7291, "woman": 29.8049}),
    "drrn": (31.664, {"baby": 33.5551, "bird": 33.8113, "butterfly": 27.6987, "head": 32.8410, "woman": 30.4597}),
}


@pytest.mark.slow("PSNR of the slower networks")
@pytest.mark.parametrize("name", FULL_RUNS)
def test_smallest_image_as_in_the_full_run(name: str) -> None:
    target, full = FULL_RUNS[name]
    assert sum(full.values()) / 5 == pytest.approx(target, abs=0.02)
    pair, spec, data = butterfly(), get_spec(name), esr_data()
    loaded = pair.load()
    lr = torch.tensor(loaded.lr)
    with torch.inference_mode():
        y = create_model(name, pretrained=True, data_dir=data)(to_input(lr, spec))
    scored = score(pair.name, loaded.lr, loaded.hr, to_image(y, lr, spec).numpy(), 0.0).psnr_y
    assert scored == pytest.approx(full["butterfly"], abs=0.001)
    # The network's own float output, never made RGB; on this image, with its saturated colours, clipping tells most.
    own = psnr(crop_border(255 * y[0, 0].double().numpy(), 4), crop_border(luma(loaded.hr), 4))
    assert scored == pytest.approx(own, abs=0.05)


@pytest.mark.slow("PSNR of the slower networks")
def test_drrn_weights_need_the_activated_skip() -> None:
    loaded, spec, data = butterfly().load(), get_spec("drrn"), esr_data()
    lr, hr = torch.tensor(loaded.lr[:24, :24]), loaded.hr[:96, :96]
    scores = {}
    for activated in (True, False):
        model = create_model("drrn", pretrained=True, data_dir=data, activated_skip=activated)
        with torch.inference_mode():
            y = model(to_input(lr, spec))
        scores[activated] = psnr(crop_border(255 * y[0, 0].double().numpy(), 4), crop_border(luma(hr), 4))
    assert scores[False] < scores[True] - 1


def butterfly() -> ImagePair:
    """The smallest image of Set5."""
    return next(pair for pair in find_dataset("Set5", esr_data()).pairs if pair.name == "butterfly")
