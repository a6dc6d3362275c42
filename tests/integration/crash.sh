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
    crash 1
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
# SIGKILL while records are taken out: between the revocation, each un-applying, and the deletion. The same machine is cut
# lower and lower.
records3() { "$BIN/onebyte" log "$work/p$1" --manifest "$work/run.json" --json | grep -c "\"machine\":\"$(key 3)\""; }
for keep in 120 60 24 8; do
    before=$(records3 2)
    "$BIN/onebyte" revoke "$work/p2" peer3 --authority "$work/run.authority" --keep-below "$keep" >/dev/null || fail revoke
    sleep "0.0$((RANDOM % 10))"
    crash 1
    start 1
    cut() { [ "$(records3 2)" -lt "$before" ] && [ "$(records3 1)" = "$(records3 2)" ]; }
    wait_for 60 cut || fail "peer 1 does not take out what was revoked while it was killed: $(records3 1), $(records3 2) of $before"
done
wait_for 60 life_is 1 waiting || wait_for 60 life_is 1 training || fail "peer 1 does not go on"
"$BIN/onebyte" pause "$work/p1" || fail "peer 1 does not pause"
wait_for 60 agree 1 2 || fail "no agreement after kills at revocations"
[ "$(records3 1)" = 2 ] || fail "$(records3 1) records of the revoked peer are left, of 8 samples"
for p in 1 2; do "$BIN/onebyte" verify "$work/p$p" --manifest "$work/run.json" --model "$model" --digest "$(get $p weights_digest)" >/dev/null || fail "peer $p: weights are not base and log"; done
echo "$(wc -l <"$work/final") records of the killed peer, $rounds kills, 4 kills at revocations"
