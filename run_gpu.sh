#!/usr/bin/env bash
# On a machine with a CUDA GPU: check the GPU's kernels, measure them and the whole networks against the authors' code
# where that is installed (requirements-gpu.txt), and write the report. About 20 minutes.
#   ./run_gpu.sh [folder]     where the results go (default: results/gpu); a second call keeps what is finished
#   TRAIN_STEPS=20000 ./run_gpu.sh  trains DVMSR too, on T91 and BSD200: a teacher, its student, and that student alone
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
run bench/profile.py --device cuda --out "$out/records" --reuse --data available --time-budget 2 --model srcnn fsrcnn vdsr \
    lapsrn drrn idn srmdnf carn carn_m imdn rfdn rfdn_aim dipnet dipnet_ntire efdn span bsrn pfvm mambairv2_light
run bench/accuracy.py --device cuda --out "$out/accuracy" --reuse
echo "== where the time goes, and input sizes"
for precision in fp32 bf16; do
    run bench/roofline.py --device cuda --out "$out/roofline" --reuse --time-budget 5 --precision $precision \
        --model dvmsr $rival dvmsr@chunked rlfn_ntire swinir_light span
done
run bench/scaling.py --device cuda --out "$out/scaling" --reuse --time-budget 2 --longest 5 \
    --model dvmsr rlfn_ntire swinir_light
echo "== training steps"
run bench/step.py --device cuda --out "$out/step" --time-budget 15 --reuse
run bench/step.py --device cuda --out "$out/step" --time-budget 15 --reuse --precision bf16
if [ -n "${TRAIN_STEPS-}" ]; then
    echo "== training"
    n=$TRAIN_STEPS
    recipe=(--steps "$n" --batch 32 --data.hr '[T91, BSD200]' --data.patch 96 --data.skip_small true --data.workers 8
        --optimizer.lr 5e-4 --optimizer.milestones "[$((n / 2)), $((n * 4 / 5)), $((n * 9 / 10)), $((n * 19 / 20))]"
        --validation.sets '[Set5, Set14, B100]' --validation.every "$((n / 5))" --out "$out/training" --resume)
    run train/train.py --config train/configs/dvmsr_teacher.yaml "${recipe[@]}" --name teacher \
        --model.options.channels 96 --model.options.depths '[2, 2, 2, 2]'
    run train/train.py --config train/configs/dvmsr_student.yaml "${recipe[@]}" --name student \
        --teacher.weights "$out/training/teacher/weights.safetensors"
    run train/train.py --config train/configs/dvmsr_teacher.yaml "${recipe[@]}" --name alone \
        --model.options "{}"
fi
echo "== the report"
run bench/report/build.py --records "$out/records" --out "$out/report"
exit $failed
