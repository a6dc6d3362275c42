#!/usr/bin/env bash
# Ways to be reached. A peer in another network, behind a router that forwards other ports to it, is found by the address that
# it advertises, by one that knows it only through a third. Peers that know no address find each other by their beacons. A peer
# whose packets are lost on their way out (half-open connections) is back when they are not.
BIN=$1 ROOT=$2 SWITCH=$3 FORWARD=$4
. "$ROOT/tests/net/common.sh"
make_network 6
make_run 5 100000 4
trained() { [ "$(get "$1" own_samples)" -ge "$2" ] 2>/dev/null; }
links() { [ "$(get "$1" links)" = "$2" ]; }
says() { grep -q "$2" "$work/p$1.log"; }
more() { local p before; for p in "$@"; do before=$(get $p own_samples); wait_for 60 trained $p $((before + 20)) || fail "peer $p stops"; done; }

# 2 is behind host 6: nobody has a way to its own address, nor it to anybody's
ip -n "$net-2" addr flush dev "${net}t2" && ip -n "$net-2" addr add 10.78.0.2/24 dev "${net}t2" &&
    ip -n "$net-6" addr add 10.78.0.6/24 dev "${net}t6" || fail "the other network"
ip netns exec "$net-6" "$FORWARD" 8300 10.78.0.2 7300 3 >"$work/forward" & pid[6]=$!; disown
wait_for 10 grep -q ready "$work/forward" || fail "no router"
sed -i "s|^peer2 = .*|peer2 = $(key 2)@tcp://10.77.0.6:8300|; /^peer[45] = /d" "$work/p1.conf"
sed -i "/^peer[1245] = /d; \$a peer1 = $(key 1)@$(address 1)" "$work/p3.conf"
sed -i '/^peer[0-9] = /d' "$work/p2.conf"
start 1; start 3
start 2 --set network.listen=tcp://10.78.0.2:7300 --set network.advertise=tcp://10.77.0.6:8300
for p in 1 2 3; do wait_for 90 links $p 2 || fail "peer $p is not linked to both others"; done
status 3; grep -o "{[^{}]*\"machine\":\"$(key 2)\"[^{}]*}" "$work/p3.json" | grep -q '"endpoint":"tcp://10.77.0.6:8300"' ||
    fail "peer 3 does not reach peer 2 where it advertises"
more 1 2 3

# beacons: no address at all in the configuration of 4 and 5, and of 5 no manifest either
for p in 4 5; do sed -i '/^peer[0-9] = /d' "$work/p$p.conf"; done
sed -i "/^manifest = /d" "$work/p5.conf"
start 4 --set network.beacon=yes
start 5 --set network.beacon=yes
for p in 4 5; do wait_for 90 trained $p 8 && wait_for 60 links $p 1 || fail "peer $p finds nobody by beacon"; done
for p in 4 5; do crash $p; done

# half-open: what 3 sends is lost, what is sent to it arrives
network mute 0 0 1 0 0 0
more 1 2
wait_for 60 says 1 " link-down .*peer3" || fail "peer 1 does not notice that nothing comes from peer 3"
network mute 0 0 0 0 0 0
for p in 1 3; do wait_for 90 links $p 2 || fail "peer $p is not linked to both others after the half-open time"; done
more 3
for p in 1 2 3; do "$BIN/onebyte" pause "$work/p$p" || fail "peer $p does not pause"; done
wait_for 120 agree 1 2 3 || fail "the peers do not agree"
for p in 1 2 3; do grep -Eq ' (fork|halted|disagree) ' "$work/p$p.log" && fail "peer $p saw a fork"; done
echo "through a router, by beacons, half-open and healed: equal logs and weights; $switch_counts"
exit 0
