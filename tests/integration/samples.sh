#!/usr/bin/env bash
# Samples of rows: three peers of one run with basis adapters and a measured rate take 64 samples a pass, each made of rows in its own way (two-sided;
# one-sided with four directions a row; one sample of eight rows at a time). One is killed and comes back. All end with
# the same weights, and the held-out loss has fallen.
BIN=$1 ROOT=$2
. "$ROOT/tests/integration/common.sh"
run_options=(--adapters basis --rank 4 --calibrate "$data/train.jsonl" --calibrate-rows 64 --lr auto --data "$data/train.jsonl" --probe-rows 16 --rows-per-sample 1 --machines 3 --schedule constant)
make_run 3 40 64 >"$work/create.out"
for p in 1 2 3; do sed -i 's/^length = 8$/length = 32/' "$work/p$p.conf"; done
start 1 --set training.rows=64
start 2 --set training.rows=16 --set training.directions_per_row=4 --set training.sides=one --set training.pass_memory_mb=1
start 3 --set training.batch=8 --set training.samples_per_round=8
trained() { [ "$(get "$1" own_rounds)" -ge "$2" ] 2>/dev/null; }
for p in 1 2; do wait_for 120 trained $p 3 || fail "peer $p does not train"; done
crash 2
start 2 --set training.rows=64 --set training.rows_per_sample=2
for p in 1 2 3; do wait_for 200 life_is $p finished || fail "peer $p does not finish"; done
wait_for 60 agree 1 2 3 || fail "no agreement"
own=$(get 1 own_samples)
[ $((own % 64)) = 0 ] && [ "$own" -ge $((20 * 64)) ] || fail "peer 1 has $own samples"
own=$(get 3 own_samples)
[ $((own % 8)) = 0 ] && [ "$own" -ge $((20 * 8)) ] && [ "$own" -le $((40 * 8)) ] || fail "peer 3 has $own samples"
grep -q 'pass=64 round=' "$work/p1.log" && fail "a pass that fits is warned of"
# what was measured on the way: the first round's samples at least
for p in 1 3; do
    for f in curvature rate_curvature estimate_rms rate; do
        awk -v x="$(get $p $f)" 'BEGIN { exit !(x + 0 > 0) }' || fail "peer $p: $f is $(get $p $f)"
    done
done
digest=$(get 1 weights_digest)
kill -TERM "${pid[1]}" "${pid[2]}" "${pid[3]}"
gone() { ! alive 1 && ! alive 2 && ! alive 3; }
wait_for 30 gone || fail "the daemons do not stop"
"$BIN/onebyte" verify "$work/p2" --manifest "$work/run.json" --model "$model" --digest "$digest" >/dev/null || fail "verify"
"$BIN/onebyte" audit "$work/p1" --manifest "$work/run.json" --model "$model" --data "$data/held_out.jsonl" --length 32 >"$work/audit" ||
    fail "audit: $(cat "$work/audit")"
after=$(sed -n 's/^loss \([0-9.]*\) with all records/\1/p' "$work/audit")
before=$("$BIN/onebyte" eval --model "$model" --data "$data/held_out.jsonl" --length 32 --json | sed 's/.*"loss":\([0-9.]*\).*/\1/')
awk -v a="$after" -v b="$before" 'BEGIN { exit !(a > 0 && a < b - 0.3) }' || fail "loss $before before, $after after"
[ "${VERBOSE:-}" ] && echo "loss $before -> $after" >&2

# what cannot be meant is said
start 1 --set training.rows=128
wait_for 60 grep -q 'pass=128 round=64' "$work/p1.log" || fail "no word of a pass that is cut"
crash 1
"$BIN/onebyted" --config "$work/p1.conf" --set training.rows=9 --set training.rows_per_sample=2 2>"$work/refused"
[ $? = 2 ] && grep -q "multiple of rows_per_sample" "$work/refused" || fail "rows = 9: $(cat "$work/refused")"
exit 0
