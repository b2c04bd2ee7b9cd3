"""The classic networks of Table 1: counts of the papers and of Table 1, shapes, options, weights of other formats."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torch
from torch import nn

from models import create_model, get_spec
from models.classic.bicubic import CubicUpsampler, resize_matrix
from models.classic.srmdnf import DELTA_KERNEL
from models.errors import EsrError
from models.formats import read_matlab, read_mxnet, read_ncnn
from models.input import input_shape, output_shape
from tests.data import esr_data
from tests.models.test_networks import parameters, rows

CLASSICS = "srcnn srcnn_955 fsrcnn vdsr drcn lapsrn drrn memnet idn srmdnf carn carn_m".split()


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("srcnn", 8_129),
        ("srcnn_955", 57_281),
        ("fsrcnn", 12_809),
        ("vdsr", 665_921),
        ("drcn", 1_775_121),
        ("lapsrn", 814_242),
        ("drrn", 297_216),
        ("memnet", 695_497),
        ("idn", 552_769),
        ("srmdnf", 1_552_048),
        ("carn", 1_591_963),
        ("carn_m", 414_811),
    ],
)
def test_parameter_counts(name: str, count: int) -> None:
    assert parameters(name) == count


def weights_only(name: str) -> int:
    """Convolution weights without biases, normalisation and ensemble weights."""
    return sum(p.numel() for n, p in create_model(name).named_parameters() if p.dim() == 4)


def convolutions_only(name: str) -> int:
    convs = [m for m in create_model(name).modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
    return sum(p.numel() for conv in set(convs) for p in conv.parameters())


# Table 1's thousands, and the count that gives them: cut off like its newer rows, or rounded.
TABLE1 = {
    "SRCNN": ("8", lambda: parameters("srcnn") // 1000),  # 9-1-5, while 30.48 dB is 9-5-5's
    "FSRCNN": ("13", lambda: round(parameters("fsrcnn") / 1000)),
    "VDSR": ("666", lambda: round(parameters("vdsr") / 1000)),
    "DRCN": ("1774", lambda: weights_only("drcn") // 1000),  # no biases, no ensemble
    "LapSRN": ("502", lambda: parameters("lapsrn", depth=5, up_kernel=4) // 1000),  # not the released network
    "DRRN": ("298", lambda: round(parameters("drrn", bias=True) / 1000)),
    "MemNet": ("678", lambda: convolutions_only("memnet") // 1000),  # no normalisation, no ensemble
    "IDN": ("553", lambda: round(parameters("idn") / 1000)),
    "SRMDNF": ("1552", lambda: parameters("srmdnf") // 1000),  # the PCA projection is a constant
    "CARN": ("1592", lambda: round(parameters("carn") / 1000)),  # the upsamplers of all three scales
}


@pytest.mark.parametrize("label", TABLE1)
def test_counts_of_table_1(label: str) -> None:
    published, count = TABLE1[label]
    assert next(row["params_k"] for row in rows("table1") if row["method"] == label) == published == str(count())


def test_counts_of_the_papers() -> None:
    assert weights_only("srcnn") == 8_032  # SRCNN, section 4.1: 9-1-5
    assert weights_only("srcnn_955") == 57_184  # section 4.3.2: 9-5-5
    assert weights_only("drcn") == 1_774_080
    assert convolutions_only("memnet") == 678_209
    assert weights_only("memnet") == 676_992  # MemNet, Table 5: 677 K
    assert weights_only("drrn") == 297_216  # DRRN, Table 3: 297 K
    assert parameters("drrn", bias=True) == 297_601
    assert parameters("lapsrn", depth=5, up_kernel=4) == 502_306
    assert parameters("lapsrn", depth=5, up_kernel=4, levels=1) == 251_473  # the 251 K quoted for x2
    assert weights_only("carn_m") == 412_050  # CARN, Table 1: 412 K


@pytest.mark.parametrize("size", [(6, 9), (8, 5)])
@pytest.mark.parametrize("name", CLASSICS)
def test_full_size_networks_run(name: str, size: tuple[int, int]) -> None:
    spec = get_spec(name)
    with torch.no_grad():
        out = create_model(name)(torch.rand(input_shape(spec, *size)) * spec.data_range)
    assert out.shape == output_shape(spec, *size)
    assert out.shape[2:] == (4 * size[0], 4 * size[1])


def test_cubic_upsampler_is_imresize() -> None:
    for height, width in [(1, 2), (3, 7), (12, 9)]:
        x = torch.rand(1, 1, height, width, dtype=torch.float64)
        exact = resize_matrix(height, 4) @ x @ resize_matrix(width, 4).T
        torch.testing.assert_close(CubicUpsampler(4).double()(x), exact, rtol=0, atol=1e-6)


def test_drrn_without_units_is_two_convolutions_around_a_skip() -> None:
    model = create_model("drrn", units=0, activated_skip=False)
    x = torch.rand(1, 1, 9, 9)
    torch.testing.assert_close(model(x), model.conv_output(model.conv_input(x).relu()) + x)


def test_impossible_options() -> None:
    for name, options in [
        ("srcnn", {"kernels": (9, 2, 5)}), ("vdsr", {"depth": 1}), ("drcn", {"recursions": 0}),
        ("lapsrn", {"up_kernel": 5}), ("srmdnf", {"depth": 1}), ("carn", {"scale": 5}),
    ]:  # fmt: skip
        with pytest.raises(EsrError, match=f"cannot build {name}"):
            create_model(name, **options)


@pytest.mark.parametrize("name", ["srcnn", "srcnn_955", "drcn", "memnet", "carn"])
def test_networks_without_weights_say_why(name: str) -> None:
    with pytest.raises(EsrError, match=r"no weights of .* were published \(.*https?://"):
        create_model(name, pretrained=True)


# ---- weights ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["fsrcnn", "vdsr", "lapsrn", "drrn", "idn", "srmdnf", "carn_m"])
def test_published_weights_load_strictly_by_name_and_by_path(name: str) -> None:
    data = esr_data()
    weights = get_spec(name).weights
    assert weights is not None
    file = data / "weights" / weights.file
    assert file.stat().st_size == weights.size
    by_name = create_model(name, pretrained=True, data_dir=data).state_dict()
    by_path = create_model(name, pretrained=file).state_dict()
    assert all(torch.equal(by_name[key], by_path[key]) for key in by_name)


def test_a_changed_file_of_another_format_is_refused(tmp_path: Path) -> None:
    weights = get_spec("drrn").weights
    assert weights is not None
    content = bytearray((esr_data() / "weights" / weights.file).read_bytes())
    content[5000] ^= 1
    (tmp_path / weights.file).write_bytes(content)
    with pytest.raises(EsrError, match="sha256"):
        create_model("drrn", pretrained=True, data_dir=tmp_path)
    with pytest.raises(EsrError, match=r"not a (PyTorch )?weights file"):
        create_model("drrn", pretrained=tmp_path / weights.file)


def test_srmdnf_maps_are_the_projection_of_the_delta_kernel() -> None:
    file = esr_data() / "weights" / "srmd_pca_matlab.mat"
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert digest == "3b485dfbca9c38ced6b4fb56494882e0560be81522213cf8fc280e3ad095502a"
    delta = np.zeros((15, 15))
    delta[7, 7] = 1
    np.testing.assert_allclose(read_matlab(file)["P"] @ delta.reshape(-1, order="F"), DELTA_KERNEL, atol=1e-7)


def mxnet_file(arrays: dict[str, np.ndarray]) -> bytes:
    """An MXNet .params file, written by the layout alone."""
    out = np.array([0x112, 0, len(arrays)], "<u8").tobytes()
    for array in arrays.values():
        out += np.array([0xF993FAC9, 0, array.ndim], "<u4").tobytes() + np.array(array.shape, "<i8").tobytes()
        out += np.array([1, 0, 0], "<i4").tobytes() + array.astype("<f4").tobytes()
    out += np.array([len(arrays)], "<u8").tobytes()
    return out + b"".join(np.array([len(n)], "<u8").tobytes() + n.encode() for n in arrays)


def test_mxnet_reader(tmp_path: Path) -> None:
    arrays = {"arg:a_weight": np.arange(12.0).reshape(3, 2, 2), "aux:b": np.array([1.5])}
    file = tmp_path / "some.params"
    file.write_bytes(mxnet_file(arrays))
    read = read_mxnet(file)
    assert list(read) == ["a_weight", "b"]
    np.testing.assert_array_equal(read["a_weight"], arrays["arg:a_weight"])
    for cut in (3, 24, 40, 70, len(mxnet_file(arrays)) - 1):
        file.write_bytes(mxnet_file(arrays)[:cut])
        with pytest.raises(EsrError, match="truncated or not an MXNet"):
            read_mxnet(file)
    file.write_bytes(mxnet_file(arrays) + b"x")
    with pytest.raises(EsrError, match="truncated or not an MXNet"):
        read_mxnet(file)


def test_ncnn_reader(tmp_path: Path) -> None:
    half, bias = np.arange(9.0).reshape(1, 1, 3, 3), np.array([2.0])
    content = np.array([0x01306B47], "<u4").tobytes() + half.astype("<f2").tobytes() + b"\0\0"
    content += bias.astype("<f4").tobytes()
    content += np.array([0], "<u4").tobytes() + half.astype("<f4").tobytes() + bias.astype("<f4").tobytes()
    file = tmp_path / "some.bin"
    file.write_bytes(content)
    for weights, biases in read_ncnn(file, [(1, 1, 3, 3)] * 2):
        np.testing.assert_array_equal(weights, half)
        np.testing.assert_array_equal(biases, bias)
    for shapes in ([(1, 1, 3, 3)], [(1, 1, 3, 3)] * 3):
        with pytest.raises(EsrError, match="truncated or not an ncnn"):
            read_ncnn(file, shapes)


def test_matlab_reader(tmp_path: Path) -> None:
    file = tmp_path / "some.mat"
    scipy.io.savemat(file, {"model": {"weight": np.ones((3, 3, 1, 2)), "name": "x"}})
    assert read_matlab(file)["model"].weight.shape == (3, 3, 2)
    file.write_bytes(file.read_bytes()[:150])
    with pytest.raises(EsrError, match="truncated or not a MATLAB file"):
        read_matlab(file)
