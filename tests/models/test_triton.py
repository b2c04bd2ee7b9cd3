"""The Triton backend without a GPU: under the interpreter, compiled ahead of time, and the rules of its tuner."""

from typing import Any

import pytest

triton = pytest.importorskip("triton")

from triton.backends.compiler import GPUTarget  # noqa: E402
from triton.compiler import ASTSource  # noqa: E402

from gpu.dry.driver import CUOBJDUMP, loop_instructions, resource_usage  # noqa: E402
from models.scan import triton_adjoint as adjoint  # noqa: E402
from models.scan import triton_kernels as kernels  # noqa: E402
from models.scan import triton_scan  # noqa: E402
from models.scan import triton_tuning as tuning  # noqa: E402
from tests.models.triton_interpreter import run_interpreted  # noqa: E402

D, B_T, Z_T = 120, 36, 240  # DVMSR's channels, and the token strides of its B, C and z
STRIDES = {"d": D, "u_t": D, "delta_t": D, "grad_t": D, "B_t": B_T, "C_t": B_T, "z_t": Z_T}

compiled = pytest.mark.skipif(
    tuning.INTERPRETED or not CUOBJDUMP.exists(), reason="the interpreter is on, or there is no NVIDIA tool in triton"
)


@pytest.mark.slow("the GPU kernels in Triton's interpreter")
def test_under_the_interpreter() -> None:
    run_interpreted("tests/models/interpreted_triton.py")


def compile_ahead(kernel: Any, constants: dict[str, Any], warps: int, capability: int, **options: Any) -> bytes:
    """The binary that the launcher would make, all pointers to float32."""
    constants = {**STRIDES, "GROUPS": 1, **constants}
    names = kernel.arg_names
    integers = {"length", "padded", "rows", "tokens", "chunks", "bucket", "batch", "A_d", "A_n"}
    is_integer = {name: name in integers or name.endswith(("_b", "_g")) for name in names}
    kinds = {n: "i32" if is_integer[n] else "fp32" if n == "epsilon" else "*fp32" for n in names}
    signature = {n: "constexpr" if n in constants else kinds[n] for n in names}
    fixed = {(names.index(k),): v for k, v in constants.items() if k in names}
    aligned = {(i,): [["tt.divisibility", 16]] for i, n in enumerate(names) if signature[n] == "*fp32"}
    source = ASTSource(kernel, signature, fixed, aligned)
    options = {"num_warps": warps, **options}
    binary = triton.compile(source, target=GPUTarget("cuda", capability, 32), options=options)
    return bytes(binary.asm["cubin"])


def resources(kernel: Any, constants: dict[str, Any], warps: int, capability: int, **options: Any) -> dict[str, int]:
    """What cuobjdump says of the registers and memory used."""
    return resource_usage(compile_ahead(kernel, constants, warps, capability, **options))


def assert_instructions(binary: bytes, tokens: int, most: float, special: float) -> None:
    """Of a loop over `tokens` tokens: at most so many instructions a token and warp, so many special functions."""
    loop = loop_instructions(binary)
    assert sum(name.startswith("MUFU") for name in loop) == special * tokens
    assert 0 < len(loop) <= most * tokens


def passes(n: int, config: tuning.Config) -> list[dict[str, Any]]:
    """The constants of the first pass and of the last."""
    shared = {"N": n, "ALIGN": 16, "SOFTPLUS": True, "DB": config.channels, "U": config.tokens}
    return [{**shared, "out": None, "start": None, "D": None, "z": None}, {**shared, "end": None, "total": None}]


def assert_all_in_registers(used: dict[str, int], what: object) -> None:
    assert used["STACK"] == used["LOCAL"] == 0, (what, used)


@pytest.mark.slow("the GPU kernels compiled for three generations")
@compiled
@pytest.mark.parametrize("n", tuning.STATES)
def test_every_configuration_keeps_the_state_in_registers(n: int) -> None:
    for config in tuning.forward_configs(n):
        for constants in passes(n, config):
            used = resources(kernels.scan_chunk, constants, config.warps, 90)
            assert_all_in_registers(used, (n, config))
            if n < 64:
                assert not used["SHARED"], (n, config)  # nothing moves between threads


@compiled
@pytest.mark.parametrize(("last", "most", "special"), [(False, 193, 34), (True, 286, 38)])
def test_a_token_takes_as_many_instructions_as_predicted(last: bool, most: float, special: float) -> None:
    config = tuning.forward_configs(16)[0]  # of a warp, two channels a thread
    binary = compile_ahead(kernels.scan_chunk, passes(16, config)[last], config.warps, 90)
    assert_instructions(binary, config.tokens, most, special)


@compiled
@pytest.mark.parametrize(("n", "capability"), [(16, 80), (16, 86), *((n, 90) for n in tuning.STATES)])
@pytest.mark.slow("the GPU kernels compiled for three generations")
def test_kernels_do_not_spill(n: int, capability: int) -> None:
    config = tuning.forward_configs(n)[0]
    layout = {"N": n, "ALIGN": 16, "DB": config.channels, "U": config.tokens}
    jobs = [(kernels.scan_chunk, c, config.warps, {}) for c in passes(n, config) if capability < 90]
    jobs += [(adjoint.adjoint_chunk, layout, config.warps, {})]
    carry = {"N": n, "REVERSE": True, "KB": triton_scan.CARRY_CHUNKS, "JB": triton_scan.CARRY_STATES}
    jobs += [(kernels.carry_chunks, carry, 4, {})]
    last = {"N": n, "CR": tuning.HELD_CHANNELS, "S": tuning.SEGMENT}
    jobs += [(adjoint.scan_chunk_backward, last, 1, {"maxnreg": tuning.BACKWARD_REGISTERS})]
    if n == 16:
        tile = {"SOFTPLUS": True, "R": triton_scan.TOKEN_TILE, "DB": triton_scan.CHANNEL_TILE}
        jobs += [(adjoint.activate, tile, 4, {}), (adjoint.activate_backward, tile, 4, {})]
    for kernel, constants, warps, options in jobs:
        assert_all_in_registers(resources(kernel, constants, warps, capability, **options), kernel)


@compiled
@pytest.mark.slow("the GPU kernels compiled for three generations")
def test_groups_cost_no_registers_in_memory() -> None:
    config = tuning.forward_configs(16)[0]
    grouped = {"N": 16, "ALIGN": 16, "GROUPS": 4, "d": 4 * 96, "DB": config.channels, "U": config.tokens}
    jobs = [(kernels.scan_chunk, {**c, **grouped}, config.warps, {}) for c in passes(16, config)]
    jobs += [(adjoint.adjoint_chunk, grouped, config.warps, {})]
    last = {"N": 16, "GROUPS": 4, "d": 4 * 96, "CR": tuning.HELD_CHANNELS, "S": tuning.SEGMENT}
    jobs += [(adjoint.scan_chunk_backward, last, 1, {"maxnreg": tuning.BACKWARD_REGISTERS})]
    for kernel, constants, warps, options in jobs:
        assert_all_in_registers(resources(kernel, constants, warps, 90, **options), kernel)


@compiled
def test_default_layout_fills_a_multiprocessor() -> None:
    config = tuning.forward_configs(16)[0]
    for constants in passes(16, config):
        registers = resources(kernels.scan_chunk, constants, config.warps, 90)["REG"]
        assert tuning.fitting_warps(registers, config.warps) >= tuning.WARPS_PER_MULTIPROCESSOR


@pytest.mark.parametrize(("registers", "warps", "fitting"), [
    (128, 2, 16), (129, 2, 12), (168, 2, 12), (169, 2, 8), (166, 8, 8), (208, 1, 8), (255, 1, 8), (104, 4, 16),
])  # fmt: skip
def test_warps_that_fit_into_the_registers(registers: int, warps: int, fitting: int) -> None:
    assert tuning.fitting_warps(registers, warps) == fitting


@pytest.mark.parametrize("n", tuning.STATES)
def test_configurations_keep_channels_whole(n: int) -> None:
    configs = tuning.forward_configs(n)
    assert len(set(configs)) == len(configs)
    for channels, warps, tokens in configs:
        assert channels * n // (32 * warps) in (16, 32)
        assert channels % (32 * warps) == 0 or n == 64
        assert tokens in (2, 4)


def test_chunks_fill_the_gpu_once() -> None:
    def chunks(batch: int, length: int, d: int = 120, n: int = 16, multiprocessors: int = 132) -> int:
        tokens = tuning.plan_chunks(batch, d, n, length, multiprocessors)
        assert 1 <= tokens <= length
        return -(-length // tokens)

    assert tuning.plan_chunks(1, 120, 16, 65536, 132) == 64
    assert chunks(1, 65536) == 1024  # of two warps: 2048 for 2112 places
    assert 900 < chunks(1, 173_056) <= 1056
    assert 1000 < chunks(1, 1_000_000) <= 1056
    assert chunks(1, 1000) == 63  # at least 16 tokens each
    assert chunks(1, 1) == 1
    assert chunks(16, 4096) == 64
    assert chunks(64, 4096) == 16
    assert tuning.plan_chunks(1, 120, 16, 65536, 132, at_once=660) == 100
    assert tuning.plan_chunks(2, 120, 16, 65536, 132, at_once=660) == 200
    assert chunks(264, 4096) == 1  # four warps a multiprocessor and no second pass
    assert chunks(1, 65536, multiprocessors=16) == 128
