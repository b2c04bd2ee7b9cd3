"""The networks: an explicit dict, name -> ModelSpec. To add one, write its file and its entry here."""

import difflib
from pathlib import Path
from typing import Any

from torch import nn

from models import convert
from models.classic.bicubic import Bicubic
from models.classic.carn import CARN
from models.classic.drcn import DRCN
from models.classic.drrn import DRRN
from models.classic.fsrcnn import FSRCNN
from models.classic.idn import IDN
from models.classic.lapsrn import LapSRN
from models.classic.memnet import MemNet
from models.classic.srcnn import SRCNN
from models.classic.srmdnf import SRMDNF
from models.classic.vdsr import VDSR
from models.dvmsr import DVMSR
from models.errors import EsrError
from models.rlfn import RLFN
from models.spec import ModelSpec, Weights
from models.swinir import SwinIR
from models.weights import find_weights, load_into, read_weights

__all__ = ["REGISTRY", "EsrError", "ModelSpec", "Weights", "create_model", "get_spec", "list_models"]

_GITHUB = "https://raw.githubusercontent.com"
_DVMSR_REPOSITORY = (
    "https://raw.githubusercontent.com/nathan66666/DVMSR/86663ce906aab91c31ee5bf69bebc1ad61537405/model_zoo"
)
_RLFN_REPOSITORY = "https://raw.githubusercontent.com/bytedance/RLFN/bccfde91bf8b2de80789ec033a029e6f2a932330/model_zoo"
_SWINIR_RELEASE = "https://github.com/JingyunLiang/SwinIR/releases/download/v0.0"

_DVMSR_PAPER = "Lei, Zhang and Cao, DVMSR: Distillated Vision Mamba for Efficient Super-Resolution, CVPRW 2024"
_RLFN_PAPER = "Kong et al., Residual Local Feature Network for Efficient Super-Resolution, CVPRW 2022"
_RLFN_LICENCE = "Apache-2.0"
_SRCNN_PAPER = "Dong et al., Image Super-Resolution Using Deep Convolutional Networks, TPAMI 2016"
_SRCNN_WEIGHTS = "the authors' are only in their MATLAB demo, http://mmlab.ie.cuhk.edu.hk/projects/SRCNN.html"
_CARN_PAPER = (
    "Ahn, Kang and Sohn, Fast, Accurate, and Lightweight Super-Resolution with Cascading Residual Network, ECCV 2018"
)
_CARN_REPOSITORY = f"{_GITHUB}/nmhkahn/CARN-pytorch/40d3514f81cccd680d846cd5ab07af35f2c8e0e2/checkpoint"
_ZOO_COMMIT = "041842f177ab4aa59287f8561ec9b3446bd4826c"

REGISTRY: dict[str, ModelSpec] = {
    "bicubic": ModelSpec(
        build=Bicubic,
        display_name="Bicubic",
        paper="MATLAB imresize; Keys, Cubic convolution interpolation for digital image processing, 1981",
        data_range=255.0,
    ),
    "srcnn": ModelSpec(
        build=SRCNN,
        display_name="SRCNN (9-1-5)",
        paper=_SRCNN_PAPER,
        color="y",
        enlarged=True,
        no_weights=_SRCNN_WEIGHTS,
    ),
    "srcnn_955": ModelSpec(
        build=SRCNN,
        display_name="SRCNN (9-5-5)",
        paper=_SRCNN_PAPER,
        options={"kernels": (9, 5, 5)},
        color="y",
        enlarged=True,
        no_weights=_SRCNN_WEIGHTS,
    ),
    "fsrcnn": ModelSpec(
        build=FSRCNN,
        display_name="FSRCNN",
        paper="Dong, Loy and Tang, Accelerating the Super-Resolution Convolutional Neural Network, ECCV 2016",
        color="y",
        weights=Weights(
            file="fsrcnn_x4_yjn870.pth",
            url=f"{_GITHUB}/yjn870/FSRCNN-pytorch/597b52f7e8118ea014c079d32193a712181e003b/weights/fsrcnn_x4.pth",
            sha256="c15150d6787d487f38a68e66be5ec8a964182403af494e6a935fa03eeb56a630",
            size=54998,
            note="of a third party's re-implementation; the authors' MATLAB weights are at "
            "http://mmlab.ie.cuhk.edu.hk/projects/FSRCNN.html",
        ),
    ),
    "vdsr": ModelSpec(
        build=VDSR,
        display_name="VDSR",
        paper="Kim, Lee and Lee, Accurate Image Super-Resolution Using Very Deep Convolutional Networks, CVPR 2016",
        color="y",
        enlarged=True,
        weights=Weights(
            file="VDSR_Official.mat",
            url=f"{_GITHUB}/huangzehao/caffe-vdsr/5a839232d179c10736ed94e7142068b168b61cf6/Test/VDSR_Official.mat",
            sha256="f613166660840af1a2ca47e31b0337b951e7c4e094364f6135a16d81a55c323c",
            size=2490083,
            licence="MIT",
            reader=convert.vdsr_state,
        ),
    ),
    "drcn": ModelSpec(
        build=DRCN,
        display_name="DRCN",
        paper="Kim, Lee and Lee, Deeply-Recursive Convolutional Network for Image Super-Resolution, CVPR 2016",
        color="y",
        enlarged=True,
        no_weights="the authors' file is only on their page, http://cv.snu.ac.kr/research/DRCN, with no stable address",
    ),
    "lapsrn": ModelSpec(
        build=LapSRN,
        display_name="LapSRN",
        paper="Lai et al., Deep Laplacian Pyramid Networks for Fast and Accurate Super-Resolution, CVPR 2017",
        color="y",
        weights=Weights(
            file="LapSRN_x4.mat",
            url=f"{_GITHUB}/phoenix104104/LapSRN/95154bba82a3aab9bdaec8e0eedd4187babc5ed2/pretrained_models/LapSRN_x4.mat",
            sha256="1d845a3efdca8848968df9e216931419e3b1122373a233d612b4f599985e6367",
            size=3032853,
            reader=convert.lapsrn_state,
        ),
    ),
    "drrn": ModelSpec(
        build=DRRN,
        display_name="DRRN",
        paper="Tai, Yang and Liu, Image Super-Resolution via Deep Recursive Residual Network, CVPR 2017",
        color="y",
        enlarged=True,
        weights=Weights(
            file="DRRN-B1U25_jt827859032.mxnet.params",
            url=f"{_GITHUB}/WolframRhodium/Super-Resolution-Zoo/{_ZOO_COMMIT}"
            "/DRRN/DRRN-pytorch@jt827859032/DRRN-B1U25-0000.params",
            sha256="96bd152619bca3468799aa3b344a14243fb904a9d39a05ddb6342d2b0df058fc",
            size=1189204,
            note="of a third party's re-implementation, converted to MXNet",
            reader=convert.drrn_state,
        ),
    ),
    "memnet": ModelSpec(
        build=MemNet,
        display_name="MemNet",
        paper="Tai et al., MemNet: A Persistent Memory Network for Image Restoration, ICCV 2017",
        color="y",
        enlarged=True,
        no_weights="the authors' repository, https://github.com/tyshiwo/MemNet, only links to a Caffe file elsewhere",
    ),
    "idn": ModelSpec(
        build=IDN,
        display_name="IDN",
        paper="Hui, Wang and Gao, Fast and Accurate Single Image Super-Resolution via Information Distillation "
        "Network, CVPR 2018",
        color="y",
        weights=Weights(
            file="IDN_4x.mxnet.params",
            url=f"{_GITHUB}/WolframRhodium/Super-Resolution-Zoo/{_ZOO_COMMIT}/IDN/IDN_4x-0000.params",
            sha256="043e10f226a5aa8d8008f77e5e4e454805d9dee842c66fcef54e098cf036cecc",
            size=2215364,
            note="the authors' Caffe weights, converted to MXNet",
            reader=convert.idn_state,
        ),
    ),
    "srmdnf": ModelSpec(
        build=SRMDNF,
        display_name="SRMDNF",
        paper="Zhang, Zuo and Zhang, Learning a Single Convolutional Super-Resolution Network for Multiple "
        "Degradations, CVPR 2018",
        weights=Weights(
            file="srmdnf_x4.ncnn.bin",
            url=f"{_GITHUB}/nihui/srmd-ncnn-vulkan/9c88903ac259f771b099f1016a2cc0937314ead9"
            "/models/models-srmd/srmdnf_x4.bin",
            sha256="da889e651e777ef51d18f1acb88e24046b387a2cc7398ac76fd2a68107fa81b3",
            size=3107056,
            licence="MIT",
            note="the authors' weights, converted to ncnn in half precision",
            reader=convert.srmdnf_state,
        ),
    ),
    "carn": ModelSpec(
        build=CARN,
        display_name="CARN",
        paper=_CARN_PAPER,
        no_weights=f"the authors' {_CARN_REPOSITORY}/carn.pth could not be fetched, so its checksum is not known",
    ),
    "carn_m": ModelSpec(
        build=CARN,
        display_name="CARN-M",
        paper=_CARN_PAPER,
        options={"groups": 4},
        weights=Weights(
            file="carn_m.pth",
            url=f"{_CARN_REPOSITORY}/carn_m.pth",
            sha256="d48a759a84509351facb6b7c6d5bd6edec98b98519b8c464ee4ab44d2ba964ff",
            size=1670695,
            licence="MIT",
        ),
    ),
    "dvmsr": ModelSpec(
        build=DVMSR,
        display_name="DVMSR",
        paper=_DVMSR_PAPER,
        weights=Weights(
            file="DVMSR.pth",
            url=f"{_DVMSR_REPOSITORY}/DVMSR.pth",
            sha256="b9993f169da81ee63c4b5d4fc770c2f05a4af1e9481aa18a16577fe78fb6f174",
            size=3473666,
            state_key="params_ema",
            licence="MIT",
        ),
        scan=True,
    ),
    "dvmsr_ntire": ModelSpec(
        build=DVMSR,
        display_name="DVMSR (NTIRE 2024)",
        paper=_DVMSR_PAPER + ", section 4.4.4",
        weights=Weights(
            file="team07_DVMSR.pth",
            url=f"{_DVMSR_REPOSITORY}/team07_DVMSR.pth",
            sha256="37ff9ece556b84e2aa63533d0d1a0ee27ab63cc6a46d4df8f6bfa16e325d34fe",
            size=1732546,
            licence="MIT",
        ),
        scan=True,
    ),
    "dvmsr_bi": ModelSpec(
        build=DVMSR,
        display_name="DVMSR (bidirectional)",
        paper=_DVMSR_PAPER + ", Table 6; its weights were not published",
        options={"bidirectional": True},
        scan=True,
    ),
    "rlfn": ModelSpec(
        build=RLFN,
        display_name="RLFN",
        paper=_RLFN_PAPER,
        data_range=255.0,
        weights=Weights(
            file="rlfn_x4.pth",
            url=f"{_RLFN_REPOSITORY}/rlfn_x4.pth",
            sha256="8c7edb57dfc89048bafba29d591d4c27d4099964b4a9e22df23d6dc257a637c0",
            size=2212893,
            licence=_RLFN_LICENCE,
        ),
    ),
    "rlfn_s": ModelSpec(
        build=RLFN,
        display_name="RLFN-S",
        paper=_RLFN_PAPER,
        options={"channels": 48},
        data_range=255.0,
        weights=Weights(
            file="rlfn_s_x4.pth",
            url=f"{_RLFN_REPOSITORY}/rlfn_s_x4.pth",
            sha256="f769c5a88433786b2db0c2b24da6ca6c92a24c62344b9354a390f8a74388e89d",
            size=1919005,
            licence=_RLFN_LICENCE,
        ),
    ),
    "rlfn_ntire": ModelSpec(
        build=RLFN,
        display_name="RLFN (NTIRE baseline)",
        paper=_RLFN_PAPER + "; the pruned network that won NTIRE 2022",
        options={"channels": 46, "inner": 48, "blocks": 4},
        data_range=255.0,
        weights=Weights(
            file="rlfn_ntire_x4.pth",
            url=f"{_RLFN_REPOSITORY}/rlfn_ntire_x4.pth",
            sha256="3c9be7b9d7a4bece9b68c83a56a1ffb38010f76413d5f215be6b4be842e18fb2",
            size=1294011,
            licence=_RLFN_LICENCE,
        ),
    ),
    "swinir_light": ModelSpec(
        build=SwinIR,
        display_name="SwinIR-light",
        paper="Liang et al., SwinIR: Image Restoration Using Swin Transformer, ICCVW 2021",
        weights=Weights(
            file="002_lightweightSR_DIV2K_s64w8_SwinIR-S_x4.pth",
            url=f"{_SWINIR_RELEASE}/002_lightweightSR_DIV2K_s64w8_SwinIR-S_x4.pth",
            sha256="09fad24e32ae62722e1a055efde9921328f4137981bab0a42a4a3a806306c58e",
            size=None,
            state_key="params",
            licence="Apache-2.0",
            note="the checksum is quoted from a third party's model card and could not be checked by this project's "
            "authors; if the file from the official release is refused, load it with --weights",
        ),
    ),
}


def list_models() -> list[str]:
    """Names of all networks, in the order of the registry."""
    return list(REGISTRY)


def get_spec(name: str) -> ModelSpec:
    """The spec of a network; raises EsrError with the nearest names for an unknown one."""
    if name not in REGISTRY:
        near = difflib.get_close_matches(name.lower(), REGISTRY, n=3, cutoff=0.4)
        hint = f"did you mean {' or '.join(near)}?" if near else f"known are {', '.join(REGISTRY)}"
        raise EsrError(f"unknown model {name!r}; {hint}")
    return REGISTRY[name]


def create_model(
    name: str, pretrained: bool | str | Path = False, data_dir: Path | None = None, **options: Any
) -> nn.Module:
    """Build a network of the registry, in eval mode, on the CPU.

    Args:
        name: one of `list_models()`.
        pretrained: True for the published weights (found in `data_dir`, $ESR_DATA or the cache, else downloaded, and
            verified), a path for a weights file of your own, False for random weights.
        options: arguments of the network that differ from the registry's.

    Raises:
        EsrError: for an unknown name, unknown options, or weights that are missing or do not fit.
    """
    spec = get_spec(name)
    try:
        model = spec.build(**{**spec.options, **options})
    except Exception as error:  # whatever a constructor makes of impossible options, it is the options' fault
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise EsrError(f"cannot build {name} with {options}: {reason}") from None
    if pretrained is True:
        if spec.weights is None:
            reason = f" ({spec.no_weights})" if spec.no_weights else ""
            raise EsrError(f"no weights of {name} were published{reason}; use pretrained=False or a file of your own")
        path, key = find_weights(spec.weights, data_dir), spec.weights.state_key
        load_into(model, read_weights(path, key, spec.weights), name)
    elif pretrained is not False:
        load_into(model, read_weights(Path(pretrained), published=spec.weights), name)
    return model.eval()
