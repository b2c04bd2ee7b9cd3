"""How many cores this process may use at once: more threads than that wait for each other instead of working."""

import functools
import math
import os
from pathlib import Path

import torch

CGROUPS = Path("/sys/fs/cgroup")


def usable_cores() -> int:
    """At least 1: the cores of the affinity mask, or fewer where a control group (a container) has a smaller quota."""
    try:
        allowed = len(os.sched_getaffinity(0))
    except AttributeError:  # not Linux
        allowed = os.cpu_count() or 1
    quota = cpu_quota()
    return allowed if quota is None else max(1, min(allowed, math.ceil(quota)))


def count_threads() -> int:
    """PyTorch's number of threads, but no more than cores."""
    return min(torch.get_num_threads(), usable_cores())


@functools.cache
def cpu_quota(root: Path = CGROUPS, membership: Path = Path("/proc/self/cgroup")) -> float | None:
    """Cores' worth of time that this process's control group and those around it grant; None: no limit."""
    try:
        lines = membership.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    quotas = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        group = (root / "cpu" if controllers else root) / path.strip("/")
        while group.is_relative_to(
            root
        ):  # within a container the path may be that of the host: then only the root is there
            quotas.append(_quota_of(group))
            group = group.parent
    return min((quota for quota in quotas if quota is not None), default=None)


def _quota_of(group: Path) -> float | None:
    """cpu.max of version 2, else the two files of version 1."""
    try:
        numbers = (group / "cpu.max").read_text(encoding="ascii").split()
    except OSError:
        try:
            numbers = [(group / f"cpu.cfs_{name}_us").read_text(encoding="ascii") for name in ("quota", "period")]
        except OSError:
            return None
    try:
        quota, period = (float(number) for number in numbers)
    except ValueError:  # "max 100000"
        return None
    return quota / period if quota > 0 and period > 0 else None
