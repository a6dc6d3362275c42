#!/usr/bin/env bash
# The README's example: everybody listens on all addresses and knows the first peer alone. The others learn each other's
# addresses all the same, so that they go on together when the first one leaves.
BIN=$1 ROOT=$2 SWITCH=$3
. "$ROOT/tests/net/common.sh"
make_network 3
make_run 3 100000 4
trained() { [ "$(get "$1" own_samples)" -ge "$2" ] 2>/dev/null; }
links() { [ "$(get "$1" links)" = "$2" ]; }
more() { local p before; for p in "$@"; do before=$(get $p own_samples); wait_for 60 trained $p $((before + 20)) || fail "peer $p stops"; done; }

for p in 1 2 3; do sed -i "/^peer[23] = /d; s|^listen = .*|listen = tcp://0.0.0.0:7300|" "$work/p$p.conf"; done
sed -i "/^peer1 = /d" "$work/p1.conf"
for p in 1 2 3; do start $p; done
for p in 2 3; do wait_for 60 links $p 2 || fail "peer $p is not linked to both others"; done
more 1 2 3
"$BIN/onebyte" leave "$work/p1" || fail "peer 1 does not leave"
more 2 3
for p in 2 3; do links $p 1 || fail "peer $p is alone when the first one is gone"; done
for p in 2 3; do "$BIN/onebyte" pause "$work/p$p" || fail "peer $p does not pause"; done
wait_for 120 agree 2 3 || fail "the peers do not agree"
echo "a star whose middle leaves: the others go on together"
exit 0
