"""The registry: an explicit dict, name -> ModelSpec. To add a network, write its file and its entry here."""

from models import convert
from models.bsrn import BSRN
from models.classic.bicubic import Bicubic
from models.classic.carn import CARN
from models.classic.dipnet import DIPNet
from models.classic.drcn import DRCN
from models.classic.drrn import DRRN
from models.classic.fsrcnn import FSRCNN
from models.classic.idn import IDN
from models.classic.imdn import IMDN
from models.classic.lapsrn import LapSRN
from models.classic.memnet import MemNet
from models.classic.rfdn import RFDN
from models.classic.srcnn import SRCNN
from models.classic.srmdnf import SRMDNF
from models.classic.vdsr import VDSR
from models.dvmsr import DVMSR
from models.efdn import EFDN
from models.mambairv2 import MambaIRv2
from models.pfvm import PFVM
from models.rlfn import RLFN
from models.span import SPAN
from models.spec import ModelSpec, Weights
from models.swinir import SwinIR

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
            checked=False,
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
