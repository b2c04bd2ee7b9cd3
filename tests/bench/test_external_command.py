"""The real command on networks of the user's own: what it measures, refuses and survives."""

import importlib.util
import json
import pickle
import re
import signal
import time
from pathlib import Path

import psutil
import pytest
import torch

from bench.core.record_file import read_record
from tests.bench.own_networks import (
    CODE,
    MACS_PER_PIXEL,
    OUTPUTS_PER_PIXEL,
    PARAMETERS,
    tiny,
    write_code,
    write_export,
    write_torchscript,
    write_weights,
)
from tests.bench.test_profile import QUICK, SCRIPT, environment, profile, refused
from tests.commands import start

__all__ = ["environment"]  # a fixture
COUNTS = ("--measure", "counts")


def test_beside_a_network_of_the_registry_and_in_the_report(tmp_path: Path, environment: dict[str, str]) -> None:
    net, weights, out = write_code(tmp_path), write_weights(tmp_path), tmp_path / "results" / "records"
    done = profile(
        "--model", f"{net}:TinyNet", "bicubic", "--weights", str(weights), "--size-multiple", "16", "--runs", "3",
        "--data", "available", "--limit", "1", "--time-budget", "5", "--out", str(out),
        env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("running the code of net.py:TinyNet as your user") == 1
    records = {record.model.split("-")[0]: record for record in map(read_record, out.iterdir())}
    own, other = records["tinynet"], records["bicubic"]
    assert own.complexity
    assert own.complexity.parameters == PARAMETERS
    assert own.complexity.flops_published == own.complexity.macs == 256 * 256 * MACS_PER_PIXEL
    assert own.complexity.activations_published == 256 * 256 * OUTPUTS_PER_PIXEL
    assert own.runtime
    assert own.memory
    assert own.runtime.interleaved_with == ["bicubic"]
    assert other.runtime
    assert other.runtime.interleaved_with == [own.display_name]
    assert [q.dataset for q in own.quality] == ["photos[:1]"]
    assert (own.weights.status, own.weights.file) == ("custom", "net.pth")
    assert own.source
    assert (own.source.file, own.source.network, own.source.size_multiple) == ("net.py", "TinyNet", 16)
    assert other.source is None
    assert str(tmp_path) not in "".join(path.read_text(encoding="utf-8") for path in out.iterdir())

    report = tmp_path / "report"
    built = profile("--records", str(out), "--out", str(report), env=environment, command=("bench/report/build.py",))
    assert built.returncode == 0, built.stderr
    assert own.display_name in (report / "measured.md").read_text(encoding="utf-8")
    page = (report / "report.md").read_text(encoding="utf-8")
    assert f"| {own.display_name} " in page.split("## Headline numbers")[1].split("##")[0]
    assert "net.py:TinyNet, Python file" in page.split("## Networks of your own")[1]
    assert "TinyNet" not in (report / "table1.md").read_text(encoding="utf-8")


def test_two_files_with_one_class_name_have_a_record_each(tmp_path: Path, environment: dict[str, str]) -> None:
    first = write_code(tmp_path / "a")
    second = write_code(tmp_path / "b", CODE.replace("channels=8", "channels=4"))
    out = tmp_path / "records"
    models = (f"{first}:TinyNet", f"{second}:TinyNet", f"{tmp_path / 'a' / '.' / 'net.py'}:TinyNet")
    done = profile("--model", *models, *QUICK, *COUNTS, "--out", str(out), env=environment)
    assert done.returncode == 0, done.stderr
    records = [read_record(path) for path in out.iterdir()]
    assert len(records) == 2
    assert {r.complexity.parameters for r in records if r.complexity} == {PARAMETERS, 28 * 4 + 37 * 48}


def test_a_network_that_takes_no_small_input_is_counted(tmp_path: Path, environment: dict[str, str]) -> None:
    code = CODE.replace("return self", "assert x.shape[2] == x.shape[3] == 96, 'odd size'\n        return self")
    net, out = write_code(tmp_path, code), tmp_path / "records"
    command = ("--model", f"{net}:TinyNet", *COUNTS, "--out", str(out))
    done = profile(*command, "--input-size", "96", env=environment)
    assert done.returncode == 0, done.stderr
    (path,) = out.iterdir()
    counts = read_record(path).complexity
    assert counts
    assert counts.flops_published == counts.macs == 96 * 96 * MACS_PER_PIXEL
    refusal = profile(*command, "--input-size", "64", env=environment)
    assert refusal.returncode == 2
    assert "AssertionError: odd size (net.py:13)" in refusal.stderr
    assert "--size-multiple" not in refusal.stderr  # no multiple would help it


def test_files_of_pytorch(tmp_path: Path, environment: dict[str, str]) -> None:
    script, export = write_torchscript(tmp_path / "script.pt"), write_export(tmp_path / "export.pt2")
    fixed = write_export(tmp_path / "fixed.pt2", fixed=True)
    out = tmp_path / "records"
    models = (str(script), str(export), str(fixed))
    done = profile("--model", *models, "--input-size", "16x24", "--runs", "3", "--out", str(out), env=environment)
    assert done.returncode == 0, done.stderr
    records = {record.model.split("-")[0]: record for record in map(read_record, out.iterdir())}
    for name in ("export", "fixed"):
        counts = records[name].complexity
        assert counts
        assert counts.parameters == PARAMETERS
        assert counts.flops_published == counts.macs == 16 * 24 * MACS_PER_PIXEL
        assert counts.activations_published == 16 * 24 * OUTPUTS_PER_PIXEL
        assert (counts.conv2d, counts.vanished) == (2, [])
    assert records["script"].complexity is None
    assert records["script"].skipped[0].what == "counts"
    assert "TorchScript" in records["script"].skipped[0].reason
    assert [s.what for s in records["fixed"].skipped] == ["quality"]
    for record in records.values():
        assert record.runtime
        assert record.memory
        assert record.weights.status == "custom"


def test_an_export_for_another_size(tmp_path: Path, environment: dict[str, str]) -> None:
    out = tmp_path / "records"
    fixed = write_export(tmp_path / "fixed.pt2", fixed=True)
    refused(profile("--model", str(fixed), "--out", str(out), env=environment), out, "16x24 only", "--input-size 16x24")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (CODE.replace("return self", "return 1, self"), ("it returns a tuple of 2",)),
        (CODE.replace("scale=4", "scale=2"), ("it is a x2 network",)),
        (CODE.replace("self.head(x)", "self.head(x[..., ::0])"), ("it cannot run on 1x3x24x32", "(net.py:13)")),
        (f"import os\n{CODE}\nos._exit(7)", ("net.py:TinyNet: its process died (exit status 7)",)),
        (CODE.replace("return self", "raise SystemExit(1)\n        return self"), ("it cannot run", "SystemExit")),
    ],
    ids=["tuple", "x2", "raises", "exits at import", "exits in its pass"],
)
def test_networks_that_are_refused(
    tmp_path: Path, environment: dict[str, str], code: str, words: tuple[str, ...]
) -> None:
    out = tmp_path / "records"
    net = write_code(tmp_path, code)
    refused(profile("--model", f"{net}:TinyNet", *QUICK, "--out", str(out), env=environment), out, *words)


def test_a_crash_while_it_is_timed_costs_one_row(tmp_path: Path, environment: dict[str, str]) -> None:
    code = CODE.replace(
        "return self", "x.is_meta or x.shape[2] < 100 or __import__('os')._exit(7)\n        return self"
    )
    net, out = write_code(tmp_path, code), tmp_path / "records"
    done = profile(
        "--model", f"{net}:TinyNet", "bicubic", "--input-size", "128", "--runs", "2", "--measure", "runtime",
        "--out", str(out), env=environment,
    )  # fmt: skip
    assert done.returncode == 1
    assert "its process died (exit status 7)" in done.stderr
    assert "Traceback" not in done.stderr
    assert next(read_record(path) for path in out.iterdir() if path.name.startswith("bicubic")).runtime


def test_prints_and_changed_settings_reach_nobody(tmp_path: Path, environment: dict[str, str]) -> None:
    settings = "torch.set_default_dtype(torch.float64); torch.set_num_threads(7); torch.set_grad_enabled(False)"
    code = CODE.replace("import torch\n", f"import torch\nprint('hello')\n{settings}\n", 1)
    net = write_code(tmp_path, code)
    done = profile(
        "--model", f"{net}:TinyNet", *QUICK, "--measure", "runtime", "--json", "--threads", "1", "--out",
        str(tmp_path / "records"), env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (record,) = json.loads(done.stdout)
    assert record["environment"]["threads"] == 1
    notes = " ".join(record["source"]["notes"])
    for change in ("threads (1 -> 7)", "default dtype (torch.float32 -> torch.float64)", "gradients (True -> False)"):
        assert change in notes
    assert "hello" in done.stderr


class Evil:
    """Unpickled, it writes a file."""

    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.write_text, (self.proof, "run")


def test_weights_that_would_run_code(tmp_path: Path, environment: dict[str, str]) -> None:
    proof, weights, out = tmp_path / "proof", tmp_path / "evil.pth", tmp_path / "records"
    torch.save({"params": tiny().state_dict(), "meta": Evil(proof)}, weights)
    command = ("--model", f"{write_code(tmp_path)}:TinyNet", "--weights", str(weights), *QUICK, *COUNTS)
    done = profile(*command, "--out", str(out), env=environment)
    refused(done, out, "holds Python objects and not only tensors", "--allow-unsafe-weights")
    assert not proof.exists()
    trusted = profile(*command, "--out", str(out), "--allow-unsafe-weights", "I made it", env=environment)
    assert trusted.returncode == 0, trusted.stderr
    assert proof.exists()
    (path,) = out.iterdir()
    source = read_record(path).source
    assert source
    assert source.unsafe_weights == "I made it"


def test_a_bare_pickle_is_no_network(tmp_path: Path, environment: dict[str, str]) -> None:
    proof, path = tmp_path / "proof", tmp_path / "evil.pth"
    path.write_bytes(pickle.dumps(Evil(proof)))
    done = profile("--model", str(path), "--out", str(tmp_path / "records"), env=environment)
    assert done.returncode == 2
    assert not proof.exists()


def test_a_hang_at_import_can_be_interrupted(tmp_path: Path, environment: dict[str, str]) -> None:
    here = tmp_path / "importing"
    code = f"""\
import pathlib, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
pathlib.Path({str(here)!r}).touch()
while True:
    time.sleep(1)
"""
    net = write_code(tmp_path, code)
    with start(SCRIPT, "--model", f"{net}:Net", "--out", tmp_path / "records", env=environment) as run:
        while not here.exists():
            assert run.poll() is None
            time.sleep(0.1)
        workers = psutil.Process(run.pid).children(recursive=True)
        run.send_signal(signal.SIGINT)
        _, said = run.communicate(timeout=60)
    assert run.returncode == 130
    assert "interrupted" in said
    assert "Traceback" not in said
    assert psutil.wait_procs(workers, timeout=10)[1] == []


def test_an_onnx_file(tmp_path: Path, environment: dict[str, str]) -> None:
    pytest.importorskip("onnxruntime", reason="needs requirements-extras.txt")
    pytest.importorskip("onnxscript", reason="needs requirements-extras.txt")
    path, out = tmp_path / "tiny.onnx", tmp_path / "records"
    side = {2: torch.export.Dim("h", min=4, max=4096), 3: torch.export.Dim("w", min=4, max=4096)}
    torch.onnx.export(
        tiny(), (torch.rand(1, 3, 16, 24),), path, dynamo=True, external_data=False, dynamic_shapes=(side,)
    )
    net, weights = write_code(tmp_path), write_weights(tmp_path)
    done = profile(
        "--model", str(path), f"{net}:TinyNet", "--weights", str(weights), *QUICK, "--data", "available", "--limit",
        "1", "--out", str(out), env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    own, same = sorted((read_record(p) for p in out.iterdir()), key=lambda record: record.complexity is not None)
    assert own.complexity is None
    assert own.skipped[0].what == "counts"
    assert own.runtime
    assert own.memory
    assert "onnxruntime" in own.environment["packages"]
    assert own.quality[0].images[0].psnr_y == pytest.approx(same.quality[0].images[0].psnr_y, abs=0.01)


def test_without_the_extras_one_line_says_what_to_install(tmp_path: Path, environment: dict[str, str]) -> None:
    without = {**environment, "PYTHONPATH": str(tmp_path / "empty")}
    (tmp_path / "empty").mkdir()
    for package in ("onnxruntime", "spandrel"):
        write_code(tmp_path / "empty", "raise ImportError\n", f"{package}.py")
    onnx, out = tmp_path / "a.onnx", tmp_path / "records"
    onnx.touch()
    for model, package in ((onnx, "onnxruntime"), (write_weights(tmp_path), "spandrel")):
        done = profile("--model", str(model), "--out", str(out), "--device", "cpu", env=without)
        refused(done, out, package, "pip install --no-deps -r requirements-extras.txt")


def test_a_weights_file_that_spandrel_knows(tmp_path: Path, environment: dict[str, str]) -> None:
    if importlib.util.find_spec("spandrel") is None:  # importing it here would want torchvision
        pytest.skip("needs requirements-extras.txt")
    path, out = tmp_path / "compact.pth", tmp_path / "records"
    widths = [(3, 8), (8, 8), (8, 48)]  # RealESRGAN's compact network: convolutions with a PReLU between
    state = {}
    for i, (inner, outer) in enumerate(widths):
        state |= {f"body.{2 * i}.weight": torch.rand(outer, inner, 3, 3), f"body.{2 * i}.bias": torch.zeros(outer)}
        if i < 2:
            state[f"body.{2 * i + 1}.weight"] = torch.rand(outer)
    torch.save({"params": state}, path)
    done = profile("--model", str(path), *QUICK, "--measure", "runtime", "--out", str(out), env=environment)
    assert done.returncode == 0, done.stderr
    (written,) = out.iterdir()
    record = read_record(written)
    assert re.fullmatch(r"compact \(own \w{8}\)", record.display_name)
    assert record.complexity
    assert record.complexity.parameters == sum(t.numel() for t in state.values())
    assert record.complexity.conv2d == 3
    assert record.source
    assert "Compact" in record.source.network
