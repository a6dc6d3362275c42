#!/usr/bin/env bash
# A member whose bytes are little but loud noise harms the run: the audit names it, revoking it takes its records out of everybody's
# weights, and the held-out loss is better for it.
BIN=$1 ROOT=$2
. "$ROOT/tests/integration/common.sh"
make_run 3 100000 16
rm "$work/run.json" "$work"/run.authority* "$work"/p?/certificate
"$BIN/onebyte" run create --model "$model" --adapters none --out "$work/run.json" --rounds 100000 --warm-up 0 --samples-per-round 16 --lr 4e-6 --schedule constant --exponents 4 >/dev/null || fail "run create"
for p in 1 2 3; do invite $p; done
for p in 1 2 3; do sed -i "s|^batch = .*|batch = 4|; s|^length = .*|length = 32|" "$work/p$p.conf"; done
sed -i "s|^\[training\]|[training]\nclip = 8\nnoise = 200\nexponent = 4|" "$work/p3.conf"
trained() { [ "$(get "$1" own_samples)" -ge "$2" ] 2>/dev/null; }
audit() { "$BIN/onebyte" audit "$work/p1" --manifest "$work/run.json" --model "$model" --data "$data/held_out.jsonl" --length 32 --batch 16; }
for p in 1 2 3; do start $p; done
for p in 1 2 3; do wait_for 120 trained $p 240 || fail "peer $p does not train"; done
for p in 1 2 3; do "$BIN/onebyte" pause "$work/p$p" || fail "peer $p does not pause"; done
wait_for 60 agree 1 2 3 || fail "no agreement"
audit >"$work/audit" || fail "audit"
worst=$(sed -n 's/^\(peer[0-9]\) .* difference \(.*\)/\2 \1/p' "$work/audit" | sort -g | head -1)
[[ $worst == -*" peer3" ]] || fail "the audit does not name peer 3 as the one that harms: $worst"
"$BIN/onebyte" revoke "$work/p2" peer3 --authority "$work/run.authority" --keep-below 0 >/dev/null || fail revoke
wait_for 60 life_is 3 halted || fail "the revoked peer does not stop"
wait_for 60 agree 1 2 || fail "no agreement after the revocation"
audit >"$work/healed" || fail "audit after the revocation"
grep -q "^peer3 " "$work/healed" && fail "records of peer 3 are still there"
before=$(sed -n 's/^loss \([0-9.]*\) .*/\1/p' "$work/audit") after=$(sed -n 's/^loss \([0-9.]*\) .*/\1/p' "$work/healed")
awk -v a="$before" -v b="$after" 'BEGIN { exit !(b < a) }' || fail "the loss was $before and is $after without the harmful records"
echo "held-out loss $before with the records of a machine whose bytes are noise, $after without"
exit 0
