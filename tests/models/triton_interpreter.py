"""Triton's interpreter, as it can be used with any numpy."""

import os
import subprocess
import sys
from typing import Any

from triton.runtime import interpreter

from tests.commands import ROOT


def run_interpreted(file: str) -> None:
    """Run a file of tests with the interpreter, in a process of its own: triton reads the variable once, at import."""
    command = [sys.executable, "-m", "pytest", "-x", "-p", "no:cacheprovider", file]
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:]


def mend_interpreter() -> None:
    """Triton before 3.7 takes a loop's bounds for numbers while they are arrays of one, which numpy 2.4 refuses."""
    patch = interpreter._patch_lang_tensor

    def patch_and_mend(tensor: Any, scope: Any, *rest: Any) -> None:
        patch(tensor, scope, *rest)
        scope.set_attr(tensor, "__index__", lambda self: int(self.handle.data.squeeze()))

    interpreter._patch_lang_tensor = patch_and_mend
