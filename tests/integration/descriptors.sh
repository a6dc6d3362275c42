#!/usr/bin/env bash
# A daemon that may have 220 descriptors, and a crowd of 600 that connect, say nothing, and come again when they are turned
# away, so that all descriptors are taken at times: linked members stay, the log is written, the status is told, and when the
# crowd is gone a newcomer is let in.
BIN=$1 ROOT=$2 CROWD=$3 limit=220
. "$ROOT/tests/integration/common.sh"
make_run 3 100000 4
within() { [ "$1" = 1 ] && echo "prlimit --nofile=$limit:$limit"; }
trained() { [ "$(get "$1" own_samples)" -ge "$2" ] 2>/dev/null; }
links() { [ "$(get "$1" links)" = "$2" ]; }
refused() { [ "$(get 1 refused_connections)" -ge "$1" ] 2>/dev/null; }
held() { ls "/proc/${pid[1]}/fd" | wc -l; }
start 1; start 2
for p in 1 2; do wait_for 60 links $p 1 && wait_for 60 trained $p 8 || fail "peer $p does not train with the other"; done
lost_links() { grep -c " link-down " "$work/p1.log"; }
lost=$(lost_links)
mkfifo "$work/hold"
"$CROWD" "$((base_port + 3))" 600 <"$work/hold" >"$work/crowd" & crowd=$!
exec {hold}>"$work/hold"
wait_for 60 grep -q ready "$work/crowd" || fail "no crowd"
wait_for 60 refused 1000 || fail "the crowd is not turned away"
most=$(held)
before1=$(get 1 own_samples) before2=$(get 2 own_samples)
wait_for 90 trained 1 $((before1 + 40)) || fail "peer 1 stops while a crowd is at its door"
wait_for 90 trained 2 $((before2 + 40)) || fail "peer 2 stops"
now=$(held); [ "$now" -gt "$most" ] && most=$now
alive 1 || fail "peer 1 could not go on without descriptors"
[ "$(lost_links)" = "$lost" ] || fail "a member lost its link to the crowd"
exec {hold}>&-
wait "$crowd" 2>/dev/null
start 3
wait_for 90 trained 3 8 || fail "nobody is let in after the crowd has gone"
for p in 1 2 3; do "$BIN/onebyte" pause "$work/p$p" || fail "peer $p does not pause"; done
wait_for 60 agree 1 2 3 || fail "the peers do not agree in the end"
"$BIN/onebyte" verify "$work/p1" --manifest "$work/run.json" --model "$model" >/dev/null || fail "the log of peer 1 does not verify"
echo "$(get 1 refused_connections) connections turned away, at most $most of $limit descriptors taken"
exit 0
