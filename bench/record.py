"""One measured run of one network <-> one JSON file, raw samples and environment included.

A record holds what was measured and nothing that can be derived from it: statistics, scores and differences are made
from records by `bench.statistics` and `bench.report`. A part that was not measured is None; `skipped` says why.
"""

import contextlib
import dataclasses
import json
import os
import re
import types
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from models.errors import EsrError

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
class Complexity:
    """Counts for one forward pass at 1 x 3 x height x width. All integers, unscaled."""

    height: int
    width: int
    parameters: int  # all, trainable or not
    flops_published: int  # fvcore, one multiply-add = 1, the authors' fused ops opaque as they were
    flops_fvcore_unfused: int  # fvcore on the network as it is built here, nothing hidden
    macs: int  # complete: multiply-adds of convolutions and matrix products
    flops: int  # complete: every op that runs, by the written rules
    ops: list[OpCount]  # the breakdown of macs and flops
    uncovered_ops: list[str]  # ops that ran and that no rule covers
    activations_published: int  # output elements of Conv2d and ConvTranspose2d
    activations: int  # complete: also Conv1d, Linear, matrix products and the selective scan
    conv2d: int  # Conv2d and ConvTranspose2d calls, as the challenge counts them
    thop_macs: int | None = None  # beside them, for its known errors
    thop_parameters: int | None = None


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
class Record:
    """Everything measured of one network with one set of settings."""

    model: str  # registry name
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
    schema: int = SCHEMA

    @property
    def file_name(self) -> str:
        """A name that says the provenance: model, options, device, input size, precision, scan backend, switches."""
        s = self.settings
        size = f"{s.height}x{s.width}"
        options = [f"{k}={v}" for k, v in sorted(self.options.items())]
        switches = [n for n in ("channels_last", "compile", "cuda_graph", "fused", "ntire_compat") if getattr(s, n)]
        threads = [f"{s.threads}t"] if s.threads else []
        parts = [self.model, *options, s.device_name, *threads, size, s.precision, s.scan_backend or "", *switches]
        if self.weights.status == "custom":
            parts.append(f"weights-{(self.weights.sha256 or '')[:8]}")
        return "__".join(slug(p) for p in parts if p) + ".json"


def slug(text: str) -> str:
    """Lower-case letters, digits, '.', '_', '=' and '-' only, for file and folder names."""
    return re.sub(r"[^a-z0-9._=]+", "-", text.lower()).strip("-.") or "x"


def without_paths(text: str) -> str:
    """`text` with absolute paths of this machine replaced by PATH; addresses and relative paths stay."""
    return re.sub(r"(?<![\w:/.>~-])/[^\s;,)]+", "PATH", text)


def write_bytes(path: Path, data: bytes) -> None:
    """Write `path` whole or not at all: beside the target first, then renamed over it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(data)
        os.replace(temporary, path)
    except OSError as error:
        raise EsrError(f"cannot write {path}: {error.strerror}; free some space or choose another --out") from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_record(record: Record, folder: Path) -> Path:
    """Write `record` under its own name in `folder`, atomically, and return the path."""
    path = folder / record.file_name
    write_bytes(path, to_json(record).encode())
    return path


def to_json(record: Any) -> str:
    """A record (any dataclass) as indented JSON. NaN and infinities have no JSON form and are refused."""
    return json.dumps(dataclasses.asdict(record), indent=1, allow_nan=False) + "\n"


def read_record(path: Path) -> Record:
    """Read a record back. Raises EsrError for a file that is no record, is cut short, or has another schema."""
    return read_as(Record, SCHEMA, path)


T = TypeVar("T")


def read_as(kind: type[T], schema: int, path: Path) -> T:
    """Read a file that holds one `kind` with its `schema`. Raises EsrError for any other."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise EsrError(f"cannot read record {path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise EsrError(f"{path} is not a complete JSON record ({error}); delete it and measure again") from None
    if not isinstance(data, dict) or data.get("schema") != schema:
        found = data.get("schema") if isinstance(data, dict) else None
        raise EsrError(f"{path} has record schema {found}, this version reads {schema}; measure again")
    try:
        return _from_plain(kind, data)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise EsrError(f"{path} does not fit record schema {schema} ({error}); measure again") from None


def _from_plain(kind: type[T], data: Any) -> T:
    """Rebuild the dataclass `kind` from JSON data, checking names and the types of what it finds."""
    hints = typing.get_type_hints(kind)
    if not isinstance(data, dict):
        raise ValueError(f"{kind.__name__} is {type(data).__name__}, not an object")
    unknown = set(data) - set(hints)
    if unknown:
        raise ValueError(f"unknown field {sorted(unknown)[0]!r} in {kind.__name__}")
    return kind(**{name: _convert(hints[name], value, name) for name, value in data.items()})


def _convert(hint: Any, value: Any, name: str) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        if value is None and type(None) in arguments:
            return None
        return _convert(next(a for a in arguments if a is not type(None)), value, name)
    if dataclasses.is_dataclass(hint):
        return _from_plain(typing.cast(type[Any], hint), value)
    if origin is list and isinstance(value, list):
        return [_convert(arguments[0], item, name) for item in value]
    if origin is Literal and value in arguments:
        return value
    if hint is Any or (origin is dict and isinstance(value, dict)):
        return value
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if isinstance(hint, type) and isinstance(value, hint) and (hint is bool or not isinstance(value, bool)):
        return value
    raise ValueError(f"{name} is {value!r}, which is not {hint}")
