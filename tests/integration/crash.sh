#!/usr/bin/env bash
# Kills a peer with SIGKILL at random moments and starts it again, while two others train. Then: no sample was signed
# with two bytes (the others would have seen a fork), nothing that was published is lost, all digests are equal.
BIN=$1 ROOT=$2 rounds=${3:-6}
. "$ROOT/tests/integration/common.sh"
make_run 3 100000 4
for p in 1 2 3; do start $p; done
wait_for 60 life_is 1 training || fail "peer 1 does not train"
for i in $(seq "$rounds"); do
    sleep "$((RANDOM % 3)).$((RANDOM % 10))"
    seen=$(get 2 log_digest)
    kill -9 "${pid[1]}"
    # what the others hold of it now must be there, byte for byte, at the end
    sleep 0.5
    "$BIN/onebyte" log "$work/p2" --manifest "$work/run.json" --json | grep "\"machine\":\"$(cat "$work/p1/identity.pub")\"" >"$work/published.$i"
    start 1
done
wait_for 60 life_is 1 training || fail "peer 1 did not come back"
for p in 1 2 3; do "$BIN/onebyte" pause "$work/p$p" || fail "peer $p does not pause"; done
wait_for 60 agree 1 2 3 || fail "the peers do not agree in the end"
for p in 1 2 3; do
    alive $p || fail "peer $p is gone"
    grep -Eq ' (fork|halted|disagree) ' "$work/p$p.log" && fail "peer $p saw a fork"
done
"$BIN/onebyte" log "$work/p3" --manifest "$work/run.json" --json | grep "\"machine\":\"$(cat "$work/p1/identity.pub")\"" >"$work/final"
for i in $(seq "$rounds"); do
    [ "$(sort "$work/published.$i" "$work/final" | uniq -d | wc -l)" = "$(wc -l <"$work/published.$i")" ] || fail "a published record was lost or changed"
done
[ -s "$work/final" ] || fail "peer 1 published nothing"
for p in 1 2 3; do
    "$BIN/onebyte" verify "$work/p$p" --manifest "$work/run.json" --model "$model" >/dev/null || fail "the log of peer $p does not verify"
done
echo "$(wc -l <"$work/final") records of the killed peer, $rounds kills"
