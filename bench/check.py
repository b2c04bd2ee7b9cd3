"""Would it stand in the challenge? `python bench/check.py net.py:Net --weights net.pth --rule 2026`. See --help."""

import sys
from pathlib import Path

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])  # as in bench/profile.py

import argparse
from dataclasses import replace

from bench.core.command import carry_out
from bench.core.console import open_console
from bench.core.render import print_table
from bench.data.datasets import DatasetNotFoundError, find_dataset
from bench.networks.choice import Choice
from bench.report.submission.costs import cost_table
from bench.report.submission.findings import findings, findings_table, headline, remarks
from bench.report.submission.standing import standing, standing_table
from bench.score import BASELINES, GATE_SETS, RULES
from bench.studies.check.study import run
from bench.studies.flags import add_data, add_store, make_parser
from bench.studies.profile.arguments import Plan, add_own, add_timing_arguments, make_plan

QUICK_SET = "Set5"  # beside the baseline's, where the challenge's own sets are not at hand
NOT_SHOWN = 3
EXAMPLES = """examples:
  python bench/check.py net.py:Net --weights net.pth --rule 2026
  python bench/check.py 'net.py:Net(channels=28)' --weights net.pth --data-range 255 --data-dir /path/to/sets
  python bench/check.py span --rule 2025                                       a network of the registry

The challenge's sets are DIV2K_LSDIR_valid_HR, _LR and _test_HR, _LR in --data-dir or $ESR_DATA; organisers alone have
the second. Without them the gate is not measured, and Set5 tells how far the network is from the baseline.

exit status: 0 if it is valid and passes the gate; 1 if not; 3 if it is valid and the gate could not be measured here;
2 for a wrong call; 130 if interrupted.
"""


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit status, as --help lists them."""
    arguments = _parser().parse_args(argv)
    out, tell = open_console()

    def work() -> int:
        rule = RULES[arguments.rule]
        checked = run(_plan(arguments), tell)
        at = standing(checked, rule)
        answers = findings(checked, at)
        print_table(out, findings_table(answers))
        print_table(out, standing_table(checked, at))
        if checked.examined.costs:
            print_table(out, cost_table(checked.examined.costs, at))
        for line in [*remarks(checked, at), "", headline(checked, at, answers)]:
            out.print(line, markup=False, highlight=False, soft_wrap=True)
        if any(answer.state == "FAILED" for answer in answers):
            return 1
        return 0 if at.passes else NOT_SHOWN

    return carry_out(work, tell, lambda: f"what was measured is in {arguments.out}, and --reuse continues from there")


def _parser() -> argparse.ArgumentParser:
    about = "Look at one network as a challenge would: is it a valid submission, where does it stand, what costs most?"
    parser = make_parser("check.py", about, EXAMPLES)
    add = parser.add_argument
    add("model", metavar="NETWORK", help="your own, by code or file, or one of the registry, as in bench/profile.py")
    add("--rule", type=int, choices=sorted(RULES), default=max(RULES), help=f"year of the rule (default: {max(RULES)})")
    add("--weights", type=Path, metavar="FILE", help="weights, .pth or .safetensors")
    add_own(parser)
    add_data(parser, f", beside the challenge's (default: {QUICK_SET}, where it is found)")
    add("--limit", type=int, metavar="N", help="the first N images of each set only; the gate then stays open")
    add_timing_arguments(parser, "network")
    add_store(parser, "records", "the figures")
    parser.set_defaults(model_args=[], ntire_compat=False, measure=["runtime", "memory", "quality"])
    return parser


def _plan(arguments: argparse.Namespace) -> Plan:
    """As bench/profile.py's, of the network and then of the baseline. Raises EsrError as `make_plan` does."""
    wanted = [*GATE_SETS.values(), *([] if arguments.data else [QUICK_SET])]
    arguments.model = [arguments.model]
    plan = make_plan(arguments)
    sets = [*(arguments.data or []), *(name for name in wanted if _is_here(name, plan.data_dir))]
    measure = plan.measure if sets else plan.measure - {"quality"}
    baseline = BASELINES[arguments.rule]
    choices = [*plan.choices, Choice(baseline, label=baseline)]
    return replace(plan, choices=choices, datasets=sets, measure=measure)


def _is_here(name: str, data_dir: Path | None) -> bool:
    try:
        find_dataset(name, data_dir, allow_download=False)
    except DatasetNotFoundError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
