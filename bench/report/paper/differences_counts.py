"""Known differences in parameters, FLOPs and activations: counts, which must agree to the last digit."""

import math
from collections.abc import Mapping
from typing import Any

from bench.report.lookup import Query
from bench.report.paper.explain import Expectation, KnownDifference, Number, exactly, rounds_to
from bench.report.paper.variants import published_variants

L = 256 * 256  # tokens of the fixed input
MIXERS, INNER, WIDTH, STATES, RANK, KERNEL = 8, 120, 60, 16, 4, 4  # of the released DVMSR
OUT_PROJ = L * MIXERS * INNER * WIDTH
HIDDEN = OUT_PROJ + L * MIXERS * INNER * (RANK + 2 * STATES + RANK + KERNEL)  # x_proj, dt_proj and conv1d besides
MIXER_PARAMETERS = (  # in_proj, conv1d, x_proj, dt_proj, A, D, out_proj
    WIDTH * 2 * INNER
    + INNER * (KERNEL + 1)
    + INNER * (RANK + 2 * STATES)
    + INNER * (RANK + 1)
    + INNER * STATES
    + INNER
    + INNER * WIDTH
)
SCAN = 9 * L * INNER * STATES * MIXERS
COUNT_UNITS = {
    "parameters": "parameters",
    "macs": "MAC",
    "flops": "FLOP",
    "flops_published": "FLOP",
    "flops_fvcore_unfused": "FLOP",
    "activations_published": "elements",
    "activations": "elements",
}


def _count(key: str, label: str, model: str, name: str, options: Mapping[str, Any] | None = None) -> Number:
    unit = COUNT_UNITS[name.removeprefix("thop_")]
    return Number(key, label, Query(model, f"complexity.{name}", options or {}), unit)


FUSED = KnownDifference(
    "b",
    "20.168 G FLOPs hide most of the mixer",
    "Tables 2 and 9 give DVMSR 20.168 G FLOPs.",
    "They were counted by fvcore, which takes a multiply-add as one and cannot look into the fused operator that ran "
    "conv1d, x_proj, dt_proj, the scan and out_proj. Only the mixer's in_proj, the convolutions and the LayerNorms "
    "were counted.",
    _count("published", "fvcore, fused operator hidden", "dvmsr", "flops_published"),
    _count("unfused", "fvcore, nothing hidden", "dvmsr", "flops_fvcore_unfused"),
    (
        exactly("as published, 20,168,048,640", "published", 20_168_048_640),
        Expectation(
            f"hidden: x_proj, dt_proj, conv1d and out_proj, {HIDDEN / 1e9:.3f} GMAC by hand",
            lambda n: (n["unfused"] - n["published"]) / 1e9,
            HIDDEN / 1e9 - 0.0005,  # conv1d also computes the few outputs that its padding adds
            HIDDEN / 1e9 + 0.0005,
            "GMAC",
            3,
        ),
        rounds_to("MACs, complete: 26.51 GMAC", "macs", 26.51, 2, 1e-9, "GMAC"),
        Expectation(
            "two FLOPs a MAC and 9LDN for the scan: 62.1 GFLOP",
            lambda n: (2 * n["macs"] + SCAN) / 1e9,
            62.05,
            62.15,
            "GFLOP",
            2,
        ),
        Expectation(
            "biases, norms and element-wise ops: less than 1 GFLOP besides",
            lambda n: (n["flops"] - 2 * n["macs"] - SCAN) / 1e9,
            0,
            1,
            "GFLOP",
            3,
        ),
    ),
    beside=(
        _count("macs", "MACs, complete", "dvmsr", "macs"),
        _count("flops", "FLOPs, complete", "dvmsr", "flops"),
    ),
)

BIDIRECTIONAL = KnownDifference(
    "c",
    "The bidirectional network's 23.9429 G",
    "Table 6: 23.9429 G FLOPs with two directions, 20.168 G with one.",
    "The fused operator of the one-directional mixer contains out_proj, that of the bidirectional mixer does not. The "
    "published difference is out_proj becoming visible; the work of the second direction is in neither figure.",
    _count("two", "two directions, as published", "dvmsr_bi", "flops_published"),
    _count("one", "one direction, as published", "dvmsr", "flops_published"),
    (
        Expectation(
            f"the difference is out_proj exactly: {OUT_PROJ:,} MACs (L x 8 mixers x 120 x 60)",
            lambda n: n["two"] - n["one"],
            OUT_PROJ,
            OUT_PROJ,
        ),
        rounds_to("two directions as published, 23.9429 G", "two", 23.9429, 4, 1e-9, "G"),
        Expectation(
            "like for like the second direction costs something else",
            lambda n: abs(n["two_macs"] - n["one_macs"] - OUT_PROJ),
            1,
        ),
    ),
    beside=(
        _count("two_macs", "two directions, MACs complete", "dvmsr_bi", "macs"),
        _count("one_macs", "one direction, MACs complete", "dvmsr", "macs"),
    ),
    difference=Expectation("first minus second", lambda n: n["two"] - n["one"], 0, unit="FLOP"),
)

ACTIVATIONS = KnownDifference(
    "d",
    "Equal activations of SwinIR-light and DVMSR",
    "Table 2 gives both networks 26.7387 M activations.",
    "The challenge counts outputs of Conv2d only. Both networks have the same seven convolutions; attention, linear "
    "layers and the scan, where they differ, are not counted.",
    _count("swinir", "SwinIR-light, as published", "swinir_light", "activations_published"),
    _count("dvmsr", "DVMSR, as published", "dvmsr", "activations_published"),
    (
        exactly("SwinIR-light as published, 26,738,688", "swinir", 26_738_688),
        exactly("DVMSR as published, 26,738,688", "dvmsr", 26_738_688),
        Expectation("complete, they differ", lambda n: abs(n["swinir_all"] - n["dvmsr_all"]), 1),
    ),
    beside=(
        _count("swinir_all", "SwinIR-light, complete", "swinir_light", "activations"),
        _count("dvmsr_all", "DVMSR, complete", "dvmsr", "activations"),
    ),
)

UPSAMPLER = KnownDifference(
    "e",
    "Tables 3 to 5 and 8 need the classical upsampler",
    "Tables 3 to 5 give 3.651 M parameters for 180 channels, while the text describes a one-step upsampler.",
    "The networks of the ablations have the classical upsampler (a convolution to 64 channels, two steps of "
    "convolution and PixelShuffle(2), a convolution to 3); the released network has the one-step one.",
    _count(
        "classical", "180 channels, classical", "dvmsr", "parameters", {"channels": 180, "upsampler": "pixelshuffle"}
    ),
    _count("one_step", "180 channels, one step", "dvmsr", "parameters", {"channels": 180}),
    (
        rounds_to("classical: 3.651 M", "classical", 3.651, 3, 1e-6, "M"),
        Expectation(
            "one step: at least 0.001 M away from 3.651 M",
            lambda n: abs(n["one_step"] / 1e6 - 3.651),
            0.001,
            unit="M",
            decimals=3,
        ),
    ),
)

DEPTH = KnownDifference(
    "f",
    "Two RSSBs or four",
    "Section 4.4.4 says that the challenge entry has 2 RSSBs; Table 9 gives it 0.424 M parameters.",
    "0.424 M is the network with 4 RSSBs, which is also what the released weights fit.",
    _count("two", "2 RSSBs", "dvmsr", "parameters", {"depths": [2, 2]}),
    _count("four", "4 RSSBs", "dvmsr", "parameters"),
    (exactly("2 RSSBs: 242,388", "two", 242_388), exactly("4 RSSBs: 424,428", "four", 424_428)),
)

TWO_RLFNS = KnownDifference(
    "l",
    "Two networks called RLFN",
    "Table 1 gives RLFN 543 K parameters, Table 9 gives the RLFN baseline 0.317 M.",
    "They are two networks: the paper's RLFN (52 channels, 6 blocks) and the pruned one that won NTIRE 2022 (46 "
    "channels, 4 blocks), which is the challenge's baseline.",
    _count("paper", "RLFN", "rlfn", "parameters"),
    _count("ntire", "RLFN, challenge baseline", "rlfn_ntire", "parameters"),
    (exactly("RLFN: 543,740", "paper", 543_740), exactly("challenge baseline: 317,218", "ntire", 317_218)),
)

THOP = KnownDifference(
    "m",
    "What thop counts",
    "The paper does not use thop; many others do.",
    "thop adds up the modules that are called. The mixer runs as one function on its parameters and calls none of its "
    "modules, so all its parameters and multiply-adds are missing.",
    _count("thop", "thop, parameters", "dvmsr", "thop_parameters"),
    _count("all", "all parameters", "dvmsr", "parameters"),
    (
        exactly("thop: 191,148 parameters", "thop", 191_148),
        Expectation(
            f"what thop misses are the {MIXERS} mixers: {MIXERS * MIXER_PARAMETERS:,} parameters by hand",
            lambda n: n["all"] - n["thop"],
            MIXERS * MIXER_PARAMETERS,
            MIXERS * MIXER_PARAMETERS,
        ),
        exactly("all: 424,428 parameters", "all", 424_428),
        rounds_to("thop: 12.58 GMAC", "thop_macs", 12.58, 2, 1e-9, "GMAC"),
        Expectation(
            "thop misses multiply-adds", lambda n: (n["macs"] - n["thop_macs"]) / 1e9, 0.01, math.inf, "GMAC", 2
        ),
    ),
    beside=(
        _count("thop_macs", "thop, MACs", "dvmsr", "thop_macs"),
        _count("macs", "MACs, complete", "dvmsr", "macs"),
    ),
)


def all_parameter_counts() -> KnownDifference:
    """Every row of Tables 3, 4, 5 and 8: each its own number and its own expectation."""
    variants = published_variants()
    numbers = [_count(str(i), v.label, "dvmsr", "parameters", v.options) for i, v in enumerate(variants)]
    expectations = [
        rounds_to(f"{v.label}: {v.params_m:.3f} M", str(i), v.params_m, 3, 1e-6, "M") for i, v in enumerate(variants)
    ]
    return KnownDifference(
        "n",
        "Parameter counts of Tables 3, 4, 5 and 8",
        "Each row prints its parameters in millions, to three decimals.",
        "With the classical upsampler every row is met exactly, so the networks of the ablations are known.",
        numbers[0],
        numbers[1],
        tuple(expectations),
        beside=tuple(numbers[2:]),
        difference=Expectation(
            "largest distance of a row from the paper, rounded as the paper rounds",
            lambda n: max(abs(round(n[str(i)] / 1e6, 3) - v.params_m) for i, v in enumerate(variants)),
            0,
            unit="M",
            decimals=3,
        ),
    )
