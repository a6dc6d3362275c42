#!/usr/bin/env bash
# Signals and start: SIGTERM is heeded while rows are read, while a manifest is fetched, in a long sample; a second one ends
# at once and loses nothing; SIGHUP takes new peers, a new certificate, another log level, and kills at no moment; a thread
# that cannot be started is said. --check writes nothing, runs beside a daemon, and says "ok".
BIN=$1 ROOT=$2
. "$ROOT/tests/integration/common.sh"
make_run 2 100000 4
says() { grep -qE "$2" "$work/p$1.log"; }
gone() { ! alive "$1"; }
forget() { : >"$work/p$1.log"; }
trained() { [ "$(get "$1" own_samples)" -ge "$2" ] 2>/dev/null; }
# ends PEER SIGNAL: it is gone some seconds later (a limit against hanging; what is asserted is that it need not finish first)
run_ended() { # COMMAND…: its exit code; it must end by itself
    timeout 120 "$@"; code=$?
    [ $code != 124 ] || fail "does not end: $*"
    return $code
}

# --check: read-only, and says ok; with the state of a machine that never started
before=$(find "$work/p1" | sort)
out=$("$BIN/onebyted" --config "$work/p1.conf" --check 2>"$work/check.log") || fail "--check: $(cat "$work/check.log")"
[ "$out" = ok ] || fail "--check says \"$out\""
"$BIN/onebyted" --config "$work/p1.conf" --check >/dev/full 2>"$work/full.log" && fail "--check >/dev/full"
grep -q "standard output: No space left on device" "$work/full.log" || fail "--check >/dev/full says $(cat "$work/full.log")"
[ "$(find "$work/p1" | sort)" = "$before" ] || fail "--check leaves files"
"$BIN/onebyted" --config "$work/p1.conf" --check --set training.data="$work/none.jsonl" >/dev/null 2>"$work/check.log"; [ $? = 2 ] || fail "--check: exit code of missing rows"
grep -q none.jsonl "$work/check.log" || fail "--check does not name the file"
"$BIN/onebyted" --config "$work/p1.conf" --check --set machine.blas_core=Pentium >/dev/null 2>"$work/check.log"; [ $? = 2 ] && grep -q "blas_core = Pentium: OpenBLAS has no core" "$work/check.log" ||
    fail "a core that OpenBLAS does not have: $(cat "$work/check.log")"
"$BIN/onebyted" --config "$work/p1.conf" --check --set machine.blas_core=keep >/dev/null 2>"$work/check.log" || fail "blas_core = keep: $(cat "$work/check.log")"
"$BIN/onebyted" --config "$work/p1.conf" --check --set run.certificate="$work/none" >/dev/null 2>"$work/check.log"; [ $? = 2 ] || fail "--check: exit code of a missing certificate"
grep -q "onebyte invite" "$work/check.log" || fail "--check does not name invite"
# without a manifest it does not fetch, and does not hang
"$BIN/onebyted" --config "$work/p1.conf" --check --set run.manifest="$work/none.json" >"$work/check.out" 2>"$work/check.log" || fail "--check without a manifest: $(cat "$work/check.log")"
grep -q "fetches it from a peer" "$work/check.log" && grep -qx ok "$work/check.out" || fail "--check does not say that the manifest comes later"
[ -e "$work/none.json" ] && fail "--check fetched a manifest"

# a missing certificate: exit code 2, and what to do
mv "$work/p1/certificate" "$work/cert1"
run_ended "$BIN/onebyted" --config "$work/p1.conf" 2>"$work/cert.log"; [ $? = 2 ] || fail "exit code without a certificate"
grep -q "onebyte invite" "$work/cert.log" || fail "does not name invite"
mv "$work/cert1" "$work/p1/certificate"
rm -rf "$work/p1/"{log.sqlite*,place.*,lock,snapshots} # as before the first start

# while rows are read: a file that takes minutes
yes '{"text":"the quick brown fox jumps over the lazy dog and the dog does not mind at all, as dogs will"}' | head -c 700000000 >"$work/big.jsonl"
start 1 --set training.data="$work/big.jsonl"
reading() { grep -q "$work/big.jsonl" "/proc/${pid[1]}/maps" 2>/dev/null || ls -l "/proc/${pid[1]}/fd" 2>/dev/null | grep -q big.jsonl; }
wait_for 60 reading || fail "does not read the rows"
kill -HUP "${pid[1]}"; sleep 0.5
alive 1 || fail "SIGHUP kills while rows are read"
kill -TERM "${pid[1]}"
wait_for 20 gone 1 || fail "SIGTERM is not heeded while rows are read"
says 1 'stop text="told to stop before training began"' || fail "does not say that it was told to stop"
rm "$work/big.jsonl"

# while a manifest is fetched: the status answers, says why it gets nowhere, and SIGTERM ends it
forget 1
start 1 --set run.manifest="$work/p1/run.json"
wait_for 60 life_is 1 fetching || fail "status does not answer while the manifest is fetched"
status 1 && grep -q '"why_unlinked":"[^"]' "$work/p1.json" || fail "status does not say why the manifest does not come"
grep -q '"fetching":{"what":"the manifest","bytes":0,"of":0}' "$work/p1.json" || fail "status --json does not say what is fetched"
"$BIN/onebyte" status "$work/p1" | grep -qx 'fetch  the manifest' || fail "status does not say what is fetched"
wait_for 60 says 1 'warn unreached machine=peer2 .*text="?.*(refused|no answer)' || fail "the log does not say why the manifest does not come"
kill -HUP "${pid[1]}"; sleep 0.5; alive 1 || fail "SIGHUP kills while a manifest is fetched"
kill -INT "${pid[1]}"
wait_for 20 gone 1 || fail "SIGINT is not heeded while a manifest is fetched"

# alone: a log that is empty and peers that are not there is not a run of its own
forget 1
start 1
wait_for 60 life_is 1 alone || fail "a machine without records does not wait for its peers"
wait_for 60 says 1 'warn unreached machine=peer2 .*(refused|no answer)' || fail "it does not say whom it cannot reach"
status 1 && grep -q '"paused_by":\["alone"\]' "$work/p1.json" || fail "status does not say that it is alone"
[ "$(get 1 own_rounds)" = 0 ] || fail "it trains alone"
start 2
wait_for 60 trained 1 8 || fail "it does not train when its peer is there"
says 2 '^[^ ]* warn' && fail "the newcomer's log has warnings: $(grep ' warn ' "$work/p2.log")"
says 1 ' warn (refused|version)' && fail "warnings about a newcomer's proper knock: $(grep ' warn ' "$work/p1.log")"

# the third port of a peer, its door, lets everybody connect: that is nobody's company
make_machine 4
sed "s|$work/p1|$work/p4|; s|^listen = .*|listen = $(address 4)|; /^peer1 = /d; s|^peer2 = .*|peer2 = $(key 2)@tcp://127.0.0.1:$((base_port + 8))|" "$work/p1.conf" >"$work/p4.conf"
start 4
wait_for 60 says 4 'warn unreached machine=peer2 .*nothing comes from there' || fail "it does not say that the port is another one"
[ "$(get 4 own_rounds)" = 0 ] || fail "it trains alone when its peer's address has the door's port"
crash 4

# --check beside the daemon
out=$("$BIN/onebyted" --config "$work/p1.conf" --check 2>"$work/check.log") || fail "--check beside a daemon: $(cat "$work/check.log")"
[ "$out" = ok ] || fail "--check beside a daemon says \"$out\""

# SIGHUP: another log level, another peer, another certificate; a wrong file changes nothing
make_machine 3
"$BIN/onebyte" renew "$work/p1/certificate" --authority "$work/run.authority" --expiry never --out "$work/renewed" >/dev/null || fail renew
cp "$work/renewed" "$work/p1/certificate"
cp "$work/p1.conf" "$work/p1.conf.good"
echo "peer3 = $(key 3)@$(address 3)" >>"$work/p1.conf"
sed -i 's/^\[machine\]/[machine]\nlog_level = debug/; s/^batch = 1/batch = 2/' "$work/p1.conf"
kill -HUP "${pid[1]}"
wait_for 20 says 1 ' reload file=' || fail "SIGHUP does not reload"
wait_for 20 says 1 ' debug ' || fail "the log level is not taken"
says 1 'reload section=training key=batch .*restart' || fail "does not say that the batch needs a restart"
wait_for 20 says 1 'reload certificate=' || fail "the new certificate is not taken"
never() { status 2 && grep -o '{"name":"peer1"[^}]*' "$work/p2.json" | grep -q '"expires":0'; }
wait_for 60 never || fail "the new certificate does not spread"
sed "s|$work/p2$|$work/p3|; s|$(address 2)$|$(address 3)|; s|^shards\? = .*||; /^peer/d" "$work/p2.conf" >"$work/p3.conf"
echo "peer3 = $(key 3)" >>"$work/p3.conf" # it connects to nobody
start 3
links() { [ "$(get "$1" links)" -ge "$2" ] 2>/dev/null; }
wait_for 60 links 3 1 || fail "the new peer is not reached"
echo "nonsense" >>"$work/p1.conf"
kill -HUP "${pid[1]}"
wait_for 20 says 1 'error reload text=' || fail "a wrong file is not named"
trained_more() { trained 1 $((samples + 8)); }
samples=$(get 1 own_samples); wait_for 60 trained_more || fail "it does not go on after a wrong file"
cp "$work/p1.conf.good" "$work/p1.conf"

# two signals: ended at once, and nothing that was published is lost or signed twice
kill -TERM "${pid[3]}"; wait_for 60 gone 3 || fail "peer 3 does not leave"
forget 1
kill -STOP "${pid[1]}"; kill -TERM "${pid[1]}"; sleep 0.2; kill -INT "${pid[1]}"; kill -CONT "${pid[1]}"
wait_for 20 gone 1 || fail "two signals do not end it"
forget 1
start 1
wait_for 60 trained 1 8 || fail "it does not go on after two signals"
for p in 1 2; do "$BIN/onebyte" pause "$work/p$p" || fail pause; done
wait_for 60 agree 1 2 || fail "no agreement after two signals"
for p in 1 2; do "$BIN/onebyte" verify "$work/p$p" --manifest "$work/run.json" --model "$model" >/dev/null || fail "verify $p"; done
says 2 ' fork ' && fail "a sample was signed twice"
for p in 1 2; do kill -TERM "${pid[$p]}"; wait_for 60 gone $p || fail "peer $p does not leave"; done

# a long sample is not waited for: 4096 rows of 64 tokens
forget 1
start 1 --set training.batch=4096 --set training.length=64 --set training.products=float32 --set swarm.solo=yes
wait_for 60 life_is 1 training || fail "no round begins"
sleep 1
kill -TERM "${pid[1]}"
wait_for 20 gone 1 || fail "a long sample is waited for"
says 1 ' leaving text=' && says 1 ' stop rounds=' || fail "it did not leave properly: $(tail -3 "$work/p1.log")"
"$BIN/onebyte" verify "$work/p1" --manifest "$work/run.json" --model "$model" >/dev/null || fail "verify after a sample was dropped"

# a thread that cannot be started is said, and the exit code is not 0: each in turn, as far as the program starts them
if [ -n "${3:-}" ]; then
    for n in 1 2 3 4 5 6; do
        LD_PRELOAD=$3 FAIL_THREAD=$n OPENBLAS_NUM_THREADS=1 timeout 20 "$BIN/onebyted" --config "$work/p1.conf" 2>"$work/thread.log"
        code=$?
        [ $code = 124 ] && break # there are fewer threads
        [ $code != 0 ] || fail "exit code 0 when thread $n cannot be started"
        [ -s "$work/thread.log" ] || fail "says nothing when thread $n cannot be started"
    done
    [ "$n" -gt 2 ] || fail "no thread failed"
fi
exit 0
