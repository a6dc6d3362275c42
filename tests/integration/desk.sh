#!/usr/bin/env bash
# A machine that people work at: it trains at its times, when nobody uses it, on mains power, with a share of the processors,
# and says why it does not. Meanwhile it follows the others. Terminals and power supplies are folders of the test's own;
# logind is systemd's, on a bus of its own.
BIN=$1 ROOT=$2
. "$ROOT/tests/integration/common.sh"
export TZ=UTC0 DBUS_SYSTEM_BUS_ADDRESS=unix:path=$work/bus
mkdir "$work/power" "$work/dev"
make_run 2 1000000 8
set_desk() { # set_desk PEER LINE…: its [desk] section
    sed -i '/^\[desk\]/,/^\[peers\]/{/^\[peers\]/!d}' "$work/p$1.conf"
    sed -i "s|^\[peers\]|[desk]\npower_folder = $work/power\ndevices_folder = $work/dev\n$(printf '%s\\n' "${@:2}")[peers]|" "$work/p$1.conf"
}
reload() { kill -HUP "${pid[$1]}" || fail "peer $1 is gone: $(tail -3 "$work/p$1.log")"; }
paused_by() { status "$1" && grep -q "\"paused_by\":\[$2\]" "$work/p$1.json"; }
trains_past() { [ "$(get "$1" own_samples)" -gt "$2" ] 2>/dev/null; }
trains_on() { wait_for 60 paused_by "$1" "" && wait_for 60 trains_past "$1" "$(get "$1" own_samples)" || fail "peer $1 does not train: $(cat "$work/p$1.json")"; }
screen_says() { "$BIN/onebyte" status "$work/p$1" >"$work/screen"; grep -q "$2" "$work/screen" || fail "the status does not say \"$2\": $(cat "$work/screen")"; }
refused() { # refused TEXT: peer 2 does not start, and a restart would not help
    for option in "" --check; do
        timeout 60 "$BIN/onebyted" --config "$work/p2.conf" $option >/dev/null 2>"$work/refused"
        [ $? = 2 ] && grep -q "$1" "$work/refused" || fail "onebyted $option: $(cat "$work/refused")"
    done
}
hour() { date -u -d "$1" +%H:%M; }
elsewhen="$(hour '2 hours')-$(hour '3 hours')" now="$(hour '-1 hour')-$(hour '2 hours')"

# ---- settings that cannot be followed ----
set_desk 2 "run_when = at night"
refused '\[desk\] run_when: "at": expected idle, always, or times of day such as 22:00-06:00'
set_desk 2 "run_when = idle"
refused '\[desk\] run_when = idle: nobody says here whether this machine is in use'
set_desk 2 "max_memory_mb = 1"
timeout 60 "$BIN/onebyted" --config "$work/p2.conf" >/dev/null 2>"$work/refused"
[ $? = 2 ] && grep -q 'max_memory_mb = 1: this run takes [0-9]* MB here' "$work/refused" || fail "one MB: $(cat "$work/refused")"

# ---- times of day; priority; a share of the processors ----
start 1
set_desk 2 "run_when = $elsewhen" "nice = 7" "io_class = idle" "max_cpu = 10"
start 2
wait_for 60 paused_by 2 '"schedule"' || fail "it does not pause outside its times: $(cat "$work/p2.json")"
screen_says 2 "paused: outside $elsewhen, until ${elsewhen%-*}"
[ "$(field "$work/p2.json" until)" -gt "$(date +%s)" ] || fail "until when: $(cat "$work/p2.json")"
"$BIN/onebyte" resume "$work/p2" >"$work/resume"; grep -q "outside $elsewhen" "$work/resume" || fail "resume does not say that it stays paused: $(cat "$work/resume")"
grep -q " info paused by=schedule text=\"outside $elsewhen" "$work/p2.log" || fail "the log does not say so"
"$BIN/onebyte" status "$work/p2" --check >"$work/check"; [ $? = 1 ] && grep -q WARNING "$work/check" || fail "--check: $(cat "$work/check")"
others=$(sed 's/.*) //' "/proc/${pid[2]}/task"/*/stat | cut -d' ' -f17 | grep -vc '^7$') # the thread that waits for signals is older
[ "$others" -le 1 ] || fail "nice: $others threads have another one"
! command -v ionice >/dev/null || [ "$(ionice -p "${pid[2]}")" = idle ] || fail "io_class: $(ionice -p "${pid[2]}")"
# it follows, stores and answers meanwhile, and so do the weights
follows() { [ "$(get 2 log_digest)" = "$(get 1 log_digest)" ]; }
wait_for 60 trains_past 1 100 || fail "peer 1 does not train beside it"
"$BIN/onebyte" pause "$work/p1" || fail "pause"
wait_for 60 agree 1 2 || fail "a paused machine does not follow"
[ "$(get 2 own_samples)" = 0 ] || fail "it trained outside its times"
"$BIN/onebyte" resume "$work/p1" >/dev/null || fail "resume"
set_desk 2 "run_when = $elsewhen $now" "nice = 7" "io_class = idle" "max_cpu = 10"
reload 2
trains_on 2
grep -q " info resumed by=schedule" "$work/p2.log" || fail "the log does not say that it goes on"
rests() { awk -v s="$(get 2 rest_s)" 'BEGIN { exit !(s > 0) }'; }
wait_for 60 rests || fail "it does not rest for its share: $(cat "$work/p2.json")"
[ "$(get 1 rest_s)" = 0.0 ] || fail "peer 1 rests: $(get 1 rest_s)"
set_desk 2 "run_when = tomorrow" "nice = 7" "io_class = idle"
reload 2
wrong() { grep -q 'error reload .*tomorrow' "$work/p2.log"; }
wait_for 20 wrong || fail "nobody says that the new times are wrong"
set_desk 2 "run_when = idle" "nice = 7" "io_class = idle"
reload 2
wrong() { grep -q 'error reload .*nobody says here' "$work/p2.log"; }
wait_for 20 wrong || fail "nobody says that idle is not known"
trains_on 2

# ---- on battery ----
mkdir "$work/power/AC" "$work/power/BAT0"
echo Mains >"$work/power/AC/type"; echo 1 >"$work/power/AC/online"
echo Battery >"$work/power/BAT0/type"; echo Discharging >"$work/power/BAT0/status"
set_desk 2 "pause_on_battery = yes" "nice = 7" "io_class = idle"
reload 2
trains_on 2
[ "$(get 2 power)" = mains ] || fail "power: $(get 2 power)"
echo 0 >"$work/power/AC/online"
wait_for 30 paused_by 2 '"battery"' || fail "it trains on battery: $(cat "$work/p2.json")"
screen_says 2 "paused: on battery"
echo 1 >"$work/power/AC/online"
trains_on 2

# ---- in use: by a terminal ----
if mknod "$work/dev/tty1" c 1 3 2>/dev/null; then
    touch -a -d '1 hour ago' "$work/dev/tty1"
    set_desk 2 "run_when = idle" "idle_minutes = 0.5" "nice = 7" "io_class = idle"
    reload 2
    trains_on 2
    [ "$(get 2 idle_by)" = terminals ] || fail "who knows of its use: $(get 2 idle_by)"
    touch -a "$work/dev/tty1"
    wait_for 30 paused_by 2 '"in-use"' || fail "it trains under somebody's hands: $(cat "$work/p2.json")"
    screen_says 2 "paused: in use; training continues 0.5 minutes after the last input"
    touch -a -d '1 hour ago' "$work/dev/tty1"
    trains_on 2
fi

# ---- in use: as systemd's logind knows it, which a program that plays a film tells as well ----
cat >"$work/bus.conf" <<END
<busconfig><type>system</type><listen>unix:path=$work/bus</listen><policy context="default"><allow send_destination="*"/>
<allow receive_sender="*"/><allow own="*"/><allow user="*"/></policy></busconfig>
END
cat >"$work/logind.sh" <<'END'
mount -t tmpfs none /run && mkdir -p /run/systemd/sessions /run/systemd/users /run/systemd/seats /run/systemd/inhibit || exit 1
exec /lib/systemd/systemd-logind
END
rm -f "$work/dev/tty1"
logind_says() { [ "$(busctl get-property org.freedesktop.login1 /org/freedesktop/login1 org.freedesktop.login1.Manager IdleHint 2>/dev/null)" = "b $1" ]; }
if [ -x /lib/systemd/systemd-logind ] && command -v dbus-daemon busctl systemd-inhibit >/dev/null && [ "$(id -u)" = 0 ]; then
    dbus-daemon --config-file="$work/bus.conf" --nofork --nopidfile >"$work/bus.log" 2>&1 & pid[bus]=$!
    wait_for 20 test -S "$work/bus" && { unshare --mount bash "$work/logind.sh" >"$work/logind.log" 2>&1 & pid[logind]=$!; }
fi
if [ -n "${pid[logind]:-}" ] && wait_for 20 logind_says true; then
    set_desk 2 "run_when = idle" "idle_minutes = 0.1" "nice = 7" "io_class = idle"
    reload 2
    trains_on 2
    [ "$(get 2 idle_by)" = logind ] || fail "who knows of its use: $(get 2 idle_by)"
    systemd-inhibit --what=idle --mode=block sleep 1000 & pid[film]=$!
    wait_for 30 paused_by 2 '"in-use"' || fail "it trains while a film plays: $(cat "$work/p2.json")"
    kill "${pid[film]}"
    wait_for 20 logind_says true || fail "logind: $(cat "$work/logind.log")"
    trains_on 2
    # logind is gone: nobody knows whether somebody is there
    kill "${pid[logind]}"
    wait_for 30 paused_by 2 '"in-use"' || fail "it trains although nobody knows of its use: $(cat "$work/p2.json")"
    screen_says 2 "nobody says whether this machine is in use"
else
    echo "not tried: logind on a bus of its own (needs root, dbus-daemon and systemd): $(cat "$work/logind.log" 2>/dev/null)"
fi
kill -TERM "${pid[2]}"
gone() { [ ! -d "/proc/${pid[2]}" ]; }
wait_for 30 gone || fail "it does not end"
