"""The networks: an explicit dict, name -> ModelSpec. To add one, write its file and its entry here."""

import difflib
from pathlib import Path
from typing import Any

from torch import nn

from models.bsrn import BSRN
from models.classic.bicubic import Bicubic
from models.classic.dipnet import DIPNet
from models.classic.imdn import IMDN
from models.classic.rfdn import RFDN
from models.download import sha256_of
from models.dvmsr import DVMSR
from models.efdn import EFDN
from models.errors import EsrError
from models.mambairv2 import MambaIRv2
from models.pfvm import PFVM
from models.rlfn import RLFN
from models.span import SPAN
from models.spec import ModelSpec, Weights
from models.swinir import SwinIR
from models.weights import find_weights, load_into, options_in, read_weights

__all__ = ["REGISTRY", "EsrError", "ModelSpec", "Weights", "create_model", "get_spec", "list_models"]

_DVMSR_REPOSITORY = (
    "https://raw.githubusercontent.com/nathan66666/DVMSR/86663ce906aab91c31ee5bf69bebc1ad61537405/model_zoo"
)
_RLFN_REPOSITORY = "https://raw.githubusercontent.com/bytedance/RLFN/bccfde91bf8b2de80789ec033a029e6f2a932330/model_zoo"
_SWINIR_RELEASE = "https://github.com/JingyunLiang/SwinIR/releases/download/v0.0"

_DVMSR_PAPER = "Lei, Zhang and Cao, DVMSR: Distillated Vision Mamba for Efficient Super-Resolution, CVPRW 2024"
_RLFN_PAPER = "Kong et al., Residual Local Feature Network for Efficient Super-Resolution, CVPRW 2022"
_RLFN_LICENCE = "Apache-2.0"

_IMDN_REPOSITORY = (
    "https://raw.githubusercontent.com/Zheng222/IMDN/8f158e6a5ac9db6e5857d9159fd4a6c4214da574/checkpoints"
)
_RFDN_REPOSITORY = "https://raw.githubusercontent.com/njulj/RFDN/7cf4e25b6633e81fd7e26891aeee2baca4f8f927/trained_model"
_DIPNET_REPOSITORY = (
    "https://raw.githubusercontent.com/xiumu00/DIPNet/69f43a7873a866a492ee316bc579e56b6f861170/model_zoo"
)
_NTIRE_2025_REPOSITORY = (
    "https://raw.githubusercontent.com/Amazingren/NTIRE2025_ESR/b69fb668c0362deb696eecbfdebfaa5c2fcdfcb4/model_zoo"
)
_NTIRE_2024_REPOSITORY = (
    "https://raw.githubusercontent.com/Amazingren/NTIRE2024_ESR/6404fa48dde4a4adbf241a51debdc661aef20449/model_zoo"
)
_BSRN_REPOSITORY = "https://raw.githubusercontent.com/xiaom233/BSRN/2d63d5239c9fa9810b9c1aea93e98d42ece09efc/experiments/pretrained_models"
_RFDN_PAPER = "Liu et al., Residual Feature Distillation Network for Lightweight Image Super-Resolution, ECCVW 2020"
_DIPNET_PAPER = (
    "Yu et al., DIPNet: Efficiency Distillation and Iterative Pruning for Image Super-Resolution, CVPRW 2023"
)

REGISTRY: dict[str, ModelSpec] = {
    "bicubic": ModelSpec(
        build=Bicubic,
        display_name="Bicubic",
        paper="MATLAB imresize; Keys, Cubic convolution interpolation for digital image processing, 1981",
        data_range=255.0,
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
        fuses=True,
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
        fuses=True,
    ),
    "dvmsr_bi": ModelSpec(
        build=DVMSR,
        display_name="DVMSR (bidirectional)",
        paper=_DVMSR_PAPER + ", Table 6; its weights were not published",
        options={"bidirectional": True},
        scan=True,
        fuses=True,
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
    "imdn": ModelSpec(
        build=IMDN,
        display_name="IMDN",
        paper="Hui et al., Lightweight Image Super-Resolution with Information Multi-distillation Network, ACM MM 2019",
        weights=Weights(
            file="IMDN_x4.pth",
            url=f"{_IMDN_REPOSITORY}/IMDN_x4.pth",
            sha256="e660c38221147217a136debeb99eb304d62d9c0f73ac421ed66281b619719714",
            size=2879112,
            licence="none stated",
        ),
    ),
    "rfdn": ModelSpec(
        build=RFDN,
        display_name="RFDN",
        paper=_RFDN_PAPER + "; the weights of the paper's 550 K form were not published",
    ),
    "rfdn_aim": ModelSpec(
        build=RFDN,
        display_name="RFDN (AIM 2020)",
        paper=_RFDN_PAPER + "; E-RFDN, which won AIM 2020",
        options={"channels": 50, "blocks": 4, "attention": "esa"},
        data_range=255.0,
        weights=Weights(
            file="RFDN_AIM.pth",
            url=f"{_RFDN_REPOSITORY}/RFDN_AIM.pth",
            sha256="11af8ec8ebd68689e90ef1e29044f9804c72d3bd9f7573820b7b26035782760c",
            size=1754927,
            licence="MIT",
        ),
    ),
    "dipnet": ModelSpec(
        build=DIPNet,
        display_name="DIPNet",
        paper=_DIPNET_PAPER + "; the weights of the paper's 543 K form were not published",
        options={"channels": 52, "inner": None, "blocks": 6, "bias": True},
    ),
    "dipnet_ntire": ModelSpec(
        build=DIPNet,
        display_name="DIPNet (NTIRE 2023)",
        paper=_DIPNET_PAPER,
        weights=Weights(
            file="DIPNet.pth",
            url=f"{_DIPNET_REPOSITORY}/DIPNet.pth",
            sha256="7495450802b78cd15f4892851b2479de6605b24f1df1dbbfcaa5227201d61cc1",
            size=991924,
            licence="MIT",
        ),
    ),
    "efdn": ModelSpec(
        build=EFDN,
        display_name="EFDN (NTIRE 2025 baseline)",
        paper="Wang, Edge-enhanced Feature Distillation Network for Efficient Super-Resolution, CVPRW 2022",
        weights=Weights(
            file="team00_EFDN.pth",
            url=f"{_NTIRE_2025_REPOSITORY}/team00_EFDN.pth",
            sha256="71069f10ef234cd123f45ac8e69099f0a1fdc0c16afcfe2189e50071d47ce477",
            size=1153119,
            licence="MIT",
        ),
    ),
    "span": ModelSpec(
        build=SPAN,
        display_name="SPAN (NTIRE 2024 winner)",
        paper="Wan et al., Swift Parameter-free Attention Network for Efficient Super-Resolution, CVPRW 2024",
        weights=Weights(
            file="team38_span_ch28_slim.pth",
            url=f"{_NTIRE_2024_REPOSITORY}/team38_span_ch28_slim.pth",
            sha256="6c80f05048313289c6526e5fc9726688d7bb3dfdd6ae3c8b1e7dd09f601e5971",
            size=618658,
            licence="MIT",
        ),
    ),
    "bsrn": ModelSpec(
        build=BSRN,
        display_name="BSRN",
        paper="Li et al., Blueprint Separable Residual Network for Efficient Image Super-Resolution, CVPRW 2022",
        weights=Weights(
            file="BSRN_x4.pth",
            url=f"{_BSRN_REPOSITORY}/net_g_BSRN_x4.pth",
            sha256="47518e0f549f5696da0c84ca2d65bf50d789c7ac20e621909f5fd6c8c8d70bcb",
            size=1524813,
            state_key="params",
            licence="MIT",
        ),
    ),
    "mambairv2_light": ModelSpec(
        build=MambaIRv2,
        display_name="MambaIRv2-light",
        paper="Guo et al., MambaIRv2: Attentive State Space Restoration, CVPR 2025; weights of NTIRE 2025, team 40",
        weights=Weights(
            file="team40_mambairv2light.pth",
            url=f"{_NTIRE_2025_REPOSITORY}/team40_mambairv2light.pth",
            sha256="3e80def799232727ff0663f2b922135ba7d377699ad7b527862256f402414317",
            size=4075087,
            state_key="params",
            licence="MIT",
        ),
        scan=True,
    ),
    "pfvm": ModelSpec(
        build=PFVM,
        display_name="PFVM (NTIRE 2025)",
        paper="Ren et al., The Tenth NTIRE 2025 Efficient Super-Resolution Challenge Report, CVPRW 2025; team 34",
        weights=Weights(
            file="team34_PFVM.pth",
            url=f"{_NTIRE_2025_REPOSITORY}/team34_PFVM.pth",
            sha256="6d14c30da82a3c0c6ed23f4478b810224290fd769e8b19270b4838ff8228e1f7",
            size=3487406,
            state_key="params",
            licence="MIT",
        ),
        scan=True,
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
            verified), a path for a weights file of your own, False for random weights. A file that training exported
            brings its options with it.
        options: arguments of the network that differ from the registry's.

    Raises:
        EsrError: for an unknown name, unknown options, or weights that are missing or do not fit.
    """
    spec = get_spec(name)
    if not isinstance(pretrained, bool):
        options = {**options_in(Path(pretrained), name), **options}
    try:
        model = spec.build(**{**spec.options, **options})
    except Exception as error:  # whatever a constructor makes of impossible options, it is the options' fault
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise EsrError(f"cannot build {name} with {options}: {reason}") from None
    if pretrained is True:
        if spec.weights is None:
            raise EsrError(f"no weights of {name} were published; use pretrained=False or a file of your own")
        path, key = find_weights(spec.weights, data_dir), spec.weights.state_key
        load_into(model, read_weights(path, key), name)
    elif pretrained is not False:
        path = Path(pretrained)
        load_into(model, read_weights(path, _state_key(spec, path)), name)
    return model.eval()


def _state_key(spec: ModelSpec, path: Path) -> str | None:
    """The entry to read where `path` is the published file, which may hold several state dicts; else None."""
    published = spec.weights is not None and path.is_file() and sha256_of(path) == spec.weights.sha256
    return spec.weights.state_key if spec.weights and published else None
