#!/usr/bin/env bash
# The oracle (written from docs/ alone) against real daemons: adapters beside some trained base tensors, one machine
# revoked, the authority rotated, a machine that only the new key admitted; then all tensors of the merged model, with another way to combine. Equal log digests and weights digests, from
# a log that a daemon holds and from a delta; every float of the exports equal.
BIN=$1 ROOT=$2 FORGE=$3
. "$ROOT/tests/integration/common.sh"
. "$ROOT/tests/oracle/python.sh"
oracle_python "$BIN" || exit 77
oracle() { "$PYTHON" "$ROOT/tests/oracle/onebyte_oracle.py" --model "$model" "$@"; }
trained() { [ "$(get "$1" own_rounds)" -ge "$2" ] 2>/dev/null; }
says() { grep -q "$2" "$work/p$1.log"; }
# equal WHAT ORACLE-FIELD VALUE
equal() { [ "$(sed "s/.*\"$2\": \"\{0,1\}\([0-9a-z]*\).*/\1/" "$work/oracle.json")" = "$3" ] || fail "$1: $2 is $3, the oracle has $(cat "$work/oracle.json")"; }

# compare PEER: log and weights digests of a daemon at rest, then of a delta, then the floats of an export
compare() {
    local run=(--manifest "$work/run.json" --model "$model") log weights records
    log=$(get "$1" log_digest) weights=$(get "$1" weights_digest) records=$(get "$1" records)
    [ ${#weights} = 64 ] || fail "peer $1 has no weights digest"
    oracle --manifest "$work/run.json" --log "$work/p$1/log.sqlite" >"$work/oracle.json" || fail "the oracle does not take the log of peer $1"
    equal log log_digest "$log"; equal log weights_digest "$weights"; equal log records "$records"
    rm -rf "$work/out" "$work/run.delta"
    "$BIN/onebyte" export "$work/p$1" "${run[@]}" --out "$work/out" --dtype f32 --delta "$work/run.delta" >/dev/null || fail export
    oracle --delta "$work/run.delta" --export "$work/out" >"$work/oracle.json" || fail "the oracle does not take the delta or the export"
    equal delta weights_digest "$weights"; equal delta records "$records"
}

# with_cut_records FROM TO PEER: what FROM (a log before a cut) has more of the machine that was cut, put into the log TO
with_cut_records() {
    python3 - "$1" "$2" "$(key "$3")" <<'PY'
import sqlite3, sys
before, after, key = sqlite3.connect(sys.argv[1]), sqlite3.connect(sys.argv[2]), bytes.fromhex(sys.argv[3])
number = lambda log: log.execute("SELECT number FROM machine WHERE key = ?", (key,)).fetchone()[0]
rows = before.execute("SELECT first, data FROM record WHERE machine = ?", (number(before),)).fetchall()
added = after.executemany("INSERT OR IGNORE INTO record VALUES(?, ?, ?)", [(number(after), *row) for row in rows]).rowcount
after.commit()
sys.exit(added < 1)
PY
}
copy_log() { python3 -c 'import sqlite3, sys; a, b = map(sqlite3.connect, sys.argv[1:]); a.backup(b)' "$1" "$2" || fail "cannot copy $1"; }

# every family: the base hash, which needs names, order and parts of all tensors
"$PYTHON" "$ROOT/tests/oracle/onebyte_oracle.py" --hash "$ROOT"/tests/parity/checkpoints/*/ >"$work/hashes" || fail "the oracle does not read a checkpoint"
[ "$(wc -l <"$work/hashes")" -ge 30 ] || fail "hardly a checkpoint is there"
while read -r hash folder; do
    rm -f "$work"/hash.*
    "$BIN/onebyte" run create --model "$folder" --adapters none --out "$work/hash.json" --rounds 2 --lr 1e-5 >/dev/null 2>&1 || fail "run create on $folder"
    grep -q "\"base_hash\": \"$hash\"" "$work/hash.json" || fail "$folder: the oracle has another base hash, $hash"
done <"$work/hashes"

run_options=(--lora-rank 4 --lora-target attention --trainable norms --trainable mlp --lr 0.0001 --schedule cosine --s0 3)
make_run 4 80 2
rm "$work/p4/certificate"
for p in 1 2 3; do start $p; done
for p in 1 2 3; do wait_for 120 trained $p 6 || fail "no rounds"; "$BIN/onebyte" pause "$work/p$p" || fail "peer $p does not pause"; done
copy_log "$work/p3/log.sqlite" "$work/before.sqlite"
"$BIN/onebyte" revoke "$work/p1" peer3 --authority "$work/run.authority" --keep-below 8 >/dev/null || fail revoke
wait_for 60 life_is 3 halted || fail "the revoked peer does not stop"
"$BIN/onebyte" authority rotate "$work/p1" --authority "$work/run.authority" --out "$work/new.authority" >/dev/null || fail rotate
wait_for 60 says 2 ' rotated ' || fail "the rotation does not spread"
# 4 is admitted by the new key alone
"$BIN/onebyte" invite --authority "$work/new.authority" --manifest "$work/run.json" --machine "$(key 4)" --name peer4 --out "$work/p4/certificate" \
    >/dev/null || fail "invite with the new key"
start 4
wait_for 120 trained 4 2 || fail "peer 4 does not train"
for p in 1 2; do "$BIN/onebyte" resume "$work/p$p" || fail "peer $p does not resume"; done
for p in 1 2 4; do wait_for 120 life_is $p finished || fail "peer $p does not finish"; done
wait_for 60 agree 1 2 4 || fail "no agreement"
compare 2
[ "$("$BIN/onebyte" log "$work/p2" --manifest "$work/run.json" --json | grep -c "$(key 3)")" = 4 ] || fail "the revocation keeps other records than it should"
# records above the cut, still in a log, do not count
copy_log "$work/p2/log.sqlite" "$work/after.sqlite"
with_cut_records "$work/before.sqlite" "$work/after.sqlite" 3 || fail "the revoked peer had no records above the cut"
digest=$(get 2 weights_digest)
oracle --manifest "$work/run.json" --log "$work/after.sqlite" >"$work/oracle.json" || fail "the oracle does not take the log with cut records"
equal "log with cut records" weights_digest "$digest"
grep -q '"ignored_records": [1-9]' "$work/oracle.json" || fail "the oracle ignored no record"
for p in 1 2 3 4; do kill -TERM "${pid[$p]}"; done
gone() { ! alive 1 && ! alive 2 && ! alive 3 && ! alive 4; }
wait_for 30 gone || fail "the daemons do not stop"

# the second run starts from the first one's merged model: its values have to be rounded to fixed point
mv "$work/out" "$work/base" && model=$work/base
rm -rf "$work"/p? "$work"/run.* "$work"/p?.conf
run_options=(--adapters none --combine sqrt --epsilon 0.002)
make_run 3 4 3
for p in 1 2 3; do start $p; done
for p in 1 2 3; do wait_for 120 life_is $p finished || fail "peer $p does not finish"; done
wait_for 60 agree 1 2 3 || fail "no agreement"
compare 1

# the third trains adapters on a fixed basis, beside the norms, along Gaussian directions
for p in 1 2 3; do kill -TERM "${pid[$p]}"; done
gone() { ! alive 1 && ! alive 2 && ! alive 3; }
wait_for 30 gone || fail "the daemons do not stop"
model=$ROOT/examples/kjv-1m
rm -rf "$work"/p? "$work"/run.* "$work"/p?.conf
run_options=(--adapters basis --rank 3 --calibrate "$data/train.jsonl" --calibrate-rows 16 --trainable norms --lr 0.0001 --distribution gaussian)
make_run 2 6 5
for p in 1 2; do start $p; done
for p in 1 2; do wait_for 120 life_is $p finished || fail "peer $p does not finish"; done
wait_for 60 agree 1 2 || fail "no agreement"
compare 1
grep -q '"basis"' "$work/run.json" || fail "the run has no basis"

# what the oracle says when something does not hold
cp "$work/run.delta" "$work/bad.delta"
printf '\x55' | dd of="$work/bad.delta" bs=1 seek=2000 conv=notrunc 2>/dev/null
oracle --delta "$work/bad.delta" 2>/dev/null && fail "the oracle takes a damaged delta"

stop_all() {
    for p in 1 2 3; do kill -TERM "${pid[$p]}" 2>/dev/null; done
    stopped() { ! alive 1 && ! alive 2 && ! alive 3; }
    wait_for 30 stopped || fail "the daemons do not stop"
}
stop_all

# mean and sum; a certificate that is renewed with a last round, and a fork: what they cut does not count, also when it is still in
# a log
cut_run() { # COMBINE
    rm -rf "$work"/p? "$work"/run.* "$work"/p?.conf "$work"/p?.log "$work/renewed"
    run_options=(--adapters none --combine "$1")
    make_run 3 40 3
    # they wait for each other, so that nobody comes when all is over; 2 is to have some records, and who starts first has most
    for p in 2 3 1; do start $p --set swarm.rejoin_wait_s=60; done
    for p in 1 2 3; do wait_for 120 life_is $p finished || fail "$1: peer $p does not finish: $(get $p life)"; done
    wait_for 60 agree 1 2 3 || fail "$1: no agreement"
    compare 3
    copy_log "$work/p1/log.sqlite" "$work/before.sqlite"
    "$BIN/onebyte" renew "$work/p3/certificate" --authority "$work/run.authority" --last-round 2 --out "$work/renewed" --state "$work/p1" >/dev/null || fail renew
    for p in 1 2; do wait_for 60 says $p " cut machine=peer3" || fail "$1: peer $p does not heed a last round"; done
    wait_for 60 agree 1 2 || fail "$1: no agreement after the renewal"
    compare 2
    above_the_cut 3
    stop_all
    at=$("$FORGE" "$work/run.json" "$work/p1" "$work/p1/identity" "$work/p2/identity" 4) || fail "forge a fork"
    copy_log "$work/p1/log.sqlite" "$work/before.sqlite"
    for p in 1 2; do : >"$work/p$p.log"; start $p; done
    wait_for 60 life_is 2 halted || fail "$1: the machine that forked does not stop"
    wait_for 60 says 1 " cut .*from $at on" || fail "$1: the fork is not cut at $at"
    wait_for 60 agree 1 || fail "$1: no digest after the fork"
    compare 1
    [ "$(get 1 weights_digest)" != "$digest" ] || fail "$1: the cut removed nothing"
    above_the_cut 2
    stop_all
}
# above_the_cut PEER: its records that the log of peer 1 had before, put into a copy of that log as it is now, are ignored
above_the_cut() {
    copy_log "$work/p1/log.sqlite" "$work/after.sqlite"
    with_cut_records "$work/before.sqlite" "$work/after.sqlite" "$1" || fail "no records are above the cut of peer $1"
    digest=$(get 1 weights_digest)
    oracle --manifest "$work/run.json" --log "$work/after.sqlite" >"$work/oracle.json" || fail "the oracle does not take a log with records above the cut of peer $1"
    equal "log with records above the cut of peer $1" weights_digest "$digest"
    grep -q '"ignored_records": [1-9]' "$work/oracle.json" || fail "the oracle ignored no record"
}
for combine in mean sum; do cut_run $combine; done
exit 0
