#!/usr/bin/env bash
# Wall clocks that jump, forward and back, under running daemons (libfaketime; the monotonic clock stays): training goes on;
# a certificate that expires cuts its machine off and takes no record back; when the clock is right again it is let in.
BIN=$1 ROOT=$2
. "$ROOT/tests/integration/common.sh"
fake=$(ls /usr/lib/*/faketime/libfaketimeMT.so.1 2>/dev/null | head -1)
[ -n "$fake" ] || { echo "skipped: the Debian package libfaketime is missing"; exit 77; }
grep -q __asan_init "$BIN/onebyted" && { echo "skipped: libfaketime and AddressSanitizer do not go together"; exit 77; }
make_run 3 100000 4
invite 3 --expiry 1h
# jump PEER SECONDS: its clock is that far off
jump() { echo "$2" >"$work/clock$1.new" && mv "$work/clock$1.new" "$work/clock$1"; }
within() {
    echo "env FAKETIME_TIMESTAMP_FILE=$work/clock$1 FAKETIME_CACHE_DURATION=1 FAKETIME_DONT_FAKE_MONOTONIC=1" \
        "LD_PRELOAD=$fake"
}
trained() { [ "$(get "$1" own_samples)" -ge "$2" ] 2>/dev/null; }
links() { [ "$(get "$1" links)" = "$2" ]; }
says() { grep -q "$2" "$work/p$1.log"; }
records() { "$BIN/onebyte" log "$work/p$1" --manifest "$work/run.json" --json | grep "\"machine\":\"$(key 3)\"" | sort; }
more() { local p before; for p in "$@"; do before=$(get $p own_samples); wait_for 60 trained $p $((before + 20)) || fail "peer $p stops"; done; }
for p in 1 2; do jump $p +0s; done
jump 3 -5d # five days and an hour are left
for p in 1 2 3; do start $p; done
for p in 1 2 3; do wait_for 60 links $p 2 && wait_for 60 trained $p 8 || fail "peer $p does not train with both others"; done
lost_links() { cat "$work"/p[12].log | grep -c " link-down "; }
lost=$(lost_links)
# an operator is warned a week before an expiry and a day before, of its end, and of clocks that jump
warned() { [ "$(grep -c " warn expiry .*$2" "$work/p3.log")" = "$1" ]; }
wait_for 60 warned 1 soon || fail "no warning a week before a certificate expires"
jump 3 +0s
wait_for 60 warned 2 soon || fail "no warning a day before a certificate expires"
jump 1 +50m; jump 2 -400d
more 1 2 3
for p in 1 2 3; do wait_for 60 says $p " warn clock jump_s=" || fail "peer $p does not tell that its clock jumped"; done
jump 1 -2y; jump 2 +30m
more 1 2 3
[ "$(lost_links)" = "$lost" ] || fail "a clock that jumped cost a link"
# beyond the expiry, on both others
records 1 >"$work/before"
jump 1 +3h; jump 2 +3h; jump 3 +3h
wait_for 60 warned 1 "has expired" || fail "an expired certificate is not told"
for p in 1 2; do wait_for 60 says $p " expelled .*expired" || fail "peer $p does not notice that a certificate has expired"; done
for p in 1 2; do wait_for 60 links $p 1 || fail "peer $p does not cut the expired machine off"; done
more 1 2
records 1 >"$work/after"
[ "$(sort "$work/before" "$work/after" | uniq -d | wc -l)" = "$(wc -l <"$work/before")" ] || fail "expiry took records back"
jump 1 +0s; jump 2 +0s; jump 3 +0s
for p in 1 2 3; do wait_for 90 links $p 2 || fail "peer $p is not linked to both others when the clocks are right again"; done
more 3
for p in 1 2 3; do "$BIN/onebyte" pause "$work/p$p" || fail "peer $p does not pause"; done
wait_for 60 agree 1 2 3 || fail "the peers do not agree in the end"
for p in 1 2 3; do grep -Eq ' (fork|halted|disagree) ' "$work/p$p.log" && fail "peer $p saw a fork"; done
echo "clocks that jumped: $(wc -l <"$work/before") records of the expired machine kept"
exit 0
