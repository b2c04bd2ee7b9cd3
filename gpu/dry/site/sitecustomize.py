"""With this folder on PYTHONPATH, every Python process sees a GPU that is not there. See gpu/dry/cuda.py."""

import contextlib
import sys
from pathlib import Path

root = str(Path(__file__).resolve().parents[3])
sys.path.append(root)
from gpu.dry import cuda  # noqa: E402

sys.path.remove(root)
cuda.put_on(contextlib.ExitStack())
