"""What a process lays upon itself before it runs code that it measures; imports nothing of this project."""

import ctypes
import resource
import signal
import sys

FILE_BYTES = 4 * 2**30  # the largest file that strangers' code may write
PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Be killed when the process that started this one ends, however it ends; on Linux."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def bound_files() -> None:
    """No core dump, and no endless file."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    most = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    bound = FILE_BYTES if most == resource.RLIM_INFINITY else min(FILE_BYTES, most)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bound, bound))
