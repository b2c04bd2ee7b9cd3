#!/usr/bin/env bash
# Set up, then run the tests. Arguments go to pytest: ./run_tests.sh tests/models -k scan
set -euo pipefail
cd "$(dirname "$0")"
./setup.sh
exec .venv/bin/python -m pytest "$@"
