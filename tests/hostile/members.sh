#!/usr/bin/env bash
# A certified member with bad intent against three daemons that train: none of its attacks may stop, drag or end them.
#   members.sh BIN ROOT ATTACK-PROGRAM ATTACK
BIN=$1 ROOT=$2 ATTACK=$3 kind=$4
. "$ROOT/tests/integration/common.sh"
rounds=20000
make_run 4 $rounds 4 # the fourth is the attacker
trained() { [ "$(get "$1" own_samples)" -ge "$2" ] 2>/dev/null; }
more() { local p before; for p in "$@"; do before=$(get "$p" own_samples); wait_for 120 trained "$p" $((before + $count)) || fail "peer $p stops"; done; }
attack() { # NAME SECONDS: against all that are started
    local to=() p
    for p in "${victims[@]}"; do to+=("$(key "$p")@$(address "$p")"); done
    "$ATTACK" "$1" "$2" "$work/run.json" "$work/p4" "${to[@]}" >>"$work/attack.out" 2>&1 || fail "the attack did not take place: $(cat "$work/attack.out")"
}
round() { get "$1" round; }
victims=(1 2 3) count=40
case $kind in
honest)
    for p in "${victims[@]}"; do start "$p"; done
    for p in "${victims[@]}"; do wait_for 60 trained "$p" 8 || fail "peer $p does not train"; done
    attack honest 5
    more "${victims[@]}"
    for p in "${victims[@]}"; do "$BIN/onebyte" pause "$work/p$p" || fail pause; done
    wait_for 60 agree "${victims[@]}" || fail "no agreement"
    "$BIN/onebyte" log "$work/p1" --manifest "$work/run.json" --json | grep -q "\"machine\":\"$(key 4)\"" || { cat "$work/attack.out"; grep -hE "refused|peer4|admitted" "$work"/p1.log | head -8; fail "the records of the member are not taken"; }
    ;;
esac
for p in "${victims[@]}"; do alive "$p" || fail "peer $p is gone"; done
exit 0
