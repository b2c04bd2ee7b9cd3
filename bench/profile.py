"""Measure one or several networks: `python bench/profile.py --model dvmsr`. See --help."""

import sys
from pathlib import Path

if not __package__:
    # Started as a script, this folder is first on sys.path, and this file would pass for the standard library's
    # `profile`, which torch.compile imports. The repository root belongs there.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import dataclasses
import json

from bench.core.command import carry_out
from bench.core.console import Tell, open_console
from bench.core.render import print_table
from bench.studies.profile.arguments import build_parser, make_plan
from bench.studies.profile.listing import network_table, other_lines
from bench.studies.profile.session import run
from bench.studies.profile.subject import Subject
from bench.studies.profile.summary import print_summary


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit status: 0, 1 if a network failed, 2 for a wrong call, 130 if interrupted."""
    parser = build_parser()
    arguments = parser.parse_args(argv)
    out, tell = open_console()
    if arguments.list:
        print_table(out, network_table())
        for line in other_lines():
            out.print(line, markup=False, highlight=False, soft_wrap=True)
        return 0
    if not arguments.model:
        parser.error("no network named; give --model NAME (--list shows them)")

    def work() -> int:
        plan = make_plan(arguments)
        subjects = run(plan, tell)
        records = [subject.record for subject in subjects]
        _tell_left_out(subjects, tell)
        if arguments.json:
            out.print_json(json.dumps([dataclasses.asdict(subject.stored or subject.record) for subject in subjects]))
        else:
            print_summary(out, records)
            for record in records:
                out.print(str(plan.out / record.file_name), markup=False, highlight=False, soft_wrap=True)
        return 1 if any(subject.error or subject.incomplete for subject in subjects) else 0

    return carry_out(work, tell, lambda: f"what was finished is in {arguments.out}, and --reuse continues from there")


def _tell_left_out(subjects: list[Subject], tell: Tell) -> None:
    for subject in subjects:
        runtime = subject.record.runtime
        if runtime and runtime.interrupted:
            tell(f"{subject.name}: {runtime.interrupted} (--time-budget)")
        for skipped in subject.record.skipped:
            if skipped.estimate_s is not None:
                tell(f"{subject.name}: {skipped.what} left out, {skipped.reason}: {skipped.command}")


if __name__ == "__main__":
    sys.exit(main())
