#!/usr/bin/env bash
# What a service manager hears of a real daemon over its socket, as systemd's Type=notify has it: READY once, what the daemon
# does in words, signs of life, STOPPING; and the exit code that it must not answer with a restart.
BIN=$1 ROOT=$2
. "$ROOT/tests/integration/common.sh"
make_run 1 1000000 8
python3 - "$work/notify" >"$work/heard" <<'END' &
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
while True:
    print(*s.recv(65536).decode().split("\n"), sep="\n", flush=True)
END
pid[manager]=$!
wait_for 20 test -S "$work/notify" || fail "no socket"
NOTIFY_SOCKET=$work/notify WATCHDOG_USEC=1000000 start 1
heard() { grep -q "^$1" "$work/heard"; }
if ! wait_for 20 heard READY=1; then
    grep -q 'stop\|error' "$work/p1.log" && fail "the daemon does not start"
    strings -a "$BIN/onebyted" | grep -q READY=1 || { echo "built without libsystemd"; exit 77; }
    fail "it is not ready: $(cat "$work/heard")"
fi
wait_for 60 heard 'STATUS=round [1-9][0-9]* of 1000000, loss [0-9.]*, [0-9]* [a-z]* left$' || fail "what it does: $(grep STATUS "$work/heard")"
lives() { [ "$(grep -c '^WATCHDOG=1$' "$work/heard")" -ge 5 ]; }
wait_for 60 lives || fail "signs of life: $(cat "$work/heard")"
[ "$(grep -c '^READY=1$' "$work/heard")" = 1 ] || fail "ready more than once"
"$BIN/onebyte" pause "$work/p1" || fail "pause"
wait_for 60 heard 'STATUS=paused; round ' || fail "paused: $(grep STATUS "$work/heard")"
kill -TERM "${pid[1]}"
wait_for 30 heard STOPPING=1 || fail "nobody hears that it stops: $(tail -3 "$work/heard")"
gone() { [ ! -d "/proc/${pid[1]}" ]; }
wait_for 30 gone || fail "it does not end"

# a restart does not help, and the units say that of this code
NOTIFY_SOCKET=$work/notify timeout 60 "$BIN/onebyted" --config "$work/p1.conf" --set training.data=/nonexistent 2>"$work/said"
[ $? = 2 ] && grep -q '/nonexistent' "$work/said" || fail "rows that are not there: $(cat "$work/said")"
for unit in onebyted onebyted@; do
    grep -q '^RestartPreventExitStatus=2$' "$ROOT/configs/$unit.service.in" && grep -q '^WatchdogSec=' "$ROOT/configs/$unit.service.in" &&
        grep -q '^Type=notify$' "$ROOT/configs/$unit.service.in" || fail "$unit.service does not go by it"
done
