"""README, docs/ and CONTRIBUTING: every command runs, every link leads somewhere, every figure is a record's."""

import os
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models import create_model
from models.weights import pack_weights
from tests.bench.own_networks import MAMBA_CODE, write_code, write_weights
from tests.bench.test_check import challenge_set
from tests.commands import ROOT, run
from tests.data import esr_data

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
REPORT = ROOT / "reports/amd-epyc-2-threads/report/report.md"
# Whose tests are elsewhere, or which need what no test has: a network, a checkout, several GPUs, hours.
ELSEWHERE = (
    "./setup.sh",
    "./run_all.sh",
    "./run_tests.sh",
    "./run_gpu.sh",
    "git",
    "torchrun",
    "bench/ntire.py",
    "train/ablation.py",
)
TIMED = ("--runs", "2", "--time-budget", "0.2")
# What makes a command small enough for a test, where it does not say so itself.
SMALLER = {
    "bench/profile.py": ("--input-size", "24", "--limit", "1", *TIMED),
    "bench/compare.py": ("--input-size", "24", "--limit", "1", "--repeats", "1", *TIMED),
    "bench/check.py": ("--input-size", "24", *TIMED),
    "bench/roofline.py": ("--input-size", "24", *TIMED),
    "bench/scaling.py": ("--sizes", "16", "24", *TIMED),
    "bench/attribution.py": ("--steps", "2", "--erf-size", "16"),
    "bench/accuracy.py": ("--exact", "Set5", "--backends", "chunked", "native"),
    "bench/scan.py": ("--lengths", "64", "--error-length", "64", "--time-budget", "0.1"),
    "bench/step.py": ("--batch", "1", "--patch", "16", *TIMED),
    "train/train.py": ("--steps", "2", "--batch", "1", "--data.hr", "[photos]", "--data.limit", "1"),
}
MAY_FAIL = {0, 1, 3}  # a network that failed, or a gate that was missed, is no wrong command


def commands() -> Iterator[tuple[str, list[str]]]:
    """Every command with the page that it stands on, once."""
    seen = set()
    for page in PAGES:
        for block in re.findall(r"```bash\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
            for line in block.splitlines():
                words = shlex.split(line, comments=True)
                while words and "=" in words[0]:
                    words.pop(0)
                if words and tuple(words) not in seen:
                    seen.add(tuple(words))
                    yield page.name, words


COMMANDS = [(page, words) for page, words in commands() if words[0] == "python" and words[1] not in ELSEWHERE]


def test_every_command_is_known() -> None:
    found = list(commands())
    assert len(COMMANDS) > 30
    for page, words in found:
        script = words[1] if words[0] == "python" else words[0]
        assert words[0] == "python" or script in ELSEWHERE, (page, words)
        if words[0] in ("python",) or script.startswith("./"):
            assert (ROOT / script).is_file(), (page, words)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all that the commands name, and small images under the names of the data sets."""
    data, folder = esr_data(), tmp_path_factory.mktemp("docs")
    sets = folder / "sets"
    gradient = Image.radial_gradient("L").convert("RGB")
    of_set = {"Set5": ("baby", 160), "Set14": ("barbara", 640), "B100": ("101085", 160)}
    for name, (image, size) in {**of_set, "DIV2K": ("0001", 260), "Flickr2K": ("000001", 260)}.items():
        (sets / "images" / name / "HR").mkdir(parents=True)
        gradient.resize((size, size)).save(sets / "images" / name / "HR" / f"{image}.png")
    (sets / "weights").symlink_to(data / "weights")
    challenge_set(sets, 8)
    for file, side in (("photo.png", 24), ("holiday/a.png", 24), ("lr.png", 64), ("hr.png", 256)):
        (folder / file).parent.mkdir(exist_ok=True)
        gradient.resize((side, side)).save(folder / file)
    (folder / "DIV2K_LSDIR_test_LR").mkdir()
    Image.fromarray(np.zeros((24, 24, 3), np.uint8)).save(folder / "DIV2K_LSDIR_test_LR/0901x4.png")
    for where, name in (("", "Net"), ("path/to/", "MyNet")):
        code = write_code(folder / where)
        code.write_text(code.read_text().replace("class TinyNet", f"class {name}"), encoding="utf-8")
    (folder / "path/to/mamba_net.py").write_text(MAMBA_CODE, encoding="utf-8")
    (folder / "net.py").write_text(f"{(folder / 'net.py').read_text()}\n\nMyNet = Net\n", encoding="utf-8")
    for name in ("net.pth", "mynet.pth"):
        write_weights(folder, name)
    for name, file in (("rlfn", "mine.safetensors"), ("swinir_light", "FILE")):
        (folder / file).write_bytes(pack_weights(create_model(name).state_dict(), name, {}, {}))
    shutil.move(folder / "FILE", folder / "FILE.safetensors")
    shutil.copytree(ROOT / "train/configs", folder / "train/configs")
    return folder


@pytest.mark.slow("every command of the documentation")
def test_every_command_runs(place: Path) -> None:
    """In the order of the pages, in one folder, as a reader types them."""
    environment = {**os.environ, "ESR_DATA": str(place / "sets"), "ESR_CACHE": str(place / "cache")}
    run("bench/compare.py", "dvmsr", "dvmsr", *SMALLER["bench/compare.py"], env=environment, cwd=place)
    (reference,) = (place / "results/comparisons").glob("*.json")
    order = sorted(COMMANDS, key=lambda found: "results/" in " ".join(found[1]))  # what others made comes last
    wrong = []
    for page, (_, script, *given) in order:
        words = [_placed(word, place, reference) for word in given]
        extra = [] if {"--help", "--list"} & set(words) else _extra(script, words)
        done = run(script, *words, *extra, env=environment, cwd=place)
        if done.returncode not in MAY_FAIL or "Traceback" in done.stderr:
            wrong.append(f"{page}: {shlex.join([script, *words, *extra])}: {done.stderr[-500:]}")
    assert not wrong, "\n".join(wrong)


def _placed(word: str, place: Path, reference: Path) -> str:
    for said, meant in (
        ("/path/to/data", place / "sets"),
        ("/path/to/sets", place / "sets"),
        ("RECORD.json", reference),
    ):
        word = word.replace(said, str(meant))
    return "FILE.safetensors" if word == "FILE" else word


def _extra(script: str, words: list[str]) -> list[str]:
    """The flags that make it smaller, without those that it has."""
    flags, kept = list(SMALLER.get(script, ())), []
    while flags:
        flag = flags.pop(0)
        values = []
        while flags and not flags[0].startswith("--"):
            values.append(flags.pop(0))
        if flag not in words or script.startswith("train/"):  # of a trainer's settings the last one counts
            kept += [flag, *values]
    return kept


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
        if not target.startswith("http"):
            assert (page.parent / target.partition("#")[0]).exists(), target


def test_the_figures_of_readme_are_of_the_committed_report() -> None:
    def cells(line: str) -> list[str]:
        return [cell.strip() for cell in line.strip().strip("|").split("|")]

    rows = [cells(line) for line in REPORT.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    table = text[text.index("| Network ") :].split("\n\n")[0].splitlines()
    assert len(table) > 5
    for line in [table[0], *table[2:]]:
        assert cells(line) in rows, line


def test_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 110
