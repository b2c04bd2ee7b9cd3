"""One measured run of one network <-> one JSON file, raw samples and environment included.

A record holds what was measured and nothing that can be derived from it: statistics, scores and differences are made
from records by `bench.statistics` and `bench.report`. A part that was not measured is None; `skipped` says why.
"""

import re
from dataclasses import dataclass, field
from typing import Any, Literal

SCHEMA = 1


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
    device_name: str  # "AMD EPYC", "NVIDIA H200"
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


@dataclass
class OpCount:
    """Work of one kind of operator in one forward pass."""

    op: str
    calls: int
    macs: int  # fused multiply-adds, only for products and convolutions
    flops: int  # 2 a multiply-add, else by the written rule in bench.complexity


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


@dataclass
class Runtime:
    """Wall-clock (CPU) or CUDA-event (GPU) times of single forward passes, in milliseconds, raw and in order."""

    cold_ms: float  # the first pass in a fresh process
    warmup_ms: list[float]
    samples_ms: list[float]
    interleaved_with: list[str] = field(default_factory=list)  # models sampled in turn with this one
    interrupted: str = ""  # why fewer samples than asked for, if so


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

    kind: str  # as in bench.external.own
    file: str  # name only, never a path of the machine
    sha256: str
    network: str = ""  # class, function or recognised architecture
    module: str = ""  # dotted name, where it was named so
    data_range: float = 1.0  # value of white at input and output
    size_multiple: int = 1  # sides are padded to a multiple of it, as part of the pass
    state_key: str | None = None  # entry of the weights file; None for the usual ones
    unsafe_weights: str = ""  # why its weights were unpickled, if they were
    notes: list[str] = field(default_factory=list)  # what it did that a reader should know


@dataclass
class Record:
    """Everything measured of one network with one set of settings."""

    model: str  # registry name; of an own network, its name and a checksum of all that makes it
    options: dict[str, Any]  # model options that differ from the registry's
    display_name: str
    weights: WeightsInfo
    settings: Settings
    created: str  # UTC, ISO 8601
    environment: dict[str, Any]  # bench.environment.describe()
    complexity: Complexity | None = None
    runtime: Runtime | None = None
    memory: Memory | None = None
    quality: list[Quality] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    provenance: dict[str, Any] = field(default_factory=dict)  # part -> when, and at which commit, it was measured
    source: Source | None = None  # of a network of the user's own; None for one of the registry
    schema: int = SCHEMA

    @property
    def file_name(self) -> str:
        """A name that says the provenance: model, options, device, input size, precision, scan backend, switches."""
        s = self.settings
        size = f"{s.height}x{s.width}"
        # An own network's name stands for its options too, which may be of any length.
        options = [f"{k}={v}" for k, v in sorted(self.options.items())] if self.source is None else []
        switches = [n for n in ("channels_last", "compile", "cuda_graph", "fused", "ntire_compat") if getattr(s, n)]
        threads = [f"{s.threads}t"] if s.threads else []
        parts = [self.model, *options, s.device_name, *threads, size, s.precision, s.scan_backend or "", *switches]
        if self.weights.status == "custom":
            parts.append(f"weights-{(self.weights.sha256 or '')[:8]}")
        return "__".join(slug(p) for p in parts if p) + ".json"


def slug(text: str) -> str:
    """Lower-case letters, digits, '.', '_', '=' and '-' only, for file and folder names."""
    return re.sub(r"[^a-z0-9._=]+", "-", text.lower()).strip("-.") or "x"
