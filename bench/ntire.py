"""Measure and rank the submissions of a challenge checkout: `python bench/ntire.py --repo DIR`. See --help."""

import sys
from pathlib import Path

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])  # as in bench/profile.py

import argparse
import os
from collections.abc import Sequence

import torch

from bench.core.command import carry_out
from bench.core.console import Tell, open_console
from bench.core.environment import describe, device_name
from bench.core.identity import versions
from bench.core.record_file import write_bytes
from bench.core.render import print_table
from bench.data.datasets import DatasetNotFoundError, find_dataset, list_datasets
from bench.data.pairs import Dataset
from bench.networks.wall import MODES, Wall, choose_wall
from bench.report.ranks.standings import SHORT, Standings, standings_section, standings_table
from bench.report.ranks.teams import baseline
from bench.score import RULES
from bench.studies.challenge.layout import Checkout, read_checkout
from bench.studies.challenge.session import Plan, run
from bench.studies.challenge.team_record import Conditions
from bench.studies.flags import check_positive, parse_device
from models.errors import EsrError

CHALLENGE_SETS = ("DIV2K_LSDIR_valid", "DIV2K_LSDIR_test")
DESCRIPTION = """Measure and rank the submissions of an NTIRE efficient-SR checkout (2022 to 2026).

Every submission runs in a process and a copy of the checkout of its own, behind bubblewrap, with limits; the checkout
itself is only read. THIS RUNS THE CODE OF ALL ITS TEAMS on your machine. The wall keeps them from your files, from each
other and from the network (docs/challenge.md says what it does not keep out); without it, --wall none "why" gives them
the rights of your user."""
EXAMPLES = """examples:
  python bench/ntire.py --repo NTIRE2024_ESR                              all teams, counts and runtime
  python bench/ntire.py --repo NTIRE2024_ESR --teams 0,7,38 --data data   three of them, with PSNR on the sets in data/
  python bench/ntire.py --repo NTIRE2026_ESR --measure counts             counts alone, beside the published ones
  python bench/ntire.py --repo NTIRE2026_ESR --rule 2026 --published      scores over the published baseline's figures
"""


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns 0, also where teams failed, 2 for a wrong call, 130 if interrupted."""
    arguments = _parser().parse_args(argv)
    out, tell = open_console()

    def work() -> int:
        plan = make_plan(arguments, tell)
        where = f"each in a copy of {arguments.repo}, with limits; wall: {plan.wall.text}"
        tell(f"running the code of {len(plan.teams)} teams, {where}")
        records = run(plan, tell)
        rule = RULES[arguments.rule or (plan.checkout.year if plan.checkout.year in RULES else max(RULES))]
        found = Standings(records, rule, None if arguments.published else baseline(records, plan.baseline))
        files = standings_section(found).files()
        for name, data in files.items():
            write_bytes(plan.out / name, data)
        print_table(out, standings_table(found, SHORT))
        measured = sum(record.status == "measured" for record in records)
        for line in (f"{measured} of {len(records)} teams measured", *(str(plan.out / name) for name in files)):
            out.print(line, markup=False, highlight=False, soft_wrap=True)
        return 0

    kept = f"the teams that were finished are kept in {arguments.out}, and the same command continues"
    return carry_out(work, tell, lambda: kept)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ntire.py",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--repo", type=Path, required=True, metavar="DIR", help="a checkout of the challenge's repository")
    add("--teams", metavar="N,N", help="ids of select_model (default: all of them)")
    add("--baseline", type=int, default=0, metavar="N", help="team that the others are timed in turn with (default: 0)")
    add("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: auto)")
    add("--measure", nargs="+", choices=["counts", "runtime"], default=["counts", "runtime"], help="(default: both)")
    add("--data", type=Path, metavar="DIR", help="folder of data sets for PSNR (default: quality is not measured)")
    add("--sets", nargs="+", metavar="NAME", help=f"sets of --data (default: those of {', '.join(CHALLENGE_SETS)})")
    add("--limit", type=int, metavar="N", help="the first N images of each set only")
    add("--input-size", type=int, default=256, metavar="N", help="pixels a side of the fixed input (default: 256)")
    add("--runs", type=int, default=50, metavar="N", help="samples of each team (default: 50)")
    add("--time-budget", type=float, default=10.0, metavar="S", help="seconds of samples of each team (default: 10)")
    add("--time-limit", type=float, default=300.0, metavar="S", help="of each request to a team (default: 300)")
    add("--memory-limit", type=float, default=8.0, metavar="GIB", help="of each team's processes (default: 8)")
    add("--threads", type=int, metavar="N", help="CPU threads (default: all)")
    add("--rule", type=int, choices=sorted(RULES), help="year of the scores (default: the checkout's, or the latest)")
    add("--published", action="store_true", help="score over the published baseline instead of the one measured here")
    add(
        "--wall",
        nargs="+",
        default=["auto"],
        metavar=("MODE", "WHY"),
        help='around each team: auto, bwrap, or none with a reason, as in --wall none "a container" (default: auto)',
    )
    add("--allow-unsafe-weights", action="store_true", help="unpickle weights files, which can run code (default: no)")
    add("--again", action="store_true", help="measure teams anew that have a record")
    add("--out", type=Path, default=Path("results/ntire"), help="(default: results/ntire)")
    return parser


def make_plan(arguments: argparse.Namespace, tell: Tell) -> Plan:
    """Check the arguments against the checkout and this machine. Raises EsrError that names the flag and the cure."""
    checkout = read_checkout(arguments.repo)
    device = parse_device(arguments.device)
    check_positive(arguments, "runs", "threads", "limit", "input_size", "time_budget", "time_limit", "memory_limit")
    if arguments.baseline not in checkout.teams:
        raise EsrError(f"--baseline {arguments.baseline} is not in the checkout; it has {_list(checkout.teams)}")
    threads = arguments.threads or len(os.sched_getaffinity(0))
    conditions = Conditions(
        commit=checkout.commit,
        device=device.type,
        device_name=device_name(device),
        threads=threads if device.type == "cpu" else None,
        size=arguments.input_size,
        time_limit_s=arguments.time_limit,
        memory_limit=int(arguments.memory_limit * 2**30),
        versions=versions(describe(device)),
        unsafe=bool(arguments.allow_unsafe_weights),
    )
    return Plan(
        checkout=checkout,
        teams=_teams(arguments.teams, checkout),
        baseline=arguments.baseline,
        device=str(device),
        conditions=conditions,
        parts=frozenset(arguments.measure),
        runs=arguments.runs,
        time_budget_s=arguments.time_budget,
        datasets=_datasets(arguments, tell),
        unsafe=arguments.allow_unsafe_weights,
        wall=_wall(arguments.wall),
        out=arguments.out,
        again=arguments.again,
    )


def _wall(words: list[str]) -> Wall:
    mode, why = words[0], " ".join(words[1:])
    if mode not in MODES:
        raise EsrError(f"--wall {mode}: choose from {', '.join(MODES)}")
    return choose_wall(mode, why)


def _teams(text: str | None, checkout: Checkout) -> list[int]:
    if text is None:
        return checkout.teams
    try:
        teams = [int(number) for number in text.replace(" ", "").split(",")]
    except ValueError:
        raise EsrError(f"--teams {text}: write ids with commas, such as 0,7,38") from None
    unknown = sorted(set(teams) - set(checkout.teams))
    if unknown:
        raise EsrError(f"--teams: {_list(unknown)} not in the checkout; it has {_list(checkout.teams)}")
    return list(dict.fromkeys(teams))


def _datasets(arguments: argparse.Namespace, tell: Tell) -> list[Dataset]:
    if arguments.data is None:
        if arguments.sets:
            raise EsrError("--sets needs --data DIR, the folder that holds them")
        return []
    if not arguments.data.is_dir():
        raise EsrError(f"--data {arguments.data} is not a folder; name one that holds {CHALLENGE_SETS[0]}_HR and _LR")
    found = []
    for name in arguments.sets or CHALLENGE_SETS:
        try:
            found.append(find_dataset(name, arguments.data, allow_download=False))
        except DatasetNotFoundError as error:
            if arguments.sets:
                raise
            tell(f"quality on {name} is not measured: {error}")
    if not found:
        known = ", ".join(list_datasets())
        raise EsrError(f"--data {arguments.data} holds none of {', '.join(CHALLENGE_SETS)}; name --sets of {known}")
    return [dataset.limited(arguments.limit) if arguments.limit else dataset for dataset in found]


def _list(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))


if __name__ == "__main__":
    torch.set_num_threads(1)  # this process only waits
    sys.exit(main())
