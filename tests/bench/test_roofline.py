"""Layers timed one by one, the machine's rates, floors by hand, and the section made of them."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from bench.core.record import Settings
from bench.core.record_file import read_as
from bench.core.render import to_csv
from bench.counts.complexity import count_complexity
from bench.report.build import build
from bench.report.lookup import load
from bench.report.studies.load import load_studies
from bench.report.studies.roofline import (
    cost,
    fused_floor_ms,
    layer_data,
    layer_table,
    network_table,
    roofline_section,
    titles,
)
from bench.report.studies.roofline_chart import roofline_chart
from bench.roofline import main
from bench.studies.roofline.layer_kinds import (
    ATTENTION,
    CONVOLUTION,
    ELEMENTWISE,
    MIXER,
    MOVEMENT,
    NORMALISATION,
    PRODUCT,
    kind_of,
)
from bench.studies.roofline.layer_profile import LayerProfiler, profile_pass, tensor_bytes
from bench.studies.roofline.roofline_record import LayerOp, Rates, RooflineRecord
from bench.studies.roofline.study import Profiled, merge_passes
from models import create_model, get_spec
from models.errors import EsrError
from models.input import input_shape
from tests.bench.report.records import complexity, record
from tests.commands import run
from tests.kept import write_record

ROOT = Path(__file__).parents[2]
CPU = torch.device("cpu")


class Small(nn.Module):
    """Every count of it is in the tests by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x).relu()
        return y.flatten(2).transpose(1, 2).contiguous()


def profiled(model: nn.Module, x: Tensor) -> LayerProfiler:
    profiler, python_ms = profile_pass(model, x, CPU, 0.0)
    assert python_ms > 0
    return profiler


def test_bytes_of_what_is_in_memory() -> None:
    assert tensor_bytes(torch.zeros(2, 3)) == 24
    assert tensor_bytes(torch.zeros(1, 3).expand(5, 3)) == 12
    assert tensor_bytes(torch.zeros(4, 6, dtype=torch.bfloat16)[:, ::2]) == 24
    assert tensor_bytes(torch.zeros(0, 3)) == 0
    assert tensor_bytes(torch.zeros(())) == 4


def test_counts_bytes_and_memory_by_hand() -> None:
    profiler = profiled(Small(), torch.rand(1, 3, 5, 7))
    conv, relu, copy = profiler.layers()  # flatten and transpose only name memory anew
    x, weight, out = 4 * 3 * 35, 4 * (4 * 27 + 4), 4 * 4 * 35
    assert (conv.module, conv.op, conv.kind, conv.calls) == ("conv", "aten::convolution", CONVOLUTION, 1)
    assert (conv.macs, conv.flops) == (27 * 4 * 35, 2 * 27 * 4 * 35 + 4 * 35)
    assert (conv.bytes, conv.live_bytes) == (x + weight + out, out)
    assert (relu.module, relu.kind, relu.flops, relu.bytes) == ("", ELEMENTWISE, 4 * 35, 2 * out)
    assert (copy.kind, copy.flops, copy.bytes) == (MOVEMENT, 0, 2 * out)
    assert relu.live_bytes == 2 * out  # the input of relu is alive until it returns
    assert profiler.live.most == 2 * out
    assert all(layer.times_ms[0] > 0 for layer in (conv, relu, copy))


def test_memory_that_is_freed_no_longer_counts() -> None:
    class Chain(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            for _ in range(10):
                x = x + 1
            return x

    x = torch.rand(1000)
    profiler = profiled(Chain(), x)
    assert profiler.live.most == 2 * 4000
    (add,) = profiler.layers()
    assert (add.calls, add.flops, add.bytes) == (10, 10_000, 10 * 8000)


def test_time_is_that_of_the_operator_and_not_of_the_python_around_it() -> None:
    import time

    class Slow(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            y = x @ x
            time.sleep(0.3)
            return y

    (product,) = profiled(Slow(), torch.rand(8, 8)).layers()
    assert product.times_ms[0] < 150


@pytest.mark.parametrize("name", ["dvmsr", "rlfn_ntire", "swinir_light", "span"])
def test_the_layers_hold_all_the_work_of_the_complete_count(name: str) -> None:
    spec, model = get_spec(name), create_model(name)
    with torch.no_grad():
        layers = profiled(model, torch.rand(input_shape(spec, 16, 24))).layers()
    counted = count_complexity(create_model(name), 16, 24, spec)
    # A fused mixer is counted by its formula, which leaves out the element-wise work around the scan.
    assert sum(layer.flops for layer in layers) == pytest.approx(counted.flops, rel=0.02 if spec.scan else 0)
    assert {layer.module for layer in layers} <= {module for module, _ in model.named_modules()}
    if name == "dvmsr":
        assert {layer.kind for layer in layers} >= {CONVOLUTION, MIXER, NORMALISATION}


def test_kinds() -> None:
    found = [kind_of(f"aten::{op}") for op in ("convolution", "addmm", "_softmax", "native_layer_norm", "clone")]
    assert found == [CONVOLUTION, PRODUCT, ATTENTION, NORMALISATION, MOVEMENT]
    assert kind_of("esr::mamba_mixer") == MIXER
    assert kind_of("someone::else") == "other"


def rates() -> Rates:
    return Rates(copy_bytes=1000, copy_ms=[2.0, 1.0], product_flops=8000, product_ms=[1.0, 4.0])  # 1e6 B/s, 8e6 FLOP/s


def layers() -> list[LayerOp]:
    return [
        LayerOp("a", "aten::convolution", CONVOLUTION, 1, 4000, 8000, 500, 100, [2.0, 3.0, 100.0]),
        LayerOp("b", "aten::relu", ELEMENTWISE, 2, 0, 80, 3000, 300, [4.0, 4.0, 4.0]),
    ]


def roofline_record(name: str = "DVMSR", **settings: object) -> RooflineRecord:
    about = Settings("cpu", "Test CPU", threads=2, **settings)  # type: ignore[arg-type]
    return RooflineRecord("dvmsr", {}, name, about, "", {}, 700, [8.0, 9.0, 8.5], rates(), layers(), 300)


def test_floors_by_hand() -> None:
    assert (rates().bytes_per_s, rates().flops_per_s) == (1e6, 8e6)
    total = cost(layers(), rates())
    assert (total.ms, total.arithmetic_ms, total.traffic_ms) == (3.0 + 4.0, 1.0, 3.0)
    assert (total.bound, total.over_floor) == ("memory traffic (75%)", 1.75)
    fused_ms, by = fused_floor_ms(roofline_record())
    assert (fused_ms, by) == (pytest.approx(8080 / 8e6 * 1e3), "arithmetic")
    table = network_table([roofline_record()])
    (row,) = table.rows
    line = {column.title: cell.text for column, cell in zip(table.columns, row, strict=True)}
    assert (line["pass [ms]"], line["in its layers"], line["pass / floor"]) == ("8.50", "82%", "2.12x")
    assert [cells[0].text for cells in layer_table(roofline_record(), 1).shown.rows] == ["b"]


def test_names_say_what_differs_and_only_that() -> None:
    assert titles([roofline_record()]) == ["DVMSR"]
    several = [roofline_record(precision="bf16"), roofline_record("RLFN")]
    assert titles(several) == ["DVMSR, bf16", "RLFN, fp32"]


def test_section_csv_and_figure() -> None:
    records = [roofline_record(), roofline_record("RLFN", precision="bf16")]
    chart = roofline_chart(records, titles(records))
    body = roofline_section(records).body
    assert "All at 256x256, 2 threads." in body
    assert "2.1 times its floor as it runs, bound by memory traffic (75%)" in body
    assert to_csv(layer_data(records)).count("\n") == 1 + 4
    assert chart
    assert chart.conclusion.startswith("DVMSR, fp32 takes 2.1 times its floor, bound by memory traffic")
    roofs = [series for series in chart.series if series.line]
    assert len(roofs) == 2  # each process measured its own
    level = max(mark.y for mark in roofs[0].marks)
    assert level == pytest.approx(records[0].rates.flops_per_s / 1e9)
    assert [series.title for series in chart.series if series.shape == "star"] == titles(records)


def test_the_page_has_every_layer_behind_its_record(tmp_path: Path) -> None:
    write_record(record("dvmsr", complexity=complexity(1000)), tmp_path / "records")
    write_record(roofline_record(), tmp_path / "roofline")
    files = build(load(tmp_path / "records"), load_studies(tmp_path / "records"))
    assert "| convolution " in files["report.md"].decode()
    assert {"roofline.png", "roofline.pdf", "roofline.csv", "roofline.md"} <= set(files)
    page = files["report.html"].decode()
    assert "Layers</caption>" in page
    assert page.count(">relu<") == 2  # in the section's table of slowest layers, and behind the record


def test_passes_that_run_different_operators_have_no_one_time() -> None:
    merged = merge_passes("net", [Profiled([one], 0) for one in (layers()[0], layers()[0])])
    assert merged[0].times_ms == [2.0, 2.0]
    with pytest.raises(EsrError, match="different operators"):
        merge_passes("net", [Profiled([layers()[0]], 0), Profiled([layers()[1]], 0)])


def test_whole_command_then_reuse(tmp_path: Path) -> None:
    words = ["--model", "rlfn_s", "--input-size", "16x24", "--runs", "2", "--layers", "3", "--out", str(tmp_path)]
    done = run("bench/roofline.py", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (path,) = tmp_path.glob("*.json")
    found = read_as(RooflineRecord, path)
    assert len(found.passes_ms) == len(found.layers[0].times_ms) == 2
    assert len(found.rates.copy_ms) > 2 < len(found.rates.product_ms)
    output = 3 * 64 * 96
    parameters = sum(p.numel() for p in create_model("rlfn_s").parameters())
    assert found.least_bytes == 4 * (parameters + 3 * 16 * 24 + output)
    assert "convolution" in done.stdout
    before = path.read_bytes()
    assert main([*words, "--reuse"]) == 0
    assert path.read_bytes() == before
    path.write_bytes(before[: len(before) // 2])
    assert main([*words, "--reuse"]) == 0
    assert read_as(RooflineRecord, path).layers


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--model", "dvmrs"], "dvmsr"),
        (["--model", "dvmsr", "--input-size", "0"], "--input-size 0 is not a size"),
        (["--model", "dvmsr", "--runs", "0"], "must be positive"),
        (["--model", "dvmsr", "--time-budget", "nan"], "must be positive"),
        (["--model", "dvmsr", "--threads", "-1"], "--threads -1"),
        (["--model", "dvmsr", "--device", "cpu", "--precision", "tf32"], "needs a CUDA device"),
    ],
)
def test_a_wrong_call_is_one_line(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith("error: ")
    assert said in error
    assert "\n" not in error


def test_a_network_that_fails_leaves_the_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--model", "dvmsr(channels=7,upsampler=nothing)", "rlfn_s", "--input-size", "8", "--runs", "1"]
    assert main([*arguments, "--out", str(tmp_path)]) == 1
    assert "failed: " in capsys.readouterr().err
    assert len(list(tmp_path.glob("*.json"))) == 1


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_on_a_gpu_the_layers_take_the_time_of_the_pass(tmp_path: Path) -> None:
    assert main(["--model", "rlfn_ntire", "--device", "cuda", "--out", str(tmp_path)]) == 0
    (path,) = tmp_path.glob("*.json")
    found = read_as(RooflineRecord, path)
    assert 0.5 < cost(found.layers, found.rates).ms / min(found.passes_ms) < 1.5
