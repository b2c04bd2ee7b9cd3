"""One measured run of one network <-> one JSON file, raw samples and environment included.

A record holds what was measured and nothing that can be derived from it: statistics, scores and differences are made
from records by `bench.core.statistics` and `bench.report`. A part that was not measured is None; `skipped` says why.
"""

import dataclasses
from collections.abc import Collection
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, ClassVar, Literal

from bench.core.identity import Kept, Rank, versions

SCHEMA = 2


@dataclass
class WeightsInfo:
    """Which weights were loaded. `status`: official (checksum matched), custom (--weights), or random (none found)."""

    status: Literal["official", "custom", "random", "none needed"]
    file: str | None = None  # name only, never a path of the machine
    sha256: str | None = None
    source: str | None = None  # public address
    note: str = ""


@dataclass
class Settings:
    """How the network was run. Together with the model and its options, this names the record's file."""

    device: str  # "cpu" or "cuda"
    device_name: str  # "AMD EPYC (AVX2)", "NVIDIA H200"
    height: int = 256
    width: int = 256
    precision: str = "fp32"  # fp32 | tf32 | fp16 | bf16
    channels_last: bool = False
    compile: bool = False
    cuda_graph: bool = False
    fused: bool = False  # the mixers run as one operator each
    scan_backend: str | None = None  # the backend that ran; None for a network without a scan
    threads: int | None = None  # CPU threads; None on a GPU
    ntire_compat: bool = False
    timed_on: str = ""  # the data set whose images were timed, as the challenge does; "": the fixed input


@dataclass
class OpCount:
    """Work of one kind of operator in one forward pass."""

    op: str
    calls: int
    macs: int  # fused multiply-adds, only for products and convolutions
    flops: int  # 2 a multiply-add, else by the written rule in bench.counts.complexity


@dataclass
class Vanished:
    """Work of one module that runs and is not in the published count."""

    what: Literal["FLOPs", "activations", "outside PyTorch"]
    module: str  # "" is the network itself
    ops: list[str]
    missing: int  # 2 a multiply-add; output elements; 0 where nobody can know
    share: float  # of all that the published count should hold


@dataclass
class Complexity:
    """Counts for one forward pass at 1 x 3 x height x width. All integers, unscaled."""

    height: int
    width: int
    parameters: int  # all, trainable or not
    flops_published: (
        int | None
    )  # fvcore, one multiply-add = 1, the authors' fused ops opaque as they were; None: not traceable
    flops_fvcore_unfused: int | None  # fvcore on the network as it is built here, nothing hidden
    macs: int  # complete: multiply-adds of convolutions and matrix products
    flops: int  # complete: every op that runs, by the written rules
    ops: list[OpCount]  # the breakdown of macs and flops
    uncovered_ops: list[str]  # ops that ran and that no rule covers
    activations_published: int  # output elements of Conv2d and ConvTranspose2d
    activations: int  # complete: also Conv1d, Linear, matrix products and the selective scan
    conv2d: int  # Conv2d and ConvTranspose2d calls, as the challenge counts them
    thop_macs: int | None = None  # beside them, for its known errors
    thop_parameters: int | None = None
    vanished: list[Vanished] = field(default_factory=list)

    def hidden_share(self, what: str = "FLOPs") -> float:
        """Of the work, from 0 to 1, that runs and is in no published count."""
        return sum(v.share for v in self.vanished if v.what == what)


@dataclass
class Runtime:
    """Wall-clock (CPU) or CUDA-event (GPU) times of single forward passes, in milliseconds, raw and in order."""

    cold_ms: float  # the first pass in a fresh process
    warmup_ms: list[float]
    samples_ms: list[float]
    interleaved_with: list[str] = field(default_factory=list)  # models sampled in turn with this one
    interrupted: str = ""  # why fewer samples than asked for, if so
    run: str = ""  # shared by all that was sampled in turn, and by nothing else; times compare within a run only

    @property
    def rank(self) -> Rank:
        """How much it holds."""
        return Rank.PARTIAL if self.interrupted else Rank.WHOLE


def in_turn(a: Runtime | None, b: Runtime | None) -> bool:
    """Whether two times were sampled in turn, in one run; only then do they compare."""
    return a is not None and b is not None and bool(a.run) and a.run == b.run


@dataclass
class Memory:
    """Bytes needed by one forward pass under inference_mode, at the fixed input size."""

    method: str  # "cuda allocator peak" | "peak resident growth of a fresh process"
    peak_allocated: int  # GPU: allocator peak, weights and input included; CPU: resident growth of the first pass
    peak_reserved: int | None  # GPU only
    before: int  # bytes held before the pass: weights and input (GPU), resident set (CPU)


@dataclass
class ImageQuality:
    """One image. PSNR in dB; None where it is infinite (identical images)."""

    name: str
    height: int  # of the LR image
    width: int
    psnr_rgb: float | None  # challenge protocol: uint8, RGB, 4-pixel border removed
    psnr_y: float | None  # classic protocol: Y as float, 4-pixel border removed
    ssim_y: float  # classic protocol
    psnr_y_rounded: float | None  # classic, but Y rounded to integers as some repositories do
    psnr_y_no_border: float | None  # classic, but no border removed
    time_ms: float  # of the forward pass on this image


@dataclass
class Quality:
    """One data set. The set's value is the mean of the per-image values, as the field does it."""

    dataset: str
    images: list[ImageQuality]
    lr_source: str  # "files" or "made by bench.imresize"
    peak_memory: int | None = None  # bytes over the whole set (GPU allocator peak); None on a CPU
    notes: list[str] = field(default_factory=list)


@dataclass
class Skipped:
    """A measurement that was not made, why, and the command that would make it."""

    what: str  # "runtime", "memory", "quality:Set14"
    reason: str
    command: str
    estimate_s: float | None = None


@dataclass
class Source:
    """Where a network of the user's own comes from, and how its input is made: what a registry says of the others."""

    kind: str  # as in bench.networks.external.own
    file: str  # name only, never a path of the machine
    sha256: str
    network: str = ""  # class, function or recognised architecture
    module: str = ""  # dotted name, where it was named so
    data_range: float = 1.0  # value of white at input and output
    size_multiple: int = 1  # sides are padded to a multiple of it, as part of the pass
    state_key: str | None = None  # entry of the weights file; None for the usual ones
    unsafe_weights: str = ""  # why its weights were unpickled, if they were
    notes: list[str] = field(default_factory=list)  # what it did that a reader should know
    code_sha256: str = ""  # of all code of the user's that it runs: the file and every module that it imports
    code_files: int = 0  # how many that are
    package_version: str = ""  # of the installed package that it comes from, if it does


@dataclass
class Record(Kept):
    """Everything measured of one network with one set of settings."""

    CELLS: ClassVar = {
        "complexity": None,
        "runtime": None,
        "memory": None,
        "quality": attrgetter("dataset"),
        "skipped": attrgetter("what"),
    }

    model: str  # registry name; of an own network, its name and a checksum of all that makes it
    options: dict[str, Any]  # model options that differ from the registry's
    display_name: str
    weights: WeightsInfo
    settings: Settings
    created: str  # UTC, ISO 8601
    environment: dict[str, Any]  # bench.core.environment.describe()
    complexity: Complexity | None = None
    runtime: Runtime | None = None
    memory: Memory | None = None
    quality: list[Quality] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    provenance: dict[str, Any] = field(default_factory=dict)  # part -> when, and at which commit, it was measured
    source: Source | None = None  # of a network of the user's own; None for one of the registry
    schema: int = SCHEMA

    @property
    def identity(self) -> dict[str, Any]:
        """The network with its weights, and the conditions."""
        return {
            "model": self.model,
            "options": self.options,
            "code": self.source.code_sha256 if self.source else "",
            "weights": self.weights.sha256 or self.weights.status,
            "settings": dataclasses.asdict(self.settings),
            "versions": versions(self.environment),
        }

    @property
    def words(self) -> list[str]:
        """Model, options, device, input size, precision, scan backend, switches, weights that are not the published."""
        s, status = self.settings, self.weights.status
        # An own network's name stands for its options too, which may be of any length.
        options = [f"{k}={v}" for k, v in sorted(self.options.items())] if self.source is None else []
        switches = [n for n in ("channels_last", "compile", "cuda_graph", "fused", "ntire_compat") if getattr(s, n)]
        weights = {"custom": f"weights-{(self.weights.sha256 or '')[:8]}", "random": "random-weights"}.get(status, "")
        parts = [self.model, *options, s.device_name, f"{s.threads}t" if s.threads else "", f"{s.height}x{s.width}"]
        return [*parts, s.precision, s.scan_backend or "", *switches, s.timed_on, weights]

    def settle(self, old: Any, stayed: Collection[str]) -> None:
        """Drop what is noted as left out and was measured since; date what stayed as it was dated."""
        if old and "runtime" in stayed:
            self.environment = old.environment  # in which it was timed
        kept = {"counts" if cell == "complexity" else cell for cell in stayed}
        before = old.provenance if old else {}
        dated = {**self.provenance, **{part: before[part] for part in kept if part in before}}
        self.provenance = dict(sorted(dated.items()))
        held = {"counts": self.complexity, "runtime": self.runtime, "memory": self.memory}
        measured = {part for part, value in held.items() if value} | {f"quality:{q.dataset}" for q in self.quality}
        self.skipped = [s for s in self.skipped if s.what not in measured]
