"""A network in training, in a process of its own: forward pass, L1 loss, backward pass, Adam."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F

from bench.core.clock import clocked
from bench.core.environment import describe
from bench.core.record import Memory
from bench.networks.engine import ColdPass
from bench.networks.memory import allocator_peak, keep_freed_memory, resident_growth
from bench.networks.worker import RemoteContestant
from bench.studies.step.step_record import StepSettings
from models import create_model, get_spec

OUT_OF_MEMORY = "out of memory; try a smaller --batch or --patch"


@dataclass(frozen=True)
class StepJob:
    """What to build; everything the process needs to know."""

    settings: StepSettings
    backend: str
    batch: int
    device: str


class Training:
    """Lives in the process; its public methods are the requests of `StepContender`."""

    def __init__(self, job: StepJob) -> None:
        s, self.device = job.settings, torch.device(job.device)
        if s.threads:
            torch.set_num_threads(s.threads)
        if self.device.type == "cuda":
            torch.cuda.set_device(self.device)
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = s.precision == "tf32"
        self.autocast = s.precision == "bf16"
        torch.manual_seed(0)
        options = {**s.options, "scan_backend": job.backend} if get_spec(s.model).scan else s.options
        self.model = create_model(s.model, **options).to(self.device).train()
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=2e-4, betas=(0.9, 0.99))
        scale = get_spec(s.model).scale
        self.lr = torch.rand(job.batch, 3, s.patch, s.patch, device=self.device)
        self.hr = torch.rand(job.batch, 3, scale * s.patch, scale * s.patch, device=self.device)

    def cold(self) -> ColdPass:
        """The first step; on a CPU with its memory."""
        if self.device.type == "cuda":
            return ColdPass(self.sample(), None)
        times: list[float] = []
        memory = resident_growth(lambda: times.append(self.sample()))
        keep_freed_memory()
        return ColdPass(times[0], memory)

    def sample(self) -> float:
        """Milliseconds of one step."""
        return clocked(self._step, self.device)[1]

    def peak_memory(self) -> Memory:
        """Allocator peak of one step; GPU only."""
        return allocator_peak(self._step, self.device)

    def environment(self) -> dict[str, Any]:
        """What this process runs in, now."""
        return describe(self.device)

    def _step(self) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.autocast):
            loss = F.l1_loss(self.model(self.lr), self.hr)
        loss.backward()
        self.optimizer.step()


class StepContender(RemoteContestant):
    """The parent's handle; its passes are training steps, which no graph captures."""

    def __init__(self, job: StepJob) -> None:
        build: Callable[[], object] = functools.partial(Training, job)
        super().__init__(f"{job.backend}, batch {job.batch}", build, OUT_OF_MEMORY)
        self.job = job
