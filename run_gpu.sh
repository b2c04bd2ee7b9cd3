#!/usr/bin/env bash
# On a machine with a CUDA GPU: check the GPU's kernels, measure them and the whole networks against the authors' code
# where that is installed (requirements-gpu.txt), and write the report. About 20 minutes.
#   ./run_gpu.sh [folder]     where the results go (default: results/gpu); a second call keeps what is finished
#   PYTHON=python3 ./run_gpu.sh     with this interpreter and its packages instead of a .venv of its own
# Data: ESR_DATA=folder with images/ and weights/.
set -euo pipefail
cd "$(dirname "$0")"
out=${1:-results/gpu}
if [ -z "${PYTHON-}" ]; then
    ./setup.sh
    PYTHON=.venv/bin/python
fi
"$PYTHON" -c 'import torch; assert torch.cuda.is_available()' 2>/dev/null || {
    echo "error: $PYTHON finds no CUDA device; install a CUDA build of PyTorch, or use ./run_all.sh on a CPU" >&2
    exit 2
}
mkdir -p "$out"
failed=0
# What fails is seen in its own output; the rest goes on.
run() {
    "$PYTHON" "$@" || failed=1
}
rival=
"$PYTHON" -c 'import mamba_ssm, causal_conv1d' 2>/dev/null && rival=dvmsr@mamba_ssm

echo "== correctness"
"$PYTHON" -m pytest tests/models/test_cuda_scan.py tests/bench/test_cuda.py 2>&1 | tee "$out/tests.txt" || failed=1
echo "== the scan alone"
run bench/scan.py --device cuda --out "$out/scan" --reuse --time-budget 4
run bench/scan.py --device cuda --out "$out/scan" --reuse --time-budget 4 --precision bf16 --lengths 65536 172890
echo "== whole networks, interleaved"
for graph in "" --cuda-graph; do
    for precision in fp32 tf32 bf16; do
        for size in 256 339x510; do
            run bench/profile.py --device cuda --out "$out/records" --reuse --precision $precision --input-size $size $graph \
                --model dvmsr@triton $rival dvmsr@chunked rlfn rlfn_ntire swinir_light \
                --measure runtime memory --time-budget 4
        done
    done
done
run bench/profile.py --device cuda --out "$out/records" --reuse --model dvmsr@triton --model-args fused=False \
    --measure runtime memory --time-budget 4
echo "== quality"
run bench/profile.py --device cuda --out "$out/records" --reuse --data available --measure counts quality \
    --model bicubic dvmsr dvmsr_ntire dvmsr_bi rlfn rlfn_s rlfn_ntire swinir_light
run bench/accuracy.py --device cuda --out "$out/accuracy"
echo "== training steps"
run bench/step.py --device cuda --out "$out/step" --time-budget 15
run bench/step.py --device cuda --out "$out/step" --time-budget 15 --precision bf16
echo "== the report"
run bench/report/build.py --records "$out/records" --out "$out/report"
exit $failed
