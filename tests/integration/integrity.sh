#!/usr/bin/env bash
# A bit flips in the weights of a running daemon. With the memory check it finds that itself; without, the digests at a
# named frontier differ and both peers verify their weights against the base model and the log. Either way the weights
# are made right, training goes on, and in the end all is equal. Before that: while nothing is wrong, nothing happens.
BIN=$1 ROOT=$2
. "$ROOT/tests/integration/common.sh"
make_run 2 100000 2
checks="--set machine.digest_interval=16 --set machine.memory_check_interval=1"
at_least() { [ "$(get "$1" "$2")" -ge "$3" ] 2>/dev/null; }
says() { grep -q " $2" "$work/p$1.log"; }
rest() {
    for p in 1 2; do "$BIN/onebyte" pause "$work/p$p" || fail "peer $p does not pause"; done
    wait_for 60 agree 1 2 || fail "no agreement at rest"
}
go_on() {
    local p before
    for p in 1 2; do
        before=$(get $p own_rounds)
        "$BIN/onebyte" resume "$work/p$p" || fail "peer $p does not resume"
        eval "rounds_$p=$before"
    done
}
trains_again() { wait_for 60 at_least 1 own_rounds $((rounds_1 + 6)) && wait_for 60 at_least 2 own_rounds $((rounds_2 + 6)); }
flip() {
    rm -rf "$work/out"
    "$BIN/onebyte" export "$work/p1" --manifest "$work/run.json" --model "$model" --out "$work/out" >/dev/null || fail export
    python3 "$ROOT/tests/integration/flip_bit.py" "${pid[1]}" "$work/run.json" "$work/out/model.safetensors" "$1"
    case $? in 0) ;; 77) exit 77 ;; *) fail "the bit was not flipped" ;; esac
}

# nothing is wrong
start 1 $checks; start 2 $checks
for p in 1 2; do wait_for 90 at_least $p agreements 4 || fail "peer $p compares no digests"; done
rest
for p in 1 2; do
    at_least $p named_round 32 || fail "peer $p named no frontiers"
    at_least $p memory_checks 8 || fail "peer $p does not check its memory"
    for what in disagreements memory_faults rebuilds heals; do
        [ "$(get $p $what)" = 0 ] || fail "peer $p: $what $(get $p $what) while all was well"
    done
done

# the memory check finds it
flip 20
go_on
wait_for 60 says 1 'memory leaves=1' || fail "the memory check found nothing"
wait_for 60 says 1 'rebuilt records=[1-9][0-9]* wrong_weights=1 wrong_leaves=1 tensor=[a-z]' || fail "nothing was put right"
trains_again || fail "training does not go on"
rest
[ "$(get 1 heals)" = 1 ] || fail "heals: $(get 1 heals)"
[ "$(get 1 disagreements) $(get 2 disagreements)" = "0 0" ] || fail "wrong weights were shown to others"

# the other peer finds it
"$BIN/onebyte" leave "$work/p1" || fail leave
gone() { ! alive 1; }
wait_for 60 gone || fail "peer 1 does not leave"
start 1 $checks --set machine.memory_check_interval=0
ready() { [ "$(get 1 life)" = training ]; }
wait_for 60 ready || fail "peer 1 does not train again"
rest
flip 31
go_on
# whoever hears the other's first sees it: peer 1 may be right again before it has said anything wrong
sees() { says 1 'disagree machine=peer2' || says 2 'disagree machine=peer1'; }
wait_for 60 sees || fail "nobody sees the difference"
wait_for 60 says 1 healed || fail "peer 1 did not heal"
proven() { ! says 2 disagree || says 2 'proven machine=peer1'; }
wait_for 60 proven || fail "peer 2 did not prove itself"
trains_again || fail "training does not go on"
rest
[ "$(get 1 memory_checks) $(get 1 heals) $(get 2 heals)" = "0 1 0" ] || fail "checks and heals: $(get 1 memory_checks) $(get 1 heals) $(get 2 heals)"
for p in 1 2; do
    "$BIN/onebyte" verify "$work/p$p" --manifest "$work/run.json" --model "$model" --digest "$(get $p weights_digest)" >/dev/null ||
        fail "the weights of peer $p are not what its log says"
done
exit 0
