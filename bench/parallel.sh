#!/usr/bin/env bash
# The table "held-out loss against machines × samples a round × (staleness + 1)" on the shipped model, at equal
# samples: appends one JSON line for each arrangement to the results file, skipping those that already exist.
#   bench/parallel.sh BUILD RESULTS [SAMPLES]
set -u
cd "$(dirname "$0")/.." || exit 1
program=$1/bench/parallel results=$2 samples=${3:-4096}
touch "$results"
measure() { # MACHINES PER_ROUND STALENESS COMBINE S0 LR SEED
    local done_already
    done_already=$(awk -v want="\"machines\":$1,\"samples_per_round\":$2,\"staleness\":$3," -v rule="\"combine\":\"$4\",\"s0\":$5,\"lr\":$6,\"seed\":$7," \
        -v n="\"samples\":$samples," 'index($0, want) && index($0, rule) && index($0, n)' "$results")
    [ -n "$done_already" ] && return
    ${HOLD:-} "$program" --model examples/kjv-1m --data examples/jargon/train.jsonl --held-out examples/jargon/held_out.jsonl \
        --samples "$samples" --machines "$1" --samples-per-round "$2" --staleness "$3" --combine "$4" --s0 "$5" --lr "$6" \
        --seed "$7" >>"$results" || exit 1
}
# Plain sums: where does it break, by rate?
for lr in 3e-5 6e-5 0.00012; do
    for shape in "1 1 0" "4 4 0" "8 8 0" "16 8 0" "128 1 0" "8 1 15" "32 8 0" "1 1 127" "1 4 3" "2 1 63"; do
        measure $shape sum 1 $lr 1
    done
done
# The cap at the largest arrangements.
for lr in 3e-5 6e-5 0.00012; do
    for s0 in 8 16 32 64; do
        for shape in "16 8 0" "32 8 0" "8 1 15"; do measure $shape capped $s0 $lr 1; done
    done
done
# How much is chance: other seeds at the best rate.
for seed in 2 3; do
    for shape in "1 1 0" "8 8 0" "16 8 0" "8 1 15" "32 8 0"; do measure $shape sum 1 3e-5 $seed; done
done
