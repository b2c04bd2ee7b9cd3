#!/usr/bin/env bash
# Set up, measure everything that can be measured here, and write the report.
#   ./run_all.sh           continues where an earlier run stopped, and keeps what is finished
#   ./run_all.sh --fresh   measures everything again
# Data: ESR_DATA=folder with images/ and weights/. Device: a GPU where there is one.
set -euo pipefail
cd "$(dirname "$0")"

reuse=--reuse
case "${1-}" in
    "") ;;
    --fresh) reuse= ;;
    *) sed -n '2,5s/^# //p' "$0" >&2; exit 2 ;;
esac
records=results/records
failed=0
# A network or backend that fails (status 1) is a row in the report; anything else stops the run.
run() {
    .venv/bin/python "$@" && return
    failed=$?
    [ "$failed" -eq 1 ] || exit "$failed"
}
measure() {
    run bench/profile.py --out "$records" $reuse "$@"
}

./setup.sh
# Passes of these take minutes on a few cores: what does not fit is left out, with its estimate and the command.
slow="drcn drrn memnet"
core="bicubic dvmsr dvmsr_ntire dvmsr_bi rlfn rlfn_s rlfn_ntire swinir_light"
others="srcnn srcnn_955 fsrcnn vdsr lapsrn idn srmdnf carn carn_m imdn rfdn rfdn_aim dipnet dipnet_ntire efdn span bsrn pfvm
    mambairv2_light"
echo "== counts, runtime and memory, in turn: DVMSR, its variants and its first rivals"
measure --model $core dvmsr@chunked --measure counts runtime memory --time-budget 15
echo "== counts, runtime and memory of the other networks of Table 1, and of the rivals of today"
# Without data of the user's the run is a short one: their counts alone.
if [ -n "${ESR_DATA-}" ]; then
    measure --model $others --measure counts runtime memory --time-budget 10
else
    measure --model $others --measure counts
fi
echo "== quality"
measure --model $core $others --measure quality --data available
measure --model $slow --time-budget 60
echo "== at the size of DIV2K's LR images: runtime, memory"
measure --model dvmsr dvmsr_ntire dvmsr_bi rlfn_ntire swinir_light --input-size 339x510 --measure runtime memory \
    --time-budget 20
echo "== the challenge's own timing, without a warm-up"
measure --model rlfn_ntire --ntire-compat --measure runtime
echo "== DVMSR with the skip connection of Eq. (4)"
measure --model dvmsr --model-args vimm_skip=True --measure quality --data available
echo "== the variants of Tables 3, 4, 5 and 8: counts"
measure --model dvmsr --model-args 'depths=[2,2]' --measure counts >/dev/null
measure --model dvmsr --model-args channels=180 --measure counts >/dev/null
for depths in 6,6,6,6 2,2,9,2 2,2,2,2 1,1,1,1 2,2 2,2,2,2,2,2 2,2,2,2,2,2,2,2,2,2; do
    measure --model dvmsr --model-args upsampler=pixelshuffle channels=180 "depths=[$depths]" --measure counts >/dev/null
done
for size in 150:2,2,2,2 192:2,2,2,2 210:2,2,2,2 192:2,2,2,2,2,2,2,2; do
    measure --model dvmsr --model-args upsampler=pixelshuffle "channels=${size%:*}" "depths=[${size#*:}]" --measure counts >/dev/null
done
echo "== the backends of the selective scan"
run bench/scan.py --out results/scan $reuse --lengths 1024 4096 65536 --time-budget 1.5 --error-length 1024
echo "== the report"
.venv/bin/python bench/report/build.py --records "$records" --out results/report
exit $failed
