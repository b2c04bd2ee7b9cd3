"""What a training run is: typed settings, read from one YAML file and flags that override any of them."""

import contextlib
import difflib
import io
import math
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import yaml
from jsonargparse import ArgumentParser, DefaultHelpFormatter

from models.errors import EsrError
from models.files import read_regular

Precision = Literal["no", "bf16", "fp16"]
Distance = Literal["l1", "l2", "charbonnier"]
SMALLEST_PATCH = 16  # pixels: 4 of the LR image
LARGEST_RATE = 1e6
CONFIG_BYTES, ALIASES = 2**20, 50  # a YAML file of settings has a page and hardly an alias; a bomb is made of them
SMALL_PATCH = 64  # pixels; below it a network sees little
LARGE_SET = 1000  # images; what a scaled run takes its share of


@dataclass
class Network:
    """A network to build.

    Attributes:
        name: of the registry, such as dvmsr; or the user's own, as net.py:Class or package.module:Class.
        options: arguments of the network that differ from the registry's.
        weights: random, published, or a file: .safetensors as `train/train.py` exports, or a state dict.
    """

    name: str = "dvmsr"
    options: dict[str, Any] = field(default_factory=dict)
    weights: str = "random"


@dataclass
class Data:
    """Where the training pairs come from.

    Attributes:
        hr: data sets by name (photos, T91, BSD200, DIV2K, Flickr2K, LSDIR) or folders of HR images; available: T91
            and BSD200, or photos where they are not found.
        lr: folders of LR images, one for each of hr; none: made by MATLAB's bicubic imresize.
        patch: side of a crop in HR pixels.
        augment: random horizontal and vertical flips and 90-degree rotations.
        limit: images of each of hr, from its start; none: all.
        skip_small: leave out images smaller than the patch instead of refusing them.
        workers: processes that cut patches.
    """

    hr: list[str] = field(default_factory=lambda: ["DIV2K"])
    lr: list[str] | None = None
    patch: int = 256
    augment: bool = True
    limit: int | None = None
    skip_small: bool = False
    workers: int = 2


@dataclass
class Distillation:
    """What a student learns from its teacher, Eq. (5) of the DVMSR paper and its Table 7.

    Attributes:
        end: weight of the distance between the outputs; the loss to the ground truth has weight 1.
        mid: weight of the mean distance between the features behind the paired modules.
        pairs: student module -> teacher module, by name, such as {layers.0: layers.1}.
        distance: l1 or l2, of outputs and features.
    """

    end: float = 1.0
    mid: float = 0.0
    pairs: dict[str, str] = field(default_factory=dict)
    distance: Distance = "l1"


@dataclass
class Optimizer:
    """The optimiser and its learning rate.

    Attributes:
        name: adam, or sgd with momentum betas[0].
        lr: learning rate at the start.
        betas: of Adam.
        weight_decay: L2 penalty.
        milestones: steps at which the learning rate is multiplied by gamma.
        gamma: see milestones.
        clip_norm: largest norm of all gradients together; none: no limit.
        clip_by_lr: largest gradient element times the learning rate (VDSR's adjustable clipping); none: no limit.
    """

    name: Literal["adam", "sgd"] = "adam"
    lr: float = 2e-4
    betas: list[float] = field(default_factory=lambda: [0.9, 0.99])
    weight_decay: float = 0.0
    milestones: list[int] = field(default_factory=list)
    gamma: float = 0.5
    clip_norm: float | None = None
    clip_by_lr: float | None = None


@dataclass
class Validation:
    """PSNR and SSIM on whole images during training, by the bench layer's functions.

    Attributes:
        sets: data sets; available: those of Set5 and photos that are found first.
        every: steps between two validations; 0: only at the end.
        limit: images of each set, from its start; none: all.
    """

    sets: list[str] = field(default_factory=lambda: ["available"])
    every: int = 5000
    limit: int | None = None


@dataclass
class Config:
    """One training run.

    Attributes:
        name: folder of the run below `out`.
        model: the network to train.
        teacher: a frozen network to learn from; none: plain training.
        distillation: what a student learns from its teacher.
        data: the training pairs.
        steps: optimiser steps.
        batch: patches in a step, over all processes and accumulated parts together.
        accumulate: parts that a step's batch is computed in, one after the other.
        loss: distance to the ground truth.
        optimizer: the optimiser and its learning rate.
        ema: decay of the averaged weights, which are validated and exported; 0: none.
        precision: no (float32), or autocast to bf16 or fp16.
        recompute: patterns of module names, such as layers.*, whose activations are recomputed in the backward pass.
        seed: of the initial weights, patches and augmentation.
        validation: scores on whole images while it trains.
        save_every: steps between two checkpoints.
        keep: checkpoints kept besides the best.
        log_every: steps between two lines of log.csv.
        device: auto, cpu or cuda.
        threads: CPU threads; none: all cores.
        out: folder of runs.
    """

    name: str = "run"
    model: Network = field(default_factory=Network)
    teacher: Network | None = None
    distillation: Distillation = field(default_factory=Distillation)
    data: Data = field(default_factory=Data)
    steps: int = 500_000
    batch: int = 16
    accumulate: int = 1
    loss: Distance = "l1"
    optimizer: Optimizer = field(default_factory=Optimizer)
    ema: float = 0.999
    precision: Precision = "no"
    recompute: list[str] = field(default_factory=list)
    seed: int = 0
    validation: Validation = field(default_factory=Validation)
    save_every: int = 5000
    keep: int = 3
    log_every: int = 100
    device: str = "auto"
    threads: int | None = None
    out: str = "results/training"

    @property
    def folder(self) -> Path:
        """Where everything of this run is written."""
        return Path(self.out) / self.name

    def to_plain(self) -> dict[str, Any]:
        """Plain data, as YAML and JSON take it."""
        return asdict(self)


# Where and how a run is watched and stored; everything else decides what it computes.
INCIDENTAL = ("name", "out", "device", "threads", "log_every", "save_every", "keep", "validation")


def build_parser(prog: str, description: str, epilog: str) -> ArgumentParser:
    """A parser of --config and of every setting as a flag; help shows every default."""
    parser = ArgumentParser(
        prog=prog, description=description, epilog=epilog, formatter_class=_Formatter, exit_on_error=False
    )
    parser.add_argument("--config", action="config", help="YAML file of settings; flags behind it override it")
    parser.add_class_arguments(Config, None)
    return parser


class _Formatter(DefaultHelpFormatter):
    """Leaves the examples as they are written."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return "\n".join(indent + line for line in text.splitlines())


def parse(parser: ArgumentParser, argv: Sequence[str] | None = None) -> tuple[Config, dict[str, Any]]:
    """The settings, checked, and what else `parser` takes. Raises EsrError, one line that names the setting."""
    words = list(sys.argv[1:] if argv is None else argv)
    for before, word in zip(["", *words], words, strict=False):
        if before == "--config" or word.startswith("--config="):
            _check_yaml(Path(word.removeprefix("--config=")))
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            parsed = parser.parse_args(words)
            config, others = _split(parser.instantiate(parsed).as_dict())
    except (Exception, SystemExit) as error:  # jsonargparse has an error of its own for every mistake
        if isinstance(error, SystemExit) and not error.code:
            raise
        raise EsrError(_one_line(str(error))) from None
    check(config)
    return config, others


def _check_yaml(path: Path) -> None:
    """Raises EsrError for what is no file of settings, or one whose aliases would unfold to more than memory holds."""
    try:
        text = read_regular(path, CONFIG_BYTES, "--config")
        aliases = sum(isinstance(token, yaml.AliasToken) for token in yaml.scan(text))
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        raise EsrError(f"the configuration is wrong: {path} is no YAML ({_flat(str(error))[:200]})") from None
    if aliases > ALIASES:
        raise EsrError(f"the configuration is wrong: {path} has {aliases} aliases; write the settings out")


def _flat(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def _split(values: dict[str, Any]) -> tuple[Config, dict[str, Any]]:
    names = Config.__dataclass_fields__
    return (
        Config(**{k: v for k, v in values.items() if k in names}),
        {k: v for k, v in values.items() if k not in names and k != "config"},
    )


def scaled(config: Config, factor: float) -> Config:
    """The same run with every budget and data set smaller by `factor`, to try the whole path.

    Steps, batch and what counts steps shrink in proportion, and so do a patch's pixels, down to SMALL_PATCH; of each
    data set at most LARGE_SET times `factor` images stay. Validations and checkpoints still come twice a run. Raises
    EsrError for a factor that does not shrink.
    """
    if factor == 1:
        return config
    if not 0 < factor < 1:
        raise EsrError(f"--scale is {factor}; it must be above 0 and at most 1")
    c, o, v = config, config.optimizer, config.validation
    steps = max(2, round(c.steps * factor))
    parts = c.accumulate * int(os.environ.get("WORLD_SIZE", "1"))  # what a batch must divide into
    patch = max(min(c.data.patch, SMALL_PATCH), round(c.data.patch * math.sqrt(factor)) // 4 * 4)

    def interval(every: int) -> int:
        return max(round(every * factor), math.ceil(steps / 2)) if every else 0

    return replace(
        c,
        steps=steps,
        batch=max(1, round(c.batch * factor / parts)) * parts,
        data=replace(c.data, patch=patch, limit=math.ceil((c.data.limit or LARGE_SET) * factor)),
        optimizer=replace(o, milestones=[max(1, round(m * factor)) for m in o.milestones]),
        validation=replace(v, every=interval(v.every), limit=math.ceil((v.limit or LARGE_SET) * factor)),
        save_every=interval(c.save_every),
        log_every=max(1, round(c.log_every * factor)),
    )


def read_yaml(path: Path, flags: Sequence[str] = ()) -> Config:
    """The settings of a YAML file with flags over it. Raises EsrError as `parse` does."""
    return parse(build_parser("train.py", "", ""), ["--config", str(path), *flags])[0]


def write_yaml(config: Config) -> str:
    """Settings as YAML that `read_yaml` takes."""
    text: str = yaml.safe_dump(config.to_plain(), sort_keys=False, allow_unicode=True)
    return text


def _one_line(message: str) -> str:
    """jsonargparse's message in one line; for an unknown key with the nearest known one."""
    text = _flat(message)
    unknown = re.search(r"unrecognized arguments: (?:--)?([\w.]+)|does not accept option '([\w.]+)'|"
                        r"Option '([\w.]+)' is not accepted", text)  # fmt: skip
    if not unknown:
        return f"the configuration is wrong: {text[:300]}"
    name = next(group for group in unknown.groups() if group)
    known = _setting_names()
    leaf = name.rsplit(".", 1)[-1]
    near = difflib.get_close_matches(name, known, n=1) or difflib.get_close_matches(
        leaf, [k.rsplit(".", 1)[-1] for k in known], n=1
    )
    near = [k for k in known if near and (k == near[0] or k.rsplit(".", 1)[-1] == near[0])]
    hint = f"did you mean {near[0]}?" if near else "see --help"
    return f"unknown setting {name!r}; {hint}"


def _setting_names() -> list[str]:
    def walk(values: dict[str, Any], prefix: str) -> list[str]:
        names = []
        for key, value in values.items():
            names.append(prefix + key)
            if isinstance(value, dict) and value:
                names += walk(value, f"{prefix}{key}.")
        return names

    return walk(Config(teacher=Network()).to_plain(), "")


def check(config: Config) -> None:
    """Raise EsrError for values that no run can have, naming the setting."""
    c, d, o = config, config.data, config.optimizer
    at_least_one = {
        "steps": c.steps, "batch": c.batch, "accumulate": c.accumulate, "save_every": c.save_every, "keep": c.keep,
        "log_every": c.log_every, "data.patch": d.patch, "data.limit": d.limit, "threads": c.threads,
        "validation.limit": c.validation.limit,
    }  # fmt: skip
    for name, value in at_least_one.items():
        if value is not None and value < 1:
            raise EsrError(f"{name} is {value}; it must be at least 1")
    not_negative = {"data.workers": d.workers, "validation.every": c.validation.every, "seed": c.seed,
                    "optimizer.weight_decay": o.weight_decay, "distillation.end": c.distillation.end,
                    "distillation.mid": c.distillation.mid}  # fmt: skip
    for name, number in not_negative.items():
        if not 0 <= number < float("inf"):
            raise EsrError(f"{name} is {number}; it must be 0 or more")
    if c.seed >= 2**63:
        raise EsrError(f"seed is {c.seed:g}; it must be below 2^63")
    for name, rate in {"optimizer.lr": o.lr, "optimizer.gamma": o.gamma, "optimizer.clip_norm": o.clip_norm,
                       "optimizer.clip_by_lr": o.clip_by_lr}.items():  # fmt: skip
        if rate is not None and not 0 < rate <= LARGEST_RATE:
            raise EsrError(f"{name} is {rate}; it must be positive and at most {LARGEST_RATE:g}")
    if not 0 <= c.ema < 1:
        raise EsrError(f"ema is {c.ema}; it must be from 0 up to, not including, 1")
    if len(o.betas) != 2 or not all(0 <= beta < 1 for beta in o.betas):
        raise EsrError(f"optimizer.betas is {o.betas}; it must be two numbers from 0 up to, not including, 1")
    if c.batch % c.accumulate:
        raise EsrError(f"batch {c.batch} is not a multiple of accumulate {c.accumulate}")
    if d.patch < SMALLEST_PATCH:
        raise EsrError(f"data.patch is {d.patch}; it must be at least {SMALLEST_PATCH}")
    if not c.validation.sets:
        raise EsrError("validation.sets is empty; name data sets, or available")
    if c.device not in ("auto", "cpu", "cuda"):  # which GPU is accelerate's choice
        raise EsrError(f"device is {c.device!r}; it must be auto, cpu or cuda")
    if not d.hr:
        raise EsrError("data.hr is empty; name data sets or folders of HR images")
    if d.lr is not None and len(d.lr) != len(d.hr):
        raise EsrError(f"data.lr names {len(d.lr)} folders for {len(d.hr)} of data.hr; give one for each, or none")
    if d.lr is not None and "available" in d.hr:
        raise EsrError("data.lr needs data.hr by name or folder, not available")
    if c.teacher and c.distillation.mid and not c.distillation.pairs:
        raise EsrError("distillation.mid has a weight but distillation.pairs names no modules")
    if not re.fullmatch(r"[\w.+=-]{1,100}", c.name) or not c.name.strip("."):
        raise EsrError(f"name is {c.name!r}; it becomes a folder: letters, digits, and . _ + = - only")
