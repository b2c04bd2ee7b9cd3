"""What a challenge checkout says of its submissions, read from its `test_demo.py` without running it.

All NTIRE efficient-SR repositories since 2022 have one layout: `test_demo.py` with a function `select_model(args,
device)` that picks a network by `args.model_id`, networks in `models/`, weights in `model_zoo/`.
"""

import ast
import json
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from models.errors import EsrError

SCRIPT = "test_demo.py"


@dataclass(frozen=True)
class Checkout:
    """A challenge's repository on this machine.

    Attributes:
        root: its folder.
        year: of the challenge, from the script's own words; None where it does not say.
        commit: of its git; "" outside git.
        teams: the ids that select_model knows.
        forwards: id -> function of the script that runs this team's passes, where it is a special one.
        fvcore: whether its FLOPs are fvcore's; earlier challenges counted with hooks.
        results: the checkout's published results.json by team id, where there is one.
    """

    root: Path
    year: int | None
    commit: str
    teams: list[int]
    forwards: dict[int, str] = field(default_factory=dict)
    fvcore: bool = True
    results: dict[int, dict[str, Any]] = field(default_factory=dict)


def read_checkout(root: Path) -> Checkout:
    """Read the layout of `root`. Raises EsrError for a folder that is no checkout of such a challenge."""
    script = root / SCRIPT
    if not root.is_dir():
        raise EsrError(f"--repo {root} is no folder; clone the challenge's repository first")
    try:
        source = script.read_text(encoding="utf-8")
        tree = ast.parse(source)
    except OSError:
        raise EsrError(f"{root} has no {SCRIPT}; --repo needs a checkout of an NTIRE efficient-SR challenge") from None
    except (SyntaxError, ValueError) as error:
        raise EsrError(f"{script} cannot be read as Python: {error}") from None
    functions = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    if "select_model" not in functions:
        raise EsrError(f"{script} has no select_model(args, device), from which the submissions are taken")
    teams = sorted({number for test in _conditions(functions["select_model"]) for number in _model_ids(test)})
    if not teams:
        raise EsrError(f"{script}: select_model compares model_id with no number")
    years = re.findall(r"NTIRE[ _]?(20\d\d)", source)  # its baseline may be of an earlier one
    return Checkout(
        root=root.resolve(),
        year=int(max(years)) if years else None,
        commit=_commit(root),
        teams=teams,
        forwards=_special_forwards(functions.get("run")),
        fvcore="FlopCountAnalysis(" in re.sub(r"#.*", "", source),
        results=_results(root),
    )


def _conditions(function: ast.FunctionDef) -> list[ast.expr]:
    return [node.test for node in ast.walk(function) if isinstance(node, ast.If)]


def _model_ids(test: ast.expr) -> list[int]:
    """The numbers that `model_id` or `args.model_id` is compared with, by == or in."""
    found: list[int] = []
    for node in ast.walk(test):
        if isinstance(node, ast.Compare) and ast.unparse(node.left) in ("model_id", "args.model_id"):
            for operator, value in zip(node.ops, node.comparators, strict=True):
                if isinstance(operator, ast.Eq | ast.In):
                    found += _numbers(value)
    return found


def _numbers(value: ast.expr) -> list[int]:
    try:
        read = ast.literal_eval(value)
    except (ValueError, TypeError, SyntaxError):
        return []
    many = read if isinstance(read, list | tuple | set) else [read]
    return [number for number in many if isinstance(number, int)]


def _special_forwards(run: ast.FunctionDef | None) -> dict[int, str]:
    """`if args.model_id == 34: img_sr = forward_team34(...)` -> {34: "forward_team34"}."""
    found: dict[int, str] = {}
    for node in ast.walk(run) if run else ():
        if not isinstance(node, ast.If):
            continue
        calls = [n for statement in node.body for n in ast.walk(statement) if isinstance(n, ast.Call)]
        names = [c.func.id for c in calls if isinstance(c.func, ast.Name) and c.func.id.startswith("forward")]
        if names:
            found.update(dict.fromkeys(_model_ids(node.test), names[0]))
    return found


def _results(root: Path) -> dict[int, dict[str, Any]]:
    """By the number that an entry's name begins with; nothing where the file is missing or of another form."""
    try:
        entries = json.loads((root / "results.json").read_text(encoding="utf-8"))
        numbered = {re.match(r"\s*(\d+)", name): value for name, value in entries.items()}
        return {int(match[1]): value for match, value in numbered.items() if match and isinstance(value, dict)}
    except (OSError, ValueError, AttributeError):
        return {}


def _commit(root: Path) -> str:
    command = ["git", "-C", str(root), "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""
