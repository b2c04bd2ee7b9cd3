"""The real command, started as users start it: what it prints, writes, refuses, and leaves behind."""

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from PIL import Image

from bench.core.record_file import read_record
from models import create_model, list_models
from tests.commands import ROOT, run, run_anew, start
from tests.data import empty_cache, esr_data

SCRIPT = str(ROOT / "bench" / "profile.py")
QUICK = ["--input-size", "24x32", "--runs", "3"]


@pytest.fixture
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """No data, no cache, and a proxy that refuses at once: as on a machine without a network."""
    kept = {k: v for k, v in os.environ.items() if k not in ("ESR_DATA", "ESR_CACHE", "ESR_SCAN_BACKEND")}
    dead = "http://127.0.0.1:9"
    cache = empty_cache(tmp_path_factory.mktemp("cache"))
    return {**kept, "ESR_CACHE": str(cache), "http_proxy": dead, "https_proxy": dead, "no_proxy": ""}


def profile(*arguments: str, env: dict[str, str], cwd: Path = ROOT, command: tuple[str, ...] = (SCRIPT,)):  # type: ignore[no-untyped-def]
    return run(*command, *arguments, env=env, cwd=cwd)


def refused(done: subprocess.CompletedProcess[str], out: Path, *words: str) -> None:
    """Exit status 2, one line on stderr that has the words, no traceback, nothing written."""
    lines = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert done.returncode == 2, done.stderr
    assert len(lines) == 1, done.stderr
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in lines[0]
    assert not out.exists() or os.listdir(out) == []


@pytest.mark.parametrize("command", [(SCRIPT,), ("-m", "bench.profile")])
def test_whole_run_without_data(tmp_path: Path, environment: dict[str, str], command: tuple[str, ...]) -> None:
    out = tmp_path / "records"
    done = profile("--model", "rlfn_ntire", *QUICK, "--out", str(out), env=environment, command=command)
    assert done.returncode == 0, done.stderr
    (path,) = out.iterdir()
    record = read_record(path)
    assert record.weights.status == "random"
    assert record.complexity
    assert record.complexity.parameters == 317_218
    assert (record.complexity.height, record.complexity.width) == (24, 32)
    assert record.runtime
    assert len(record.runtime.samples_ms) == 3
    assert record.memory
    assert record.memory.peak_allocated > 0
    assert record.quality == []
    (skipped,) = record.skipped
    assert skipped.what == "quality"
    assert "--model rlfn_ntire" in skipped.command
    for text in (
        "317,218",
        "FLOPs [G]",
        "Runtime and memory for an input of 1x3x24x32",
        "95 % interval [ms]",
        str(path),
    ):
        assert text in done.stdout
    assert "no weights" in done.stderr
    assert str(ROOT) not in path.read_text(encoding="utf-8")


@pytest.mark.slow("torch.compile")
def test_from_another_folder_with_compile(tmp_path: Path, environment: dict[str, str]) -> None:
    # torch.compile imports cProfile, which imports `profile`: ours, if bench/ were first on sys.path.
    words = ("--model", "rlfn_ntire", *QUICK, "--compile", "--measure", "runtime", "--time-budget", "120")
    done = run_anew(SCRIPT, *words, env=environment, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (path,) = (tmp_path / "results" / "records").iterdir()
    assert "__compile__" in path.name
    assert read_record(path).runtime


def test_counts_come_first_then_a_first_pass(environment: dict[str, str], tmp_path: Path) -> None:
    with start(SCRIPT, "--model", "dvmsr", "--out", tmp_path, env=environment) as run:
        assert run.stderr
        line = run.stderr.readline()
        then = next(news for news in run.stderr if "no weights" not in news and "published count" not in news)
        run.send_signal(signal.SIGINT)
        rest = run.stderr.read()
    assert "424,428 parameters, 20.1680 G FLOPs as published" in line
    assert "first pass" in then
    assert run.returncode == 130
    assert "interrupted" in rest
    assert "Traceback" not in rest


def test_two_networks_are_interleaved_and_json_is_json(tmp_path: Path, environment: dict[str, str]) -> None:
    done = profile(
        "--model", "rlfn_ntire", "--model", "bicubic", *QUICK, "--measure", "runtime", "--json", "--out", str(tmp_path),
        env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    records = json.loads(done.stdout)
    assert [r["model"] for r in records] == ["rlfn_ntire", "bicubic"]
    assert records[0]["runtime"]["interleaved_with"] == ["bicubic"]
    assert isinstance(records[0]["complexity"]["flops_published"], int)


def test_quality_on_the_photographs_and_reuse(tmp_path: Path, environment: dict[str, str]) -> None:
    arguments = ("--model", "bicubic", *QUICK, "--data", "available", "--out", str(tmp_path), "--reuse")
    first = profile(*arguments, env=environment)
    assert first.returncode == 0, first.stderr
    (path,) = tmp_path.glob("*.json")
    record = read_record(path)
    assert [quality.dataset for quality in record.quality] == ["photos"]
    content = path.read_bytes()
    second = profile(*arguments, env=environment)
    assert second.returncode == 0, second.stderr
    assert "continuing" in second.stderr
    assert read_record(path) == record
    assert path.read_bytes() == content


def test_an_interrupted_run_continues(tmp_path: Path, environment: dict[str, str]) -> None:
    arguments = ("--model", "bicubic", *QUICK, "--data", "photos", "--out", str(tmp_path), "--reuse")
    command = [SCRIPT, *arguments]
    with start(*command, env=environment) as run:
        assert run.stderr
        for line in run.stderr:
            if "samples)" in line:  # the runtime is done, and its record written or about to be
                time.sleep(0.2)
                run.kill()
                break
    (path,) = tmp_path.glob("*.json")
    before = read_record(path)
    assert before.runtime
    done = profile(*arguments, env=environment)
    assert done.returncode == 0, done.stderr
    after = read_record(path)
    assert after.runtime == before.runtime
    assert after.quality
    assert os.listdir(tmp_path) == [path.name]


def test_challenge_timing_has_no_warm_up(tmp_path: Path, environment: dict[str, str]) -> None:
    done = profile("--model", "bicubic", "--data", "photos", "--ntire-compat", "--out", str(tmp_path), env=environment)
    assert done.returncode == 0, done.stderr
    record = read_record(next(tmp_path.glob("*ntire_compat__photos__*.json")))
    assert record.runtime
    assert record.runtime.warmup_ms == []
    assert record.settings.timed_on == "photos"
    assert record.runtime.samples_ms == [image.time_ms for image in record.quality[0].images]
    assert record.runtime.cold_ms == record.runtime.samples_ms[0]


def test_own_weights_and_options(tmp_path: Path, environment: dict[str, str]) -> None:
    torch.save(create_model("dvmsr", channels=8, depths=[1]).state_dict(), tmp_path / "mine.pth")
    options = ("--model-args", "channels=8", "depths=[1]")
    arguments = ("--model", "dvmsr", *options, "--weights", str(tmp_path / "mine.pth"), "--data", "photos", *QUICK)
    done = profile(*arguments, "--backend", "chunked", "--out", str(tmp_path / "out"), env=environment)
    assert done.returncode == 0, done.stderr
    record = read_record(next((tmp_path / "out").iterdir()))
    assert record.options == {"channels": 8, "depths": [1]}
    assert (record.weights.status, record.weights.file) == ("custom", "mine.pth")
    assert record.settings.scan_backend == "chunked"
    assert len(record.quality[0].images) == 6


def test_networks_with_options_of_their_own(tmp_path: Path, environment: dict[str, str]) -> None:
    small = "dvmsr(channels=8, depths=[1], upsampler=pixelshuffle)"
    arguments = ("--model", small, f"{small}@chunked", "rlfn_ntire", "--measure", "runtime", *QUICK)
    done = profile(*arguments, "--out", str(tmp_path), env=environment)
    assert done.returncode == 0, done.stderr
    records = [read_record(path) for path in tmp_path.iterdir()]
    found = {(r.model, r.settings.scan_backend): r for r in records}
    assert len(found) == len(records) == 3
    options = {"channels": 8, "depths": [1], "upsampler": "pixelshuffle"}
    chunked = found["dvmsr", "chunked"]
    assert chunked.options == options
    assert found["rlfn_ntire", None].options == {}
    assert all(r.runtime for r in records)
    assert chunked.runtime
    assert set(chunked.runtime.interleaved_with) == {small.replace(" ", ""), "rlfn_ntire"}
    rows = [line for line in done.stdout.splitlines() if "upsampler=pixelshuffle" in line and str(tmp_path) not in line]
    assert len(rows) == 3  # counted once, as both scans count the same; timed twice


def test_the_first_images_of_a_set_are_not_called_the_set(tmp_path: Path, environment: dict[str, str]) -> None:
    arguments = ("--model", "bicubic", "--data", "available", "--limit", "2", "--measure", "quality")
    done = profile(*arguments, "--out", str(tmp_path), env=environment)
    assert done.returncode == 0, done.stderr
    record = read_record(next(tmp_path.iterdir()))
    assert [(q.dataset, len(q.images)) for q in record.quality] == [("photos[:2]", 2)]


def test_what_exceeds_the_budget_is_left_out_with_its_estimate(tmp_path: Path, environment: dict[str, str]) -> None:
    data = {**environment, "ESR_DATA": str(esr_data())}
    arguments = ("--model", "rlfn_ntire", "--input-size", "128", "--runs", "3")
    done = profile(*arguments, "--measure", "runtime", "--out", str(tmp_path / "first"), env=data)
    assert done.returncode == 0, done.stderr
    first = read_record(next((tmp_path / "first").iterdir()))
    assert first.runtime
    one_pass = min(first.runtime.samples_ms) / 1e3
    # Set5 has the pixels of 2 such passes, Set14 of 13, B100 of 59: this budget parts them on a machine of any speed.
    budget = 6 * one_pass
    done = profile(*arguments, "--time-budget", f"{budget:.4f}", "--out", str(tmp_path / "second"), env=data)
    assert done.returncode == 0, done.stderr
    record = read_record(next((tmp_path / "second").iterdir()))
    assert "Set5" in [quality.dataset for quality in record.quality]
    b100 = next(s for s in record.skipped if s.what == "quality:B100")
    assert b100.estimate_s
    assert b100.estimate_s > budget
    assert "--data B100" in b100.command
    assert "quality:B100 left out, about" in done.stderr


def test_no_model_is_a_usage_error(environment: dict[str, str]) -> None:
    done = profile(env=environment)
    assert done.returncode == 2
    assert "usage:" in done.stderr
    assert "no network named" in done.stderr


def test_a_set_that_cannot_be_had_costs_that_set_alone(tmp_path: Path, environment: dict[str, str]) -> None:
    words = ("--model", "bicubic", "--measure", "quality", "--limit", "1", "--out", str(tmp_path))
    done = profile(*words, "--data", "photos", "Manga109", env=environment)
    assert done.returncode == 1
    assert "Manga109 is left out: " in done.stderr
    record = read_record(next(tmp_path.iterdir()))
    assert [quality.dataset for quality in record.quality] == ["photos[:1]"]
    assert [skipped.what for skipped in record.skipped] == ["quality:Manga109"]
    assert profile(*words, "--data", "Manga109", env=environment).returncode == 2


def test_help_and_list(environment: dict[str, str]) -> None:
    done = profile("--help", env=environment)
    assert done.returncode == 0
    for flag in ("--model", "--device", "--data", "--data-dir", "--input-size", "--weights", "--precision",
                 "--channels-last", "--compile", "--cuda-graph", "--backend", "--runs", "--time-budget",
                 "--ntire-compat", "--out", "--json", "--list", "examples:"):  # fmt: skip
        assert flag in done.stdout
    done = profile("--list", env=environment)
    assert done.returncode == 0
    rows = {line.split()[1]: line for line in done.stdout.splitlines() if line.startswith("│")}
    assert set(rows) == set(list_models())
    assert all(text in rows["dvmsr"] for text in ("424,428", "20.17", "32.21", "to be downloaded"))  # as was committed
    assert "none needed" in rows["bicubic"]
    assert "photos, Set5" in done.stdout
    assert "native" in done.stdout


WRONG = [
    (["--model", "dvmrs"], ["unknown model 'dvmrs'", "dvmsr"]),
    (["--model", "rlfn", "--device", "cuda:7"], ["--device cuda:7"]),
    (["--model", "rlfn", "--device", "toaster"], ["--device toaster"]),
    (["--model", "rlfn", "--input-size", "0"], ["--input-size 0"]),
    (["--model", "rlfn", "--input-size", "12x"], ["--input-size 12x"]),
    (["--model", "rlfn", "--output-size", "720"], ["--output-size 720 is not WxH", "1280x720"]),
    (["--model", "rlfn", "--output-size", "1280x721"], ["--output-size 1280x721", "multiples of 4"]),
    (["--model", "rlfn", "--model-args", "blocks"], ["--model-args blocks"]),
    (["--model", "rlfn", "--model-args", "colour=red"], ["cannot build rlfn", "colour"]),
    (["--model", "rlfn", "--weights", "absent.pth"], ["absent.pth does not exist"]),
    (["--model", "rlfn", "dvmsr", "--weights", SCRIPT], ["--weights belongs to one network"]),
    (["--model", "rlfn", "--data-dir", "nowhere"], ["--data-dir nowhere"]),
    (["--model", "rlfn", "--data", "Set55"], ["Set55", "Set5"]),
    (["--model", "rlfn", "--cuda-graph", "--device", "cpu"], ["--cuda-graph needs a CUDA device"]),
    (["--model", "dvmsr", "--backend", "mamba_ssm", "--device", "cpu"], ["mamba_ssm", "cpu"]),
    (["--model", "rlfn", "--runs", "0"], ["must be positive"]),
    (["--model", "rlfn", "--time-budget", "nan"], ["must be positive and finite"]),
    (["--model", "rlfn", "--threads", "100000"], ["--threads 100000"]),
    (["--model", "rlfn", "--input-size", "²"], ["--input-size"]),
    (["--model", "dvmsr", "--limit", "0"], ["--limit 0 must be positive"]),
    (["--model", "dvmsr(channels=8"], ["--model dvmsr(channels=8: write options"]),
    (["--model", "dvmsr(8)"], ["--model dvmsr(8): write options"]),
    (["--model", "dvmsr(**{})"], ["write options"]),
    (["--model", "dvmsr(channels=8)(depths=[1])"], ["write options"]),
    (["--model", "dvmsr(channels=8)@fast"], ["network@backend", "native"]),
    (["--model", "dvmsr(depths=__import__('os'))"], ["cannot build dvmsr"]),
    (["--model", "dvmsr(colour=red)"], ["cannot build dvmsr", "colour"]),
    (["--model", "dvmsr", "--model-args", "scale=0"], ["--model-args scale"]),
    (["--model", "dvmsr", "--model-args", "bidirectional=no"], ["bidirectional", "True or False"]),
    (["--model", "swinir_light", "--model-args", "heads=7"], ["cannot build swinir_light", "heads"]),
]


@pytest.mark.parametrize(("arguments", "words"), WRONG)
def test_wrong_arguments(arguments: list[str], words: list[str], tmp_path: Path, environment: dict[str, str]) -> None:
    out = tmp_path / "records"
    refused(profile(*arguments, "--out", str(out), env=environment), out, *words)


class Exploit:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("owned",)


def bad_weights(kind: str, folder: Path) -> Path:
    file = folder / f"{kind}.pth"
    torch.save(create_model("rlfn_s" if kind == "other" else "rlfn_ntire").state_dict(), file)
    if kind == "truncated":
        file.write_bytes(file.read_bytes()[:5000])
    if kind == "pickle":
        torch.save({"params": Exploit()}, file)
    if kind == "text":
        file.write_text("hello\n", encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        ("other", "another network"),
        ("truncated", "truncated"),
        ("pickle", "would run code"),
        ("text", "truncated or not"),
    ],
)
def test_bad_weights(kind: str, word: str, tmp_path: Path, environment: dict[str, str]) -> None:
    out, file = tmp_path / "records", bad_weights(kind, tmp_path)
    arguments = ("--model", "rlfn_ntire", "--weights", str(file), *QUICK, "--out", str(out))
    refused(profile(*arguments, env=environment, cwd=tmp_path), out, word, file.name)
    assert not (tmp_path / "owned").exists()


def test_wrong_checksum(tmp_path: Path, environment: dict[str, str]) -> None:
    out = tmp_path / "records"
    torch.save(create_model("rlfn_ntire").state_dict(), tmp_path / "rlfn_ntire_x4.pth")
    arguments = ("--model", "rlfn_ntire", "--data-dir", str(tmp_path), *QUICK, "--out", str(out))
    refused(profile(*arguments, env=environment), out, "rlfn_ntire_x4.pth", "sha256", "damaged or another file")


def image(path: Path, height: int = 40, width: int = 48, mode: str = "RGB") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    channels = {"RGB": (3,), "RGBA": (4,), "L": ()}[mode]
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (height, width, *channels), dtype=np.uint8)).save(path)


def alpha(folder: Path) -> None:
    image(folder / "HR" / "a.png", mode="RGBA")


def sixteen_bit(folder: Path) -> None:
    (folder / "HR").mkdir(parents=True)
    Image.fromarray(np.full((40, 48), 3000, dtype=np.uint16)).save(folder / "HR" / "a.png")


def one_pixel(folder: Path) -> None:
    image(folder / "HR" / "a.png", 1, 1)


def too_small(folder: Path) -> None:
    image(folder / "HR" / "a.png", 16, 16)


def text_as_png(folder: Path) -> None:
    (folder / "HR").mkdir(parents=True)
    (folder / "HR" / "a.png").write_text("hello", encoding="utf-8")


def truncated(folder: Path) -> None:
    image(folder / "HR" / "a.png")
    whole = (folder / "HR" / "a.png").read_bytes()
    (folder / "HR" / "a.png").write_bytes(whole[: len(whole) // 2])


def empty(folder: Path) -> None:
    (folder / "HR").mkdir(parents=True)


def lr_of_another_size(folder: Path) -> None:
    image(folder / "HR" / "a.png")
    image(folder / "LRx4" / "ax4.png", 11, 12)


def lr_of_another_name(folder: Path) -> None:
    image(folder / "HR" / "a.png")
    image(folder / "LRx4" / "bx4.png", 10, 12)


BAD_IMAGES = [
    alpha,
    sixteen_bit,
    one_pixel,
    too_small,
    text_as_png,
    truncated,
    empty,
    lr_of_another_size,
    lr_of_another_name,
]


@pytest.mark.parametrize("make", BAD_IMAGES)
def test_bad_images(make, tmp_path: Path, environment: dict[str, str]) -> None:  # type: ignore[no-untyped-def]
    out = tmp_path / "records"
    make(tmp_path / "data" / "images" / "Set5")
    arguments = ("--model", "bicubic", "--data-dir", str(tmp_path / "data"), "--data", "Set5", "--measure", "quality")
    done = profile(*arguments, *QUICK, "--out", str(out), env=environment)
    problems = [line for line in done.stderr.splitlines() if line.startswith(("error:", "failed:"))]
    assert done.returncode in (1, 2)
    assert len(problems) == 1, done.stderr
    assert "Set5" in problems[0] or "a is" in problems[0]
    assert "Traceback" not in done.stderr
    for path in out.glob("*") if out.exists() else []:
        assert path.suffix == ".json"
        assert read_record(path).quality == []


def test_grey_is_replicated_and_noted(tmp_path: Path, environment: dict[str, str]) -> None:
    image(tmp_path / "images" / "Set5" / "HR" / "g.png", mode="L")
    arguments = ("--model", "bicubic", "--data-dir", str(tmp_path), "--data", "Set5", "--measure", "quality", *QUICK)
    done = profile(*arguments, "--out", str(tmp_path / "out"), env=environment)
    assert done.returncode == 0, done.stderr
    (quality,) = read_record(next((tmp_path / "out").iterdir())).quality
    assert any("g.png" in note and "grey" in note for note in quality.notes)
    assert quality.lr_source == "made by bench.imresize"


def test_out_of_memory_is_advice_and_others_go_on(tmp_path: Path, environment: dict[str, str]) -> None:
    arguments = ("--model", "bicubic", "rlfn_ntire", "--input-size", "60000", "--runs", "1", "--measure", "runtime")
    arguments = (*arguments, "--time-budget", "1e9")  # else so long a pass is not begun
    done = profile(*arguments, "--out", str(tmp_path), env=environment)
    assert done.returncode == 1
    problems = [line for line in done.stderr.splitlines() if line.startswith("failed:")]
    assert len(problems) == 2
    assert all("try a smaller --input-size" in line for line in problems)
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(not shutil.which("mount") or os.geteuid() != 0, reason="needs root, to mount a tiny file system")
def test_full_disk(tmp_path: Path, environment: dict[str, str]) -> None:
    tiny = tmp_path / "tiny"
    tiny.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", str(tiny)], check=False).returncode:
        pytest.skip("mounting is not permitted here")
    try:
        (tiny / "filler").write_bytes(b"x" * 4096)
        done = profile("--model", "bicubic", *QUICK, "--out", str(tiny), env=environment)
        assert done.returncode == 2
        assert "No space left on device; free some space or choose another --out" in done.stderr
        assert os.listdir(tiny) == ["filler"]
    finally:
        subprocess.run(["umount", str(tiny)], check=True)


def test_being_ended_leaves_no_process_behind(tmp_path: Path, environment: dict[str, str]) -> None:
    command = [SCRIPT, "--model", "rlfn_ntire", "--runs", "1000", "--out", str(tmp_path / "out")]
    with start(*command, env=environment) as run:
        assert run.stderr
        for news in run.stderr:
            if "first pass" in news:
                break
        workers = psutil.Process(run.pid).children(recursive=True)
        run.send_signal(signal.SIGTERM)
        rest = run.stderr.read()
    assert run.returncode == 130
    assert "interrupted" in rest
    assert "Traceback" not in rest
    assert workers
    assert psutil.wait_procs(workers, timeout=10)[1] == []
    assert all(path.suffix == ".json" for path in (tmp_path / "out").iterdir())
