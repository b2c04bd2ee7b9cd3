"""The fused Triton mixer without a GPU: under the interpreter, and compiled ahead of time."""

from typing import Any

import pytest

triton = pytest.importorskip("triton")

from models.scan import triton_mixer, triton_tuning  # noqa: E402
from models.scan import triton_mixer_kernels as kernels  # noqa: E402
from tests.models.test_triton import assert_all_in_registers, assert_instructions, compile_ahead, compiled, resources  # noqa: E402
from tests.models.triton_interpreter import run_interpreted  # noqa: E402

OTHERS = pytest.mark.slow("the GPU kernels compiled for three generations")
SHARED_BYTES = {80: 163 * 1024, 86: 99 * 1024, 90: 227 * 1024}  # that one block may have, CUDA C++ programming guide
SIZES = {"d": 120, "N": 16, "RANK": 4, "WIDTH": 36, "TAPS": 4}


@pytest.mark.slow("the GPU kernels in Triton's interpreter")
def test_under_the_interpreter() -> None:
    run_interpreted("tests/models/interpreted_triton_mixer.py")


def jobs() -> list[tuple[Any, dict[str, Any], int, dict[str, Any]]]:
    """Every kernel with the constants that DVMSR in float32 gives it, the precision with the most registers."""
    product = {"R": triton_mixer.ROWS, "PRECISION": "tf32x3"}
    config = triton_tuning.walk_config(16)
    walk = {**SIZES, "DB": config.channels, "U": config.tokens}
    return [
        (kernels.linear, {**product, "K": 60, "N": 240, "NB": 128, "KB": 32, "GATE": 120}, triton_mixer.WARPS, {}),
        (
            kernels.linear,
            {**product, "K": 120, "N": 60, "NB": 64, "KB": 32, "GATE": 0, "norm_weight": None, "norm_bias": None},
            triton_mixer.WARPS,
            {},
        ),
        (kernels.project, {**product, **SIZES, "DB": 32, "PB": 64}, triton_mixer.WARPS, {"num_stages": 2}),
        (kernels.mix_chunk, {**walk, "start": None, "out": None}, config.warps, {}),
        (kernels.mix_chunk, {**walk, "end": None, "sums": None}, config.warps, {}),
    ]


@compiled
@pytest.mark.parametrize("capability", [pytest.param(80, marks=OTHERS), pytest.param(86, marks=OTHERS), 90])
def test_kernels_do_not_spill(capability: int) -> None:
    for kernel, constants, warps, options in jobs():
        used = resources(kernel, constants, warps, capability, **options)
        assert_all_in_registers(used, (kernel, capability))
        assert used["SHARED"] <= SHARED_BYTES[capability]


@compiled
def test_a_token_of_the_walk_takes_as_many_instructions_as_predicted() -> None:
    walks = [job for job in jobs() if job[0] is kernels.mix_chunk]
    for (kernel, constants, warps, options), most in zip(walks, (129, 154), strict=True):
        binary = compile_ahead(kernel, constants, warps, 90, **options)
        assert_instructions(binary, triton_tuning.walk_config(16).tokens, most, special=19)


@compiled
def test_twenty_warps_of_the_walk_fit_on_a_multiprocessor() -> None:
    for kernel, constants, warps, options in jobs():
        if kernel is kernels.mix_chunk:
            registers = resources(kernel, constants, warps, 90, **options)["REG"]
            assert triton_tuning.fitting_warps(registers, warps) >= 20


@pytest.mark.parametrize("n", triton_tuning.STATES)
def test_the_walk_keeps_channels_whole(n: int) -> None:
    config = triton_tuning.walk_config(n)
    assert config.channels * n // (32 * config.warps) in (16, 32)
    assert config.channels % (32 * config.warps) == 0 or n == 64
