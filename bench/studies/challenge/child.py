"""The process of one submission: `python -P child.py FD JOB`, in a copy of the checkout.

What counts and measures is imported from where it is installed; only then the checkout comes first on the path. This
project's `models` is on it nowhere: submissions say `from models.team07_... import`, and the names would collide. So
`bench` is made known by hand, and nothing that is imported here may import `models`; a test sees to it.

Requests arrive as JSON over the socket FD and are answered as JSON, so that nothing a submission sends is unpickled by
the harness.
"""

import contextlib
import importlib
import importlib.util
import json
import os
import signal
import socket
import sys
import types
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
FIRST = ("torch", "numpy", "fvcore.nn")  # a folder of that name in a checkout must not take their place
MOST_PAYLOAD = 2**31  # bytes, of the harness's images


def main() -> None:
    """Build the submission, then answer until the connection closes."""
    package = types.ModuleType("bench")
    package.__path__ = [str(ROOT / "bench")]
    sys.modules["bench"] = package
    limits = importlib.import_module("bench.core.limits")
    limits.die_with_parent()
    limits.bound_files()
    messages = importlib.import_module("bench.core.channel")
    channel, job = messages.Channel(socket.socket(fileno=int(sys.argv[1]))), json.loads(sys.argv[2])
    os.register_at_fork(after_in_child=channel.close)  # a fork of a submission must not answer for it
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    owner = os.getpid()
    for name in FIRST:
        with contextlib.suppress(ModuleNotFoundError):
            importlib.import_module(name)
    stand_ins = importlib.import_module("bench.studies.challenge.stand_ins")
    measured = importlib.import_module("bench.studies.challenge.submission")
    sys.path.insert(0, os.getcwd())
    finder = stand_ins.install(ROOT / "models")
    subject = None
    while True:
        try:
            request = messages.unpack(channel.receive(messages.MOST_JSON))
            payload = channel.receive(MOST_PAYLOAD) if request["payload"] else b""
        except (EOFError, OSError):
            return
        if request["do"] == "leave":
            return
        answer, image = {}, b""
        try:
            if subject is None:
                subject = measured.Submission(job, finder)
            answer["ok"], image = _answer(subject, request, payload)
        except MemoryError:
            answer["error"] = "out of memory"
        except (Exception, SystemExit) as error:
            answer["error"] = measured.one_line(error)
        if os.getpid() != owner:
            os._exit(0)
        answer["payload"] = bool(image)
        try:
            channel.send(messages.pack(answer), *([image] if image else []))
        except OSError:
            sys.exit()  # the harness is gone


def _answer(subject: Any, request: dict[str, Any], payload: bytes) -> tuple[Any, bytes]:
    import torch

    request_of = getattr(subject, request["do"])
    if not payload:
        return request_of(), b""
    given = request_of(torch.frombuffer(bytearray(payload), dtype=torch.uint8).view(*request["shape"]))
    if request["do"] != "upscale":
        return given, b""
    upscaled, ms = given
    return {"ms": ms}, upscaled.numpy().tobytes()


if __name__ == "__main__":
    main()
