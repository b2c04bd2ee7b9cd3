"""What is run on a lent GPU: three stages of less than nine minutes, in each the most important figures first.

Every command keeps what it finished, so that a stage which was cut short goes on where it stopped, on another machine
too. A limit is what a command may take at most, not what it is expected to.
"""

from dataclasses import dataclass
from pathlib import Path

STAGE_S = 500.0  # of the ten minutes that a command there may last; packing and copying come after
LENGTHS = ("65536", "172890")  # tokens of 256x256, and of 339x510, a typical LR image of DIV2K
TESTS = ("-m", "pytest", "-p", "no:cacheprovider")
SMOKE = (
    "contenders or allocator or known_wait or (float32_accuracy and triton) or same_bits or same_image "
    "or (test_gradients and triton)"
)
SMALL_DATA = ("--data", "Set5", "Set14")
CORE = ("bicubic", "dvmsr", "dvmsr_ntire", "dvmsr_bi", "rlfn", "rlfn_s", "rlfn_ntire")
OTHERS = ("efdn", "span", "mambairv2_light")  # of the rest, whose weights would be too much to take along
# What a dry run takes instead: the same kernels are compiled for it, in less time on a CPU.
DRY_SIZES = {"256": "64", "339x510": "47x65"}
DRY_LENGTHS = ("1024", "4096")


@dataclass(frozen=True)
class Command:
    """One line of a stage.

    Attributes:
        name: what it measures, unlike any other's.
        words: what follows the interpreter.
        limit_s: after which it is asked to stop; what it finished is kept.
        dry: what is added to its words where nothing is measured, to make it short.
        least_s: it is not begun with less time left.
    """

    name: str
    words: tuple[str, ...]
    limit_s: float
    dry: tuple[str, ...] = ()
    least_s: float = 15.0


def stages(out: Path, rival: bool) -> dict[str, list[Command]]:
    """Every stage by its name, with results below `out`. `rival`: whether mamba-ssm and causal-conv1d import."""
    ours_and_rival = ["dvmsr@triton", *(["dvmsr@mamba_ssm"] if rival else [])]
    backends = ["triton", *(["mamba_ssm"] if rival else []), "chunked"]
    once = ("--runs", "1", "--time-budget", "0.01")

    def scan(name: str, *words: str, limit_s: float = 60.0) -> Command:
        given = ("bench/scan.py", "--device", "cuda", "--out", f"{out}/scan", "--reuse", "--time-budget", "4")
        sizes = ("--batch", "2", "--lengths", "64") if "--batch" in words else ("--lengths", *DRY_LENGTHS)
        dry = ("--error-length", "64") if "errors" in words else (*sizes, "--runs", "1")
        return Command(f"scan, {name}", (*given, "--backends", *backends, *words), limit_s, dry)

    def forward(precision: str) -> Command:
        words = ("--precision", precision, "--lengths", *LENGTHS, "--directions", "forward")
        return scan(f"{precision}, forward", *words, "--measure", "time", "memory")

    def networks(
        name: str, precision: str, size: str, models: list[str], *words: str, limit_s: float = 75.0
    ) -> Command:
        given = ("bench/profile.py", "--device", "cuda", "--out", f"{out}/records", "--reuse", "--time-budget", "4")
        asked = ("--precision", precision, "--input-size", size, "--measure", "runtime", "memory", *words)
        return Command(
            f"networks, {name}", (*given, *asked, "--model", *models), limit_s, ("--input-size", DRY_SIZES[size], *once)
        )

    def quality(name: str, models: tuple[str, ...], limit_s: float) -> Command:
        given = ("bench/profile.py", "--device", "cuda", "--out", f"{out}/records", "--reuse", *SMALL_DATA)
        words = (*given, "--measure", "counts", "quality", "--model", *models)
        return Command(f"quality, {name}", words, limit_s, ("--limit", "1", "--data", "Set5"))

    def roofline(precision: str) -> Command:
        given = ("bench/roofline.py", "--device", "cuda", "--out", f"{out}/roofline", "--reuse", "--time-budget", "5")
        models = (*ours_and_rival, "dvmsr@chunked", "rlfn_ntire", "swinir_light", "span")
        words = (*given, "--precision", precision, "--model", *models)
        return Command(f"roofline, {precision}", words, 75.0, ("--input-size", "64", *once))

    def training_step(precision: str) -> Command:
        given = ("bench/step.py", "--device", "cuda", "--out", f"{out}/step", "--reuse", "--time-budget", "5")
        words = (*given, "--precision", precision, "--backends", *backends)
        return Command(f"training steps, {precision}", words, 60.0, ("--batch", "1", "--patch", "16", *once))

    baselines, graph = ["rlfn", "rlfn_ntire"], "--cuda-graph"
    main, all_of_them = [*ours_and_rival, *baselines], [*ours_and_rival, "dvmsr@chunked", *baselines, "swinir_light"]
    tests = ("tests/models/test_cuda_scan.py", "tests/bench/test_cuda.py")
    return {
        "a": [
            Command("smoke tests", (*TESTS, *tests, "-k", SMOKE), 120.0, ("--collect-only",)),
            forward("fp32"),
            forward("bf16"),
            networks("bf16, 256x256, graph", "bf16", "256", main, graph),
            networks("bf16, 256x256", "bf16", "256", main),
            networks("fp32, 256x256, graph", "fp32", "256", main, graph),
        ],
        "b": [
            networks("bf16, 339x510, graph", "bf16", "339x510", main, graph),
            networks("fp32, 256x256, graph, all", "fp32", "256", all_of_them, graph),
            networks("fp32, 339x510, graph", "fp32", "339x510", main, graph),
            networks("tf32, 256x256, graph", "tf32", "256", main, graph),
            networks("tf32, 339x510, graph", "tf32", "339x510", main, graph),
            roofline("bf16"),
            Command(
                "accuracy",
                ("bench/accuracy.py", "--device", "cuda", "--out", f"{out}/accuracy", "--reuse", *SMALL_DATA),
                90.0,
                ("--limit", "1", "--data", "Set5", "--exact"),
            ),
            scan("fp32, both directions", "--lengths", *LENGTHS, "--measure", "time", "memory"),
            scan("bf16, both directions", "--precision", "bf16", "--lengths", *LENGTHS, "--measure", "time", "memory"),
            scan("fp32, batches of training", "--batch", "64", "--lengths", "4096", "--measure", "time", "memory"),
            training_step("fp32"),
            training_step("bf16"),
        ],
        "c": [
            Command("every test", (*TESTS, *tests), 150.0, ("--collect-only",)),
            quality("the paper's networks", CORE, 60.0),
            scan("errors", "--measure", "errors", limit_s=45.0),
            networks("fp32, 256x256", "fp32", "256", all_of_them),
            networks("separate steps", "fp32", "256", ["dvmsr@triton"], "--model-args", "fused=False", limit_s=30.0),
            quality("others", OTHERS, 90.0),
            Command(
                "input sizes",
                (*_scaling(out), "--model", "dvmsr", "rlfn_ntire", "swinir_light"),
                75.0,
                ("--sizes", "32", "64", *once),
            ),
            roofline("fp32"),
            Command(
                "training",
                (*_training(out), "--steps", "20000", "--validation.every", "1000", "--save_every", "500"),
                400.0,
                ("--steps", "2", "--batch", "2", "--data.workers", "0", "--data.limit", "2", "--validation.limit", "1"),
                least_s=60.0,
            ),
        ],
    }  # fmt: skip


def _scaling(out: Path) -> tuple[str, ...]:
    given = ("bench/scaling.py", "--device", "cuda", "--out", f"{out}/scaling", "--reuse", "--time-budget", "2")
    return (*given, "--longest", "5")


def _training(out: Path) -> tuple[str, ...]:
    """DVMSR on T91, for whatever time is left."""
    recipe = "--config train/configs/dvmsr_teacher.yaml --name dvmsr_t91 --model.options {} --batch 32 --data.hr [T91]"
    more = "--data.patch 96 --data.skip_small true --data.workers 8 --optimizer.lr 5e-4 --validation.sets [Set5]"
    milestones = ("--optimizer.milestones", "[10000,16000,18000,19000]")
    return ("train/train.py", *recipe.split(), *more.split(), *milestones, "--out", f"{out}/training", "--resume")
