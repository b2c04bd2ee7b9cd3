#!/usr/bin/env bash
# Make .venv with everything in requirements.txt; does nothing where that is done already.
set -euo pipefail
cd "$(dirname "$0")"

python=${PYTHON:-python3}
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || {
    echo "error: Python 3.11 or newer is needed; install it, or name it: PYTHON=/path/to/python3.12 $0" >&2
    exit 2
}
if ! cmp -s requirements.txt .venv/installed.txt || ! .venv/bin/python -c '' 2>/dev/null; then
    echo "setting up .venv from requirements.txt (once; a few minutes, most of it PyTorch)"
    [ -t 1 ] && quiet="" || quiet="--quiet"
    .venv/bin/python -c '' 2>/dev/null || "$python" -m venv --clear .venv
    .venv/bin/python -m pip install --disable-pip-version-check $quiet -r requirements.txt
    cp requirements.txt .venv/installed.txt
fi
# Quick where it is done; where there is no compiler it says so and PyTorch does the work.
[ -e .venv/native.txt ] || { .venv/bin/python -m models.scan.native && touch .venv/native.txt; }
