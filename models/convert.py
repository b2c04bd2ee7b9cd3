"""State dicts of published weights that were made with other frameworks: which array becomes which parameter.

Each function takes the path of the published file, whose checksum was verified before. Layouts: PyTorch's convolutions
are (outputs, inputs, kh, kw), its transposed ones (inputs, outputs, kh, kw); MATLAB's are (kh, kw, inputs, outputs) and
(kh, kw, outputs, inputs).
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.formats import read_matlab, read_mxnet, read_ncnn

State = dict[str, Tensor]


def vdsr_state(path: Path) -> State:
    """VDSR of the authors' .mat file: cell arrays `model.weight` and `model.bias`, a convolution a cell."""
    model = read_matlab(path)["model"]
    state: State = {}
    for i, (weight, bias) in enumerate(zip(model.weight, model.bias, strict=True)):
        inputs, outputs = (1 if i == 0 else 64), (1 if i == 19 else 64)
        state[f"convs.{i}.weight"] = _from_matlab(weight, (3, 3, inputs, outputs))
        state[f"convs.{i}.bias"] = _tensor(bias).reshape(outputs)
    return state


def lapsrn_state(path: Path) -> State:
    """LapSRN x4 of the authors' MatConvNet .mat file. They count levels down: level2 comes first."""
    arrays = {parameter.name: parameter.value for parameter in read_matlab(path)["net"].params}
    names = {"input_conv": ("conv_input", (3, 3, 1, 64))}
    for level, theirs in enumerate(("level2", "level1")):
        for i in range(10):
            names[f"{theirs}_conv{i + 1}"] = (f"levels.{level}.convs.{i}", (3, 3, 64, 64))
        names[f"{theirs}_upconv"] = (f"levels.{level}.up", (3, 3, 64, 64))
        names[f"{theirs}_residual_conv"] = (f"levels.{level}.residual", (3, 3, 64, 1))
        names[f"{theirs}_img_up"] = (f"levels.{level}.image_up", (4, 4, 1, 1))
    state: State = {}
    for theirs, (ours, shape) in names.items():
        state[f"{ours}.weight"] = _from_matlab(arrays.pop(f"{theirs}_f"), shape)
        if not theirs.endswith("img_up"):
            state[f"{ours}.bias"] = _tensor(arrays.pop(f"{theirs}_b")).reshape(shape[3])
    return {**state, **{name: _tensor(left) for name, left in arrays.items()}}  # what is left is refused on loading


def drrn_state(path: Path) -> State:
    """DRRN of an MXNet file whose four arrays are numbered in the order of use."""
    names = {"learned_0": "conv_input", "learned_1": "conv1", "learned_2": "conv2", "learned_3": "conv_output"}
    return {f"{names.get(name, name)}.weight": _tensor(array) for name, array in read_mxnet(path).items()}


def idn_state(path: Path) -> State:
    """IDN of an MXNet file with the authors' Caffe names: conv3_1 to conv6_6 are the blocks' convolutions."""
    state: State = {}
    for name, array in read_mxnet(path).items():
        layer, kind = name.rsplit("_", 1)
        if layer.startswith("down"):
            layer = f"blocks.{int(layer[4:]) - 1}.down"
        elif "_" in layer:
            block, conv = layer.removeprefix("conv").split("_")
            layer = f"blocks.{int(block) - 3}.conv{conv}"
        state[f"{layer}.{kind}"] = _tensor(array)
    return state


def srmdnf_state(path: Path) -> State:
    """SRMDNF x4 of an ncnn file in half precision: twelve convolutions in the order of use."""
    shapes = [(128, 18, 3, 3), *[(128, 128, 3, 3)] * 10, (48, 128, 3, 3)]
    names = [*(f"convs.{i}" for i in range(11)), "tail.0"]
    state: State = {}
    for name, (weight, bias) in zip(names, read_ncnn(path, shapes), strict=True):
        state[f"{name}.weight"] = _tensor(weight)
        state[f"{name}.bias"] = _tensor(bias)
    return state


def _tensor(array: Any) -> Tensor:
    return torch.from_numpy(np.array(array, dtype=np.float32))


def _from_matlab(array: Any, shape: tuple[int, int, int, int]) -> Tensor:
    """A convolution's weights in MATLAB's order, whose axes of length 1 MATLAB or its reader may have dropped."""
    return _tensor(array).reshape(shape).permute(3, 2, 0, 1).contiguous()
