"""The command as users start it, and its verdicts on records whose answers are known."""

import os
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest
from PIL import Image

from bench.compare import main
from bench.core.record import Complexity, ImageQuality, Quality, Record, Runtime, Settings, WeightsInfo
from bench.core.record_file import read_as
from bench.data.datasets import find_dataset
from bench.data.imresize import imresize
from bench.data.metrics import luma, psnr
from bench.studies.comparison.comparison_record import Compared, ComparisonRecord, Process
from bench.studies.comparison.regression import judge, read_reference
from bench.studies.comparison.summary import citation, comparison_table, quality_lines, verdicts
from models.errors import EsrError
from tests.bench.own_networks import CODE, write_code
from tests.commands import ROOT, run, start
from tests.data import empty_cache
from tests.kept import write_record

SCRIPT = str(ROOT / "bench" / "compare.py")
QUICK = ["--input-size", "24x32", "--runs", "7", "--threads", "1"]
SETTINGS = Settings("cpu", "Some CPU", 24, 32, threads=1)
COUNTS = Complexity(24, 32, 1000, 5000, 5000, 5000, 10_000, [], [], 10, 10, 1)


@pytest.fixture
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """No data, no cache, and a proxy that refuses at once: as on a machine without a network."""
    kept = {k: v for k, v in os.environ.items() if k not in ("ESR_DATA", "ESR_CACHE", "ESR_SCAN_BACKEND")}
    cache, dead = empty_cache(tmp_path_factory.mktemp("cache")), "http://127.0.0.1:9"
    return {**kept, "ESR_CACHE": str(cache), "http_proxy": dead, "https_proxy": dead, "no_proxy": ""}


def compare(*arguments: str, env: dict[str, str], cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return run(SCRIPT, *arguments, env=env, cwd=cwd)


def network(label: str, *medians: float, settings: Settings = SETTINGS, error: str = "") -> Compared:
    processes = [Process(Runtime(m, [m], [m * f for f in (0.99, 1.0, 1.01) * 3]), {"packages": {}}) for m in medians]
    processes += [Process(None, {}, error)] if error else []
    return Compared(label, label, {}, WeightsInfo("random"), settings, COUNTS, processes)


def comparison(*networks: Compared) -> ComparisonRecord:
    return ComparisonRecord("2026-01-01T00:00:00+00:00", 3, 9, 20.0, list(networks))


# ---- verdicts -------------------------------------------------------------------------------------------------------


def test_verdicts() -> None:
    a, b, c = network("a", 10.0, 10.1, 9.9), network("b", 13.2, 13.3, 13.1), network("c", 10.2, 9.8, 10.0)
    fast, none = verdicts(comparison(a, b, c))
    assert fast.startswith("a is faster: b takes 1.32 [1.")
    assert none.startswith("no difference shown: c takes 1.0")
    (slow,) = verdicts(comparison(b, a))
    assert slow.startswith("a is faster: a takes 0.76 [0.7")
    table = comparison_table(comparison(b, a))
    titles = [column.title for column in table.columns]
    assert table.rows[1][titles.index("time / first's")].text == "0.76"  # one ratio in table and sentence
    assert verdicts(comparison(network("a", 1.0), network("b", 9.0)))[0].endswith("no interval (--repeats)")


def test_what_the_time_buys_is_said() -> None:
    a, b, c = network("a", 10.0, 10.1, 9.9), network("b", 13.2, 13.3, 13.1), network("c", 10.2, 9.8, 10.0)
    a.quality, b.quality = (
        [Quality("Set5", [ImageQuality("x", 1, 1, psnr, psnr, 0.9, psnr, psnr, 1.0) for psnr in values], "files")]
        for values in ([30.0, 32.0], [31.0, 31.5])
    )
    record = comparison(a, b, c)
    assert quality_lines(record) == ["b scores 31.250 dB (Y) on Set5, +0.250 dB to a"]
    table = comparison_table(record)
    assert table.columns[-1].title == "PSNR (Y) on Set5 [dB]"
    assert [row[-1].text for row in table.rows] == ["31.000", "31.250", "—"]
    b.quality = a.quality
    assert quality_lines(record) == ["b scores 31.000 dB (Y) on Set5, the same as a"]


def test_a_failed_network_is_named_and_not_judged() -> None:
    a, broken, b = network("a", 10.0, 10.1), network("broken", error="out of memory"), network("b", 20.0, 20.1)
    lines = verdicts(comparison(a, broken, b))
    assert lines[0] == "broken failed: out of memory"
    assert len(lines) == 2
    assert comparison_table(comparison(a, broken, b)).rows[1][2].text == "failed"
    assert verdicts(comparison(broken, a)) == ["broken failed: out of memory"]
    assert [cell.text for cell in comparison_table(comparison(broken, a)).rows[1][-2:]] == ["-", "-"]


def test_a_network_that_dies_in_a_later_round_is_not_compared() -> None:
    """It has fewer processes than the others, whose rounds it was not in."""
    died, other = network("died", 10.0, error="killed"), network("b", 20.0, 20.1, 19.9)
    for record in (comparison(other, died), comparison(died, other)):
        assert "died failed: killed" in verdicts(record)
        assert all(row[-2].text in ("1", "-") for row in comparison_table(record).rows)


def test_citation_names_what_a_reader_needs() -> None:
    text = citation(comparison(network("a", 10.0, 10.1, 9.9), network("b", 13.0, 13.1, 12.9)))
    for words in ("24x32", "Some CPU with 1 thread ", "3 fresh processes", "9 samples", "95 %", "bootstrap", "fp32"):
        assert words in text


def test_record_round_trip_and_its_name(tmp_path: Path) -> None:
    record = comparison(network("a", 1.0, 1.1), network("b", 2.0, error="died"))
    path = write_record(record, tmp_path)
    assert path.name.startswith("comparison__some-cpu__1t__24x32__fp32__a__b__")
    assert read_as(ComparisonRecord, path) == record
    long = comparison(*(network(f"a network with a long name {i}", 1.0) for i in range(20)))
    assert len(long.file_name) < 220
    assert long.file_name != comparison(*long.networks[:-1]).file_name


# ---- regression -----------------------------------------------------------------------------------------------------


def reference(folder: Path, then: Compared) -> Path:
    return write_record(comparison(then, network("other", 5.0, 5.0)), folder)


@pytest.mark.parametrize(
    ("now", "tolerance", "failed", "words"),
    [
        ((10.0, 10.1, 9.9), 0.05, False, "a is within the tolerance of 5 %: 1.00"),
        ((12.0, 12.1, 11.9), 0.05, True, "a is slower: 1.20 [1.1"),
        ((12.0, 12.1, 11.9), 0.5, False, "within the tolerance of 50 %"),
        ((9.0, 9.1, 8.9), 0.0, False, "within the tolerance of 0 %"),
        ((10.0, 12.0, 9.9), 0.05, False, "not resolved: a takes 1.0"),
    ],
)
def test_regression(tmp_path: Path, now: tuple[float, ...], tolerance: float, failed: bool, words: str) -> None:
    path = reference(tmp_path, network("a", 10.0, 10.1, 9.9))
    outcome = judge(read_reference(path, network("a", *now)), network("a", *now), tolerance)
    assert outcome.failed is failed
    assert words in outcome.lines[-1]


def test_regression_against_a_record_of_one_process(tmp_path: Path) -> None:
    record = Record("a", {}, "A", WeightsInfo("random"), SETTINGS, "", {}, COUNTS, Runtime(9.0, [], [10.0] * 9))
    path = write_record(record, tmp_path)
    slow = network("a", 12.0, 12.1, 11.9)
    assert judge(read_reference(path, slow), slow, 0.05).failed
    single = network("a", 12.0)
    outcome = judge(read_reference(path, single), single, 0.05)
    assert not outcome.failed
    assert outcome.lines[-1].startswith("not resolved")


@pytest.mark.parametrize("time", [0.0, -3.0])
def test_a_reference_with_impossible_times_is_refused(tmp_path: Path, time: float) -> None:
    record = Record("a", {}, "A", WeightsInfo("random"), SETTINGS, "", {}, COUNTS, Runtime(9.0, [], [10.0, time, 10.0]))
    path = write_record(record, tmp_path)
    with pytest.raises(EsrError, match="holds a time that is not above zero; measure it anew"):
        read_reference(path, network("a", 10.0, 10.1, 9.9))


def test_changed_counts_fail_and_another_scan_is_said(tmp_path: Path) -> None:
    then = network("a", 10.0, 10.1, 9.9)
    then.complexity = Complexity(24, 32, 900, 5000, 5000, 5000, 9_000, [], [], 10, 10, 1)
    then.settings = Settings("cpu", "Some CPU", 24, 32, threads=1, scan_backend="native")
    now = network("a", 10.0, 10.1, 9.9, settings=Settings("cpu", "Some CPU", 24, 32, threads=1, scan_backend="chunked"))
    outcome = judge(read_reference(reference(tmp_path, then), now), now, 0.05)
    assert outcome.failed
    assert outcome.lines[:3] == [
        "a changed: parameters 900 -> 1,000",
        "a changed: flops 9,000 -> 10,000",
        "a ran on the scan chunked, recorded was native",
    ]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (Settings("cpu", "Another CPU", 24, 32, threads=1), "device name Another CPU"),
        (Settings("cpu", "Some CPU", 24, 32, threads=2), "threads 2, this run has 1"),
        (Settings("cpu", "Some CPU", 24, 33, threads=1), "width 33"),
        (Settings("cpu", "Some CPU", 24, 32, "bf16", threads=1), "precision bf16"),
        (Settings("cpu", "Some CPU", 24, 32, threads=1, compile=True), "compile True"),
        (Settings("cpu", "Some CPU", 24, 32, threads=1, ntire_compat=True), "as the challenge does"),
    ],
)
def test_a_record_of_other_settings_is_refused(tmp_path: Path, settings: Settings, words: str) -> None:
    path = reference(tmp_path, network("a", 10.0, settings=settings))
    with pytest.raises(EsrError, match=words):
        read_reference(path, network("a", 10.0))


def test_an_unusable_record_is_refused(tmp_path: Path) -> None:
    path = reference(tmp_path, network("a", 10.0))
    with pytest.raises(EsrError, match="is of a, other, not of b"):
        read_reference(path, network("b", 10.0))
    with pytest.raises(EsrError, match="holds no runtime of a"):
        read_reference(reference(tmp_path, network("a")), network("a", 10.0))
    (tmp_path / "cut.json").write_bytes(path.read_bytes()[:200])
    with pytest.raises(EsrError, match="not a complete JSON record"):
        read_reference(tmp_path / "cut.json", network("a", 10.0))
    with pytest.raises(EsrError, match="cannot read record"):
        read_reference(tmp_path / "absent.json", network("a", 10.0))


# ---- the command ----------------------------------------------------------------------------------------------------


def test_a_planted_slow_down_is_found_then_held_against(tmp_path: Path, environment: dict[str, str]) -> None:
    small, out = "rlfn(channels=8, blocks=4)", tmp_path / "out"
    done = compare(small, "rlfn(channels=128, blocks=4)", *QUICK, "--out", str(out), env=environment, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "rlfn(channels=8,blocks=4) is faster: rlfn(channels=128,blocks=4) takes " in done.stdout
    assert "3 fresh processes a network" in done.stdout
    (path,) = out.iterdir()
    record = read_as(ComparisonRecord, path)
    assert [len(n.samples_ms) for n in record.networks] == [3, 3]
    runtimes = [p.runtime for n in record.networks for p in n.processes]
    assert all(r and len(r.samples_ms) == 7 and r.interleaved_with for r in runtimes)
    assert all(p.environment["packages"]["torch"] for n in record.networks for p in n.processes)
    assert str(ROOT) not in path.read_text(encoding="utf-8")

    again = (small, "--against", str(path), *QUICK, "--repeats", "2", "--out", str(tmp_path / "again"))
    done = compare(*again, "--tolerance", "900%", env=environment)
    assert done.returncode == 0, done.stderr
    assert "times the recorded time" in done.stdout
    then = record.networks[0]
    assert then.complexity
    then.complexity.parameters -= 1
    for process in then.processes:
        assert process.runtime
        process.runtime.samples_ms = [ms / 1000 for ms in process.runtime.samples_ms]
    write_record(record, out)
    done = compare(*again, env=environment)
    assert done.returncode == 1, done.stderr
    assert f"changed: parameters {then.complexity.parameters:,} -> " in done.stdout
    assert "is slower: " in done.stdout


def test_a_network_beside_itself_shows_no_difference(tmp_path: Path, environment: dict[str, str]) -> None:
    # At 95 %, one run in twenty may show one; three such runs in a row are one in 8,000.
    for _ in range(3):
        done = compare("fsrcnn", "fsrcnn", *QUICK, "--out", str(tmp_path), env=environment)
        assert done.returncode == 0, done.stderr
        if "no difference shown: fsrcnn (2) takes" in done.stdout:
            break
    else:
        pytest.fail(done.stdout)
    assert [n.label for n in read_as(ComparisonRecord, next(tmp_path.iterdir())).networks] == ["fsrcnn", "fsrcnn (2)"]


def test_a_network_that_fails_leaves_the_others(tmp_path: Path, environment: dict[str, str]) -> None:
    code = CODE.replace(
        "return self", "x.is_meta or x.shape[2] < 100 or __import__('os')._exit(7)\n        return self"
    )
    arguments = ("bicubic", f"{write_code(tmp_path, code)}:TinyNet", "--input-size", "128", "--runs", "2")
    photo = find_dataset("photos", None).pairs[0].load().hr
    (tmp_path / "mine").mkdir()
    Image.fromarray(photo[:160, :200]).save(tmp_path / "mine/photo.png")
    data = ("--data", str(tmp_path / "mine"))
    done = compare(*arguments, *data, "--repeats", "1", "--out", str(tmp_path / "out"), env=environment)
    assert done.returncode == 1
    assert "failed: " in done.stdout
    assert "PSNR (Y)" in done.stdout
    assert "its process died (exit status 7)" in done.stdout
    assert "Traceback" not in done.stderr
    (path,) = (tmp_path / "out").iterdir()
    bicubic, failed = read_as(ComparisonRecord, path).networks
    assert [len(n.samples_ms) for n in (bicubic, failed)] == [1, 0]
    lr = imresize(photo[:160, :200], 0.25)
    (image,) = bicubic.quality[0].images
    assert image.psnr_y == pytest.approx(psnr(*(luma(x)[4:-4, 4:-4] for x in (imresize(lr, 4), photo[:160, :200]))))
    assert failed.quality == []


WRONG = [
    (["rlfn"], ["name two networks or more"]),
    (["rlfn", "dvmrs"], ["unknown model 'dvmrs'", "dvmsr"]),
    (["rlfn", "dvmsr(channels=8"], ["write options"]),
    (["rlfn", "rlfn(colour=red)"], ["cannot build rlfn", "colour"]),
    (["rlfn", "span", "--against", "x.json"], ["--against holds one network"]),
    (["rlfn", "--against", "absent.json"], ["cannot read record absent.json"]),
    (["rlfn", "--against", SCRIPT], ["not a complete JSON record"]),
    (["rlfn", "--against", "x.json", "--tolerance", "five"], ["--tolerance five is no percentage"]),
    (["rlfn", "--against", "x.json", "--tolerance", "0.05"], ["--tolerance 0.05", "5%"]),
    (["rlfn", "--against", "x.json", "--tolerance=-5%"], ["--tolerance -5%"]),
    (["rlfn", "--against", "x.json", "--tolerance", "nan%"], ["--tolerance nan%"]),
    (["rlfn", "span", "--lr", "."], ["--lr . needs --data"]),
    (["rlfn", "span", "--data", "Set6"], ["unknown data set 'Set6'", "Set5"]),
    (["rlfn", "span", "--repeats", "0"], ["--repeats must be positive"]),
    (["rlfn", "span", "--out", SCRIPT], ["is not a folder"]),
    (["rlfn", "span", "--runs", "0"], ["must be positive"]),
    (["rlfn", "span", "--device", "toaster"], ["--device toaster"]),
]


@pytest.mark.parametrize(("arguments", "words"), WRONG)
def test_wrong_arguments(
    arguments: list[str],
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(signal, "signal", lambda *_: None)  # a test keeps its own
    assert main([*arguments, *QUICK[:2]]) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error:")]
    for word in words:
        assert word in line
    assert os.listdir(tmp_path) == []


def test_help_shows_defaults_and_examples(environment: dict[str, str]) -> None:
    done = compare("--help", env=environment)
    assert done.returncode == 0
    for text in ("--repeats", "(default: 3)", "--against", "(default: 5%)", "--input-size", "examples:", "exit status"):
        assert text in done.stdout
    assert compare(env=environment).returncode == 2


@pytest.mark.parametrize("ended_by", [signal.SIGINT, signal.SIGTERM])
def test_being_ended_writes_nothing_and_leaves_no_process(
    ended_by: signal.Signals, tmp_path: Path, environment: dict[str, str]
) -> None:
    words = ("rlfn_ntire", "fsrcnn", *QUICK[:2], "--runs", "1000", "--out", tmp_path)
    with start(SCRIPT, *words, env=environment) as run:
        assert run.stderr
        for news in run.stderr:
            if "first pass" in news:
                break
        time.sleep(0.2)
        workers = psutil.Process(run.pid).children(recursive=True)
        run.send_signal(ended_by)
        rest = run.stderr.read()
    assert run.returncode == 130
    assert "interrupted; nothing was written" in rest
    assert "Traceback" not in rest
    assert workers
    assert psutil.wait_procs(workers, timeout=10)[1] == []
    assert os.listdir(tmp_path) == []
