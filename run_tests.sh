#!/usr/bin/env bash
# Set up, then run the tests: what a change needs, in minutes. With --all everything: long kills, whole runs, traps, the
# page in a browser. Other arguments go to pytest: ./run_tests.sh tests/models -k scan
set -euo pipefail
cd "$(dirname "$0")"
./setup.sh
exec .venv/bin/python -m pytest -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder "$@"
