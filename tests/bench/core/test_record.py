"""Records: what is written is read back, atomically, and what is broken is refused by name."""

import dataclasses
import json
import os
import re
from pathlib import Path

import pytest

from bench.core.identity import slug
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
    in_turn,
)
from bench.core.record_file import read_record, write_bytes
from bench.core.wording import without_paths
from models.errors import EsrError
from tests.kept import write_record


def full_record() -> Record:
    image = ImageQuality("baby", 8, 9, 30.0, None, 0.9, 31.0, 29.5, 12.0)
    return Record(
        model="dvmsr",
        options={"depths": [2, 2]},
        display_name="DVMSR",
        weights=WeightsInfo("official", "DVMSR.pth", "ab" * 32, "https://example.org/DVMSR.pth"),
        settings=Settings("cpu", "AMD EPYC", scan_backend="chunked", threads=2),
        created="2026-01-01T00:00:00+00:00",
        environment={"device": "AMD EPYC", "load_average": [0.1, 0.2]},
        complexity=Complexity(256, 256, 1, 2, 3, 4, 5, [OpCount("aten::mm", 1, 2, 4)], ["aten::x"], 6, 7, 8, None, 9),
        runtime=Runtime(3.5, [1.0], [1.0, 2.0], ["rlfn"], ""),
        memory=Memory("m", 1, None, 2),
        quality=[Quality("Set5", [image], "files", notes=["grey"])],
        skipped=[Skipped("quality:B100", "too long", "python ...", 41.0)],
    )


def test_round_trip(tmp_path: Path) -> None:
    record = full_record()
    path = write_record(record, tmp_path / "new" / "folder")
    assert re.fullmatch(r"dvmsr__depths=-2-2__amd-epyc__2t__256x256__fp32__chunked__\w{8}\.json", path.name)
    assert read_record(path) == record
    assert os.listdir(path.parent) == [path.name]


def test_times_compare_within_a_run_only() -> None:
    a, b, c, unknown = (Runtime(1.0, [], [1.0], run=run) for run in ("x", "x", "y", ""))
    assert in_turn(a, b)
    assert not in_turn(a, c)
    assert not in_turn(unknown, unknown)
    assert not in_turn(a, None)


def test_names_tell_settings_apart() -> None:
    record = full_record()
    names = {record.file_name}
    changes: list[dict[str, object]] = [{"height": 64}, {"precision": "bf16"}, {"compile": True}, {"threads": 1}]
    changes += [{"ntire_compat": True}, {"ntire_compat": True, "timed_on": "Set5"}, {"device_name": "AMD EPYC (AVX2)"}]
    for change in changes:
        names.add(dataclasses.replace(record, settings=dataclasses.replace(record.settings, **change)).file_name)
    custom = WeightsInfo("custom", sha256="cd" * 32)
    names.add(dataclasses.replace(record, weights=custom).file_name)
    names.add(dataclasses.replace(record, weights=WeightsInfo("random")).file_name)
    newer = {**record.environment, "packages": {"torch": "9.9"}}
    names.add(dataclasses.replace(record, environment=newer).file_name)
    busy = {**record.environment, "load_average": [9.0]}
    names.add(dataclasses.replace(record, environment=busy).file_name)  # which is no other thing
    assert len(names) == len(changes) + 4
    assert slug("NVIDIA H200 / SXM") == "nvidia-h200-sxm"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(schema=99), "record schema 99"),
        (lambda d: d.pop("model"), "does not fit"),
        (lambda d: d.update(extra=1), "unknown field 'extra'"),
        (lambda d: d.update(weights=[]), "WeightsInfo is list"),
        (lambda d: d.update(options=None), "options is None"),
        (lambda d: d["runtime"].update(cold_ms="fast"), "cold_ms is 'fast'"),
        (lambda d: d["weights"].update(status="stolen"), "status is 'stolen'"),
        (lambda d: d["complexity"].update(parameters=1.5), "parameters is 1.5"),
        (lambda d: d["quality"][0]["images"][0].pop("name"), "does not fit"),
        (lambda d: d.update(display_name="half \ud83d"), "surrogates not allowed"),
        (lambda d: d.update(display_name="x y" * 10_000), "has 30000 characters"),
        (lambda d: d["complexity"].update(parameters=10**400), "integer of more than 63 bits"),
        (lambda d: d["runtime"].update(samples_ms=[1.0] * 300_000), "runtime has 300000 entries"),
        (lambda d: d["environment"].update(deep={"x": ["y z" * 10_000]}), "has 30000 characters"),
        (lambda d: d["runtime"].update(cold_ms=float("nan")), "NaN is no number"),
        (lambda d: d["runtime"].update(cold_ms=float("-inf")), "-Infinity is no number"),
    ],
)
def test_a_record_that_does_not_fit_the_schema(tmp_path: Path, change: object, message: str) -> None:
    path = write_record(full_record(), tmp_path)
    data = json.loads(path.read_text(encoding="utf-8"))
    change(data)  # type: ignore[operator]
    path.write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(EsrError) as error:
        read_record(path)
    assert message in str(error.value)
    assert path.name in str(error.value)


@pytest.mark.parametrize("content", ["", "{", "[1, 2]", "null", "\x00\x01"])
def test_a_file_that_is_no_record(tmp_path: Path, content: str) -> None:
    path = tmp_path / "bad.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(EsrError, match=r"bad\.json"):
        read_record(path)


@pytest.mark.parametrize("kind", ["pipe", "folder", "dangling", "huge"])
def test_what_is_no_file_of_a_records_size(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "bad.json"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "dangling":
        path.symlink_to(tmp_path / "nowhere")
    else:
        with path.open("wb") as file:
            file.truncate(2**30)
    with pytest.raises(EsrError, match=r"record .*bad\.json"):
        read_record(path)


def test_not_a_number_is_not_written(tmp_path: Path) -> None:
    record = full_record()
    assert record.runtime
    record.runtime.samples_ms.append(float("nan"))
    with pytest.raises(ValueError, match="JSON"):
        write_record(record, tmp_path)
    assert os.listdir(tmp_path) == []


def test_a_failed_write_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_bytes(path, b"old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(EsrError, match="No space left on device; free some space"):
        write_bytes(path, b"new")
    assert path.read_text(encoding="utf-8") == "old"
    assert os.listdir(tmp_path) == ["file"]


def test_an_unusable_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(EsrError, match="choose another --out"):
        write_record(full_record(), tmp_path / "file" / "folder")


def test_paths_of_the_machine_stay_out_of_records() -> None:
    text = "not in $ESR_DATA /home/me/data; see https://example.org/a/b, put it into <--data-dir>/images/Set5/HR"
    expected = "not in $ESR_DATA PATH; see https://example.org/a/b, put it into <--data-dir>/images/Set5/HR"
    assert without_paths(text) == expected
