#!/usr/bin/env bash
# A fork with only its owner and one other peer present, each with another chain of the same key: the owner stops, and the
# other one cuts the chain where it forked. Then the owner's state on a second host, which all others have cut off
# already: it is told at the door.
BIN=$1 ROOT=$2 FORGE=$3
. "$ROOT/tests/integration/common.sh"
make_run 2 100000 4
trained() { [ "$(get "$1" own_samples)" -ge "$2" ] 2>/dev/null; }
says() { grep -q "$2" "$work/p$1.log"; }
gone() { ! alive "$1"; }
stop() { kill -TERM "${pid[$1]}"; wait_for 30 gone "$1" || fail "peer $1 does not stop"; }
# samples of machine 2 in the log of peer $1
held() { "$BIN/onebyte" log "$work/p$1" --manifest "$work/run.json" --json | grep "\"machine\":\"$(key 2)\"" | sed 's/.*"n":\([0-9]*\).*/\1/' | awk '{ n += $1 } END { print n + 0 }'; }
holds() { [ "$(held "$1")" = "$2" ]; }
cut_off() { status "$1" && grep -o '{"name":"peer2"[^}]*' "$work/p$1.json" | grep -q '"forked":true'; }

for p in 1 2; do start $p; done
for p in 1 2; do wait_for 60 trained $p 60 || fail "peer $p does not train"; done
for p in 1 2; do "$BIN/onebyte" pause "$work/p$p" || fail "peer $p does not pause"; done
wait_for 60 agree 1 2 || fail "no agreement"
for p in 2 1; do stop $p; done
cp -a "$work/p2" "$work/before"
for count in 1 7; do # the last record only; seven: where they part has to be looked for
    for p in 1 2; do rm -rf "$work/case$p"; cp -a "$work/p$p" "$work/case$p"; done
    at=$("$FORGE" "$work/run.json" "$work/p1" "$work/p1/identity" "$work/p2/identity" $count) || fail "forge"
    [ "$(held 1)" = "$(held 2)" ] && [ "$at" -gt 0 ] || fail "the two chains are not of one length"
    for p in 1 2; do : >"$work/p$p.log"; start $p; done
    wait_for 60 life_is 2 halted || fail "$count: the owner of a forked chain goes on: $(get 2 life)"
    wait_for 60 says 1 " cut .*from $at on" || fail "$count: the other one does not cut it at sample $at"
    for p in 1 2; do wait_for 60 holds $p "$at" || fail "$count: peer $p holds $(held $p) samples of the forked chain, the fork is at $at"; done
    for p in 1 2; do stop $p; done
    for p in 1 2; do
        "$BIN/onebyte" verify "$work/p$p" --manifest "$work/run.json" --model "$model" >"$work/verify.out" || fail "$count: the log of peer $p does not hold"
        grep -q "1 forks" "$work/verify.out" || fail "$count: peer $p has no evidence: $(cat "$work/verify.out")"
    done
    [ $count = 7 ] && continue
    for p in 1 2; do rm -rf "$work/p$p"; mv "$work/case$p" "$work/p$p"; done
done

# the owner's other host, stopped all the while, is let in nowhere: it learns why at the door of the other one, stops and keeps
# what it was shown
rm -rf "$work/p2"; mv "$work/before" "$work/p2"
sed -i '/^peer2 = /d' "$work/p1.conf" # nor does anybody look for it
for p in 1 2; do : >"$work/p$p.log"; done
start 1
wait_for 60 cut_off 1 || fail "peer 1 forgot the fork"
start 2
wait_for 120 life_is 2 halted || fail "a host that all others have cut off is not told: $(get 2 life); $(grep refused-by "$work/p2.log" | tail -1)"
says 2 "the key was used twice" || fail "it does not say why it stops"
for p in 1 2; do wait_for 60 holds $p "$at" || fail "told at the door: peer $p holds $(held $p), the fork is at $at"; done
exit 0
