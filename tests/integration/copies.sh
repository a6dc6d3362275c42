#!/usr/bin/env bash
# A peer that is stopped for a while holds nobody up; put back from an old backup it signs nothing alone, and learns from
# others what it had signed; its identity on a second host stops both, and nobody sees a fork.
BIN=$1 ROOT=$2
. "$ROOT/tests/integration/common.sh"
make_run 3 100000 4
trained() { [ "$(get "$1" own_samples)" -ge "$2" ] 2>/dev/null; }
says() { grep -q "$2" "$work/p$1.log"; }
signed() { "$BIN/onebyte" log "$work/p$1" --manifest "$work/run.json" --json | grep -c "\"machine\":\"$(key 3)\""; }
no_forks() { for p in "$@"; do grep -Eq ' (fork|disagree) ' "$work/p$p.log" && fail "peer $p saw a fork"; done; return 0; }
for p in 1 2 3; do start $p; done
for p in 1 2 3; do wait_for 60 trained $p 8 || fail "peer $p does not train"; done

# slow to death: more rounds than the staleness allows, so that it must have left the pacing set
kill -STOP "${pid[3]}"
before=$(get 1 own_samples)
wait_for 90 trained 1 $((before + 100)) || fail "a stopped peer holds the others up"
kill -CONT "${pid[3]}"
before=$(get 3 own_samples)
wait_for 60 trained 3 $((before + 8)) || fail "the stopped peer does not go on"

# an old backup
crash 3; cp -a "$work/p3" "$work/backup"
start 3
wait_for 60 trained 3 40 || fail "peer 3 does not come back"
crash 3
all=$(signed 1)
rm -r "$work/p3"; mv "$work/backup" "$work/p3"
[ "$(signed 3)" -lt "$all" ] || fail "the backup is not older"
kill -STOP "${pid[1]}" "${pid[2]}"
: >"$work/p3.log"; old=$(signed 3); start 3
wait_for 60 life_is 3 reconciling || fail "peer 3 does not start from the backup"
says 3 " log-unsure " || fail "peer 3 does not know that its state was put back"
sleep 4 # twice rejoin_wait_s
life_is 3 reconciling && [ "$(signed 3)" = "$old" ] || fail "peer 3 signs alone from an old backup"
kill -CONT "${pid[1]}" "${pid[2]}"
wait_for 60 trained 3 8 || fail "peer 3 does not train again among others"
says 3 " recovered own " || fail "peer 3 did not get its own records back"
no_forks 1 2 3

# the same identity on a second host, which is in touch with the others as well
cp -a "$work/p3" "$work/p4"; rm -f "$work/p4/status.sock"
sed "s|$work/p3|$work/p4|; s|$(address 3)|$(address 4)|" "$work/p3.conf" >"$work/p4.conf"
start 4
for p in 3 4; do wait_for 90 life_is $p halted || fail "host $p of a copied identity goes on: $(get $p life)"; done
for p in 3 4; do says $p " twin \| halted .*another daemon" || fail "host $p does not say why"; done
# each of them started again: the other one, halted as it is, stops it before it has signed more than a few rounds
for p in 3 4 3; do
    crash $p; : >"$work/p$p.log"; start $p
    wait_for 300 life_is $p halted || fail "host $p of a copied identity trains again after a restart"
    says $p " halted .*another daemon" || fail "the host that was started again does not say why it halted"
    again=$(($(get $p own_samples) / 4))
    [ "$again" -le 1000 ] || # two seconds at most, of a fast machine; peer/twin and the schedule copy-started-again are strict
        fail "host $p of a copied identity, started again, was stopped only after $again rounds of its own"
    echo "host $p, started again, was stopped after $again rounds of its own" >&2
done
before=$(get 1 own_samples)
wait_for 60 trained 1 $((before + 40)) || fail "the others do not go on"
no_forks 1 2
for p in 1 2; do "$BIN/onebyte" pause "$work/p$p" || fail "peer $p does not pause"; done
wait_for 60 agree 1 2 || fail "the others do not agree"
# everybody is gone without a goodbye
for p in 2 3 4; do crash $p; done
wait_for 120 says 1 " warn alone missing=" || fail "nobody is told that all others fell silent"
echo "stopped, restored and copied: $all records of peer 3 before, $(signed 1) in the end"
exit 0
