#!/usr/bin/env bash
# What may happen to a state directory: others may write to it, links stand in the place of its files, another program locks
# the log, somebody removes it or puts another in its place, and many open the status socket and say nothing.
BIN=$1 ROOT=$2
. "$ROOT/tests/integration/common.sh"
make_run 1 100000 4
solo=(--set swarm.solo=yes)
trained() { [ "$(get 1 own_samples)" -ge "$1" ] 2>/dev/null; }
# refused WHAT: it does not start, names the path, and a restart would not help
refused() {
    timeout 60 "$BIN/onebyted" --config "$work/p1.conf" "${solo[@]}" 2>"$work/refused.txt"
    [ $? = 2 ] && grep -q "$work/p1$1: $2" "$work/refused.txt" || fail "$1 is not refused by name: $(tail -2 "$work/refused.txt")"
}

# ---- before the start ----
chmod 0777 "$work/p1" && refused "" "others may change what is in this folder"
chmod 0720 "$work/p1" && refused "" "others may change what is in this folder"
chmod 0700 "$work/p1"
for name in lock log.sqlite snapshots; do
    ln -s "$work/elsewhere" "$work/p1/$name" && refused "/$name" "is a symbolic link"
    rm "$work/p1/$name"
done
[ -e "$work/elsewhere" ] && fail "a link was followed"
mkdir -m 0777 "$work/p1/snapshots" && chmod 0777 "$work/p1/snapshots" && refused "/snapshots" "others may change"
rmdir "$work/p1/snapshots"

# ---- another program's lock ----
start 1 "${solo[@]}"
wait_for 60 trained 8 || fail "it does not train"
python3 - "$work/p1/log.sqlite" "$work/locked" "$work/unlock" >/dev/null 2>&1 <<'END' &
import os, sqlite3, sys, time
log = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)
log.execute("BEGIN IMMEDIATE")
open(sys.argv[2], "w").close()
while not os.path.exists(sys.argv[3]):
    time.sleep(0.1)
log.execute("ROLLBACK")
END
pid[locker]=$!
wait_for 60 test -e "$work/locked" || fail "the log cannot be locked"
wait_for 60 life_is 1 log-locked || fail "it does not say that the log is locked: $(get 1 life)"
sleep 6 # longer than any wait for a lock that is not told
alive 1 || fail "a locked log ends the daemon"
status 1 && field "$work/p1.json" waits | grep -q "another program keeps it locked" || fail "status does not say why"
"$BIN/onebyte" status "$work/p1" --check >"$work/check"; [ $? = 2 ] && grep -q "^ONEBYTE CRITICAL - log-locked" "$work/check" || fail "--check of a locked log: $(cat "$work/check")"
before=$(get 1 own_samples)
touch "$work/unlock"
wait_for 60 trained $((before + 8)) || fail "it does not go on when the lock is gone"

# ---- a log that is gone, or another one ----
mv "$work/p1/log.sqlite" "$work/away"
wait_for 60 life_is 1 log-gone || fail "it does not notice that its log is gone: $(get 1 life)"
cp "$work/away" "$work/p1/log.sqlite"
sleep 2
life_is 1 log-gone || fail "it takes another file for its log"
"$BIN/onebyte" status "$work/p1" --check >"$work/check"; [ $? = 2 ] && grep -q "^ONEBYTE CRITICAL - log-gone" "$work/check" || fail "--check of a log that is gone: $(cat "$work/check")"
alive 1 || fail "a log that is gone ends the daemon"
before=$(get 1 own_samples)
mv "$work/away" "$work/p1/log.sqlite"
wait_for 60 trained $((before + 8)) || fail "it does not go on when its log is back"
"$BIN/onebyte" verify "$work/p1" --manifest "$work/run.json" --model "$model" >/dev/null || fail "the log does not verify"

# ---- idle status connections ----
python3 - "$work/p1/status.sock" "$work/idle" "$work/enough" >/dev/null 2>&1 <<'END' &
import os, socket, sys, time
idle = []
for _ in range(25):
    s = socket.socket(socket.AF_UNIX)
    s.connect(sys.argv[1])
    idle.append(s)
open(sys.argv[2], "w").close()
while not os.path.exists(sys.argv[3]):
    time.sleep(0.1)
END
pid[idler]=$!
wait_for 60 test -e "$work/idle" || fail "no idle connections"
"$BIN/onebyte" status "$work/p1" --json >/dev/null || fail "idle connections keep a status from being answered"
touch "$work/enough"

"$BIN/onebyte" leave "$work/p1" || fail leave
gone() { ! alive 1; }
wait_for 60 gone || fail "it does not leave"
echo "state: refused by name; a lock, a log that is gone and idle connections are survived"
exit 0
