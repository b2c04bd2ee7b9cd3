#!/usr/bin/env bash
# Set up, measure everything that can be measured here, train a small network, and write the report.
#   ./run_all.sh                  continues where an earlier run stopped, and keeps what is finished
#   ./run_all.sh --fresh          makes everything again
#   ./run_all.sh --full           trains by the paper's recipe instead: says first how long that takes, here weeks
#   ./run_all.sh --full --scale S the same path with every budget and data set smaller by S, such as 1e-4
# Data: ESR_DATA=folder with images/ and weights/. Device: a GPU, or several, where there are any.
set -euo pipefail
export LC_ALL=C.UTF-8
# A relative folder is meant from where the command was typed.
case "${ESR_DATA-}" in "" | /*) ;; *) export ESR_DATA="$PWD/$ESR_DATA" ;; esac
cd "$(dirname "$0")"

reuse=--reuse full= scale=1
while [ $# -gt 0 ]; do
    case "$1" in
        --fresh) reuse= ;;
        --full) full=yes ;;
        --scale) scale="${2-}"; shift ;;
        *) sed -n '2,7s/^# //p' "$0" >&2; exit 2 ;;
    esac
    shift || true
done
if ! awk -v s="$scale" 'BEGIN { exit !(s + 0 > 0 && s + 0 <= 1) }' || { [ "$scale" != 1 ] && [ -z "$full" ]; }; then
    echo "--scale $scale: give a number above 0 and at most 1, and --full with it" >&2
    exit 2
fi

# ---- what a run consists of: sizes, budgets and data, all of them smaller with --scale --------------------------------

results=results fixed=256 real=339x510 wide=1280x720 lengths="1024 4096 65536" limit= data=available
sizes="64 128 256 512" tiles="--tile 64 --overlap 16 --data photos" layered="dvmsr rlfn_ntire swinir_light span"
# Without data of the user's the run is a short one: smaller budgets, and only counts of most networks.
share=1
if [ -z "${ESR_DATA-}" ]; then
    share=0.8 sizes="64 128 256" tiles= layered="dvmsr rlfn_ntire"
fi
[ -z "$full" ] || data=all
if [ "$scale" != 1 ]; then
    results="results/scaled_$scale" fixed=64 real=96x128 wide=160x96 lengths=1024 sizes="16 32" tiles="--tile 24 --overlap 4 --data photos --limit 1"
    limit="--limit $(awk -v s="$scale" 'BEGIN { n = 100 * s; print (n > int(n)) ? int(n) + 1 : n }')"
fi
records="$results/records"
training="$results/training"
seconds() { # a time budget, scaled
    awk -v b="$1" -v s="$scale" -v part="$share" 'BEGIN { b *= s * part; print (b < 0.01) ? 0.01 : b }'
}

# Every step of this run with the seconds that it takes on two cores, read from the lines below that begin it: the text
# of a branch that is not taken counts as well, until it is passed.
share_of() { sed -n "$1,\$s/^ *say \([0-9]*\) .*/\1/p" "$0" | awk '{ s += $1 } END { print s + 0 }'; }
step=0 log="$results/run_all.log"
say() { # SECONDS TEXT: begin a step, and say how far the run is
    step=$((step + 1))
    local left steps line=${BASH_LINENO[0]}
    steps=$(sed -n "$line,\$s/^ *say [0-9]/&/p" "$0" | wc -l)
    left=$(awk -v spent="$SECONDS" -v all="$(share_of 1)" -v rest="$(share_of "$line")" \
        'BEGIN { done = all - rest; t = done > 100 ? spent * rest / done : rest; printf "%d", t / 60 + 1 }')
    echo "== step $step of $((step + steps - 1)): $2 (about $left min left)"
}

failed=0
# What a command prints goes to the log: its news are on the terminal, and its figures in the report.
# A network or backend that fails (status 1) is a row in the report; anything else stops the run.
run() {
    .venv/bin/python "$@" >> "$log" && return
    failed=$?
    [ "$failed" -eq 1 ] || exit "$failed"
}
measure() {
    run bench/profile.py --out "$records" $reuse "$@"
}
# train NAME CONFIG FLAGS...: on all GPUs, from the last checkpoint on, if there is one.
train() {
    local name=$1 config=$2
    shift 2
    [ -n "$reuse" ] || rm -rf "${training:?}/$name" "${records:?}/$name"
    local start=(.venv/bin/python)
    [ "$gpus" -lt 2 ] || start=(.venv/bin/torchrun --nproc-per-node "$gpus")
    if "${start[@]}" train/train.py --config "$config" --name "$name" --out "$training" --resume "$@" >> "$log"; then
        # In a folder of its own, which goes when the run is made afresh.
        run bench/profile.py --model dvmsr --weights "$training/$name/weights.safetensors" --input-size "$fixed" \
            --data "$data" $limit --time-budget "$(seconds 5)" $reuse --out "$records/$name"
    else
        failed=$?
        [ "$failed" -le 2 ] || exit "$failed"
    fi
}

./setup.sh
mkdir -p "$results"
gpus=$(.venv/bin/python -c 'import torch; print(torch.cuda.device_count())')

if [ -n "$full" ]; then
    say 10 "what training by the paper's recipe will take"
    .venv/bin/python train/estimate.py --config train/configs/dvmsr_teacher.yaml train/configs/dvmsr_student.yaml \
        --out "$training" --scale "$scale" --seconds "$(seconds 5)"
fi

# ---- measure ----------------------------------------------------------------------------------------------------------

# Passes of these take minutes on a few cores: what does not fit is left out, with its estimate and the command.
slow="drcn drrn memnet"
# With the baselines of all three years' rules, since scores are of what was timed in turn with them.
core="bicubic dvmsr dvmsr_ntire dvmsr_bi rlfn rlfn_s rlfn_ntire swinir_light efdn span"
others="srcnn srcnn_955 fsrcnn vdsr lapsrn idn srmdnf carn carn_m imdn rfdn rfdn_aim dipnet dipnet_ntire bsrn pfvm
    mambairv2_light"
large="dvmsr rlfn_ntire"
say 150 "counts, runtime and memory, in turn: DVMSR, its variants, its first rivals and the challenges' baselines"
measure --model $core dvmsr@chunked --input-size "$fixed" --measure counts runtime memory --time-budget "$(seconds 11)"
say 150 "counts, runtime and memory of the other networks of Table 1, and of the rivals of today"
if [ -n "${ESR_DATA-}" ]; then
    measure --model $others --input-size "$fixed" --measure counts runtime memory --time-budget "$(seconds 7)"
    large="$large dvmsr_ntire dvmsr_bi swinir_light"
else
    measure --model $others --input-size "$fixed" --measure counts
fi
say 30 "the counts of lightweight-SR papers, for an output of 1280x720"
measure --model $core $others $slow --output-size "$wide" --measure counts
say 150 "quality"
measure --model $core $others --input-size "$fixed" --measure quality --data "$data" $limit
measure --model $slow --input-size "$fixed" $limit --time-budget "$(seconds 60)"
say 70 "at the size of DIV2K's LR images: runtime, memory"
measure --model $large --input-size "$real" --measure runtime memory --time-budget "$(seconds 14)"
measure --model dvmsr@chunked --input-size "$real" --measure memory --time-budget 0.01
say 12 "the challenge's own timing, without a warm-up"
measure --model rlfn_ntire --input-size "$fixed" --ntire-compat --measure runtime --time-budget "$(seconds 10)"
say 10 "DVMSR with the skip connection of Eq. (4)"
measure --model 'dvmsr(vimm_skip=True)' --input-size "$fixed" --measure quality --data "$data" $limit
say 25 "the variants of Tables 3, 4, 5 and 8: counts"
variants=('dvmsr(depths=[2,2])' 'dvmsr(channels=180)')
for depths in 6,6,6,6 2,2,9,2 2,2,2,2 1,1,1,1 2,2 2,2,2,2,2,2 2,2,2,2,2,2,2,2,2,2; do
    variants+=("dvmsr(channels=180,depths=[$depths],upsampler=pixelshuffle)")
done
for size in 150:2,2,2,2 192:2,2,2,2 210:2,2,2,2 192:2,2,2,2,2,2,2,2; do
    variants+=("dvmsr(channels=${size%:*},depths=[${size#*:}],upsampler=pixelshuffle)")
done
measure --model "${variants[@]}" --measure counts
say 60 "the backends of the selective scan"
run bench/scan.py --out "$results/scan" $reuse --lengths $lengths --time-budget "$(seconds 1.5)" --error-length 1024

# ---- look closer ------------------------------------------------------------------------------------------------------

say 40 "where the time goes, and how far each network is from its floor"
run bench/roofline.py --model $layered --input-size "$fixed" --out "$results/roofline" $reuse --time-budget "$(seconds 6)"
say 50 "runtime and memory over the input's size, whole and in tiles"
run bench/scaling.py --model dvmsr rlfn_ntire --sizes $sizes $tiles --out "$results/scaling" $reuse \
    --time-budget "$(seconds 2)" --longest "$(seconds 10)"
# With random weights there is nothing to look into; the report says what is missing.
if grep -qs '"status": "official"' "$records"/*.json; then
    say 60 "which pixels a network looks at"
    run bench/attribution.py --model dvmsr rlfn --out "$results/attribution" $reuse --erf 2
    say 20 "crops side by side"
    run bench/crops.py --model dvmsr rlfn span imdn --data photos --out "$results/crops" $reuse
fi

# ---- train ------------------------------------------------------------------------------------------------------------

if [ -n "$full" ]; then
    say 60 "DVMSR by the paper's recipe: its teacher, then the network distilled from it"
    train dvmsr_teacher train/configs/dvmsr_teacher.yaml --scale "$scale"
    train dvmsr_student train/configs/dvmsr_student.yaml --scale "$scale" \
        --teacher.weights "$training/dvmsr_teacher/weights.safetensors"
else
    say 200 "a small DVMSR, and a smaller one distilled from it"
    short=() name=smoke
    if [ -z "${ESR_DATA-}" ]; then
        short=(--steps 1000 --optimizer.milestones '[700, 850, 925, 975]') name=smoke_short
    fi
    train "$name" train/configs/smoke.yaml ${short[@]+"${short[@]}"}
    train "${name}_distill" train/configs/smoke_distill.yaml ${short[@]+"${short[@]}"} \
        --teacher.weights "$training/$name/weights.safetensors"
fi

say 15 "the report"
.venv/bin/python bench/report/build.py --records "$records" --out "$results/report"
[ "$failed" -eq 0 ] || echo "something could not be measured: the lines above and $log say what"
[ -n "$full" ] || echo "to train DVMSR by the paper's recipe, on GPUs and the paper's data: ./run_all.sh --full"
echo "this run took $((SECONDS / 60)) minutes and $((SECONDS % 60)) seconds"
exit $failed
