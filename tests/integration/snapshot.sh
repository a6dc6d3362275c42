#!/usr/bin/env bash
# Snapshots with real daemons: one is written while training, the next start begins there with the same digest; damaged,
# truncated and foreign ones are named and set aside; a cut below one's frontier; newcomers by snapshot, from a good and from
# a lying peer.
BIN=$1 ROOT=$2
. "$ROOT/tests/integration/common.sh"
make_run 2 100000 4
says() { grep -qE "$2" "$work/p$1.log"; }
newest() { ls -r "$work/p$1/snapshots/"*.snapshot 2>/dev/null | head -1; }
forget() { : >"$work/p$1.log"; }
stopped() { ! alive "$1"; }
leave() { "$BIN/onebyte" leave "$work/p$1" >/dev/null; wait_for 60 stopped "$1" || fail "peer $1 does not leave"; }
often="--set machine.snapshot_replay_s=0.000001"
start 1 $often; start 2
wait_for 120 says 1 'snapshot written=' || fail "no snapshot is written"
# so far as to have two, and records above them
two() { [ "$(ls "$work/p1/snapshots/"*.snapshot | wc -l)" = 2 ]; }
wait_for 120 two || fail "no second snapshot"
wait_for 30 says 1 'snapshot written=.*left_out=[1-9]' || fail "a snapshot without records above its frontier"
"$BIN/onebyte" pause "$work/p1" >/dev/null 2>&1
leave 1; leave 2

# start from it: the same digest as the other one's, which replays everything
forget 1; forget 2
start 1 --set training.observer=yes; start 2 --set training.observer=yes
wait_for 60 says 1 'snapshot loaded=' || fail "the snapshot is not used"
wait_for 60 agree 1 2 || fail "no agreement after a start from a snapshot"
says 2 'snapshot loaded=' && fail "peer 2 has no snapshot"
leave 1

# damaged: a flipped bit in the values of the newest; the older one is used
flip() { printf "$(printf '\\x%02x' $(($(od -An -tu1 -j "$2" -N 1 "$1") ^ 1)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none; }
file=$(newest 1); older=$(ls "$work/p1/snapshots/"*.snapshot | head -1)
cp "$older" "$work/good.snapshot"
flip "$file" $(($(stat -c %s "$file") - 1000))
forget 1; start 1 --set training.observer=yes
wait_for 60 says 1 'snapshot-refused .*is damaged: leaf' || fail "a damaged snapshot is not named"
wait_for 60 says 1 "snapshot loaded=$older" || fail "the older one is not used"
wait_for 60 agree 1 2 || fail "no agreement after a damaged snapshot"
[ -e "$file" ] && fail "the damaged one is not set aside"
leave 1

# truncated, and no other: the base and all records
truncate -s -100 "$older"
forget 1; start 1 --set training.observer=yes
wait_for 60 says 1 'snapshot-refused .*bytes instead of' || fail "a truncated snapshot is not named"
wait_for 60 agree 1 2 || fail "no agreement after a truncated snapshot"
says 1 'snapshot loaded=' && fail "a truncated snapshot is used"
leave 1

# another run's
cp "$work/good.snapshot" "$older"; flip "$older" 20
forget 1; start 1 --set training.observer=yes
wait_for 60 says 1 'snapshot-refused .*is of another run' || fail "another run's snapshot is not named"
wait_for 60 agree 1 2 || fail "no agreement after another run's snapshot"
leave 1
