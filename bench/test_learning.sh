#!/usr/bin/env bash
# bench/learning trains rows with choices by the task's loss: what it says before and after is what `onebyte eval` says.
#   bench/test_learning.sh BUILD SOURCE
set -u
build=$1 model=$2/examples/kjv-1m
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
fail() { echo "FAILED: $*"; exit 1; }

for i in 1 2 3 4 5 6 7 8; do
    printf '{"prompt": "And it came to pass on day %d that he", "choices": [" said unto them", " went", " was afraid of it"], "label": %d}\n' $i $((i % 3))
done >"$work/rows.jsonl"
"$build/bench/learning" --model "$model" --data "$work/rows.jsonl" --held-out "$work/rows.jsonl" --samples 8 --rows-per-sample 2 --batch 2 \
    --samples-per-round 2 --machines 2 --lr 1e-5 >"$work/result" 2>"$work/errors" || fail "learning ended with $?: $(tail -2 "$work/errors")"
"$build/onebyte" eval --model "$model" --data "$work/rows.jsonl" --json >"$work/eval" || fail "eval ended with $?"
python3 - "$work/result" "$work/eval" <<'END' || fail "see above"
import json, sys
ours = [json.loads(line) for line in open(sys.argv[1])]
theirs = json.load(open(sys.argv[2]))
before, after = ours[0], ours[-1]
assert abs(before["loss"] - theirs["loss"]) < 2e-6 * (1 + theirs["loss"]), (before, theirs)
assert abs(before["accuracy"] - theirs["accuracy"]) < 1e-6, (before, theirs)
assert after["samples"] == 8 and after["passes"] == 32 and after["loss"] != before["loss"], after
END
