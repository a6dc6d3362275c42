#!/usr/bin/env bash
# Three peers over a network that loses 20 % of the packets and delays the others by 200 ms: they train, and end with the
# same log and the same weights.
BIN=$1 ROOT=$2 SWITCH=$3
. "$ROOT/tests/net/common.sh"
make_network 3
make_run 3 100000 4
network delay 200
network loss 20
for p in 1 2 3; do start $p; done
trained() { [ "$(get "$1" own_samples)" -ge "$2" ] 2>/dev/null; }
for p in 1 2 3; do wait_for 180 trained $p 40 || fail "peer $p does not train"; done
for p in 1 2 3; do "$BIN/onebyte" pause "$work/p$p" || fail "peer $p does not pause"; done
wait_for 180 agree 1 2 3 || fail "the peers do not agree"
network loss 20
echo "20 % loss, 200 ms delay: equal logs and weights; $switch_counts"
exit 0
