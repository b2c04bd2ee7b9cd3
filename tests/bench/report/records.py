"""Synthetic records for the report's and the studies' tests: real counts and scores of the networks, made-up times."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.core.record import (
    Complexity,
    ImageQuality,
    Memory,
    OpCount,
    Quality,
    Record,
    Runtime,
    Settings,
    Skipped,
    WeightsInfo,
)
from bench.studies.accuracy.accuracy_record import (
    AccuracyRecord,
    AccuracyVariant,
    Difference,
    ImageAccuracy,
    VariantAccuracy,
)
from bench.studies.attribution.attribution_record import (
    Attributed,
    BlurPath,
    FieldImage,
    FieldRecord,
    Grid,
    LamRecord,
    Patch,
    png_text,
)
from bench.studies.scan.scan_record import Machine, Measurement, ScanCell, ScanRecord, ScanSettings

PIXELS = 256 * 256
SETS = ("Set5", "Set14", "B100")


def complexity(parameters: int, height: int = 256, width: int = 256, **counts: Any) -> Complexity:
    """Counts whose ops add up: `macs` and `flops` in two ops."""
    macs, flops = counts.pop("macs", 1000), counts.pop("flops", 3000)
    return Complexity(
        height=height,
        width=width,
        parameters=parameters,
        macs=macs,
        flops=flops,
        ops=[OpCount("conv2d", 1, macs, 2 * macs), OpCount("add", 1, 0, flops - 2 * macs)],
        uncovered_ops=[],
        **{
            "flops_published": 1000,
            "flops_fvcore_unfused": 1000,
            "activations_published": 500,
            "activations": 700,
            "conv2d": 7,
            **counts,
        },
    )


def quality(dataset: str, psnr_y: float, ssim: float = 0.8951, **other: Any) -> Quality:
    """Two images whose means are the given values; `psnr_rgb` and the others default to a distance from `psnr_y`."""
    values = {
        "psnr_rgb": psnr_y - 1.9,
        "psnr_y_rounded": psnr_y - 0.0206,
        "psnr_y_no_border": psnr_y - 0.1188,
        "time_ms": 30.0,
        **other,
    }
    images = [
        ImageQuality(
            name,
            64,
            64,
            psnr_y=psnr_y + shift,
            ssim_y=ssim,
            **{k: v if v is None or k == "time_ms" else v + shift for k, v in values.items()},
        )
        for name, shift in (("a", -1.5), ("b", 1.5))
    ]
    return Quality(dataset, images, "files")


def record(model: str, display_name: str | None = None, **changes: Any) -> Record:
    """A record of `model` on a made-up CPU; `changes` replace any of its parts, or fields of its settings."""
    settings = Settings(device="cpu", device_name="Test CPU", threads=2)
    for name in [n for n in changes if hasattr(settings, n)]:
        setattr(settings, name, changes.pop(name))
    parts: dict[str, Any] = {
        "options": {},
        "weights": WeightsInfo("official", f"{model}.pth"),
        "created": "2026-01-02T03:04:05Z",
        "environment": {"cpu": "Test CPU", "torch": "2.13.0", "git": {"commit": "0123abc", "dirty": False}},
        **changes,
    }
    return Record(model=model, display_name=display_name or model, settings=settings, **parts)


def runtime(median: float, cold: float | None = None, run: str = "one run") -> Runtime:
    """Nine samples around `median`."""
    samples = [median * (1 + 0.002 * step) for step in range(-4, 5)]
    return Runtime(cold or 3 * median, [median], samples, interleaved_with=["dvmsr", "rlfn"], run=run)


def memory(mebibytes: float) -> Memory:
    """A peak on a CPU."""
    return Memory("peak resident growth of a fresh process", int(mebibytes * 2**20), None, 2**28)


DVMSR_COUNTS = {
    "flops_published": 20_168_048_640,
    "flops_fvcore_unfused": 26_711_174_400,
    "macs": 26_514_566_400,
    "flops": 62_461_041_984,
    "activations_published": 26_738_688,
    "activations": 391_646_016,
    "thop_macs": 12_578_979_840,
    "thop_parameters": 191_148,
}
RLFN_COUNTS = {"flops_published": 33_956_613_120, "macs": 33_931_447_296, "flops": 68_180_006_688, "conv2d": 57}


def full_set() -> list[Record]:
    """Records that answer every table and every explanation, as a full run on a CPU leaves them."""
    unlike = {"weights": WeightsInfo("random")}
    real = {"height": 339, "width": 510}
    ntire = {
        "flops_published": 19_674_859_520,
        "macs": 19_658_082_304,
        "flops": 39_515_645_120,
        "activations_published": 80_045_184,
        "activations": 80_045_184,
        "conv2d": 39,
    }
    out_proj = PIXELS * 8 * 120 * 60
    bi = {**DVMSR_COUNTS, "flops_published": 20_168_048_640 + out_proj, "macs": 29_282_818_560, "flops": 77_246_020_224}
    swinir = {
        "flops_published": 70_782_812_160,
        "macs": 69_799_772_160,
        "flops": 145_699_112_704,
        "activations_published": 26_738_688,
        "activations": 1_385_693_184,
    }
    sets = zip(SETS, (32.2129, 28.633, 27.584), (0.8951, 0.7823, 0.7379), strict=True)
    scored = [quality(s, p, q) for s, p, q in sets]
    dvmsr = {"scan_backend": "chunked"}
    return [
        record("bicubic", "Bicubic", complexity=complexity(0), quality=[quality("Set5", 28.42, 0.8104)]),
        record(
            "dvmsr",
            "DVMSR",
            complexity=complexity(424_428, **DVMSR_COUNTS),
            runtime=runtime(900.0),
            memory=memory(300),
            quality=scored,
            skipped=[Skipped("quality:Urban100", "no such data", "python bench/profile.py --model dvmsr", 12.5)],
            **dvmsr,
        ),
        record("dvmsr", "DVMSR", runtime=runtime(2400.0), memory=memory(780), **real, **dvmsr),
        record("dvmsr", "DVMSR", options={"vimm_skip": True}, quality=[quality("Set5", 20.5888, 0.6)], **dvmsr),
        record(
            "dvmsr_ntire",
            "DVMSR (NTIRE 2024)",
            complexity=complexity(424_428, **DVMSR_COUNTS),
            quality=[quality("Set5", 32.181), quality("B100", 27.57)],
            **dvmsr,
        ),
        record(
            "dvmsr_bi",
            "DVMSR (bidirectional)",
            complexity=complexity(484_908, **bi),
            runtime=runtime(1500.0),
            memory=memory(400),
            **unlike,
            **dvmsr,
        ),
        record(
            "rlfn",
            "RLFN",
            complexity=complexity(543_740, **RLFN_COUNTS),
            runtime=runtime(400.0),
            memory=memory(200),
            quality=[quality("Set5", 32.238, 0.8952), quality("B100", 27.605, 0.7364)],
        ),
        record("rlfn_s", "RLFN-S", complexity=complexity(470_208), quality=[quality("Set5", 32.239, 0.8951)]),
        record(
            "rlfn_ntire",
            "RLFN (NTIRE baseline)",
            complexity=complexity(317_218, **ntire),
            runtime=runtime(250.0),
            memory=memory(150),
            quality=[quality("Set5", 32.097), quality("B100", 27.5)],
        ),
        record("rlfn_ntire", "RLFN (NTIRE baseline)", ntire_compat=True, runtime=runtime(250.0, cold=900.0)),
        record("swinir_light", "SwinIR-light", complexity=complexity(929_628, **swinir), **unlike),
        *variants(),
        record(
            "dvmsr",
            "DVMSR",
            options={"channels": 180},
            complexity=complexity(3_328_068),
            **unlike,
        ),
        record("dvmsr", "DVMSR", options={"depths": [2, 2]}, complexity=complexity(242_388), **unlike),
    ]


def variants() -> list[Record]:
    """The networks of Tables 3, 4, 5 and 8, each once, with the parameters a hand count gives them."""
    counts = [
        (180, [6, 6, 6, 6], 7_222_359),
        (180, [2, 2, 9, 2], 5_213_559),
        (180, [2, 2, 2, 2], 3_651_159),
        (180, [1, 1, 1, 1], 2_758_359),
        (180, [2] * 2, 2_174_799),
        (180, [2] * 6, 5_127_519),
        (180, [2] * 10, 8_080_239),
        (150, [2] * 4, 2_664_069),
        (192, [2] * 4, 4_089_027),
        (210, [2] * 4, 4_809_489),
        (192, [2] * 8, 7_432_131),
    ]
    return [
        record(
            "dvmsr",
            "DVMSR",
            options={"channels": channels, "depths": depths, "upsampler": "pixelshuffle"},
            complexity=complexity(parameters),
            weights=WeightsInfo("random"),
        )
        for channels, depths, parameters in counts
    ]


def scan_settings(device: str = "cpu", threads: int | None = 2) -> ScanSettings:
    """DVMSR's scan on a made-up device."""
    return ScanSettings(device, "Test CPU" if device == "cpu" else "Test GPU", "fp32", 120, 16, threads)


def scan_record(measurements: list[Measurement], device: str = "cpu", threads: int | None = 2) -> ScanRecord:
    """A finished scan record of a machine that copies 10 GB/s."""
    machine = Machine(copy_bytes=10**9, copy_samples_ms=[100.0, 100.0, 100.0])
    return ScanRecord(
        scan_settings(device, threads),
        "2026-01-02T03:04:05Z",
        {"cpu": "Test CPU"},
        machine,
        {"mamba_ssm": False, "causal_conv1d": False},
        measurements,
    )


def scan_measurement(cell: ScanCell, backend: str, median_ms: float, memory: Memory | None = None) -> Measurement:
    """Nine samples around `median_ms`, 100 bytes of results."""
    return Measurement(cell, backend, runtime(median_ms), "calls", 100, memory=memory)


def accuracy_record(results: list[VariantAccuracy]) -> AccuracyRecord:
    """A finished accuracy record; the base and the float64 run are those of `bench.studies.accuracy.study`."""
    return AccuracyRecord(
        "dvmsr",
        {},
        "DVMSR",
        WeightsInfo("official", "dvmsr.pth"),
        "cpu",
        "Test CPU",
        2,
        "2026-01-02T03:04:05Z",
        {"cpu": "Test CPU"},
        BASE,
        EXACT,
        None,
        results,
    )


BASE = AccuracyVariant("fp32", "chunked", {"fused": False})
EXACT = AccuracyVariant("fp64", "chunked", {"fused": False})


def accuracy_result(variant: AccuracyVariant, psnr_y: float, changed: int, exact: bool = True) -> VariantAccuracy:
    """Two images of 1,000 values; in the second twice as many are changed, by up to three levels."""
    images = [
        ImageAccuracy(name, psnr_y + shift, difference, difference if exact else None)
        for name, shift, difference in (
            ("a", -1.5, Difference(1 if changed else 0, changed, 1000)),
            ("b", 1.5, Difference(3 if changed else 0, 2 * changed, 1000)),
        )
    ]
    return VariantAccuracy(variant, "Set5", images, 1.25)


def attributed(model: str, display_name: str) -> Attributed:
    """A network that was looked into."""
    weights = WeightsInfo("official", f"{model}.pth")
    when, environment = "2026-01-02T03:04:05Z", {"cpu": "Test CPU"}
    return Attributed(model, {}, display_name, 4, weights, None, "cpu", "Test CPU", 2, when, environment)


def lam_record(model: str, display_name: str, signed: NDArray[np.floating], start: float, end: float) -> LamRecord:
    """A map of a grey image of the map's size, with a patch of 8 in its upper left corner."""
    lr = np.full((*signed.shape, 3), 90, dtype=np.uint8)
    network = attributed(model, display_name)
    return LamRecord(network, "grey", png_text(lr), Patch(0, 0, 8), BlurPath(), Grid.pack(signed), start, end)


def field_record(model: str, display_name: str, radii: list[list[float]]) -> FieldRecord:
    """An image a list of radii, one a position; the radii of 95 % are twice those of 50 %."""
    images = [FieldImage(f"image{i}", r, [2 * v for v in r], r, [2 * v for v in r]) for i, r in enumerate(radii)]
    share = np.zeros((5, 5))
    share[2, 2], share[2, 3], share[0, 2] = 0.5, 0.45, 0.05
    return FieldRecord(attributed(model, display_name), "photos", 5, 0, images, Grid.pack(share), Grid.pack(share))
