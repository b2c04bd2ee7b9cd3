"""The native kernels: how they are built, what they share among threads, and the fused mixer."""

import contextlib
import ctypes
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from bench.data.datasets import find_dataset
from models import create_model
from models.scan import list_backends, native, selective_scan
from models.scan.mixer import can_fuse, fuses, mamba_mixer
from models.scan.native import build, cores
from tests.commands import run
from tests.data import esr_data
from tests.models.test_scan import make_inputs, relative_error

needs_compiler = pytest.mark.skipif("native" not in list_backends("cpu"), reason="no C++ compiler here")
SCRIPT = "from models.scan import resolve_backend; print(resolve_backend(None, 'cpu'))"


def chosen(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return run("-c", SCRIPT, env=environment)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ESR_CACHE", str(tmp_path))
    monkeypatch.delenv("ESR_SCAN_BACKEND", raising=False)
    return tmp_path


@pytest.mark.slow("the CPU kernels compiled anew")
@needs_compiler
def test_builds_once_into_the_cache(cache: Path) -> None:
    assert chosen(dict(os.environ)).stdout == "native\n"
    (built,) = (cache / "native").iterdir()
    stamp = built.stat().st_mtime_ns
    second = chosen(dict(os.environ))
    assert (second.stdout, second.stderr) == ("native\n", "")
    assert [built] == list((cache / "native").iterdir())
    assert built.stat().st_mtime_ns == stamp


@pytest.mark.parametrize(
    "trouble",
    [
        "no compiler",
        "broken compiler",
        "switched off",
        "cache is a file",
        pytest.param("broken cache", marks=pytest.mark.slow("the CPU kernels compiled anew")),
    ],
)
def test_falls_back_to_pytorch_quietly(trouble: str, cache: Path, tmp_path: Path) -> None:
    environment = dict(os.environ)
    if trouble == "no compiler":
        environment["PATH"] = str(tmp_path)
        environment.pop("CXX", None)
    elif trouble == "broken compiler":
        script = tmp_path / "c++"
        script.write_text("#!/bin/sh\n[ $1 = --version ] && echo fake && exit 0\necho 'error: no' >&2; exit 1\n")
        script.chmod(0o755)
        environment["CXX"] = str(script)
    elif trouble == "switched off":
        environment["ESR_NATIVE"] = "0"
    elif trouble == "cache is a file":
        (cache / "native").write_text("in the way")
    elif "native" in list_backends("cpu"):
        assert chosen(environment).stdout == "native\n"
        next((cache / "native").iterdir()).write_bytes(b"half a file")
    done = chosen(environment)
    assert (done.returncode, done.stdout, done.stderr) == (0, "chunked\n", "")


def test_set_up_says_why_there_is_no_native_kernel(cache: Path) -> None:
    environment = {**os.environ, "ESR_NATIVE": "0"}
    done = run("-m", "models.scan.native", env=environment)
    assert done.returncode == 0
    assert done.stderr.startswith("note: switched off by $ESR_NATIVE; the selective scan runs in PyTorch instead")
    assert done.stderr.count("\n") == 1


@needs_compiler
@pytest.mark.parametrize("threads", [1, 2, 5, 9, 40])
def test_any_number_of_threads_shares_channels_and_sequence(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native.cores, "usable_cores", lambda: 64)
    # 20 channels are two groups of a 512-bit vector: nine threads cut the sequence too, and forty into more chunks.
    x = make_inputs(1, 20, 16, 3000, torch.float32)
    expected = selective_scan(**{k: v.double() for k, v in x.items()}, delta_softplus=True, backend="reference")
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        assert relative_error(selective_scan(**x, delta_softplus=True, backend="native"), expected) < 1e-6
    finally:
        torch.set_num_threads(before)


@needs_compiler
def test_reads_slices_of_wider_tensors_in_place() -> None:
    x = make_inputs(2, 5, 3, 40, torch.float64)
    expected = selective_scan(**x, delta_softplus=True, backend="reference")
    wide = {k: torch.nan * torch.ones(2, 40, 3 * v.shape[1], dtype=v.dtype) for k, v in x.items() if v.dim() == 3}
    for k, v in wide.items():
        c = x[k].shape[1]
        v[..., c : 2 * c] = x[k].transpose(1, 2)
        x[k] = v[..., c : 2 * c].transpose(1, 2)
    torch.testing.assert_close(selective_scan(**x, delta_softplus=True, backend="native"), expected)


@needs_compiler
def test_structures_have_the_size_that_the_compiler_gives_them() -> None:
    assert ctypes.sizeof(native._Sequence) == 24
    assert ctypes.sizeof(native._Rows) == 40
    assert ctypes.sizeof(native._Inputs) == 5 * 8 + 3 * 24 + 2 * 40 + 3 * 8 + 2 * 4
    assert ctypes.sizeof(native._Outputs) == 24 + 8
    assert ctypes.sizeof(native._Gradients) == 4 * 24 + 6 * 8 + 2 * 8


# ---- how many threads ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("membership", "files", "expected"),
    [
        ("0::/a/b", {"a/b/cpu.max": "150000 100000"}, 1.5),
        ("0::/a/b", {"a/b/cpu.max": "max 100000", "a/cpu.max": "200000 100000"}, 2.0),
        ("0::/a/b", {"a/b/cpu.max": "800000 100000", "a/cpu.max": "200000 100000"}, 2.0),
        ("0::/of/the/host", {"cpu.max": "300000 100000"}, 3.0),
        ("0::/a", {"a/cpu.max": "max 100000"}, None),
        ("0::/a", {"a/cpu.max": "broken"}, None),
        (
            "4:memory:/a\n3:cpu,cpuacct:/a",
            {"cpu/a/cpu.cfs_quota_us": "50000", "cpu/a/cpu.cfs_period_us": "100000"},
            0.5,
        ),
        ("3:cpu,cpuacct:/a", {"cpu/a/cpu.cfs_quota_us": "-1", "cpu/a/cpu.cfs_period_us": "100000"}, None),
        ("0::/", {}, None),
    ],
)
def test_quota_of_a_control_group(
    membership: str, files: dict[str, str], expected: float | None, tmp_path: Path
) -> None:
    for name, text in files.items():
        path = tmp_path / "groups" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    (tmp_path / "membership").write_text(membership + "\n")
    assert cores.cpu_quota(tmp_path / "groups", tmp_path / "membership") == expected


@pytest.mark.parametrize(
    ("allowed", "quota", "expected"), [(8, None, 8), (8, 2.5, 3), (2, 16.0, 2), (4, 0.2, 1), (1, None, 1)]
)
def test_threads_are_no_more_than_the_cores_that_may_be_used(
    allowed: int, quota: float | None, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(allowed)))
    monkeypatch.setattr(cores, "cpu_quota", lambda: quota)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 6)
    assert cores.usable_cores() == expected
    assert cores.count_threads() == min(6, expected)


# ---- the fused mixer ----------------------------------------------------------------------------------------------


def test_where_the_mixer_is_fused() -> None:
    assert can_fuse("native", torch.float32)
    assert not can_fuse("native", torch.bfloat16)
    assert not can_fuse("chunked", torch.float32)
    assert fuses({}, "native", torch.float32)
    assert not fuses({"fused": False}, "native", torch.float32)
    assert fuses({"bidirectional": True}, "native", torch.float32)


@needs_compiler
@pytest.mark.parametrize("size", [(1, 1), (3, 5), (17, 23), (40, 64)])
@pytest.mark.parametrize(
    "options",
    [{}, {"channels": 24, "vimm_skip": True}, {"channels": 50, "depths": [1, 3]}, {"bidirectional": True}],
)
def test_fused_network_gives_the_same_image(options: dict[str, object], size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    plain = create_model("dvmsr", scan_backend="chunked", **options).double().eval()
    fused = create_model("dvmsr", scan_backend="native", **options).eval()
    for parameter in plain.parameters():
        parameter.data = parameter.data + 0.1 * torch.randn_like(parameter)
    fused.load_state_dict(plain.state_dict())
    x = torch.rand(2, 3, *size)
    with torch.no_grad():
        assert relative_error(fused(x), plain(x.double())) < 2e-6


@needs_compiler
@pytest.mark.parametrize("checkpoint", ["dvmsr", "dvmsr_ntire"])
@pytest.mark.parametrize("threads", [1, 2, 7])
def test_fused_network_gives_the_same_image_with_official_weights(checkpoint: str, threads: int) -> None:
    data = esr_data()
    lr = find_dataset("Set5", data).pairs[2].load().lr  # butterfly
    x = torch.tensor(lr).permute(2, 0, 1)[None] / 255
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.no_grad():
            out = create_model(checkpoint, pretrained=True, data_dir=data, scan_backend="native")(x)
            exact = create_model(checkpoint, pretrained=True, data_dir=data, scan_backend="chunked").double()(
                x.double()
            )
    finally:
        torch.set_num_threads(before)
    assert (out - exact).abs().max() < 2e-5


@needs_compiler
def test_fused_network_runs_fused_only_without_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr("models.mamba.mamba_mixer", lambda x, *_: calls.append(1) or mamba_mixer(x, *_))
    net, x = create_model("dvmsr", channels=16, depths=[2], scan_backend="native"), torch.rand(1, 3, 6, 7)
    net(x).sum().backward()
    assert not calls
    assert all(p.grad is not None for p in net.parameters())
    with torch.inference_mode():
        net(x)
        assert len(calls) == 2
        create_model("dvmsr", channels=16, depths=[2], scan_backend="native", fused=False)(x)
        assert len(calls) == 2
        create_model("dvmsr", channels=16, depths=[2], scan_backend="native", bidirectional=True)(x)
    assert len(calls) == 4


@needs_compiler
@pytest.mark.parametrize("bidirectional", [False, True])
def test_fused_mixer_gives_the_same_bits_for_any_number_of_threads(
    bidirectional: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    net = create_model("dvmsr", channels=24, scan_backend="native", bidirectional=bidirectional)
    mixer, x = net.layers[0].residual_group["blocks"][0], torch.randn(2, 3000, 24)
    before, affinity = torch.get_num_threads(), os.sched_getaffinity(0)
    results = []
    try:
        # Nine threads on one core: each is often off it in the middle of a piece, which others then do again.
        for threads, cores, places in [(1, 1, affinity), (2, 2, affinity), (9, 2, affinity), (9, 9, {min(affinity)})]:
            monkeypatch.setattr("models.scan.native.mixer.usable_cores", lambda cores=cores: cores)
            torch.set_num_threads(threads)
            for thread in map(int, os.listdir("/proc/self/task")):
                with contextlib.suppress(ProcessLookupError):
                    os.sched_setaffinity(thread, places)
            with torch.inference_mode():
                results += [mixer(x) for _ in range(10 if cores == 9 else 1)]
    finally:
        torch.set_num_threads(before)
        for thread in map(int, os.listdir("/proc/self/task")):
            with contextlib.suppress(ProcessLookupError):
                os.sched_setaffinity(thread, affinity)
    assert all(torch.equal(result, results[0]) for result in results)


@needs_compiler
@pytest.mark.parametrize("bidirectional", [False, True])
def test_fused_mixer_is_one_operator_to_pytorch(bidirectional: bool) -> None:
    net = create_model("dvmsr", channels=16, depths=[1], scan_backend="native", bidirectional=bidirectional).eval()
    x = torch.rand(1, 3, 8, 9)
    block = net.layers[0].residual_group["blocks"][0]
    tokens = torch.rand(1, 72, 16)
    captured: list[tuple[Tensor, ...]] = []
    with torch.no_grad():
        expected = net(x)
        torch.testing.assert_close(torch.compile(net, fullgraph=True, backend="aot_eager")(x), expected)
        exported = torch.export.export(net, (x,))
        assert sum("mamba_mixer" in str(node.target) for node in exported.graph.nodes) == 1
        torch.testing.assert_close(exported.module()(x), expected)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("models.mamba.mamba_mixer", lambda *a: captured.append(a) or mamba_mixer(*a))
            block(tokens)
    (arguments,) = captured
    detached = tuple(
        a.detach() if isinstance(a, Tensor) else [t.detach() for t in a] if isinstance(a, list) else a
        for a in arguments
    )
    torch.library.opcheck(torch.ops.esr.mamba_mixer.default, detached)


@needs_compiler
@pytest.mark.parametrize("bidirectional", [False, True])
def test_fused_flops_are_those_of_the_parts(bidirectional: bool) -> None:
    x = torch.rand(1, 3, 8, 9)
    totals = []
    for fused in (True, False):
        options = {"channels": 16, "depths": [1], "bidirectional": bidirectional, "fused": fused}
        net = create_model("dvmsr", scan_backend="native", **options)
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            net(x)
        totals.append(counter.get_total_flops())
    # The unfused conv1d makes 3 tokens more, which are cut off, and multiplies by the padding.
    assert totals[1] - totals[0] == 2 * 32 * 4 * 3 * (1 + bidirectional)


@pytest.mark.slow("the CPU kernels compiled anew")
def test_kernels_compile_without_a_warning(tmp_path: Path) -> None:
    compiler = build.find_compiler()
    if compiler is None:
        pytest.skip("no C++ compiler here")
    for target in ("x86-64-v2", "x86-64-v3") if sys.platform == "linux" and "x86" in build.platform.machine() else ():
        for source in build.SOURCES:
            command = [compiler, *build.FLAGS, "-Wall", f"-march={target}", "-c", str(build.FOLDER / source)]
            done = subprocess.run([*command, "-o", str(tmp_path / "o")], check=False, capture_output=True, text=True)
            assert (done.returncode, done.stderr) == (0, "")
