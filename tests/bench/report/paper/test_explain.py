"""Explanations are computed: right records explain, a changed number does not, a missing one says what to run."""

from collections.abc import Callable
from typing import Any

import pytest

from bench.core.record import Record, Runtime
from bench.report.lookup import DeviceRecords
from bench.report.paper.differences import known_differences
from bench.report.paper.explain import Finding, finding_section, judge
from tests.bench.report.conftest import MakeDevice
from tests.bench.report.records import full_set, memory, quality, record, runtime


def verdicts(device: DeviceRecords) -> dict[str, str]:
    return {known.key: judge(known, device).verdict for known in known_differences(device)}


def finding(device: DeviceRecords, key: str) -> Finding:
    return judge(next(k for k in known_differences(device) if k.key == key), device)


def test_a_full_run_explains_all_but_what_it_cannot_prove(full_device: DeviceRecords) -> None:
    found = verdicts(full_device)
    assert list(found) == list("abcdefghijklmno")
    assert found.pop("g") == found.pop("o") == "not confirmed by these records"
    assert set(found.values()) == {"explained"}


def test_differences_are_computed(full_device: DeviceRecords) -> None:
    assert finding(full_device, "a").difference == pytest.approx(-11.6241)
    assert finding(full_device, "b").difference == 6_543_125_760
    assert finding(full_device, "c").difference == 65_536 * 8 * 120 * 60
    assert finding(full_device, "e").difference == -323_091
    assert finding(full_device, "h").difference == pytest.approx(2.6)
    assert finding(full_device, "l").difference == -226_522


Change = Callable[[Record], None]


def _counts(**values: int) -> Change:
    def change(r: Record) -> None:
        assert r.complexity
        for name, value in values.items():
            setattr(r.complexity, name, value)

    return change


def _score(value: float, **other: Any) -> Change:
    def change(r: Record) -> None:
        others = [q for q in r.quality if q.dataset != "Set5"]
        r.quality = [quality("Set5", value, **other), *others]

    return change


def _memory(mebibytes: float) -> Change:
    def change(r: Record) -> None:
        r.memory = memory(mebibytes)

    return change


def _cold(ms: float) -> Change:
    def change(r: Record) -> None:
        r.runtime = runtime(250.0, cold=ms)

    return change


SKIP = {"vimm_skip": True}
ONE_STEP = {"channels": 180}
TABLE_3 = {"channels": 180, "depths": [1, 1, 1, 1], "upsampler": "pixelshuffle"}
CHANGES: list[tuple[str, str, dict[str, Any], Change]] = [
    ("a", "dvmsr", SKIP, _score(32.0)),
    ("b", "dvmsr", {}, _counts(flops_fvcore_unfused=26_712_174_400)),
    ("b", "dvmsr", {}, _counts(flops_published=20_168_048_641)),
    ("c", "dvmsr_bi", {}, _counts(flops_published=23_942_922_241)),
    ("d", "swinir_light", {}, _counts(activations_published=26_738_689)),
    ("d", "swinir_light", {}, _counts(activations=391_646_016)),
    ("e", "dvmsr", ONE_STEP, _counts(parameters=3_651_159)),
    ("f", "dvmsr", {"depths": [2, 2]}, _counts(parameters=242_389)),
    ("h", "dvmsr", {}, _memory(780)),
    ("i", "rlfn_ntire", {}, _cold(300.0)),
    ("j", "dvmsr", {}, _score(32.2129, psnr_y_rounded=32.2129)),
    ("k", "dvmsr", {}, _score(32.2129, psnr_y_no_border=32.2129)),
    ("l", "rlfn", {}, _counts(parameters=543_741)),
    ("m", "dvmsr", {}, _counts(thop_parameters=191_149)),
    ("n", "dvmsr", TABLE_3, _counts(parameters=2_757_000)),
]


@pytest.mark.parametrize(
    ("key", "model", "options", "change"), CHANGES, ids=[f"{k}-{i}" for i, (k, *_) in enumerate(CHANGES)]
)
def test_a_changed_number_is_not_confirmed(
    make_device: MakeDevice, key: str, model: str, options: dict[str, Any], change: Change
) -> None:
    records = full_set()
    for item in records:
        compat = item.settings.ntire_compat == (key == "i")
        if item.model == model and item.options == options and compat and item.settings.height == 256:
            change(item)
    device = make_device(records)
    assert finding(device, key).verdict == "not confirmed by these records"
    assert "| no " in finding_section(finding(device, key)).body


def test_without_records_each_says_what_to_run(make_device: MakeDevice) -> None:
    device = make_device([record("bicubic", quality=[quality("Set5", 28.42)])])
    for known in known_differences(device):
        found = judge(known, device)
        assert found.verdict == "needs records", known.key
        section = finding_section(found)
        assert "`python bench/profile.py --model" in section.missing[0]
        assert "no record" in section.body
    (skip,) = finding_section(finding(device, "a")).missing
    assert "--model dvmsr --model-args vimm_skip=True --measure quality --data Set5 --reuse`" in skip


def test_citations_name_record_field_and_value(full_device: DeviceRecords) -> None:
    text = finding_section(finding(full_device, "a")).body
    assert "| as released, without the skip | 32.213 dB | `quality.Set5.psnr_y` | [1]" in " ".join(text.split())
    assert "[2] `dvmsr__vimm_skip=true__test-cpu__2t__256x256__fp32__chunked__" in text


def test_two_checkpoints_are_no_proof_even_if_they_lie_as_far_apart(make_device: MakeDevice) -> None:
    device = make_device(
        [
            record("dvmsr", quality=[quality("B100", 27.6, psnr_rgb=26.3)]),
            record("dvmsr_ntire", quality=[quality("B100", 27.5, psnr_rgb=26.2)]),
        ]
    )
    found = finding(device, "g")
    assert all(o.holds for o in found.outcomes)
    assert found.verdict == "not confirmed by these records"


def test_a_challenge_style_run_over_images_is_compared_with_the_same_images(make_device: MakeDevice) -> None:
    cold = quality("Set5", 32.0)
    cold.images[0].time_ms = 300.0
    times = [image.time_ms for image in cold.images]
    device = make_device(
        [
            record("rlfn_ntire", quality=[quality("Set5", 32.0)], runtime=runtime(20.0)),
            record("rlfn_ntire", ntire_compat=True, quality=[cold], runtime=Runtime(times[0], [], times)),
        ]
    )
    found = finding(device, "i")
    assert found.verdict == "explained"
    assert [c.value for c in found.citations] == [165.0, 30.0, 300.0, 30.0]


def test_on_a_gpu_the_memory_itself_is_checked(make_device: MakeDevice) -> None:
    gpu: dict[str, Any] = {"device": "cuda", "device_name": "Test GPU", "threads": None}
    large: dict[str, Any] = {"height": 339, "width": 510}
    right = [record("dvmsr", memory=memory(300), **gpu), record("dvmsr", memory=memory(780), **large, **gpu)]
    assert len(finding(make_device(right), "h").outcomes) == 2
