"""The process of one submission: `python -P child.py FD JOB`, in a copy of the checkout.

The checkout comes first on the path, and this project's `models` is on it nowhere: submissions say `from
models.team07_... import`, and the names would collide. So `bench` is made known by hand, and nothing that is imported
here may import `models`; a test sees to it.

Requests arrive as JSON over the connection FD and are answered as JSON, so that nothing a submission sends is
unpickled by the harness.
"""

import importlib
import importlib.util
import json
import os
import signal
import sys
import types
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]


def main() -> None:
    """Build the submission, then answer until the connection closes."""
    connection, job = Connection(int(sys.argv[1])), json.loads(sys.argv[2])
    os.register_at_fork(after_in_child=connection.close)  # a fork of a submission must not answer for it
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    owner = os.getpid()
    sys.path.insert(0, os.getcwd())
    package = types.ModuleType("bench")
    package.__path__ = [str(ROOT / "bench")]
    sys.modules["bench"] = package
    stand_ins = importlib.import_module("bench.studies.challenge.stand_ins")
    measured = importlib.import_module("bench.studies.challenge.submission")
    finder = stand_ins.install(ROOT / "models")
    subject = None
    while True:
        try:
            request = json.loads(connection.recv_bytes())
            payload = connection.recv_bytes() if request["payload"] else b""
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
        _send(connection, answer, image)


def _answer(subject: Any, request: dict[str, Any], payload: bytes) -> tuple[Any, bytes]:
    import torch

    if request["do"] != "upscale":
        return getattr(subject, request["do"])(), b""
    image = torch.frombuffer(bytearray(payload), dtype=torch.uint8).view(*request["shape"])
    upscaled, ms = subject.upscale(image)
    return {"shape": list(upscaled.shape), "ms": ms}, upscaled.numpy().tobytes()


def _send(connection: Connection, answer: dict[str, Any], image: bytes) -> None:
    answer["payload"] = bool(image)
    try:
        connection.send_bytes(json.dumps(answer).encode())
        if image:
            connection.send_bytes(image)
    except OSError:
        sys.exit()  # the harness is gone


if __name__ == "__main__":
    main()
