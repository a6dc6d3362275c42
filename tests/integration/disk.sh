#!/usr/bin/env bash
# A peer whose disk fills up says so and signs nothing more; the others go on; when there is room it takes part again.
# Then its log is damaged while it is down, and an older copy of it is put back: it comes back with every record.
BIN=$1 ROOT=$2
. "$ROOT/tests/integration/common.sh"
make_run 3 100000 4
small=$work/p1
unmount() { mountpoint -q "$small" && umount -l "$small"; }
trap 'ended=$?; unmount; (exit $ended); cleanup' EXIT
cp -a "$small" "$work/kept"
if ! mount -t tmpfs -o size=8m,mode=700 onebyte "$small" 2>/dev/null; then echo "cannot mount a small tmpfs: no full disk here"; exit 77; fi
cp -a "$work/kept/." "$small/"
dd if=/dev/zero of="$small/ballast" bs=1k count=7800 2>/dev/null
for p in 1 2 3; do start $p; done
wait_for 120 life_is 1 disk-full || fail "peer 1 does not notice that its disk is full"
stopped=$(get 1 own_samples)
before=$(get 2 own_samples)
more() { [ "$(get 2 own_samples)" -ge $((before + 40)) ] 2>/dev/null; }
wait_for 60 more || fail "the others do not go on"
[ "$(get 1 own_samples)" = "$stopped" ] || fail "peer 1 goes on with a full disk"
alive 1 || fail "peer 1 is gone"
rm "$small/ballast"
going() { [ "$(get 1 own_samples)" -gt "$stopped" ] 2>/dev/null; }
wait_for 60 going || fail "peer 1 does not go on when there is room"
grep -q " disk-room " "$work/p1.log" || fail "peer 1 does not say that there is room"
for p in 1 2 3; do "$BIN/onebyte" pause "$work/p$p" || fail "peer $p does not pause"; done
wait_for 60 agree 1 2 3 || fail "the peers do not agree after a full disk"

records() { "$BIN/onebyte" log "$work/p$1" --manifest "$work/run.json" --json | sort; }
records 2 >"$work/all"
# damage: noise in the middle of the database of peer 3; alone it must not sign, with the others it gets all back
"$BIN/onebyte" leave "$work/p3"; wait_for 30 eval '! alive 3' || fail "peer 3 does not leave"
sqlite=$work/p3/log.sqlite
size=$(stat -c %s "$sqlite")
head -c 9000 /dev/urandom | dd of="$sqlite" bs=1 seek=$((size / 2)) conv=notrunc 2>/dev/null
start 3 --set training.observer=yes
wait_for 60 agree 1 2 3 || fail "peer 3 does not get back what its damaged log lost"
grep -q " log-damaged " "$work/p3.log" || fail "peer 3 does not say that its log was damaged"
records 3 | cmp -s - "$work/all" || fail "the log of peer 3 differs"
for p in 1 2 3; do grep -Eq ' (fork|halted|disagree) ' "$work/p$p.log" && fail "peer $p saw a fork"; done
exit 0
