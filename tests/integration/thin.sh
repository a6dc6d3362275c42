#!/usr/bin/env bash
# A device that fails under the file system: its storage is promised and not there when it is needed, as with thin volumes and full
# hosts, so that the kernel's writes fail after the program's were accepted. The daemon ends and names the file; what it published is on
# the device; when the storage is there again it trains on, and nobody sees a fork.
BIN=$1 ROOT=$2
. "$ROOT/tests/integration/common.sh"
storage=$work/storage device=$work/device
release() { for at in "$device" "$storage"; do mountpoint -q "$at" && umount -l "$at"; done; }
trap 'ended=$?; release; (exit $ended); cleanup' EXIT
mkdir "$storage" "$device"
{ mount -t tmpfs -o size=24m onebyte "$storage" && truncate -s 256m "$storage/image" && PATH=$PATH:/sbin:/usr/sbin mkfs.ext4 -q "$storage/image" &&
    mount -o loop "$storage/image" "$device"; } 2>"$work/why" || { echo "cannot mount a file system on a small device here: $(tail -1 "$work/why")"; exit 77; }
make_run 2 100000 4
mv "$work/p1" "$device/p1" && chmod 700 "$device/p1" && ln -s "$device/p1" "$work/p1" && sync -f "$device/p1"
sed -i "s|^state_dir = .*|state_dir = $device/p1|" "$work/p1.conf"
trained() { [ "$(get "$1" own_samples)" -ge "$2" ] 2>/dev/null; }
ended() { ! alive 1; }
records_of_1() { "$BIN/onebyte" log "$1" --manifest "$work/run.json" --json | grep -c "\"machine\":\"$(key 1)\""; }
"$BIN/onebyted" --config "$work/p1.conf" 2>"$work/p1.log" & pid[1]=$!
start 2
for p in 1 2; do wait_for 60 trained $p 8 || fail "peer $p does not train"; done
dd if=/dev/zero of="$storage/rest" bs=64k 2>/dev/null # until nothing is left
wait_for 300 ended || fail "the device fails, and it goes on"
wait "${pid[1]}"
code=$?
[ $code = 1 ] || fail "exit code $code: $(tail -1 "$work/p1.log")"
tail -1 "$work/p1.log" >&2
grep -qE "onebyted: $device/p1/[a-z.-]+: " "$work/p1.log" || fail "it does not name the file: $(tail -1 "$work/p1.log")"
before=$(get 2 own_samples)
wait_for 120 trained 2 $((before + 40)) || fail "the other one does not go on"

# what the kernel only had in memory is gone
rm "$storage/rest"
umount "$device" || fail "the file system is still in use"
PATH=$PATH:/sbin:/usr/sbin e2fsck -fy "$storage/image" >"$work/fsck" 2>&1
mount -o loop "$storage/image" "$device" || fail "the file system cannot be mounted again: $(tail -3 "$work/fsck")"
kept=$(records_of_1 "$device/p1") heard=$(records_of_1 "$work/p2")
echo "records of its own on the failed device: $kept; at the other machine: $heard" >&2
[ "$kept" -ge "$heard" ] || fail "records were published that were not on the device"
start 1
wait_for 120 trained 1 8 || fail "it does not train on when the device is whole"
for p in 1 2; do "$BIN/onebyte" pause "$work/p$p" || fail "peer $p does not pause"; done
wait_for 60 agree 1 2 || fail "no agreement"
for p in 1 2; do grep -Eq ' (fork|disagree) ' "$work/p$p.log" && fail "peer $p saw a fork"; done
"$BIN/onebyte" verify "$work/p1" --manifest "$work/run.json" --model "$model" >/dev/null || fail "the log does not verify at the end"
exit 0
