"""Numbers stand under what they were measured of, in commands and in the report: each case once did not."""

from pathlib import Path

import torch
from torch import nn

from bench.core.record_file import read_as, read_record
from bench.networks.external.exported import convolution_calls
from bench.report.trust import disagreements
from bench.studies.roofline.roofline_record import RooflineRecord
from bench.studies.scaling.scaling_record import ScalingRecord
from bench.studies.step.step_record import StepRecord
from tests.bench.own_networks import CODE, PARAMETERS, write_code
from tests.bench.report.records import complexity, record
from tests.bench.test_profile import environment, image, profile
from tests.commands import run

SMALL = "dvmsr(channels=8, depths=[1])"
__all__ = ["environment"]


def test_scans_of_one_network_have_a_record_each(tmp_path: Path, environment: dict[str, str]) -> None:
    words = ("--model", f"{SMALL}@reference", f"{SMALL}@chunked", "--sizes", "16", "--runs", "2", "--device", "cpu")
    for more in ((), ("--reuse",)):
        done = run("bench/scaling.py", *words, *more, "--out", tmp_path, env=environment)
        assert done.returncode == 0, done.stderr
        records = {r.scan_backend: r for r in (read_as(ScalingRecord, p) for p in tmp_path.glob("*.json"))}
        assert records.keys() == {"reference", "chunked"}
        reference, chunked = (r.points[0].samples_ms for r in records.values())
        assert reference != chunked


IMPORTS = CODE.replace("import torch\n", "import torch\nfrom widths import CHANNELS\n", 1).replace(
    "channels=8", "channels=CHANNELS"
)


def test_an_own_network_is_known_by_all_its_code(tmp_path: Path, environment: dict[str, str]) -> None:
    net, out = write_code(tmp_path, IMPORTS), tmp_path / "out"
    words = ("--model", f"{net}:TinyNet", "--input-size", "24x32", "--runs", "2", "--out", str(out))
    write_code(tmp_path, "CHANNELS = 8\n", "widths.py")
    done = profile(*words, "--measure", "runtime", env=environment)
    assert done.returncode == 0, done.stderr
    (path,) = out.iterdir()
    before = read_record(path)
    assert before.source
    assert before.source.code_files == 2
    write_code(tmp_path, "CHANNELS = 4\n", "widths.py")
    for more in (("--measure", "counts"), ("--measure", "runtime", "--reuse")):
        done = profile(*words, *more, env=environment)
        assert done.returncode == 0, done.stderr
    assert read_record(path) == before
    (edited,) = (read_record(other) for other in out.iterdir() if other != path)
    counts = {r.complexity.parameters for r in (before, edited) if r.complexity}
    assert counts == {PARAMETERS, 28 * 4 + 37 * 48}
    assert edited.runtime
    assert before.runtime
    assert edited.runtime.run != before.runtime.run
    assert edited.model != before.model


def test_two_files_with_one_class_name_have_a_roofline_each(tmp_path: Path, environment: dict[str, str]) -> None:
    first = write_code(tmp_path / "a")
    second = write_code(tmp_path / "b", CODE.replace("channels=8", "channels=4"))
    words = ("--model", f"{first}:TinyNet", f"{second}:TinyNet", "--input-size", "16", "--runs", "1", "--device", "cpu")
    done = run("bench/roofline.py", *words, "--time-budget", "1", "--out", tmp_path / "out", env=environment)
    assert done.returncode == 0, done.stderr
    records = [read_as(RooflineRecord, path) for path in (tmp_path / "out").glob("*.json")]
    assert len({r.model for r in records}) == len({r.least_bytes for r in records}) == 2


def test_challenge_times_belong_to_the_data_set_that_was_timed(tmp_path: Path, environment: dict[str, str]) -> None:
    for name in ("Set5", "Set14"):
        image(tmp_path / "images" / name / "HR" / "a.png")
    words = ("--model", "bicubic", "--ntire-compat", "--data-dir", str(tmp_path), "--out", str(tmp_path / "out"))
    for name in ("Set5", "Set14"):
        done = profile(*words, "--data", name, env=environment)
        assert done.returncode == 0, done.stderr
    records = {r.settings.timed_on: r for r in map(read_record, (tmp_path / "out").iterdir())}
    assert records.keys() == {"Set5", "Set14"}
    for name, found in records.items():
        assert found.runtime
        (scored,) = found.quality
        assert scored.dataset == name
        assert found.runtime.samples_ms == [i.time_ms for i in scored.images]
    assert len({r.runtime.run for r in records.values() if r.runtime}) == 2


def test_a_smaller_plan_writes_over_nothing(tmp_path: Path) -> None:
    words = ("--device", "cpu", "--model-args", "channels=8", "depths=[1]", "--patch", "8", "--backends", "chunked")
    for batch in ("1", "2"):
        done = run("bench/step.py", *words, "--batch", batch, "--runs", "2", "--out", tmp_path)
        assert done.returncode == 0, done.stderr
    (path,) = tmp_path.iterdir()
    both = read_as(StepRecord, path)
    assert [m.batch for m in both.measurements] == [1, 2]
    done = run("bench/step.py", *words, "--batch", "1", "2", "--runs", "2", "--reuse", "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    assert read_as(StepRecord, path).measurements == both.measurements


def test_networks_that_cannot_be_traced_are_compared_by_the_rest() -> None:
    counts = [complexity(5, flops_published=None), complexity(5, flops_published=None), complexity(6)]
    records = [(f"{i}.json", record("net", complexity=c, threads=i), {}) for i, c in enumerate(counts)]
    assert disagreements(records[:2]) == []
    assert [entry.file for entry in disagreements(records)] == ["0.json", "1.json", "2.json"]


class Splits(nn.Module):
    """Of whose exported graph some calls are no operators."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Conv2d(3, 8, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        left, right = self.head(x).chunk(2, dim=1)
        first, *_ = left.split(2, dim=1)
        return right.narrow(1, 0, 2) + first


def test_an_export_that_splits_its_channels_is_counted() -> None:
    exported = torch.export.export(Splits(), (torch.rand(1, 3, 8, 8),)).module()
    assert convolution_calls(exported) == 1
