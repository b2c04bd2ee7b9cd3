"""Every test: which run only with --all, what was left out at the end, and how processes start."""

import collections
import multiprocessing
import os
import sys
from collections.abc import Iterator

import pytest

# Threads that wait for each other sleep, or two tests side by side take many times as long as one after the other.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

PRELOADED = ["bench.networks.engine", "bench.networks.worker", "train.store", "torch.utils.tensorboard"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all", action="store_true", help="also run what takes long: tests marked slow")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests marked slow are skipped without --all, unless one is named: `slow("what takes long in it")`.

    Their files come first, so that no process has a long one left when the others are done.
    """
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)
    if config.getoption("--all") or any("::" in argument for argument in config.args):
        return
    for item in items:
        if mark := item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.skip(reason=f"{mark.args[0]}: only with --all"))


@pytest.hookimpl(tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What was not tested and why, one line a reason."""
    left_out: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    for report in terminalreporter.stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        left_out[reason.removeprefix("Skipped: ")][report.nodeid.split("::")[0]] += 1
    if not left_out:
        return
    terminalreporter.write_sep("=", "not tested")
    for reason, files in sorted(left_out.items()):
        places = ", ".join(sorted(file.removeprefix("tests/") for file in files))
        terminalreporter.write_line(f"{files.total():4} {reason} ({places})")


@pytest.fixture(autouse=True)
def _threads_are_put_back() -> Iterator[None]:
    """A command that is called here settles the threads of this process; the next test finds them as they were."""
    torch = sys.modules.get("torch")
    threads = torch.get_num_threads() if torch else None
    yield
    if torch and torch.get_num_threads() != threads:
        torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def _stand_ins_are_forgotten() -> Iterator[None]:
    """What stood in for mamba-ssm in one test is not noted of the next one's network."""
    yield
    if drop_in := sys.modules.get("models.scan.drop_in"):
        drop_in.install().used.clear()
        for name in [name for name in drop_in.PACKAGES | drop_in.MODULES.keys() if drop_in.stands_in(name)]:
            del sys.modules[name]


@pytest.fixture(autouse=True)
def _float32_is_float32() -> None:
    """cuDNN's convolutions round to TF32 unless told otherwise: an error of 3e-4, which would be taken for ours."""
    if torch := sys.modules.get("torch"):
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False


@pytest.fixture(autouse=True, scope="session")
def _processes_are_forked() -> Iterator[None]:
    """Processes that the code under test spawns are forked from one that has PyTorch imported; seconds less each."""
    real = multiprocessing.get_context
    real("forkserver").set_forkserver_preload(PRELOADED)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(multiprocessing, "get_context", lambda kind=None: real("forkserver" if kind == "spawn" else kind))
        yield
