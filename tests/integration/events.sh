#!/usr/bin/env bash
# What on_event is told, each kind by daemons that earn it (those of the verdicts: integration/health), as JSON; that programs which
# hang, flood, fail or are not there cost the training nothing, and the log a line; and the journal, which gets events as fields.
BIN=$1 ROOT=$2
. "$ROOT/tests/integration/common.sh"
small=$work/p1
release() { mountpoint -q "$small" && umount -l "$small"; }
trap 'ended=$?; release; (exit $ended); cleanup' EXIT
rounds() { [ "$(get "$1" own_rounds)" -ge "$2" ] 2>/dev/null; }
live() { [ "$(get "$1" live)" = "$2" ]; }
gone() { ! alive "$1"; }
stop_all() { local p; for p in "${!pid[@]}"; do kill -9 "${pid[$p]}" 2>/dev/null; wait_for 20 gone "$p"; done; pid=(); }

# ---- machines that come, go, fall silent and come back; a certificate that expires soon; a disk that is nearly full ----
make_run 3 100000 4
tell_events 1
invite 1 --expiry 2d
cp -a "$small" "$work/kept"
mount -t tmpfs -o size=256m,mode=700 onebyte "$small" 2>"$work/why" && full=yes || echo "cannot mount a small tmpfs, no disk that is nearly full: $(cat "$work/why")"
if [ -n "${full:-}" ]; then
    cp -a "$work/kept/." "$small/"
    fallocate -l $((253 << 20)) "$small/ballast" || fail "no ballast"
fi
for p in 1 2 3; do start $p; done
for p in 2 3; do wait_for 90 heard 1 joined peer$p || fail "peer $p joins, and no event says so: $(cat "$work/p1.events")"; done
wait_for 30 heard 1 expires "" || fail "the certificate expires in two days, and no event says so"
[ -z "${full:-}" ] || wait_for 30 heard 1 disk "" || fail "3 of 256 MB are left, and no event says so"
[ -z "${full:-}" ] || { grep -q "warn disk text=\"[0-9]* MB are left" "$work/p1.log" && rm "$small/ballast"; } || fail "no warning of the disk"
wait_for 90 live 1 3 || fail "three do not train"
kill -STOP "${pid[3]}"
wait_for 90 heard 1 silent peer3 || fail "peer 3 is stopped, and no event says so: $(cat "$work/p1.events")"
kill -CONT "${pid[3]}"
wait_for 90 heard 1 back peer3 || fail "peer 3 is back, and no event says so: $(cat "$work/p1.events")"
"$BIN/onebyte" leave "$work/p2" >/dev/null || fail leave
wait_for 60 heard 1 left peer2 || fail "peer 2 leaves, and no event says so: $(cat "$work/p1.events")"
wait_for 60 live 1 2 || fail "two do not train on"
kill -STOP "${pid[3]}"
wait_for 90 heard 1 split "" || fail "half of the machines are gone, and no event says so: $(cat "$work/p1.events")"
kill -CONT "${pid[3]}"
# the command is started first, the history's file is written with the next round's
in_history() { "$BIN/onebyte" history "$work/p1" --events >"$work/told" && grep -q "$1" "$work/told"; }
wait_for 60 in_history split || fail "the history has no event split: $(cat "$work/told")"
for kind in joined left silent back expires split; do grep -q "$kind" "$work/told" || fail "the history has no event $kind: $(cat "$work/told")"; done
stop_all; release
echo "machines, certificate, disk: done" >&2

# ---- the end ----
rm -rf "$work"/p* "$work"/run.*
make_run 1 12 4
tell_events 1
start 1 --set swarm.solo=yes
wait_for 120 heard 1 finished peer1 || fail "the run is finished, and no event says so: $(cat "$work/p1.events")"
stop_all
echo "end: done" >&2

# ---- programs that hang, flood, fail, are not there: each of four machines has one, and hears of three others ----
rm -rf "$work"/p* "$work"/run.*
make_run 4 100000 4
bad=("" "cat >/dev/null; echo no network >\&2; exit 1" "sleep 987654 \& exec sleep 987654" "head -c 200000000 /dev/zero | tr '\\\\0' x >\&2; yes flood" "/nowhere/notify --now")
for p in 1 2 3 4; do
    sed -i "s#^threads = .*#&\non_event = ${bad[p]}#" "$work/p$p.conf"
    invite $p --expiry 2d
    start $p
done
# of each daemon at most one program at a time, counted again and again
most=0
count() { local p n; for p in 1 2 3 4; do n=$(pgrep -c -P "${pid[$p]}"); [ "$n" -le $most ] || most=$n; done; }
joined() { count; status "$1" && [ "$(grep -o '"kind":"joined"' "$work/p$1.json" | wc -l)" -ge 3 ]; }
for p in 1 2 3 4; do wait_for 120 joined $p || fail "peer $p does not hear of three others"; done
said() { count; [ "$(grep -c " on-event " "$work/p$1.log")" -ge 1 ]; }
for p in 1 2 3 4; do wait_for 120 said $p || fail "peer $p does not say that its program fails"; done
for p in 1 2 3 4; do before[p]=$(get $p own_rounds); done
on() { count; rounds "$1" $((before[$1] + 10)); }
for p in 1 2 3 4; do wait_for 120 on $p || fail "peer $p does not train on"; done
[ $most = 1 ] || fail "$most programs at a time"
for p in 1 2 3 4; do [ "$(grep -c " on-event " "$work/p$p.log")" = 1 ] || fail "peer $p says it again and again: $(grep " on-event " "$work/p$p.log")"; done
grep -q 'warn on-event status=1 text=".*no network; not said again' "$work/p1.log" || fail "a program that fails: $(grep on-event "$work/p1.log")"
grep -q 'warn on-event .*too long and was killed' "$work/p2.log" || fail "a program that hangs: $(grep on-event "$work/p2.log")"
grep -q 'warn on-event status=127 text=".*/nowhere/notify' "$work/p4.log" || fail "a program that is not there: $(grep on-event "$work/p4.log")"
for p in 1 2 3 4; do [ "$(stat -c %s "$work/p$p.log")" -lt 200000 ] || fail "the log of peer $p is flooded"; done
[ "$(pgrep -cf 'sleep 987654')" -le 3 ] || fail "programs that hung are left: $(pgrep -af 'sleep 987654')"
stop_all
pkill -9 -f '^(sleep 987654|yes flood)$' # of a daemon that is killed, the program that runs goes on
echo "bad programs: done" >&2

# ---- a real journal, in a /run of its own ----
cat >"$work/journal.sh" <<'IN'
mount -t tmpfs none /run && mkdir -p /run/systemd/journal /run/log/journal || exit 77
/lib/systemd/systemd-journald 2>/dev/null & journald=$!
for i in $(seq 100); do [ -S /run/systemd/journal/stdout ] && break; sleep 0.1; done
[ -S /run/systemd/journal/stdout ] || exit 77
systemd-cat sh -c 'JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2) exec "$@"' sh "$BIN/onebyted" --config "$work/p1.conf" --set swarm.solo=yes &
daemon=$!
for i in $(seq 600); do
    journalctl -D /run/log/journal -o json --no-pager ONEBYTE_EVENT=finished >"$work/entries" 2>/dev/null && [ -s "$work/entries" ] && break
    sleep 0.2
done
journalctl -D /run/log/journal -o json --no-pager SYSLOG_IDENTIFIER=onebyted >"$work/entries"
kill $daemon; wait $daemon; kill $journald
exit 0
IN
if [ "$(id -u)" = 0 ] && [ -x /lib/systemd/systemd-journald ] && command -v systemd-cat unshare >/dev/null; then
    rm -rf "$work"/p* "$work"/run.*
    make_run 1 12 4
    invite 1 --expiry 2d
    BIN=$BIN work=$work unshare --mount --pid --fork --mount-proc --propagation private bash "$work/journal.sh"
    case $? in
        0) python3 - "$work/entries" <<'PY' || fail "the journal has not what it should have: $(cut -c1-300 "$work/entries")"
import json, sys
entries = [json.loads(line) for line in open(sys.argv[1])]
of = {}
for e in entries:
    of.setdefault(e.get("ONEBYTE_EVENT"), []).append(e)
assert {"start", "finished", "expiry"} <= set(of), sorted(map(str, of))
assert of["expiry"][0]["PRIORITY"] == "4" and of["expiry"][0]["ONEBYTE_EXPIRES"], of["expiry"][0]
finished = of["finished"][0]
assert finished["PRIORITY"] == "6" and finished["ONEBYTE_MACHINE"] == "peer1" and finished["ONEBYTE_TEXT"] and finished["MESSAGE"].startswith("finished "), finished
assert finished["_TRANSPORT"] == "journal" and finished["_COMM"] == "onebyted", finished
assert any(e.get("ONEBYTE_ROUND", "").isdigit() for e in entries)
PY
            ;;
        77) echo "skipped: no journal can be started here" ;;
        *) fail "the journal" ;;
    esac
else
    echo "skipped: a journal of the test's own needs root, systemd-journald and systemd-cat"
fi
echo "events: all good"
