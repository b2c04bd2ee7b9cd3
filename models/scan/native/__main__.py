"""`python -m models.scan.native`: build the kernels now, so that the first measurement need not wait for them."""

import sys

from .build import BuildError, library

try:
    library()
except BuildError as reason:
    print(f"note: {reason}; the selective scan runs in PyTorch instead, several times slower", file=sys.stderr)  # noqa: T201
