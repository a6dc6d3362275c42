#!/usr/bin/env bash
# Two of three peers come back under new addresses that no configuration names: they find each other through the third, which
# hands on the addresses that they signed. All train on, and end with the same log and the same weights.
BIN=$1 ROOT=$2 SWITCH=$3
. "$ROOT/tests/net/common.sh"
make_network 3
make_run 3 100000 4
trained() { [ "$(get "$1" own_samples)" -ge "$2" ] 2>/dev/null; }
links() { [ "$(get "$1" links)" = "$2" ]; }
for p in 1 2 3; do start $p; done
for p in 1 2 3; do wait_for 60 trained $p 8 && wait_for 60 links $p 2 || fail "peer $p does not train with both others"; done
for p in 2 3; do
    crash $p
    ip -n "$net-$p" addr flush dev "${net}t$p" && ip -n "$net-$p" addr add "10.77.0.1$p/24" dev "${net}t$p" || fail "host $p does not move"
done
for p in 2 3; do start $p --set "network.listen=tcp://10.77.0.1$p:7300"; done
for p in 1 2 3; do wait_for 120 links $p 2 || fail "peer $p is not linked to both others after the move"; done
for p in 2 3; do wait_for 60 trained $p 8 || fail "peer $p does not train after the move"; done
for p in 1 2 3; do "$BIN/onebyte" pause "$work/p$p" || fail "peer $p does not pause"; done
wait_for 120 agree 1 2 3 || fail "the peers do not agree after the move"
echo "two peers moved: all linked, equal logs and weights"
exit 0
