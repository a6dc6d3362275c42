#!/usr/bin/env bash
# A run whose rate is far too high: as soon as a weight is beyond half its range, the peer names the tensor, pauses, and says
# so; its log still verifies.
BIN=$1 ROOT=$2
. "$ROOT/tests/integration/common.sh"
make_run 1 100000 4
rm "$work/run.json" "$work/run.authority" "$work/run.authority.pub" "$work/p1/certificate"
"$BIN/onebyte" run create --model "$model" --adapters none --out "$work/run.json" --rounds 100000 --samples-per-round 4 --lr 0.9 --schedule constant \
    --combine sum >/dev/null || fail "run create"
invite 1
start 1 --set machine.digest_interval=8
says() { grep -q "$1" "$work/p1.log"; }
wait_for 60 says ' overrange tensor=.*paused' || fail "no word of a weight beyond half its range"
# the sample that was under way may bring the weight back, and the run of this rate takes it out again: until it stays so
stays_paused() {
    local before after
    before=$(get 1 own_rounds)
    sleep 1
    after=$(get 1 own_rounds)
    life_is 1 paused && [ "$before" = "$after" ]
}
wait_for 60 stays_paused || fail "the peer goes on"
# the operator's resume takes back the operator's pause and no other; a pause of both ends with neither alone
rounds=$(get 1 own_rounds)
"$BIN/onebyte" resume "$work/p1" >"$work/resume.out" || fail resume
grep -q "beyond half its range" "$work/resume.out" || fail "resume does not say why training stays paused"
sleep 2
life_is 1 paused || fail "resume lets a peer with a weight out of range train"
[ "$(get 1 own_rounds)" = "$rounds" ] || fail "a round with a weight out of range"
"$BIN/onebyte" pause "$work/p1" && "$BIN/onebyte" resume "$work/p1" >/dev/null || fail "pause and resume"
life_is 1 paused || fail "pause and resume let a peer with a weight out of range train"
status 1 && grep -q '"paused_by":\["overrange"\]' "$work/p1.json" || fail "status does not say why it is paused"

"$BIN/onebyte" leave "$work/p1" || fail leave
gone() { ! alive 1; }
wait_for 60 gone || fail "the peer does not leave"
"$BIN/onebyte" verify "$work/p1" --manifest "$work/run.json" --model "$model" >/dev/null || fail verify
exit 0
