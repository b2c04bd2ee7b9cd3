"""Commands as processes of their own that need not import PyTorch: forked from one that has it.

`python -m tests.fork_server PATH` listens on the Unix socket PATH and forks for each request a process that runs
a script as `python SCRIPT ...` would: with its own arguments, environment, folder, output, signals and exit status.
What such a process does not show is how the interpreter starts: what is imported when, `sys.path` before a script's
first line, variables that libraries read at import. One test a command starts a real one for that.
"""

import atexit
import gc
import importlib
import json
import multiprocessing
import multiprocessing.context
import multiprocessing.forkserver
import os
import runpy
import select
import signal
import socket
import sys
import threading
import traceback
from pathlib import Path
from typing import NoReturn

IMPORTED = (
    "bench.accuracy", "bench.attribution", "bench.compare", "bench.crops", "bench.networks.engine", "bench.ntire",
    "bench.profile", "bench.report.build", "bench.roofline", "bench.scaling", "bench.scan", "bench.step",
    "train.ablation", "train.estimate", "train.train", "torch.utils.flop_counter", "matplotlib.pyplot",
)  # fmt: skip
LONGEST_REQUEST = 2**20


def serve(path: str) -> None:
    """Answer requests until standard input ends, which is when the tests' process does."""
    for name in IMPORTED:
        importlib.import_module(name)
    gc.freeze()  # a collection in a forked process would copy every page it looks at
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those who wait for the commands
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while True:
            ready, _, _ = select.select([listener, sys.stdin], [], [])
            if sys.stdin in ready:
                return
            connection, _ = listener.accept()
            with connection:
                if os.fork() == 0:
                    listener.close()
                    _supervise(connection)


def _supervise(connection: socket.socket) -> None:
    """Fork the command, tell its id and later its status. Returns in the command only."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    data, outputs, _, _ = socket.recv_fds(connection, LONGEST_REQUEST, 2)
    while not data.endswith(b"\n"):
        data += connection.recv(LONGEST_REQUEST)
    pid = os.fork()
    if pid == 0:
        connection.close()
        _become(json.loads(data), outputs)
    for descriptor in outputs:
        os.close(descriptor)
    connection.sendall(f"{pid}\n".encode())
    _, status = os.waitpid(pid, 0)
    connection.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


def _become(request: dict[str, object], outputs: list[int]) -> NoReturn:
    """Be the process that was asked for; its exit is this process's."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    for descriptor, standard in zip([nothing, *outputs], range(3), strict=True):
        os.dup2(descriptor, standard)
        os.close(descriptor)
    command, environment = request["command"], request["environment"]
    assert isinstance(command, list)
    assert isinstance(environment, dict)
    os.chdir(str(request["folder"]))
    os.environ.clear()
    os.environ.update(environment)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    _fork_workers()
    added = [entry for entry in environment.get("PYTHONPATH", "").split(os.pathsep) if entry]
    first = os.getcwd() if command[0] in ("-c", "-m") else str(Path(command[0]).resolve().parent)
    sys.path[:1] = [first, *added]
    _end(_run(command))


def _run(command: list[str]) -> int:
    """What the interpreter does with its arguments; the exit status."""
    try:
        if command[0] == "-c":
            sys.argv = ["-c", *command[2:]]
            exec(compile(command[1], "<string>", "exec"), {"__name__": "__main__"})
        elif command[0] == "-m":
            sys.argv = command[1:]
            sys.modules.pop(command[1], None)
            runpy.run_module(command[1], run_name="__main__", alter_sys=True)
        else:
            sys.argv = command
            runpy.run_path(command[0], run_name="__main__")
    except SystemExit as end:
        if isinstance(end.code, str):
            sys.stderr.write(f"{end.code}\n")
            return 1
        return end.code or 0
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def _end(status: int) -> NoReturn:
    """Exit, but without taking PyTorch apart piece by piece, which takes seconds in a forked process."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _fork_workers() -> None:
    """Let processes that this one wants spawned be forked from one that is as it is now, with no thread started."""
    if sys.version_info >= (3, 14):
        return  # whose fork server wants a key; workers are spawned there, which takes seconds each
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address := f"\0esr-tests-{os.getpid()}")
    listener.listen()
    alive, ours = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(ours)
        multiprocessing.forkserver.main(listener.detach(), alive, [])
    listener.close()
    os.close(alive)
    known = multiprocessing.forkserver._forkserver  # type: ignore[attr-defined]
    known._forkserver_address, known._forkserver_alive_fd, known._forkserver_pid = address, ours, pid
    real = multiprocessing.get_context
    multiprocessing.get_context = lambda kind=None: real("forkserver" if kind == "spawn" else kind)  # type: ignore[assignment]


if __name__ == "__main__":
    serve(sys.argv[1])
