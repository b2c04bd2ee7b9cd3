"""Which records are used, which are left out and why, and which one answers a question."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.core.record import OpCount, Quality, Record, Runtime, WeightsInfo
from bench.report.lookup import Query, load
from models.errors import EsrError
from tests.bench.report.conftest import MakeDevice
from tests.bench.report.records import complexity, memory, quality, record, runtime
from tests.kept import write_record

PARAMETERS = Query("dvmsr", "complexity.parameters")


def test_missing_and_empty_folders_are_one_line(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(EsrError, match="--records") as error:
            load(folder)
        assert "\n" not in str(error.value)


def test_corrupt_and_other_schema_are_named_and_left_out(tmp_path: Path) -> None:
    good = write_record(record("rlfn", complexity=complexity(543_740)), tmp_path)
    (tmp_path / "cut.json").write_text(good.read_text(encoding="utf-8")[:100], encoding="utf-8")
    other = json.loads(good.read_text(encoding="utf-8")) | {"schema": 99}
    (tmp_path / "other.json").write_text(json.dumps(other), encoding="utf-8")
    loaded = load(tmp_path)
    assert [m.file for m in loaded.devices[0].measured] == [good.name]
    reasons = {entry.file: entry.reason for entry in loaded.left_out}
    assert "not a complete JSON record" in reasons["cut.json"]
    assert "schema 99" in reasons["other.json"]
    assert not any(str(tmp_path) in reason for reason in reasons.values())


def _ops(r: Record) -> None:
    assert r.complexity
    r.complexity.ops = [OpCount("conv2d", 1, 1, 2)]


def _size(r: Record) -> None:
    r.settings.height = 128


def _no_samples(r: Record) -> None:
    r.runtime = Runtime(1.0, [], [])


def _negative_time(r: Record) -> None:
    r.runtime = Runtime(1.0, [], [-1.0])


def _no_images(r: Record) -> None:
    r.quality = [Quality("Set5", [], "files")]


def _twice(r: Record) -> None:
    r.quality = [quality("Set5", 32.0), quality("Set5", 31.0)]


def _ssim(r: Record) -> None:
    r.quality = [quality("Set5", 32.0, 1.5)]


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (_ops, "the ops' macs add up to 1, not to 1,000"),
        (_size, "counts at 256x256, but its input is 128x256"),
        (_no_samples, "a runtime without a sample"),
        (_negative_time, "a time that is not a positive number"),
        (_no_images, "quality on Set5 without an image"),
        (_twice, "one data set twice"),
        (_ssim, "an SSIM outside"),
    ],
)
def test_a_record_that_contradicts_itself_is_left_out(
    tmp_path: Path, spoil: Callable[[Record], None], reason: str
) -> None:
    bad = record("dvmsr", complexity=complexity(424_428))
    spoil(bad)
    path = write_record(bad, tmp_path)
    loaded = load(tmp_path)
    assert loaded.devices == ()
    assert [e.file for e in loaded.left_out] == [path.name]
    assert f"contradicts itself: {reason}" in loaded.left_out[0].reason


def test_two_accounts_of_one_run_are_both_left_out_and_a_copy_once(tmp_path: Path) -> None:
    first = write_record(record("dvmsr", runtime=runtime(10.0)), tmp_path)
    shutil.copy(first, tmp_path / "z.json")
    loaded = load(tmp_path)
    assert [(e.file, e.reason) for e in loaded.left_out] == [("z.json", f"is a copy of {first.name}")]
    write_record(record("dvmsr", runtime=runtime(11.0)), tmp_path / "again")
    (tmp_path / "z.json").unlink()
    loaded = load(tmp_path)
    assert loaded.devices == ()
    assert {e.file for e in loaded.left_out} == {first.name, f"again/{first.name}"}
    assert all("describes the same run" in e.reason for e in loaded.left_out)


def test_records_that_disagree_on_a_count_are_all_left_out(tmp_path: Path) -> None:
    write_record(record("dvmsr", complexity=complexity(424_428)), tmp_path)
    other = record("dvmsr", complexity=complexity(424_429), precision="bf16", options={"channels": 60})
    write_record(other, tmp_path)
    write_record(record("rlfn", complexity=complexity(1)), tmp_path)
    loaded = load(tmp_path)
    assert [m.record.model for m in loaded.devices[0].measured] == ["rlfn"]
    assert len(loaded.left_out) == 2
    assert any("has parameters 424,428 where" in e.reason for e in loaded.left_out)


def test_devices_and_thread_counts_never_mix(tmp_path: Path) -> None:
    write_record(record("dvmsr", runtime=runtime(10.0)), tmp_path)
    write_record(record("dvmsr", runtime=runtime(20.0), threads=1), tmp_path)
    gpu: dict[str, Any] = {"device": "cuda", "device_name": "Test GPU", "threads": None}
    write_record(record("dvmsr", runtime=runtime(1.0), **gpu), tmp_path)
    found = {d.label: d.find(Query("dvmsr", "runtime.median_ms")) for d in load(tmp_path).devices}
    assert {label: f.value for label, f in found.items() if f} == {
        "Test CPU, 1 thread": 20.0,
        "Test CPU, 2 threads": 10.0,
        "Test GPU": 1.0,
    }
    assert [d.slug for d in load(tmp_path).devices] == ["test-cpu-1t", "test-cpu-2t", "test-gpu"]


def test_options_at_their_defaults_are_the_network_itself(make_device: MakeDevice) -> None:
    item = record("dvmsr", options={"channels": 60, "depths": [2, 2, 2, 2]}, complexity=complexity(424_428))
    device = make_device([item])
    assert device.find(PARAMETERS) is not None
    assert device.find(replace(PARAMETERS, options={"channels": 180})) is None
    assert device.find(replace(PARAMETERS, options={"upsampler": "pixelshuffledirect"})) is not None


def test_size_matters_for_time_and_memory_but_not_for_quality(make_device: MakeDevice) -> None:
    item = record("dvmsr", height=339, width=510, runtime=runtime(5.0), memory=memory(7), quality=[quality("Set5", 32)])
    device = make_device([item])
    assert device.find(Query("dvmsr", "runtime.median_ms")) is None
    assert device.find(Query("dvmsr", "memory.peak_allocated", size=(339, 510))) is not None
    assert device.find(Query("dvmsr", "quality.Set5.psnr_y")) is not None


def test_only_plain_fp32_is_compared_and_the_fastest_backend_is_taken(make_device: MakeDevice) -> None:
    device = make_device(
        [
            record("dvmsr", runtime=runtime(9.0), scan_backend="reference"),
            record("dvmsr", runtime=runtime(5.0), scan_backend="chunked"),
            record("dvmsr", runtime=runtime(1.0), scan_backend="chunked", compile=True),
            record("dvmsr", runtime=runtime(2.0), scan_backend="chunked", precision="bf16"),
        ]
    )
    found = device.find(Query("dvmsr", "runtime.median_ms"))
    assert found is not None
    assert (found.value, found.record.settings.scan_backend) == (5.0, "chunked")


def test_random_and_custom_weights_do_not_pass_for_the_published_ones(make_device: MakeDevice) -> None:
    custom = WeightsInfo("custom", "mine.pth", "ab" * 32)
    device = make_device(
        [
            record("dvmsr", quality=[quality("Set5", 32)], weights=WeightsInfo("random")),
            record("rlfn", quality=[quality("Set5", 32)], weights=custom, complexity=complexity(543_740)),
            record("swinir_light", quality=[quality("Set5", 32)], weights=custom),
        ]
    )
    assert device.find(Query("dvmsr", "quality.Set5.psnr_y")) is None
    assert device.find(Query("rlfn", "quality.Set5.psnr_y")) is None
    assert device.find(Query("swinir_light", "quality.Set5.psnr_y")) is not None  # no other weights can be had


def test_challenge_style_times_are_asked_for_by_name(make_device: MakeDevice) -> None:
    compat = record("rlfn_ntire", ntire_compat=True, runtime=Runtime(90.0, [], [90.0, 10.0, 20.0]))
    images = record("dvmsr", ntire_compat=True, timed_on="Set5", runtime=Runtime(9.0, [], [9.0, 1.0]))
    device = make_device([compat, images])
    asked = Query("rlfn_ntire", "runtime.mean_with_first_ms", ntire_compat=True)
    found = device.find(asked)
    assert found is not None
    assert found.value == 40.0  # the first pass counts once, though it is among the samples
    assert device.find(replace(asked, ntire_compat=False)) is None
    assert device.find(replace(asked, model="dvmsr")) is None  # its passes are Set5's images, of no one size
