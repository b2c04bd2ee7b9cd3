"""How the Triton kernels are launched, with a driver that compiles them for a GPU and launches nothing."""

from collections.abc import Iterator

import pytest
import torch

triton = pytest.importorskip("triton")

from bench.networks.engine import convert_precision  # noqa: E402
from gpu.dry.cuda import disguised  # noqa: E402
from gpu.dry.driver import CUOBJDUMP, Seen  # noqa: E402
from models.dvmsr import ViMM  # noqa: E402
from models.errors import EsrError  # noqa: E402
from models.scan import selective_scan, triton_tuning  # noqa: E402
from models.scan import triton_adjoint as adjoint  # noqa: E402
from models.scan import triton_kernels as kernels  # noqa: E402
from models.scan import triton_mixer_kernels as mixer  # noqa: E402
from tests.models.test_scan import make_inputs  # noqa: E402

pytestmark = pytest.mark.skipif(
    triton_tuning.INTERPRETED or not CUOBJDUMP.exists(), reason="the interpreter is on, or there is no NVIDIA tool"
)


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[Seen]:
    """As in a new process: nothing is tuned and no binary is loaded."""
    monkeypatch.setattr(triton_tuning, "_choices", {})
    monkeypatch.setattr(triton_tuning, "_fitting", {})
    _forget()
    with disguised() as seen:
        yield seen
    _forget()


def _forget() -> None:
    triton_tuning._tuned_scan.cache_clear()
    for kernel in (kernels.scan_chunk, kernels.carry_chunks, adjoint.scan_chunk_backward, mixer.mix_chunk):
        kernel.device_caches.clear()


def scan(length: int = 4096, n: int = 16) -> torch.Tensor:
    x = {k: v.cuda() for k, v in make_inputs(1, 120, n, length, torch.float32).items()}
    return selective_scan(**x, delta_softplus=True, backend="triton")


@pytest.mark.parametrize("tuned", [True, False])
def test_a_capture_launches_what_ran_before_and_loads_nothing(
    gpu: Seen, tuned: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(triton_tuning.TUNE_VARIABLE, "1" if tuned else "0")
    scan()
    scan()
    before = [launch.grid for launch in gpu.launches[-3:]]
    loaded = len(gpu.loads)
    with torch.cuda.graph(torch.cuda.CUDAGraph()):
        scan()
    captured = [launch for launch in gpu.launches if launch.captured]
    assert [launch.kernel for launch in captured] == ["scan_chunk", "carry_chunks", "scan_chunk"]
    assert [launch.grid for launch in captured] == before
    assert len(gpu.loads) == loaded


def test_a_scan_is_tuned_once(gpu: Seen) -> None:
    scan()
    tuned, launches = gpu.benchmarks, len(gpu.launches)
    assert tuned == 2 * len(triton_tuning.forward_configs(16))
    scan(4095)  # another size of the same power of two
    assert gpu.benchmarks == tuned
    assert len(gpu.launches) == launches + 3


def test_a_capture_that_begins_with_a_new_scan_is_one_clear_error(gpu: Seen) -> None:
    with (
        torch.cuda.graph(torch.cuda.CUDAGraph()),
        pytest.raises(EsrError, match=r"run it once before \(.*not permitted when stream is capturing"),
    ):
        scan()


def grids(seen: Seen, kernel: str) -> set[int]:
    return {launch.grid[0] for launch in seen.launches if launch.kernel == kernel}


def test_the_backward_has_as_many_programs_as_fit(gpu: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(triton_tuning.TUNE_VARIABLE, "0")
    x = {k: v.requires_grad_() for k, v in make_inputs(1, 120, 16, 40_000, torch.float32).items()}
    selective_scan(**x, delta_softplus=True, backend="triton").sum().backward()
    assert grids(gpu, "scan_chunk_backward") == {8 * 132}  # of one warp each with 208 registers
    assert gpu.loads.count("scan_chunk_backward") == 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_chunks_of_the_fused_mixer_are_no_more_than_fit(gpu: Seen, dtype: torch.dtype) -> None:
    block = ViMM(60, skip=False, bidirectional=False, scan_backend="triton", fused=True)
    with torch.no_grad():
        convert_precision(block, dtype)(torch.rand(1, 65_536, 60).to(dtype))
    (chunks,) = grids(gpu, "mix_chunk")
    assert 0.9 * 660 < chunks <= 660  # 20 warps on each of 132 multiprocessors, in blocks of four
    assert gpu.loads.count("mix_chunk") == 2
