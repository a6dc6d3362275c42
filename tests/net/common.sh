# Sourced by the tests of real networks: real daemons in network namespaces, one for each peer, behind a switch that loses,
# delays and separates (tap_switch; `tc netem` is not in every kernel). Expects BIN, ROOT and SWITCH. Skips (77) with the
# reason where namespaces or TAP devices cannot be made.
. "$ROOT/tests/integration/common.sh"
net=ob$((RANDOM % 100000))
hosts=0
skip_net() { echo "skipped: $*"; exit 77; }
[ "$(id -u)" = 0 ] || skip_net "network namespaces need root"
command -v ip >/dev/null || skip_net "the command ip (Debian package iproute2) is missing"
[ -c /dev/net/tun ] || skip_net "this kernel has no TAP devices (/dev/net/tun)"

stop_network() {
    local i
    exec {switch_in}>&- 2>/dev/null
    for i in $(seq "$hosts"); do ip netns del "$net-$i" 2>/dev/null; done
}
trap 'status=$?; for p in "${pid[@]}"; do kill -9 "$p" 2>/dev/null; done; stop_network; (exit $status); cleanup' EXIT

# make_network HOSTS: host i has 10.77.0.i
make_network() {
    local i devices=() line
    hosts=$1
    for i in $(seq "$hosts"); do
        ip netns add "$net-$i" 2>/dev/null || skip_net "network namespaces cannot be made here"
        devices+=("${net}t$i")
    done
    coproc switch { exec "$SWITCH" "${devices[@]}" 2>&1; }
    switch_in=${switch[1]} switch_out=${switch[0]}
    read -r -t 10 -u "$switch_out" line
    [ "$line" = ready ] || skip_net "TAP devices cannot be made: $line"
    for i in $(seq "$hosts"); do
        ip link set "${net}t$i" netns "$net-$i" && ip -n "$net-$i" addr add "10.77.0.$i/24" dev "${net}t$i" &&
            ip -n "$net-$i" link set "${net}t$i" up && ip -n "$net-$i" link set lo up || fail "host $i"
    done
}
# network COMMAND…: tap_switch's commands
network() {
    local line
    echo "$*" >&"$switch_in"
    read -r -t 10 -u "$switch_out" line || fail "the switch is gone"
    [[ $line == ok* ]] || fail "the switch: $line"
    switch_counts=${line#ok }
}
address() { echo "tcp://10.77.0.${moved[$1]:-$1}:7300"; }
within() { echo "ip netns exec $net-$1"; }
declare -A moved
