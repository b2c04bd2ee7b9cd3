"""Run one stage, with a deadline for all of it and a limit for each command: `python -m gpu.run a results/gpu`.

What ended well is not started again; what was cut short, or failed, is. See gpu/stages.py and run_gpu.sh.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from bench.core.console import Tell, open_console
from bench.core.record_file import write_bytes
from bench.core.render import print_table
from bench.core.table import Column, Table, words
from gpu.stages import STAGE_S, Command, stages
from models.errors import EsrError

ROOT = Path(__file__).resolve().parents[1]
DRY_SITE = ROOT / "gpu/dry/site"
GRACE_S = 15.0  # between the request to stop and the end
RIVAL = "import torch, causal_conv1d_cuda, mamba_ssm.ops.selective_scan_interface"
DONE, FAILED, CUT_SHORT, NO_TIME = "done", "failed", "cut short", "no time left"
INTERRUPTED = (130, 143, -signal.SIGTERM, -signal.SIGKILL)


@dataclass(frozen=True)
class Ran:
    """How a command went.

    Attributes:
        how: DONE, FAILED, CUT_SHORT or NO_TIME.
        status: its exit status, negative for a signal; None where it was not started.
        records: JSON files that are new or were changed.
    """

    name: str
    words: list[str]
    how: str
    status: int | None
    seconds: float
    records: int


def run_stage(
    commands: Sequence[Command],
    out: Path,
    earlier: Sequence[Ran],
    deadline_s: float,
    environment: Mapping[str, str],
    tell: Tell,
    keep: Callable[[list[Ran]], None],
) -> list[Ran]:
    """Run `commands` one after the other.

    Args:
        earlier: of this stage's last run; what is DONE there in the same words is not run again.
        deadline_s: seconds for all.
        environment: of the commands.
        keep: called after each with all that is known, for another run to go on from.
    """
    begin = time.monotonic()
    known = {tuple(ran.words): ran for ran in earlier}
    found: list[Ran] = []
    for command in commands:
        before = known.get(command.words)
        if before and before.how == DONE:
            found.append(before)
            continue
        left = deadline_s - (time.monotonic() - begin)
        tell(f"== {command.name} ({left:.0f} s left)")
        if left < command.least_s:
            ran = before or Ran(command.name, list(command.words), NO_TIME, None, 0.0, 0)
        else:
            ran = _run(command, out, min(left, command.limit_s), environment)
        tell(f"== {command.name}: {ran.how}, {ran.seconds:.0f} s, {ran.records} records")
        found.append(ran)
        keep(found)
    return found


def _run(command: Command, out: Path, limit_s: float, environment: Mapping[str, str]) -> Ran:
    before, begin = _records(out), time.monotonic()
    line = [sys.executable, *command.words]
    # In a group of its own, to be ended as a whole; it still goes with the call that started it.
    with subprocess.Popen(line, cwd=ROOT, env=dict(environment), process_group=0) as process:
        try:
            cut = _wait(process, limit_s)
        except KeyboardInterrupt:
            _wait(process, 0)
            raise
        status = process.wait()
    seconds = time.monotonic() - begin
    changed = sum(before.get(path) != stamp for path, stamp in _records(out).items())
    how = CUT_SHORT if cut or status in INTERRUPTED else DONE if status == 0 else FAILED
    return Ran(command.name, list(command.words), how, status, round(seconds, 1), changed)


def _wait(process: subprocess.Popen[bytes], limit_s: float) -> bool:
    """Wait for its end; after `limit_s` ask it to stop, then end it and its workers. Whether it was cut short."""
    try:
        process.wait(limit_s)
        return False
    except subprocess.TimeoutExpired:
        process.terminate()
    try:
        process.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
    return True


def _records(out: Path) -> dict[Path, int]:
    found = (p for p in out.rglob("*.json") if p.parts[len(out.parts)] not in ("triton", "stages"))
    return {path: path.stat().st_mtime_ns for path in found}


def environment_of(out: Path, dry: bool) -> dict[str, str]:
    """This process's, with Triton's cache among the results, and in a dry run a GPU that is not there."""
    more = {"PYTHONUNBUFFERED": "1", "TRITON_CACHE_DIR": str((out / "triton").resolve())}
    if dry:
        more["PYTHONPATH"] = os.pathsep.join([str(DRY_SITE), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**os.environ, **more}


@dataclass(frozen=True)
class Stage:
    """A stage's file: the device, whether nothing ran on one, and how its commands went."""

    device: str
    dry: bool
    commands: list[Ran]


def read_stage(path: Path) -> Stage:
    """What a stage's file holds; an empty device and no command where there is none yet."""
    if not path.is_file():
        return Stage("", False, [])
    data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return Stage(data["device"], data["dry"], [Ran(**one) for one in data["commands"]])


def stage_table(stage: str, dry: bool, found: Sequence[Ran]) -> Table:
    """A row a command."""
    columns: list[Column[Ran]] = [
        words("command", lambda ran: ran.name),
        words("how", lambda ran: ran.how),
        Column("seconds", lambda ran: ran.seconds, decimals=1),
        Column("records", lambda ran: ran.records),
    ]
    return Table.of(f"stage {stage}{', dry: nothing ran on a GPU' if dry else ''}", columns, found)


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns 0, 1 where something failed, 2 where there is no GPU, or 130 where it was interrupted."""
    parser = argparse.ArgumentParser(prog="python -m gpu.run", description=__doc__)
    parser.add_argument("stage", choices=["a", "b", "c"])
    parser.add_argument("out", type=Path, nargs="?", default=Path("results/gpu"), help="(default: results/gpu)")
    parser.add_argument("--seconds", type=float, default=STAGE_S, help=f"for all of it (default: {STAGE_S:.0f})")
    parser.add_argument("--again", action="store_true", help="also what ended well before")
    parser.add_argument("--dry", action="store_true", help="without a GPU: compile, launch nothing, measure nothing")
    asked = parser.parse_args(argv)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    out, tell = open_console()
    environment = environment_of(asked.out, asked.dry)
    path = asked.out / "stages" / f"{asked.stage}.json"
    try:
        device, earlier = _device(environment), read_stage(path)
        if earlier.commands and (earlier.device, earlier.dry) != (device, asked.dry):
            raise EsrError(f"{asked.out} holds a run on {earlier.device}, this is {device}; name another folder")
    except EsrError as error:
        tell(f"error: {error}")
        return 2
    rival = subprocess.run([sys.executable, "-c", RIVAL], env=environment, capture_output=True, check=False)
    if rival.returncode:
        tell("mamba-ssm and causal-conv1d do not import here: without the rival (gpu/build_rival.sh)")
    commands = stages(asked.out, rival.returncode == 0)[asked.stage]
    if asked.dry:
        commands = [replace(c, words=(*c.words, *c.dry), limit_s=asked.seconds) for c in commands]

    def keep(found: list[Ran]) -> None:
        write_bytes(path, json.dumps(asdict(Stage(device, asked.dry, found)), indent=1).encode())

    asked.out.mkdir(parents=True, exist_ok=True)
    known = [] if asked.again else earlier.commands
    try:
        found = run_stage(commands, asked.out, known, asked.seconds, environment, tell, keep)
    except KeyboardInterrupt:
        tell(f"interrupted; what is finished is in {asked.out}, and the next run goes on from there")
        return INTERRUPTED[0]
    keep(found)
    print_table(out, stage_table(asked.stage, asked.dry, found))
    return int(any(ran.how == FAILED for ran in found))


def _device(environment: Mapping[str, str]) -> str:
    """The GPU's name. Raises EsrError where there is none."""
    code = "import torch; print(torch.cuda.get_device_name())"
    line = [sys.executable, "-c", code]
    done = subprocess.run(line, env=dict(environment), capture_output=True, text=True, check=False)
    if done.returncode:
        raise EsrError(
            f"{sys.executable} finds no CUDA device; install a CUDA build of PyTorch, or use ./run_all.sh on a CPU"
        )
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
