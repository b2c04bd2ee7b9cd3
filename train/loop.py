"""A training run from its configuration to its exported network: resumable to the bit, and stopped without loss.

accelerate places the network, averages gradients over processes and scales losses in half precision; what is computed
depends on the configuration alone, not on how many processes or workers compute it.
"""

import contextlib
import copy
import datetime
import signal
import time
from bisect import bisect_right
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import psutil
import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from bench.core.environment import describe, device_name, now
from bench.core.progress import Step, step
from bench.core.training_record import Export, LossPoint, Score, TrainingRecord, write_training
from bench.networks.external.own import without_folders
from models.cache import sha256_of
from models.errors import EsrError
from models.weights import pack_weights
from train.checkpoint import State, held, list_checkpoints, load_last, save_checkpoint, write_atomically
from train.config import Config, write_yaml
from train.data import Patches, Share, make_loader, make_patches
from train.finished import computed, named_safely
from train.log import RunLog
from train.networks import build_objective, count_parameters, student
from train.randomness import random_state, set_random_state
from train.store import resolve_names
from train.validate import Scores, validate, validate_bicubic, validation_sets

EXPORT = "weights.safetensors"
HOW_IT_RUNS = ("scan_backend", "fused")  # options of a network that its weights do not depend on
NEWS_S = 30.0  # between two lines in a log
Tell = Callable[[str], None]


class StoppedError(Exception):
    """The run was asked to stop by a signal; what it did is saved."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


class Run:
    """One run, set up. Raises EsrError for a configuration that cannot be met; nothing is written before that."""

    def __init__(self, config: Config, resume: bool, tell: Tell) -> None:
        config = replace(config, data=replace(config.data, hr=resolve_names(config.data.hr)))
        self.config, self.tell = config, tell
        torch.manual_seed(config.seed)
        if config.threads:
            torch.set_num_threads(config.threads)
        if config.device == "cuda" and not torch.cuda.is_available():
            raise EsrError("device is cuda, and no CUDA device is available here; use device: cpu or auto")
        mixed = None if config.precision == "no" else config.precision
        self.accelerator = Accelerator(
            mixed_precision=mixed,
            cpu=config.device == "cpu",
            gradient_accumulation_steps=config.accumulate,
            # Only the first process's buffers are kept, so the others need not have them.
            kwargs_handlers=[DistributedDataParallelKwargs(broadcast_buffers=False)],
        )
        a = self.accelerator
        self.main, self.device = a.is_main_process, a.device
        if config.precision == "fp16" and self.device.type == "cpu":
            raise EsrError("precision fp16 needs a CUDA device; use bf16 or no")
        self.share = Share(config.batch, config.accumulate, a.process_index, a.num_processes)
        started = list_checkpoints(config.folder)
        if started and not resume:
            raise EsrError(
                f"{config.folder} holds a run at step {started[0].step}; go on with --resume, or choose another --name"
            )
        with a.main_process_first():  # the others find the images decoded
            self.patches: Patches = make_patches(config.data, config.seed)
        self.datasets = validation_sets(config.validation)
        lr, _ = self.patches[0]
        self.student = student(config)
        objective = build_objective(config, self.student, lr[None, :, :16, :16].float() / 255).to_device(self.device)
        self.optimizer = self._make_optimizer(objective)
        self.ema = None
        if config.ema:
            self.ema = AveragedModel(objective.model, multi_avg_fn=get_ema_multi_avg_fn(config.ema))
        self.plain = objective
        self.objective, self.prepared = a.prepare(objective, self.optimizer)
        self.done = 0
        self.record = self._new_record()
        if resume and (state := load_last(config.folder, tell)):
            self._restore(state)
            tell(f"{config.name}: resumed at step {self.done:,} of {config.steps:,}")
        elif resume:
            tell(f"{config.name}: no checkpoint yet, starting from the beginning")
        self.signalled = 0

    # ---- the loop -----------------------------------------------------------------------------------------------

    def train(self) -> TrainingRecord:
        """Train to the last step, then validate and export.

        Raises:
            StoppedError: after SIGTERM or Ctrl-C, with everything saved.
            EsrError: for a loss that is not finite (the last checkpoint is from before), or a full disk.
        """
        with held(self.config.folder) if self.main else contextlib.nullcontext():
            return self._train()

    def _train(self) -> TrainingRecord:
        c = self.config
        if self.main:
            for part in c.folder.glob(".*.part"):  # which a killed process left
                part.unlink(missing_ok=True)
            write_atomically(c.folder / "config.yaml", write_yaml(c).encode())
            self.record.bicubic = self.record.bicubic or validate_bicubic(self.datasets)
        before = self._catch_signals()
        try:
            with RunLog(c.folder if self.main else None, self.done) as log, step(c.name, c.steps) as progress:
                progress.reach(self.done)
                self._steps(log, progress if self.main else None)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        if self.main and not self.record.finished:
            self._finish()
        self.accelerator.wait_for_everyone()
        return self.record

    def _steps(self, log: RunLog, progress: Step | None) -> None:
        c = self.config
        loader = make_loader(self.patches, self.share, self.done, c.steps, c.data.workers)
        batches, pending = iter(loader), deque[tuple[int, dict[str, Tensor]]]()
        sums: dict[str, float] = {}
        clock = news = time.monotonic()

        def drain(most: int) -> None:
            # Reading a loss waits for the GPU; one step behind, it does not have to.
            while len(pending) > most:
                number, losses = pending.popleft()
                for name, value in losses.items():
                    sums[name] = sums.get(name, 0.0) + self._finite(number, value)

        while self.done < c.steps:
            pending.append((self.done, self._one_step(batches)))
            self.done += 1
            drain(1)
            stop = self._asked_to_stop()
            at_log = self.done % c.log_every == 0 or self.done == c.steps
            at_score = (bool(c.validation.every) and self.done % c.validation.every == 0) or self.done == c.steps
            at_save = self.done % c.save_every == 0 or self.done == c.steps or bool(stop)
            if at_log or at_score or at_save:
                drain(0)
                self.record.seconds += time.monotonic() - clock
                self.record.steps = self.done
            if at_log:
                self._log(log, sums)
                sums.clear()
            best = self._score(log) if at_score else False
            if at_save:
                self._save(best)
            if at_log or at_score or at_save:
                clock = time.monotonic()
            if progress:
                progress.reach(self.done)
                if at_log or at_score:
                    progress.describe(self._text())
                if time.monotonic() - news > NEWS_S:
                    news = time.monotonic()
                    self.tell(f"{self._text()}, {self._eta()}")
            if stop:
                raise StoppedError(stop)

    def _one_step(self, batches: Any) -> dict[str, Tensor]:
        """All parts of one optimiser step; the losses as means over them."""
        c, a, sums = self.config, self.accelerator, dict[str, Tensor]()
        self.plain.model.train()
        rate = learning_rate(c, self.done)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        for _ in range(c.accumulate):
            lr, hr = next(batches)
            with a.accumulate(self.objective):
                losses = self.objective(*(x.to(self.device, non_blocking=True).float().div_(255) for x in (lr, hr)))
                a.backward(losses["loss"])
                if a.sync_gradients:
                    self._clip(rate)
                self.prepared.step()
                self.prepared.zero_grad()
            for name, value in losses.items():
                sums[name] = sums.get(name, 0.0) + value.detach() / c.accumulate
        if self.ema:
            self.ema.update_parameters(self.plain.model)
        return sums

    def _clip(self, rate: float) -> None:
        o, parameters = self.config.optimizer, self.plain.parameters()
        if o.clip_norm:
            self.accelerator.clip_grad_norm_(parameters, o.clip_norm)
        elif o.clip_by_lr:
            self.accelerator.clip_grad_value_(parameters, o.clip_by_lr / rate)

    def _finite(self, number: int, value: Tensor) -> float:
        loss = float(value)
        if np.isfinite(loss):
            return loss
        first = number * self.config.batch
        names = dict.fromkeys(self.patches.name_of(i) for i in range(first, first + self.config.batch))
        kept = list_checkpoints(self.config.folder)
        where = f"the last good checkpoint is of step {kept[0].step}" if kept else "there is no checkpoint yet"
        raise EsrError(
            f"the loss is {loss} in step {number + 1} (patches {first} to {first + self.config.batch - 1}, of "
            f"{', '.join(list(names)[:6])}{' ...' if len(names) > 6 else ''}); {where}. Lower optimizer.lr, or set "
            "optimizer.clip_norm, and go on with --resume"
        )

    # ---- signals ------------------------------------------------------------------------------------------------

    def _catch_signals(self) -> dict[int, Any]:
        def note(number: int, frame: Any) -> None:
            if self.signalled:  # a second one does not wait for the step to end
                raise KeyboardInterrupt
            self.signalled = number

        return {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}

    def _asked_to_stop(self) -> int:
        """The signal that came, in all processes after the same step."""
        if self.accelerator.num_processes == 1:
            return self.signalled
        flag = torch.tensor([self.signalled], device=self.device)
        return int(self.accelerator.gather(flag).max())

    # ---- validation, logs, checkpoints, export ------------------------------------------------------------------

    @property
    def code(self) -> str:
        """Checksum of the network's code, where it is the user's own; else ""."""
        return self.student.source.code_sha256 if self.student.source else ""

    @property
    def averaged(self) -> torch.nn.Module:
        """The network to validate and export: with averaged weights where there are any."""
        module: torch.nn.Module = self.ema.module if self.ema else self.plain.model
        return module

    def _score(self, log: RunLog) -> bool:
        """Validate; whether this is the best so far."""
        self.accelerator.wait_for_everyone()
        if not self.main:
            return False
        best = max((s.y_db for s in self._first_scores()), default=-np.inf)
        network = self.averaged
        if self.student.source:  # it may merge for good what it goes on training
            network = copy.deepcopy(network)
        whole = self.student.whole(network)
        found: Scores = validate(whole, self.student.spec, self.datasets, self.done, self.device)
        self.record.scores = [s for s in self.record.scores if s.step != self.done] + found.scores
        self.record.validation_seconds += found.seconds
        log.scores(found.scores)
        texts = [f"{s.dataset} {s.y_db:.3f} dB, SSIM {s.ssim_y:.4f}" for s in found.scores]
        self.tell(f"{self.config.name}: step {self.done:,}: {'; '.join(texts)}")
        return found.scores[0].y_db > best

    def _first_scores(self) -> list[Score]:
        return [s for s in self.record.scores if self.datasets and s.dataset == self.datasets[0].name]

    def _log(self, log: RunLog, sums: dict[str, float]) -> None:
        if not self.main:
            return
        count = self.done - (self.record.losses[-1].step if self.record.losses else 0)
        means = {name: value / max(1, count) for name, value in sums.items()}
        point = LossPoint(self.done, means, learning_rate(self.config, self.done - 1))
        self.record.losses.append(point)
        self.record.peak_memory = self._peak_memory()
        log.losses(point, self.record.patches_per_second or 0.0)

    def _peak_memory(self) -> int:
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated(self.device)
        usage = psutil.Process().memory_info()
        return int(getattr(usage, "peak_wset", usage.rss))

    def _text(self) -> str:
        last = self.record.losses[-1] if self.record.losses else None
        loss = f"loss {last.losses['loss']:.5f}, lr {last.lr:.1e}, " if last else ""
        return f"{self.config.name}: step {self.done:,}/{self.config.steps:,}, {loss}" + (
            f"{self.record.patches_per_second:,.1f} patches/s" if self.record.patches_per_second else "starting"
        )

    def _eta(self) -> str:
        if not self.record.steps or not self.record.seconds:
            return "ETA unknown"
        seconds = (self.config.steps - self.done) * self.record.seconds / self.record.steps
        return f"ETA {datetime.timedelta(seconds=round(seconds))}"

    def _save(self, best: bool) -> None:
        self.accelerator.wait_for_everyone()
        if not self.main:
            return
        scaler = self.accelerator.scaler
        state: State = {
            "step": self.done,
            "config": self.config.to_plain(),
            "objective": self.plain.state_dict(),
            "ema": self.ema.state_dict() if self.ema else None,
            "optimizer": self.optimizer.state_dict(),
            "scaler": scaler.state_dict() if scaler else None,
            "random": random_state(),
            "record": asdict(self.record),
            "code": self.code,
        }
        save_checkpoint(self.config.folder, self.done, state, self.config.keep, best)
        write_training(self.record, self.config.folder)

    def _restore(self, state: State) -> None:
        mine, theirs = computed(self.config.to_plain()), computed(state["config"])
        changed = [k for k in mine if mine[k] != theirs.get(k)]
        changed += ["code"] if state.get("code", "") != self.code else []
        if changed:
            raise EsrError(
                f"{self.config.folder} was begun with another {', '.join(changed)}; resume with its config.yaml, "
                "or choose another --name"
            )
        self.plain.load_state_dict(state["objective"])
        if self.ema and state["ema"]:
            self.ema.load_state_dict(state["ema"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.accelerator.scaler and state["scaler"]:
            self.accelerator.scaler.load_state_dict(state["scaler"])
        set_random_state(state["random"])
        self.done = state["step"]
        r = state["record"]
        self.record.losses = [LossPoint(**p) for p in r["losses"]]
        self.record.scores = [Score(**s) for s in r["scores"]]
        self.record.bicubic = [Score(**s) for s in r["bicubic"]]
        for name in ("steps", "seconds", "validation_seconds", "created", "peak_memory"):
            setattr(self.record, name, r[name])
        self.record.resumed = r["resumed"] + 1

    def _finish(self) -> None:
        c, state = self.config, self.averaged.state_dict()
        about = {
            "esr_run": c.name,
            "esr_steps": str(self.done),
            "esr_commit": str(self.record.environment["git_commit"]),
        }
        name = without_folders(c.model.name)
        path = c.folder / EXPORT
        options = {k: v for k, v in c.model.options.items() if k not in HOW_IT_RUNS}
        write_atomically(path, pack_weights(state, name, options, about))
        self.record.export = Export(EXPORT, sha256_of(path))
        self.record.finished = True
        write_training(self.record, c.folder)

    def _make_optimizer(self, objective: torch.nn.Module) -> torch.optim.Optimizer:
        o = self.config.optimizer
        parameters = [p for p in objective.parameters() if p.requires_grad]
        if o.name == "sgd":
            return torch.optim.SGD(parameters, o.lr, momentum=o.betas[0], weight_decay=o.weight_decay)
        return torch.optim.Adam(parameters, o.lr, betas=(o.betas[0], o.betas[1]), weight_decay=o.weight_decay)

    def _new_record(self) -> TrainingRecord:
        teacher = self.plain.teacher
        return TrainingRecord(
            name=self.config.name,
            config=named_safely(self.config.to_plain()),
            created=now(),
            environment=describe(self.device),
            device=self.device.type,
            device_name=device_name(self.device),
            threads=torch.get_num_threads() if self.device.type == "cpu" else None,
            processes=self.accelerator.num_processes,
            parameters=count_parameters(self.plain.model) or 0,
            teacher_parameters=count_parameters(teacher),
            images=self.patches.count,
            source=self.student.source,
        )


def learning_rate(config: Config, done: int) -> float:
    """Of the step after `done` steps."""
    o = config.optimizer
    return o.lr * o.gamma ** bisect_right(sorted(o.milestones), done)
