#!/usr/bin/env bash
# A run whose rate is far too high: as soon as a weight is beyond half its range, the peer names the tensor, pauses, and says
# so; its log still verifies.
BIN=$1 ROOT=$2
. "$ROOT/tests/integration/common.sh"
make_run 1 100000 4
rm "$work/run.json" "$work/run.authority" "$work/run.authority.pub" "$work/p1/certificate"
"$BIN/onebyte" run create --model "$model" --out "$work/run.json" --rounds 100000 --samples-per-round 4 --lr 0.9 --schedule constant \
    --combine sum >/dev/null || fail "run create"
invite 1
start 1 --set machine.digest_interval=8
says() { grep -q "$1" "$work/p1.log"; }
wait_for 60 says ' overrange tensor=.*paused' || fail "no word of a weight beyond half its range"
wait_for 60 life_is 1 paused || fail "the peer goes on"
"$BIN/onebyte" leave "$work/p1" || fail leave
gone() { ! alive 1; }
wait_for 60 gone || fail "the peer does not leave"
"$BIN/onebyte" verify "$work/p1" --manifest "$work/run.json" --model "$model" >/dev/null || fail verify
exit 0
