#!/usr/bin/env bash
# `onebyte up --systemd` and `join --systemd` with a real systemd, a user's own: the services run, come back when they are killed,
# and are gone after `onebyte down`. As a user without rights, in a /run of its own.
BIN=$1 ROOT=$2
if [ -z "${ONEBYTE_SYSTEMD_TEST:-}" ]; then
    skip() { echo "skipped: $*"; exit 77; }
    [ "$(id -u)" = 0 ] || skip "a /run of the test's own needs root"
    for program in unshare setpriv dbus-daemon systemctl; do command -v $program >/dev/null || skip "$program is missing"; done
    [ -x /lib/systemd/systemd ] || skip "systemd is not installed"
    strings -a "$BIN/onebyted" | grep -q READY=1 || skip "built without libsystemd"
    # a manager keeps its services in a control group that is its user's
    for groups in /sys/fs/cgroup /sys/fs/cgroup/unified; do [ -f $groups/cgroup.controllers ] && break; done
    group=$groups/onebyte-test-$$
    mkdir "$group" 2>/dev/null || skip "no control group can be made"
    trap 'find "$group" -depth -type d -exec rmdir {} + 2>/dev/null' EXIT
    unshare --mount --pid --fork --mount-proc --propagation private env ONEBYTE_SYSTEMD_TEST=root GROUP="$group" bash "$0" "$@"
    exit
fi
if [ "$ONEBYTE_SYSTEMD_TEST" = root ]; then
    mount -t tmpfs none /run && mkdir -p /run/systemd/system /run/user/65534 /run/home && cp "$BIN/onebyte" "$BIN/onebyted" /run/ || exit 1
    chown -R 65534:65534 "$GROUP" && echo $$ >"$GROUP/cgroup.procs" || { echo "skipped: a control group cannot be entered"; exit 77; }
    chown 65534:65534 /run/user/65534 /run/home && chmod 700 /run/user/65534 /run/home
    exec setpriv --reuid 65534 --regid 65534 --clear-groups env -i PATH="$PATH" HOME=/run/home XDG_RUNTIME_DIR=/run/user/65534 \
        OPENBLAS_NUM_THREADS=1 ONEBYTE_SYSTEMD_TEST=user bash "$0" /run "$ROOT"
fi
. "$ROOT/tests/integration/common.sh"
cd "$work" || exit 1
dbus-daemon --session --address="unix:path=$XDG_RUNTIME_DIR/bus" --fork --nopidfile 2>/dev/null || { echo "skipped: no bus can be started"; exit 77; }
/lib/systemd/systemd --user >"$work/systemd" 2>&1 & pid[systemd]=$!
running() { systemctl --user is-system-running 2>/dev/null | grep -qE 'running|degraded'; }
wait_for 20 running || { echo "skipped: no systemd of a user can be started here: $(tail -1 "$work/systemd")"; exit 77; }
base_port=$(free_ports)
onebyte=$BIN/onebyte unit=onebyte-rows.service
up() {
    "$onebyte" up --model "$model" --data "$data/train.jsonl" --run rows --lr 1e-4 --rounds 100000 --threads 1 \
        --listen "tcp://127.0.0.1:$base_port" "$@"
}
active() { systemctl --user is-active --quiet "$1"; }
field_of() { "$onebyte" status --json "${@:2}" 2>/dev/null | grep -o "\"$1\":[^,}]*" | head -1; }

up --systemd --foreground >out 2>&1; [ $? = 2 ] && grep -q "exclude each other" out || fail "both: $(cat out)"
up --systemd >out 2>&1 || fail "up --systemd: $(cat out; journalctl --user -n 20 2>/dev/null)"
grep -q "systemd keeps it; its messages: journalctl --user -u $unit" out || fail "up does not say who keeps it: $(cat out)"
active $unit && systemctl --user is-enabled --quiet $unit || fail "the service is not active or not enabled"
first=$(systemctl --user show -P MainPID $unit)
[ "$(readlink "/proc/$first/exe")" = "$BIN/onebyted" ] || fail "the service is another program"
up --systemd >out 2>&1 && grep -q "already running" out || fail "the same command again: $(cat out)"

# killed: systemd starts it again
kill -9 "$first"
again() { active $unit && [ "$(systemctl --user show -P MainPID $unit)" != "$first" ] && [ -n "$(field_of round --run rows)" ]; }
wait_for 60 again || fail "it does not come back"
systemctl --user stop $unit && up >out 2>&1 && active $unit && grep -q "systemd keeps it" out || fail "what systemd keeps, it keeps: $(cat out)"

# a second machine of the same user
token=$("$onebyte" invite bob --run rows 2>/dev/null | grep -o 'ob1\.[A-Za-z0-9_-]*' | head -1)
"$onebyte" join "$token" --data "$data/train.jsonl" --model "$model" --state "$work/bob" --threads 1 --timeout 180 --systemd \
    --listen "tcp://127.0.0.1:$((base_port + 3))" >out 2>&1 || fail "join --systemd: $(cat out)"
active onebyte-bob.service || fail "the second service is not active"

# one that cannot start is not left behind
"$onebyte" down "$work/bob" >out || fail "down: $(cat out)"
active onebyte-bob.service && fail "down leaves the service"
[ ! -e "$HOME/.config/systemd/user/onebyte-bob.service" ] || fail "down leaves the unit"
echo "[network" >>"$work/bob/onebyte.conf"
"$onebyte" join "$token" --state "$work/bob" --systemd >out 2>&1; [ $? = 2 ] || fail "a broken configuration: $(cat out)"
[ ! -e "$HOME/.config/systemd/user/onebyte-bob.service" ] || fail "a unit is left that cannot start"

"$onebyte" down --run rows >out || fail "down: $(cat out)"
wait_for 30 eval '! active onebyte-rows.service' || fail "down leaves the service"
[ -z "$(ls "$HOME/.config/systemd/user/" | grep onebyte)" ] || fail "down leaves $(ls "$HOME/.config/systemd/user/")"
up >out 2>&1 && "$onebyte" down --run rows >out || fail "without systemd it goes on: $(cat out)"

# without a manager
kill "${pid[systemd]}"; wait_for 20 eval '! running'
XDG_RUNTIME_DIR=$work up --run new --systemd >out 2>&1; [ $? = 2 ] && grep -q "no systemd of this user" out || fail "without a manager: $(cat out)"
[ "$(wc -l <out)" = 1 ] && [ ! -e "$HOME/.local/state/onebyte/new" ] || fail "something was begun: $(cat out)"
exit 0
