#!/usr/bin/env bash
# recorded_run.sh BUILD SOURCE - a run of four machines over examples/kjv-1m, recorded by the first version (46 records,
# 729 samples): every later version must make the same weights of it, bit for bit.
set -eu
build=$1 source=$2
weights=108aa80f131c10d5ea5e86112b432e0664402edd865b2684f3c52189c06d9249
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir -m 700 "$folder/state"
cp "$source/tests/golden/recorded-run/log.sqlite" "$folder/state"
"$build/onebyte" verify "$folder/state" --manifest "$source/tests/golden/recorded-run/run.json" \
    --model "$source/examples/kjv-1m" --digest "$weights"
# and the comparison can fail
if "$build/onebyte" verify "$folder/state" --manifest "$source/tests/golden/recorded-run/run.json" \
    --model "$source/examples/kjv-1m" --digest "${weights//1/2}" >/dev/null 2>&1; then
    echo "another digest was accepted"
    exit 1
fi
