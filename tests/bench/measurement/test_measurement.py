"""The instruments, each against something of known size: memory, runtime, workers, environment."""

import os
import signal
import time
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import nn

from bench.core.environment import describe
from bench.core.record import Memory, Settings
from bench.measurement.runtime import measure_runtimes
from bench.networks.engine import ColdPass, Engine, Job, convert_precision
from bench.networks.worker import Worker
from models.errors import EsrError
from tests.commands import run

MIB = 2**20
GROWTH_SCRIPT = """
import torch
from bench.networks.memory import resident_growth
torch.ones(10).sum()
free = torch.ones({ballast} * 2**18)  # held and freed before: must not hide what follows
del free
def work():
    kept = torch.ones({megabytes} * 2**18)
    del kept
    torch.ones(2**18)
print(resident_growth(work).peak_allocated)
"""


@pytest.mark.parametrize("ballast", [1, 300])
@pytest.mark.parametrize("megabytes", [64, 256])
def test_memory_of_a_known_allocation(megabytes: int, ballast: int) -> None:
    script = GROWTH_SCRIPT.format(megabytes=megabytes, ballast=ballast)
    done = run("-c", script)
    assert int(done.stdout) / MIB == pytest.approx(megabytes, abs=6)


class FakeWorker:
    """A network whose passes take the times it is told, without taking them."""

    def __init__(
        self, name: str, log: list[str], clock: "FakeClock", seconds: float, fails_at: int = -1, cold_s: float = 0
    ) -> None:
        self.name, self.log, self.clock, self.seconds, self.fails_at = name, log, clock, seconds, fails_at
        self.cold_s = cold_s or 3 * seconds

    def build(self) -> None:
        self.log.append(f"{self.name} build")

    def cold(self) -> ColdPass:
        self.clock.now += self.cold_s
        self.log.append(f"{self.name} cold")
        return ColdPass(1e3 * self.cold_s, Memory("fake", 1, None, 0))

    def environment(self) -> dict[str, object]:
        return {}

    def sample(self) -> float:
        self.log.append(f"{self.name} sample")
        if len([entry for entry in self.log if entry.startswith(self.name)]) == self.fails_at:
            raise EsrError(f"{self.name}: out of memory")
        self.clock.now += self.seconds
        return 1e3 * self.seconds

    def peak_memory(self) -> Memory:
        return Memory("fake", 1, None, 0)

    def capture_graph(self) -> None:
        self.log.append(f"{self.name} graph")


class FakeClock:
    now = 0.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeClock]:
    fake = FakeClock()
    monkeypatch.setattr(time, "monotonic", lambda: fake.now)
    return fake


def timed(workers: list[FakeWorker], runs: int, budget_s: float, device: str = "cpu", graph: bool = False) -> list:
    return measure_runtimes(workers, device, runs, budget_s, graph, lambda worker, kind: None, lambda line: None)  # type: ignore[arg-type]


def test_samples_are_interleaved_and_the_cold_pass_is_apart(clock: FakeClock) -> None:
    log: list[str] = []
    a, b = timed([FakeWorker("a", log, clock, 0.1), FakeWorker("b", log, clock, 0.2)], runs=3, budget_s=60)
    assert log[:5] == ["a build", "a cold", "b build", "b cold", "a sample"]
    assert log[-6:] == ["a sample", "b sample"] * 3
    assert a.cold_ms == pytest.approx(300)
    assert a.warmup_ms == a.samples_ms == pytest.approx([100] * 3)
    assert b.runtime(3, ["a"]).interrupted == ""
    assert b.runtime(3, ["a"]).interleaved_with == ["a"]


@pytest.mark.parametrize("cold_s", [1.0, 3.9, 60.0])
def test_compiling_does_not_eat_the_budget_of_a_gpu(clock: FakeClock, cold_s: float) -> None:
    log: list[str] = []
    workers = [FakeWorker("dvmsr", log, clock, 0.0018, cold_s=cold_s), FakeWorker("rlfn", log, clock, 0.0008)]
    for one in timed(workers, runs=300, budget_s=4, device="cuda", graph=True):
        assert len(one.warmup_ms) == 20
        assert len(one.samples_ms) == 300
        assert one.runtime(300, []).interrupted == ""
    assert log[:5] == ["dvmsr build", "dvmsr cold", "rlfn build", "rlfn cold", "dvmsr sample"]  # none cools meanwhile
    assert log.index("dvmsr graph") == 24


def test_a_gpu_is_warmed_up_for_as_long_as_its_budget_at_most(clock: FakeClock) -> None:
    (slow,) = timed([FakeWorker("s", [], clock, 1.5, cold_s=30)], runs=300, budget_s=4, device="cuda")
    assert (len(slow.warmup_ms), len(slow.samples_ms)) == (2, 2)
    (slower,) = timed([FakeWorker("s", [], clock, 100.0)], runs=300, budget_s=4, device="cuda")
    assert (len(slower.warmup_ms), len(slower.samples_ms)) == (1, 1)


def test_time_budget_is_kept_by_each_network(clock: FakeClock) -> None:
    log: list[str] = []
    slow, quick = timed([FakeWorker("s", log, clock, 2.5), FakeWorker("q", log, clock, 0.1)], runs=50, budget_s=20)
    assert len(slow.warmup_ms) == 1  # 7.5 s of cold pass are over the share for warming up; one pass is made anyway
    assert len(slow.samples_ms) == 4  # 7.5 + 2.5 + 4 * 2.5 = 20 s
    assert slow.spent_s <= 20
    assert len(quick.samples_ms) == 50
    assert "4 of 50 samples" in slow.runtime(50, []).interrupted
    assert "about 125 s" in slow.runtime(50, []).interrupted
    # The few samples of the slow one are spread over the time of the quick one.
    turns = [i for i, entry in enumerate(log[-54:]) if entry == "s sample"]
    assert turns == pytest.approx([12, 26, 39, 52], abs=2)


def test_a_network_too_slow_to_be_warmed_up_says_so(clock: FakeClock) -> None:
    (one,) = timed([FakeWorker("s", [], clock, 5.0)], runs=50, budget_s=20)
    assert one.warmup_ms == []
    assert one.runtime(50, []).interrupted.startswith("not warmed up")


def test_at_least_one_sample_whatever_the_budget(clock: FakeClock) -> None:
    (one,) = timed([FakeWorker("s", [], clock, 100.0)], runs=50, budget_s=1)
    assert len(one.samples_ms) == 1


def test_a_failing_network_does_not_stop_the_others(clock: FakeClock) -> None:
    log: list[str] = []
    bad, good = timed([FakeWorker("b", log, clock, 0.1, fails_at=7), FakeWorker("g", log, clock, 0.1)], 5, 60)
    assert "out of memory" in bad.error
    assert len(good.samples_ms) == 5


def job(**settings: object) -> Job:
    return Job("rlfn_ntire", {}, None, Settings("cpu", "test", height=24, width=32, **settings), "cpu")  # type: ignore[arg-type]


def test_worker_answers_like_the_engine_itself() -> None:
    image = np.random.default_rng(0).integers(0, 256, (20, 24, 3), dtype=np.uint8)
    with Worker(job()) as worker:
        cold = worker.cold()
        assert cold.ms > worker.sample() > 0
        assert cold.memory
        assert cold.memory.peak_allocated > 0
        assert cold.memory.before > 50 * MIB  # a process with PyTorch in it
        upscaled, ms = worker.upscale(image)
    assert ms > 0
    assert np.array_equal(upscaled, Engine(job()).upscale(image)[0])


def test_a_killed_worker_is_one_clear_line() -> None:
    with Worker(job()) as worker:
        worker.build()
        assert worker._process.pid
        os.kill(worker._process.pid, signal.SIGKILL)
        with pytest.raises(
            EsrError, match=r"^rlfn_ntire: its process died \(killed by the system.*smaller --input-size"
        ):
            worker.sample()


def test_out_of_memory_is_advice() -> None:
    huge = Job("bicubic", {}, None, Settings("cpu", "test", height=400_000, width=400_000), "cpu")
    with Worker(huge) as worker, pytest.raises(EsrError, match=r"out of memory; try a smaller --input-size"):
        worker.build()


def test_options_of_the_engine_change_the_pass_and_not_the_image() -> None:
    image = np.random.default_rng(0).integers(0, 256, (20, 24, 3), dtype=np.uint8)
    plain = Engine(job()).upscale(image)[0].astype(int)
    for options in ({"channels_last": True}, {"threads": 1}):
        assert np.abs(Engine(job(**options)).upscale(image)[0] - plain).max() <= 1
    torch.set_num_threads(os.cpu_count() or 1)
    half = np.abs(Engine(job(precision="bf16")).upscale(image)[0] - plain)
    assert 0 < half.max() <= 8


def test_precision_keeps_what_a_module_asks_for() -> None:
    class Sensitive(nn.Module):
        keep_float32 = ("a",)

        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Parameter(torch.ones(1)), nn.Parameter(torch.ones(1))
            self.register_buffer("i", torch.ones(1, dtype=torch.long))

    model = convert_precision(Sensitive(), torch.bfloat16)
    assert [t.dtype for t in (model.a, model.b, model.i)] == [torch.float32, torch.bfloat16, torch.long]


class Misbehaves(nn.Module):
    def __init__(self, what: str) -> None:
        super().__init__()
        self.what = what

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = x.repeat(1, 1, 4, 4)
        return y[..., :-1] if self.what == "size" else y / 0


@pytest.mark.parametrize(("what", "message"), [("size", r"returned \(1, 3, 32, 39\)"), ("nan", "NaN or infinite")])
def test_a_network_that_misbehaves(what: str, message: str) -> None:
    engine = Engine(job())
    engine.model = Misbehaves(what)
    with pytest.raises(EsrError, match=message):
        engine.upscale(np.ones((8, 10, 3), dtype=np.uint8))


def test_environment_is_complete_and_plain() -> None:
    environment = describe(torch.device("cpu"))
    assert environment["packages"]["torch"] == torch.__version__
    assert environment["gpu"] is None
    assert environment["threads"] == torch.get_num_threads()
    assert len(environment["git_commit"]) == 40
    assert environment["git_dirty"] in (True, False)
    assert not [value for value in map(str, environment.values()) if os.getcwd() in value]
