#!/usr/bin/env bash
# Four peers, split 2|2 for a while: both halves go on, a fifth joins one half during the partition, and after the healing all
# hold the same log and the same weights.
BIN=$1 ROOT=$2 SWITCH=$3
. "$ROOT/tests/net/common.sh"
make_network 5
make_run 5 100000 4
for p in 1 2 3 4; do start $p; done
trained() { [ "$(get "$1" own_samples)" -ge "$2" ] 2>/dev/null; }
says() { grep -q "$2" "$work/p$1.log"; }
for p in 1 2 3 4; do wait_for 60 trained $p 8 || fail "peer $p does not train"; done
network sides 0 0 1 1 1
before1=$(get 1 own_samples) before3=$(get 3 own_samples)
wait_for 90 trained 1 $((before1 + 40)) || fail "the first half stopped"
wait_for 90 trained 3 $((before3 + 40)) || fail "the second half stopped"
verdict() { status "$1" && [ "$(field "$work/p$1.json" verdict)" "$2" split ]; }
for p in 1 3; do
    wait_for 120 verdict $p = || fail "two halves, and the verdict of peer $p is $(get $p verdict): $(get $p sentence)"
    "$BIN/onebyte" status "$work/p$p" --check >"$work/check"; [ $? = 2 ] || fail "--check of peer $p in a half: $(cat "$work/check")"
done
start 5
wait_for 90 trained 5 8 || fail "nobody can join during a partition"
status 1; status 3
[ "$(field "$work/p1.json" log_digest)" != "$(field "$work/p3.json" log_digest)" ] || fail "the partition did not part them"
for p in 1 3; do wait_for 120 says $p "warn split missing=2" || fail "peer $p does not tell that half of the machines fell silent"; done
network sides 0 0 0 0 0
for p in 1 3; do wait_for 120 says $p "info company " || fail "peer $p does not tell that they are heard again"; done
for p in 1 3; do wait_for 120 verdict $p != || fail "all are heard again, and the verdict of peer $p is still split"; done
for p in 1 2 3 4 5; do "$BIN/onebyte" pause "$work/p$p" || fail "peer $p does not pause"; done
wait_for 120 agree 1 2 3 4 5 || fail "the peers do not agree after the healing"
for p in 1 2 3 4 5; do grep -Eq ' (fork|halted|disagree) ' "$work/p$p.log" && fail "peer $p saw a fork"; done
echo "partition 2|2 and a join in it: equal logs and weights; $switch_counts"
exit 0
