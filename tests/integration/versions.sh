#!/usr/bin/env bash
# An upgrade while a run goes on: programs that speak the protocol versions 2, 2 to 3 and 3 to 4. Neighbours train together in the
# lower version; those without a common one say who must upgrade, in log and status, and still get everything by a third.
#   versions.sh BUILD SOURCE PROGRAM-OF-2-TO-3 PROGRAM-OF-3-TO-4
BIN=$1 ROOT=$2
. "$ROOT/tests/integration/common.sh"
declare -A program=([1]=$BIN/onebyted [2]=$3 [3]=$4)
make_run 3 1000000 8
launch() { "${program[$1]}" --config "$work/p$1.conf" 2>>"$work/p$1.log" & pid[$1]=$!; disown; }
# of PEER NAME FIELD: what PEER's status has of the machine NAME
of() { status "$1" && grep -o "{\"name\":\"$2\"[^{}]*" "$work/p$1.json" | head -1 >"$work/machine" && field "$work/machine" "$3"; }
speaks() { [ "$(of "$1" "peer$2" protocol)" = "$3" ] && [ "$(of "$2" "peer$1" protocol)" = "$3" ]; }
publishes() { [ "$(get "$1" published)" = "$2" ]; }
trains_past() { [ "$(get "$1" own_samples)" -gt "$2" ] 2>/dev/null; }
same_weights() { # same_weights PEER…: all of them train on; then they rest, with the same log and the same weights
    local p
    for p in "$@"; do wait_for 60 trains_past "$p" "$(get "$p" own_samples)" || fail "peer $p does not train"; done
    for p in "$@"; do "$BIN/onebyte" pause "$work/p$p" >/dev/null || fail "pause"; done
    wait_for 60 agree "$@" || fail "peers $* do not agree"
    for p in "$@"; do "$BIN/onebyte" resume "$work/p$p" >/dev/null || fail "resume"; done
}

# ---- neighbours: 2 and 2 to 3 ----
launch 1; launch 2
wait_for 60 speaks 1 2 2 || fail "what 1 and 2 speak: $(of 1 peer2 protocol), $(of 2 peer1 protocol)"
wait_for 60 publishes 2 2 || fail "peer 2 publishes in $(get 2 published)"
said() { [ "$(of 1 peer2 protocol_highest)" = 3 ] && [ "$(of 2 peer1 protocol_highest)" = 2 ]; }
wait_for 60 said || fail "what they said: $(cat "$work/p2.json")"
[ "$(get 1 highest)" = 2 ] && [ "$(get 2 highest)" = 3 ] || fail "versions in status: $(get 1 highest), $(get 2 highest)"
same_weights 1 2
grep -h " version machine=" "$work"/p*.log && fail "neighbours complain of each other"

# ---- the first one is upgraded: now they speak the higher version ----
kill -TERM "${pid[1]}"; gone() { [ ! -d "/proc/${pid[1]}" ]; }
wait_for 30 gone || fail "peer 1 does not end"
program[1]=$3
launch 1
wait_for 60 speaks 1 2 3 || fail "what 1 and 2 speak after the upgrade: $(of 1 peer2 protocol), $(of 2 peer1 protocol)"
publishes_both() { publishes 1 3 && publishes 2 3; }
wait_for 60 publishes_both || fail "they publish in $(get 1 published), $(get 2 published)"
same_weights 1 2

# ---- and back: it was not a good idea ----
kill -TERM "${pid[1]}"; wait_for 30 gone || fail "peer 1 does not end"
program[1]=$BIN/onebyted
launch 1
wait_for 60 speaks 1 2 2 || fail "what 1 and 2 speak after the downgrade: $(of 1 peer2 protocol), $(of 2 peer1 protocol)"
grep -h " version machine=" "$work"/p*.log && fail "an upgrade made them complain"

# ---- 3 to 4 comes: not for the first ----
launch 3
wait_for 60 speaks 2 3 3 || fail "what 2 and 3 speak: $(of 2 peer3 protocol), $(of 3 peer2 protocol)"
told() { grep -q ' version machine=peer3 text="speaks protocol versions 3 to 4, this machine version 2: upgrade onebyte on this machine"' "$work/p1.log" &&
    grep -q ' version machine=peer1 text="speaks protocol version 2, this machine versions 3 to 4: upgrade onebyte there"' "$work/p3.log"; }
wait_for 60 told || fail "who must upgrade: $(grep -h ' version ' "$work"/p*.log)"
wait_for 60 speaks 1 3 0 || fail "what 1 and 3 speak: $(of 1 peer3 protocol), $(of 3 peer1 protocol)"
"$BIN/onebyte" status "$work/p1" >"$work/screen"; grep -q "peer3.*versions 3 to 4.*this machine 2" "$work/screen" && grep -q "upgrade onebyte on this machine" "$work/screen" || fail "status of the older: $(cat "$work/screen")"
"$BIN/onebyte" status "$work/p3" >"$work/screen"; grep -q "upgrade onebyte there" "$work/screen" || fail "status of the newer: $(cat "$work/screen")"
same_weights 1 2 3
echo "neighbours train together, others say who must upgrade"
