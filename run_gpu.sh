#!/usr/bin/env bash
# On a machine with a CUDA GPU: test the GPU's kernels, measure them and the whole networks beside the authors' code where
# that is installed (requirements-gpu.txt), and write the report. Three stages of less than nine minutes each, in each the
# most important figures first; what is finished is kept, and a second call goes on. gpu/README.md tells how on a machine
# that is lent for minutes and reaches nothing.
#   ./run_gpu.sh                    every stage, into results/gpu
#   ./run_gpu.sh a                  that one; of a, b and c
#   RESULTS=folder SECONDS_EACH=3600 ./run_gpu.sh c    elsewhere, and with an hour: its training takes what is left
#   PYTHON=python3 ./run_gpu.sh a   with this interpreter and its packages, and carried/, instead of a .venv of its own
#   DRY=1 ./run_gpu.sh              without a GPU: everything but the launches; nothing is measured
# Data: ESR_DATA=folder with images/ and weights/. With OUT=folder each stage's results are one archive there too.
set -euo pipefail
cd "$(dirname "$0")"
out=${RESULTS:-results/gpu}
if [ -z "${PYTHON-}" ]; then
    ./setup.sh
    PYTHON=.venv/bin/python
elif [ -d carried ]; then
    site=${CARRIED_SITE:-/tmp/esr-carried}
    [ -d "$site" ] || "$PYTHON" -m pip install -q --no-index --no-deps --no-compile --no-cache-dir --target "$site" \
        carried/wheels/*.whl
    export PYTHONPATH=$site${PYTHONPATH:+:$PYTHONPATH} ESR_DATA=${ESR_DATA:-$PWD/carried/data}
    if [ ! -d "$out" ]; then
        mkdir -p "$out/triton"
        [ ! -d carried/triton ] || cp -r carried/triton/. "$out/triton"
        [ ! -d carried/results ] || cp -r carried/results/. "$out"
    fi
fi
[ $# -gt 0 ] || set -- a b c
failed=0
for stage in "$@"; do
    "$PYTHON" -m gpu.run "$stage" "$out" ${SECONDS_EACH:+--seconds "$SECONDS_EACH"} ${DRY:+--dry} || failed=$?
    [ "$failed" -lt 2 ] || exit "$failed"
    [ -z "${OUT-}" ] || "$PYTHON" -m gpu.archive pack "$out" "$OUT/gpu-$stage.tar.gz"
done
[ -n "${OUT-}" ] || "$PYTHON" bench/report/build.py --records "$out/records" --out "$out/report"
exit "$failed"
