#!/usr/bin/env bash
# Host names. A name server that is silent holds up nobody: a peer with one name that cannot be looked up links and trains with
# the others, says why that one is missing, and ends at once when it is told to. A name whose address changes is followed.
BIN=$1 ROOT=$2 SWITCH=$3
. "$ROOT/tests/net/common.sh"
command -v python3 >/dev/null || skip_net "python3 is missing"
unshare -m true 2>/dev/null || skip_net "mount namespaces cannot be made here"
make_network 3
make_run 4 100000 4
trained() { [ "$(get "$1" own_samples)" -ge "$2" ] 2>/dev/null; }
links() { [ "$(get "$1" links)" = "$2" ]; }
more() { local p before; for p in "$@"; do before=$(get $p own_samples); wait_for 60 trained $p $((before + 20)) || fail "peer $p stops"; done; }

# host 1 has a name server that takes questions and answers none, and a hosts file of its own
printf 'nameserver 127.0.0.1\n' >"$work/resolv.conf"
printf 'hosts: files dns\n' >"$work/nsswitch.conf"
printf '127.0.0.1 localhost\n10.77.0.2 two.test\n' >"$work/hosts"
# bound under the process that starts the daemon: it keeps its id
within() {
    [ "$1" = 1 ] || { echo "ip netns exec $net-$1"; return; }
    echo "unshare -m -- $work/host1"
}
cat >"$work/host1" <<EOF
#!/bin/sh
for file in resolv.conf nsswitch.conf hosts; do mount --bind "$work/\$file" "/etc/\$file" || exit 77; done
exec nsenter --net=/run/netns/$net-1 -- "\$@"
EOF
chmod +x "$work/host1"
ip netns exec "$net-1" python3 -c 'import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("127.0.0.1", 53)); print("ready", flush=True)
while True: s.recv(512)' >"$work/dns" & pid[9]=$!; disown
wait_for 10 grep -q ready "$work/dns" || fail "no name server"

# 1 knows 2 by a name in its hosts file, 3 by number, 4 by a name that nobody looks up; nobody can connect to 1
sed -i "s|^peer2 = .*|peer2 = $(key 2)@tcp://two.test:7300|; s|^peer4 = .*|peer4 = $(key 4)@tcp://four.test:7300|; /^listen = /d" "$work/p1.conf"
for p in 2 3; do sed -i '/^peer[14] = /d' "$work/p$p.conf"; done
for p in 1 2 3; do start $p; done
for p in 1 2 3; do wait_for 60 links $p 2 || fail "peer $p is not linked to both others"; done
more 1 2 3
says_why() { "$BIN/onebyte" status "$work/p1" --json | grep -q 'cannot resolve "\?four.test'; }
wait_for 30 says_why || fail "the status does not say why peer 4 is missing: $("$BIN/onebyte" status "$work/p1" --all | grep why)"

# 3 says that it is at a name that cannot be looked up, and dies: 1 and 2 stay together and train on
dies() { crash 3; wait_for 60 links 1 1 || fail "peer 1 does not notice that peer 3 is gone"; }
dies
start 3 --set network.advertise=tcp://three.test:7300
wait_for 60 links 1 2 || fail "peer 3 is not linked again"
wait_for 60 links 2 2 || fail "peer 3 is not linked to peer 2 again"
dies
more 1 2
together() { links 1 1 && links 2 1; } # 2 has no connection to 3 that ends: silence tells it
wait_for 60 together || fail "a name that cannot be looked up splits the others"
more 1 2
start 3
wait_for 60 links 1 2 || fail "peer 3 does not come back"

# 2 moves: only its name says where
crash 2
wait_for 60 links 1 1 || fail "peer 1 does not notice that peer 2 is gone"
ip -n "$net-2" addr flush dev "${net}t2" && ip -n "$net-2" addr add 10.77.0.22/24 dev "${net}t2" || fail "moving"
sed -i "s|10.77.0.2:|10.77.0.22:|" "$work/p2.conf"
sed -i "/^peer[13] = /d" "$work/p2.conf" # it waits to be found
printf '127.0.0.1 localhost\n10.77.0.22 two.test\n' >"$work/hosts" # in place: the file is bound
start 2 --set network.advertise=tcp://two.test:7300
wait_for 90 links 1 2 || fail "peer 1 does not follow the name"
more 1 2

kill "${pid[1]}"
gone() { ! alive 1; }
PATIENCE=1 wait_for 5 gone || fail "peer 1 does not end while a name is looked up"
echo "a silent name server, a name that moves"
exit 0
