"""What only a GPU can show; skipped where there is none, and said so."""

import time

import numpy as np
import pytest
import torch

from bench.core.environment import describe
from bench.core.record import Settings
from bench.networks.engine import Engine, Job
from bench.networks.memory import allocator_peak
from bench.studies.scan.contender import Contender, Variant, cell_inputs, list_variants
from bench.studies.scan.machine import measure_machine
from bench.studies.scan.scan_record import BOTH, FORWARD, Direction, ScanCell, ScanSettings
from models.scan import list_backends, selective_scan
from tests.models.test_scan import make_inputs, relative_error

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
MIB = 2**20


def engine(device: str = "cuda", **settings: object) -> Engine:
    chosen = Settings("cuda", "test", height=64, width=96, scan_backend="chunked", **settings)  # type: ignore[arg-type]
    return Engine(Job("dvmsr", {"channels": 24, "depths": [1]}, None, chosen, device))


def test_allocator_peak_of_a_known_allocation() -> None:
    memory = allocator_peak(lambda: torch.ones(64 * MIB // 4, device="cuda"), torch.device("cuda"))
    assert memory.peak_allocated - memory.before == 64 * MIB
    assert memory.peak_reserved is not None
    assert memory.peak_reserved >= memory.peak_allocated


def test_events_time_a_known_wait() -> None:
    """The GPU counts cycles, of a clock that idles at a fifth of its highest rate and is never above that."""
    subject, cycles = engine(), 200_000_000
    highest_mhz = measure_machine(subject.device).max_clock_mhz
    assert highest_mhz
    begin = time.perf_counter()
    _, ms = subject._timed(lambda: torch.cuda._sleep(cycles))
    assert cycles / highest_mhz / 1e3 <= ms <= (time.perf_counter() - begin) * 1e3


@pytest.mark.parametrize("device", [f"cuda:{i}" for i in range(torch.cuda.device_count())])
def test_graph_replays_the_network_on_its_own_device(device: str) -> None:
    subject = engine(device)
    subject.cold()
    eager = subject.model(subject.fixed)
    subject.capture_graph()
    assert subject.sample() > 0
    assert subject.graph is not None
    assert eager.device == torch.device(device)
    torch.testing.assert_close(subject.model(subject.fixed), eager)


def test_gpu_and_cpu_give_the_same_image() -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 56, 3), dtype=np.uint8)
    torch.manual_seed(0)
    on_gpu = engine().upscale(image)[0].astype(int)
    cpu = Settings("cpu", "test", scan_backend="chunked")
    on_cpu = Engine(Job("dvmsr", {"channels": 24, "depths": [1]}, None, cpu, "cpu")).upscale(image)[0]
    assert np.abs(on_gpu - on_cpu).max() <= 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("backend", list_backends("cuda"))
def test_backends_agree_with_float64(backend: str, dtype: torch.dtype) -> None:
    x = {k: v.cuda() for k, v in make_inputs(2, 24, 16, 3000, torch.float32).items()}
    given = {k: v.to(dtype) if k in ("u", "delta", "B", "C", "z") else v for k, v in x.items()}
    exact = {k: v.double().cpu() for k, v in given.items()}
    expected = selective_scan(**exact, delta_softplus=True, backend="reference")
    got = selective_scan(**given, delta_softplus=True, backend=backend)
    bound = 2e-6 if dtype == torch.float32 else torch.finfo(dtype).eps
    assert relative_error(got.cpu(), expected) < bound


def test_environment_describes_the_gpu() -> None:
    gpu = describe(torch.device("cuda"))["gpu"]
    assert gpu["name"] == torch.cuda.get_device_name()
    assert gpu["multiprocessors"] > 0


@pytest.mark.parametrize("direction", [FORWARD, BOTH])
@pytest.mark.parametrize("variant", list_variants("cuda"), ids=lambda variant: variant.name)
def test_scan_contenders_are_timed_without_their_launches(variant: Variant, direction: Direction) -> None:
    device, cell = torch.device("cuda"), ScanCell(1, 300, direction)
    settings = ScanSettings("cuda", "test", "fp32", 24, 16, None)
    contender = Contender(variant, cell, cell_inputs(cell, settings, device), device)
    contender.build()
    assert contender.cold().ms > 0
    memory = contender.peak_memory()
    assert memory.peak_allocated - memory.before >= contender.result_bytes
    contender.capture_graph()
    if variant.backend != "mamba_ssm":  # which is not ours to mend
        assert (contender.how, contender.not_captured) == ("cuda graph", "")
    assert contender.how == "cuda graph" or contender.not_captured
    assert 0 < contender.sample() < 2 * max(contender.eager_ms)


def test_machine_has_all_that_the_floors_need() -> None:
    machine = measure_machine(torch.device("cuda"))
    assert min(machine.copy_samples_ms) > 0
    assert machine.multiprocessors
    assert machine.max_clock_mhz
    assert machine.lanes
