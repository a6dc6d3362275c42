#!/usr/bin/env bash
# A log that somebody edited with sqlite3, row checks made right: `verify` names it (exit code 3), the next start drops it by name,
# fetches it again and accuses nobody; deltas name whose records they hold, and those that are written beside a trainer of
# many records a second can all be applied. Edits under a running daemon are mended when the rows are asked for.
BIN=$1 ROOT=$2
. "$ROOT/tests/integration/common.sh"
command -v python3 >/dev/null || { echo "no python3"; exit 77; }
gone() { ! alive "$1"; }
stop() { kill -TERM "${pid[$1]}"; wait_for 30 gone "$1" || fail "peer $1 does not stop"; }
sql() { python3 -c 'import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); db.execute(sys.argv[2]); db.commit()' "$1" "$2"; }
verify() { "$BIN/onebyte" verify "$1" --manifest "$work/run.json" --model "$model" >"$work/verify.out" 2>"$work/verify.err"; }

make_run 2 30 4
for p in 1 2; do start $p; done
for p in 1 2; do wait_for 120 life_is $p finished || fail "peer $p does not finish"; done
wait_for 60 agree 1 2 || fail "no agreement"
digest=$(get 1 weights_digest)
for p in 1 2; do stop $p; done
verify "$work/p1" || fail "a log that holds is refused: $(cat "$work/verify.err")"
grep -q "2 certificates, 0 revocations, 0 forks, 0 rotations" "$work/verify.out" && grep -q "^not checked: " "$work/verify.out" ||
    fail "verify does not say what it looked at: $(cat "$work/verify.out")"

# verify: what is wrong, one at a time, in a copy
broken() { # NAME WORDS: in the copy $work/copy
    verify "$work/copy"
    [ $? = 3 ] || fail "verify: $1: exit code; $(cat "$work/verify.out" "$work/verify.err")"
    grep -q "$2" "$work/verify.err" || fail "verify: $1: $(cat "$work/verify.err")"
}
copy() { rm -rf "$work/copy"; mkdir "$work/copy"; cp "$work/p1/log.sqlite" "$work/copy/"; }
second="(SELECT number FROM machine WHERE key = x'$(key 2)')"
while IFS=';' read -r name words statement; do
    copy; sql "$work/copy/log.sqlite" "$statement" || fail "$name"
    broken "$name" "$words"
done <<EOF
no control table;no such table: control;DROP TABLE control
no certificates;has no certificate of the run's authority;DELETE FROM control
one without certificate;has no certificate of the run's authority;DELETE FROM control WHERE kind = 2 AND subject = x'$(key 2)'
a damaged certificate;the certificate of machine .* is damaged;UPDATE control SET data = CAST(substr(data, 1, 112) || x'05' || substr(data, 114) AS BLOB) WHERE kind = 2 AND subject = x'$(key 2)'
an entry in another's row;in another entry's row;UPDATE control SET kind = 5 WHERE kind = 2 AND subject = x'$(key 2)'
no machine row;which its table of machines lacks;DELETE FROM machine WHERE key = x'$(key 2)'
a row that is missing;the chain breaks;DELETE FROM record WHERE machine = $second AND first = 8
EOF
copy; python3 "$ROOT/tests/integration/forge_row.py" "$work/copy/log.sqlite" "$(key 2)" >/dev/null || fail forge
broken "a forged record" "the record of sample .* is damaged"
"$BIN/onebyte" export "$work/copy" --manifest "$work/run.json" --model "$model" --delta "$work/bad.delta" 2>/dev/null
[ $? = 3 ] && [ ! -e "$work/bad.delta" ] || fail "export takes a log that does not hold"

# a start: dropped by name, fetched again, nobody accused
restart() { # NAME: peer 2 was left alone, peer 1's log was edited
    for p in 1 2; do : >"$work/p$p.log"; start $p; done
    wait_for 60 agree 1 2 || fail "$1: no agreement"
    [ "$(get 1 weights_digest)" = "$digest" ] && [ "$(get 1 records)" = "$(get 2 records)" ] || fail "$1: another log or other weights"
    grep -q " log-damaged .*$2" "$work/p1.log" || fail "$1: not named"
    grep -qE "^[^ ]+ [a-z]+ (fork|cut|expelled|halt)" "$work"/p?.log && fail "$1: somebody was accused"
    for p in 1 2; do stop $p; done
    verify "$work/p1" || fail "$1: the log does not hold afterwards: $(cat "$work/verify.err")"
}
python3 "$ROOT/tests/integration/forge_row.py" "$work/p1/log.sqlite" "$(key 2)" >/dev/null || fail forge
restart "another machine's record" "its signature is not the machine's"
python3 "$ROOT/tests/integration/forge_row.py" "$work/p1/log.sqlite" "$(key 1)" >/dev/null || fail forge
restart "an own record" "its signature is not the machine's"
sql "$work/p1/log.sqlite" "DELETE FROM machine WHERE key = x'$(key 2)'"
restart "orphaned rows" "which its table of machines lacks"

# under running daemons: who is asked for a row that was changed or removed does not serve it, names it, fetches it again, and
# goes on; the newcomer, which has that one contact only, gets all of it
rm -rf "$work/copy"
for p in 1 2; do : >"$work/p$p.log"; start $p; done
wait_for 60 agree 1 2 || fail "no agreement before the edits"
python3 "$ROOT/tests/integration/forge_row.py" "$work/p1/log.sqlite" "$(key 2)" 20 >/dev/null || fail forge
python3 "$ROOT/tests/integration/forge_row.py" "$work/p1/log.sqlite" "$(key 1)" 3 >/dev/null || fail forge
sql "$work/p1/log.sqlite" "DELETE FROM record WHERE machine = $second AND first = 48"
verify "$work/p1" && fail "the edits are no damage"
make_machine 3
sed "s|$work/p1|$work/p3|; s|^listen = .*|listen = $(address 3)|; /^peer[12] = /d; s|^data = .*|observer = yes|" "$work/p1.conf" >"$work/p3.conf"
echo "peer1 = $(key 1)@$(address 1)" >>"$work/p3.conf"
kill -STOP "${pid[2]}" # so that peer 1 is asked
start 3
named() { [ "$(grep -c " log-damaged " "$work/p1.log")" -ge 1 ]; }
wait_for 60 named || fail "what is asked for is not looked at"
kill -CONT "${pid[2]}"
wait_for 120 agree 1 2 3 || fail "the newcomer does not get the log: $(get 3 records) of $(get 1 records) records"
[ "$(get 3 weights_digest)" = "$digest" ] || fail "the newcomer has other weights"
wait_for 60 verify "$work/p1" || fail "the log of peer 1 is not mended: $(cat "$work/verify.err")"
[ "$(grep -c " log-mended " "$work/p1.log")" -ge 3 ] || fail "not every edit was named and mended: $(grep " log-" "$work/p1.log")"
grep -qE "^[^ ]+ [a-z]+ (fork|cut|expelled|halt)" "$work"/p?.log && fail "somebody was accused of what an editor did"
for p in 1 2 3; do stop $p; done
for p in 1 2 3; do verify "$work/p$p" || fail "the log of peer $p does not hold in the end"; done

# whose records a delta holds
authority=$(cat "$work/run.authority.pub")
"$BIN/onebyte" export "$work/p1" --manifest "$work/run.json" --model "$model" --delta "$work/run.delta" >/dev/null || fail export
"$BIN/onebyte" apply --model "$model" --delta "$work/run.delta" --out "$work/out" --authority "$authority" >"$work/apply.out" || fail apply
for p in 1 2; do grep -q "^machine $(key $p | cut -c1-8)... peer$p: " "$work/apply.out" || fail "apply does not name peer $p: $(cat "$work/apply.out")"; done
grep -q "authority $authority" "$work/apply.out" || fail "apply does not name the authority"
"$BIN/onebyte" apply --model "$model" --delta "$work/run.delta" --out "$work/out2" --authority "$(key 1)" 2>"$work/apply.err" >/dev/null
[ $? = 3 ] && [ ! -e "$work/out2" ] && grep -q "whose authority is $authority" "$work/apply.err" || fail "apply takes another authority"

# exports beside a trainer of many records a second
rm -rf "$work"/p? "$work"/run.* "$work"/p?.conf
make_run 1 1000000 1
start 1
many() { [ "$(get 1 records)" -ge "$1" ] 2>/dev/null; }
wait_for 120 many 30 || fail "no records"
for i in 1 2 3 4 5 6; do
    before=$(get 1 records)
    "$BIN/onebyte" export "$work/p1" --manifest "$work/run.json" --model "$model" --delta "$work/$i.delta" --out "$work/hf$i" >/dev/null || fail "export $i"
    "$BIN/onebyte" verify "$work/p1" --manifest "$work/run.json" --model "$model" >/dev/null || fail "verify beside a trainer"
    "$BIN/onebyte" apply --model "$model" --delta "$work/$i.delta" --out "$work/applied$i" >"$work/apply.out" || fail "delta $i cannot be applied"
    cmp -s "$work/hf$i/model.safetensors" "$work/applied$i/model.safetensors" || fail "delta $i gives other weights than its export"
    [ "$(grep '^| samples ' "$work/hf$i/README.md")" = "$(grep '^| samples ' "$work/applied$i/README.md")" ] || fail "the card counts other records"
    wait_for 60 many $((before + 1)) || fail "the trainer stands still"
done
echo "$(get 1 records) records while six exports were made"
exit 0
