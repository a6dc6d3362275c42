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
wait_for 60 says 1 'snapshot-refused .*damaged: hash mismatch in leaf' || fail "a damaged snapshot is not named"
wait_for 60 says 1 "snapshot loaded=$older" || fail "the older one is not used"
wait_for 60 agree 1 2 || fail "no agreement after a damaged snapshot"
[ -e "$file" ] && fail "the damaged one is not set aside"
leave 1

# truncated, and no other: the base and all records
truncate -s -100 "$older"
forget 1; start 1 --set training.observer=yes
wait_for 60 says 1 'snapshot-refused .*bytes, expected' || fail "a truncated snapshot is not named"
wait_for 60 agree 1 2 || fail "no agreement after a truncated snapshot"
says 1 'snapshot loaded=' && fail "a truncated snapshot is used"
leave 1

# another run's
cp "$work/good.snapshot" "$older"; flip "$older" 20
forget 1; start 1 --set training.observer=yes
wait_for 60 says 1 'snapshot-refused .*belongs to another run' || fail "another run's snapshot is not named"
wait_for 60 agree 1 2 || fail "no agreement after another run's snapshot"
leave 1

# newcomers by snapshot: 3 from peers 1 and 2, who have the same one; checked, then the same digest
leave 2
cp "$work/good.snapshot" "$older"; mkdir -p "$work/p2/snapshots"; cp "$work/good.snapshot" "$work/p2/snapshots/$(basename "$older")"
forget 1; forget 2
start 1 --set training.observer=yes; start 2 --set training.observer=yes
for p in 1 2; do wait_for 60 says $p 'snapshot loaded=' || fail "peer $p does not load the snapshot"; done
wait_for 60 agree 1 2 || fail "no agreement before newcomers"
newcomer() {
    make_machine "$1" && sed "s|$work/p2$|$work/p$1|; s|$(address 2)$|$(address "$1")|; s|^shards\? = .*||; s|^peer2 = .*|peer2 = $(key 2)@$(address 2)|" \
        "$work/p2.conf" >"$work/p$1.conf"
    start "$1" --set training.observer=yes --set swarm.snapshot=always "${@:2}"
}
newcomer 3
wait_for 60 says 3 'snapshot-join state=fetching ' || fail "the newcomer does not fetch"
wait_for 60 says 3 'snapshot-join state=off used_samples=[1-9].* checked_leaves=16' || fail "the newcomer does not use the snapshot"
wait_for 60 agree 1 2 3 || fail "no agreement with the newcomer"
[ -n "$(newest 3)" ] || fail "the newcomer does not keep the snapshot"
leave 3

# the end of a join does not undo the operator's pause: slow, so that there is time to pause meanwhile
leave 1; leave 2
start 1 --set training.observer=yes --set swarm.snapshot_upload_kib=512; start 2 --set training.observer=yes --set swarm.snapshot_upload_kib=0
wait_for 60 agree 1 2 || fail "no agreement before a newcomer that is paused"
newcomer 6 --set training.observer=no
wait_for 60 says 6 'snapshot-join state=fetching ' || fail "the newcomer that is paused does not fetch"
"$BIN/onebyte" pause "$work/p6" || fail pause
status 6 && grep -q '"paused_by":\["operator","joining"\]' "$work/p6.json" || fail "status does not list both reasons to pause"
wait_for 120 says 6 'snapshot-join state=off used_samples=[1-9]' || fail "the newcomer that is paused does not use the snapshot"
sleep 2
life_is 6 paused || fail "the end of a join undid the operator's pause"
[ "$(get 6 own_rounds)" = 0 ] || fail "a round of a machine that is paused"
"$BIN/onebyte" resume "$work/p6" || fail resume
rounds() { [ "$(get "$1" own_rounds)" -gt 0 ] 2>/dev/null; }
wait_for 60 rounds 6 || fail "the newcomer does not train after resume"
leave 6

# killed while it fetches, slowly: goes on with what it has
leave 1; leave 2
start 1 --set training.observer=yes --set swarm.snapshot_upload_kib=256; start 2 --set training.observer=yes --set swarm.snapshot_upload_kib=0
wait_for 60 agree 1 2 || fail "no agreement before a slow newcomer"
newcomer 5
part() { [ "$(get 5 bytes_have)" -gt 1000000 ] 2>/dev/null; }
wait_for 60 part || fail "nothing of the snapshot arrives"
crash 5; forget 5
start 5 --set training.observer=yes --set swarm.snapshot=always
wait_for 120 says 5 'snapshot-join state=waiting' || fail "the snapshot does not arrive after a kill"
fetched=$(sed -n 's/.*state=waiting bytes=\([0-9]*\) .*/\1/p' "$work/p5.log")
[ "$fetched" -lt "$(($(stat -c %s "$work/good.snapshot") - 500000))" ] || fail "$fetched bytes were fetched again after a kill"
wait_for 60 agree 1 2 5 || fail "no agreement with the newcomer that was killed"
leave 5

# a lying server: every value changed, all hashes made right again. Found by the random leaves, named, thrown away
leave 1; leave 2
"$BIN/tests/integration/forge_snapshot" "$work/run.json" "$(newest 1)" || fail "cannot forge"
cp "$(newest 1)" "$work/forged.snapshot"
forget 1; start 1 --set training.observer=yes
wait_for 60 says 1 'snapshot loaded=' || fail "the forger does not load what it has forged"
newcomer 4
wait_for 60 says 4 'snapshot-lie machine=peer1 .*does not match the base model and the log' || fail "the lie is not found"
wait_for 60 says 4 'snapshot-refused' || fail "the forged snapshot is not thrown away"
leave 1
rm -r "$work/p1/snapshots"
start 1 --set training.observer=yes; start 2 --set training.observer=yes
wait_for 60 agree 1 2 4 || fail "the newcomer that was lied to does not have the weights of the log"

# a careful liar: one leaf of all. Its newcomer refuses the snapshot when that leaf is drawn, and else believes it; the digests of
# an honest machine show what is wrong, and both have the weights of the log in the end
leave 4; leave 1
mkdir -p "$work/p1/snapshots" && cp "$work/good.snapshot" "$older" || fail "no snapshot to forge"
"$BIN/tests/integration/forge_snapshot" "$work/run.json" "$older" 3 || fail "cannot forge one leaf"
leave 2
forget 1; start 1 --set training.observer=yes
wait_for 60 says 1 'snapshot loaded=' || fail "the careful forger does not load what it has forged"
newcomer 7
wait_for 120 says 7 'snapshot-lie machine=peer1|snapshot-join state=off used_samples=[1-9]' || fail "the newcomer of the careful forger neither refuses nor uses the snapshot"
forget 2; start 2 --set training.observer=yes
same() { (fail() { exit 1; }; agree "$@"); } # while they find out, equal logs have different weights
wait_for 120 same 1 2 7 || fail "a forged leaf stays in the weights"
exit 0
