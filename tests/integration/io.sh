#!/usr/bin/env bash
# A disk that fails under the log (reads, writes, syncs): the daemon ends and names the file, publishes nothing that is not on
# the disk, and trains on from what is there when the disk is mended. A preload stands in for the disk.
BIN=$1 ROOT=$2 preload=$3
. "$ROOT/tests/integration/common.sh"
make_run 1 100000 4
trained() { [ "$(get 1 own_samples)" -ge "$1" ] 2>/dev/null; }
ended() { ! alive 1; }
for what in pwrite fsync; do
    rm -f "$work/failing"
    REFUSE=$what REFUSE_WHEN="$work/failing" LD_PRELOAD="$preload" "$BIN/onebyted" --config "$work/p1.conf" --set swarm.solo=yes 2>"$work/p1.log" & pid[1]=$!
    wait_for 60 trained 8 || fail "it does not train"
    touch "$work/failing"
    wait_for 60 ended || fail "$what: it goes on although its log cannot be written"
    wait "${pid[1]}"
    code=$?
    [ $code = 1 ] || fail "$what: exit code $code"
    grep -qE "onebyted: $work/p1/log.sqlite: (Input/output error|cannot be read or written) .*look at the disk" "$work/p1.log" || fail "$what: it does not name the file: $(tail -1 "$work/p1.log")"
    samples=$("$BIN/onebyte" log "$work/p1" --manifest "$work/run.json" --json 2>/dev/null | wc -l)
    [ "$samples" -gt 0 ] || fail "$what: the log is gone"
    "$BIN/onebyte" verify "$work/p1" --manifest "$work/run.json" --model "$model" >/dev/null || fail "$what: the log does not verify"
done
start 1 --set swarm.solo=yes
wait_for 60 trained 8 || fail "it does not train on when the disk is mended"
"$BIN/onebyte" leave "$work/p1" || fail leave
wait_for 60 ended || fail "it does not leave"
"$BIN/onebyte" verify "$work/p1" --manifest "$work/run.json" --model "$model" >/dev/null || fail "the log does not verify at the end"
echo "a failing disk ends the daemon with its name; the log stays whole"
exit 0
