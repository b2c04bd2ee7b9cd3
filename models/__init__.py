"""The networks: an explicit dict, name -> ModelSpec. To add one, write its file and its entry here."""

import difflib
from pathlib import Path
from typing import Any

from torch import nn

from models.classic.bicubic import Bicubic
from models.dvmsr import DVMSR
from models.errors import EsrError
from models.rlfn import RLFN
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
        load_into(model, read_weights(Path(pretrained)), name)
    return model.eval()
