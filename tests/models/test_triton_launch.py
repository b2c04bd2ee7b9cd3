"""How the Triton kernels are launched, with a driver that compiles them for a GPU and launches nothing."""

from collections.abc import Iterator

import pytest
import torch

triton = pytest.importorskip("triton")

from gpu.dry.cuda import disguised  # noqa: E402
from gpu.dry.driver import CUOBJDUMP, Seen  # noqa: E402
from models.errors import EsrError  # noqa: E402
from models.scan import selective_scan, triton_tuning  # noqa: E402
from models.scan import triton_kernels as kernels  # noqa: E402
from tests.models.test_scan import make_inputs  # noqa: E402

pytestmark = pytest.mark.skipif(
    triton_tuning.INTERPRETED or not CUOBJDUMP.exists(), reason="the interpreter is on, or there is no NVIDIA tool"
)


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[Seen]:
    """As in a new process: nothing is tuned and no binary is loaded."""
    monkeypatch.setattr(triton_tuning, "_choices", {})
    _forget()
    with disguised() as seen:
        yield seen
    _forget()


def _forget() -> None:
    triton_tuning._tuned_scan.cache_clear()
    for kernel in (kernels.scan_chunk, kernels.carry_chunks):
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
