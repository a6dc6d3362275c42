#!/usr/bin/env bash
# The life of a healthy swarm: two start, a third joins mid-run, one leaves properly; logs and digests are equal; the
# tool's commands and exit codes do what they say.
BIN=$1 ROOT=$2
. "$ROOT/tests/integration/common.sh"
make_run 3 480 4
sed -i "s|^\(peer3 = [0-9a-f]*\).*|\1|" "$work/p1.conf" "$work/p2.conf" # admitted, not waited for
half=() # one estimates in bfloat16, where the processor can: a record means the same
grep -qw avx512_bf16 /proc/cpuinfo && half=(--set training.products=bfloat16)
start 1; start 2 "${half[@]}"
trained() { [ "$(get 1 own_rounds)" -ge 5 ] 2>/dev/null; }
wait_for 60 trained || fail "no rounds"
"$BIN/onebyte" pause "$work/p1" && "$BIN/onebyte" pause "$work/p2" || fail "pause" # or they are done before it is there
"$BIN/onebyte" status "$work/p1" >"$work/status.txt" && grep -q "^run .*machine .*up [0-9]* s$" "$work/status.txt" || fail "status: $(cat "$work/status.txt")"
"$BIN/onebyte" status "$work/p1" --all | grep -q "^peer.postponed: 0$" || fail "status --all has no peer.postponed"
"$BIN/onebyte" status "$work/p1" >/dev/full 2>/dev/null && fail "status >/dev/full"
[ "$(stat -c %a "$work/p1/status.sock")" = 600 ] || fail "the status socket is open to others"
"$BIN/onebyted" --config "$work/p1.conf" 2>"$work/second.log" && fail "a second daemon on one state directory"
grep -q "another onebyted uses" "$work/second.log" || fail "the second daemon does not say why"
"$BIN/onebyte" status "$work/p1" >"$work/status.txt"; grep -q "paused by the operator; run .onebyte resume. to continue" "$work/status.txt" || fail "status of a paused machine: $(cat "$work/status.txt")"
timeout 2 "$BIN/onebyte" status "$work/p1" --watch >"$work/status.txt"; [ "$(grep -c "^machine " "$work/status.txt")" -ge 2 ] || fail "status --watch" # paused: the run could end within these two seconds
grep -q $'\x1b' "$work/status.txt" && fail "status --watch writes terminal codes into a file"
start 3
joined() { [ "$(get 3 own_samples)" -ge 4 ] 2>/dev/null; }
wait_for 60 joined || fail "the third does not train"
"$BIN/onebyte" resume "$work/p1" && "$BIN/onebyte" resume "$work/p2" || fail "resume"
"$BIN/onebyte" leave "$work/p2" || fail "leave"
gone() { ! alive 2; }
wait_for 60 gone || fail "peer 2 does not leave"
grep -q " stop " "$work/p2.log" || fail "peer 2 did not leave properly"
wait_for 600 life_is 1 finished || fail "peer 1 does not finish"
wait_for 300 life_is 3 finished || fail "peer 3 does not finish"
wait_for 60 agree 1 3 || fail "no agreement"
digest=$(get 1 weights_digest)
# beside the daemons
"$BIN/onebyte" audit "$work/p1" --manifest "$work/run.json" --model "$model" --data "$data/held_out.jsonl" --length 16 >"$work/audit" || fail "audit"
for p in 1 2 3; do grep -q "^peer$p .*$(key $p | cut -c1-12).* samples [1-9].*difference [+-]" "$work/audit" || fail "audit: no peer $p: $(cat "$work/audit")"; done
grep -q "^weights $digest" "$work/audit" || fail "audit: other weights than the daemon's"
# without a path: the only run on this machine, the one that --run names, $ONEBYTE_STATE
unset ONEBYTE_STATE; export XDG_STATE_HOME=$work/xdg
"$BIN/onebyte" status 2>"$work/where.err"; [ $? = 2 ] || [ -e /var/lib/onebyte/log.sqlite ] || fail "status without any run"
mkdir -p "$work/xdg/onebyte" && ln -s "$work/p1" "$work/xdg/onebyte/one"
"$BIN/onebyte" status --json | grep -q "$(key 1)" || fail "status of the only run"
"$BIN/onebyte" verify >"$work/verify.txt" || fail "verify without a path: $(cat "$work/verify.txt")"
grep -q "^weights $digest$" "$work/verify.txt" && grep -q "^equal to the running daemon" "$work/verify.txt" || fail "verify without a path says $(cat "$work/verify.txt")"
ln -s "$work/p3" "$work/xdg/onebyte/three"
"$BIN/onebyte" status 2>"$work/where.err"; [ $? = 2 ] && grep -q "several runs on this machine (one, three); choose one with --run NAME" "$work/where.err" || fail "two runs: $(cat "$work/where.err")"
"$BIN/onebyte" status --run three --json | grep -q "\"machine\":\"$(key 3)\"" || fail "status --run"
ONEBYTE_STATE=$work/p3 "$BIN/onebyte" status --json | grep -q "\"machine\":\"$(key 3)\"" || fail "ONEBYTE_STATE"
"$BIN/onebyte" status --run four 2>/dev/null; [ $? = 1 ] || fail "status --run of no run"
"$BIN/onebyte" status --run ../p1 2>/dev/null; [ $? = 2 ] || fail "status --run with a path"
"$BIN/onebyte" run list | grep -q "^one  *run  *finished  *$work/xdg/onebyte/one$" || fail "run list: $("$BIN/onebyte" run list)"
"$BIN/onebyte" run show --run one >"$work/show.txt" || fail "run show"
grep -q "^base  *$(realpath "$model") " "$work/show.txt" && grep -q "^rate .*peak 2.99e-05, decaying" "$work/show.txt" && grep -q "^round  *480 of 480" "$work/show.txt" || fail "run show says $(cat "$work/show.txt")"
"$BIN/onebyte" run show --run one --json | python3 -c 'import json, sys; r = json.load(sys.stdin); assert r["machines"] == 3 and 2.9e-5 < r["rate_peak"] <= 3e-5' || fail "run show --json"
kill -TERM "${pid[1]}" "${pid[3]}"
"$BIN/onebyte" export --run three --format gguf --out "$work/placed" >/dev/null && [ -s "$work/placed/model.gguf" ] || fail "export without a path"
"$BIN/onebyte" verify "$work/p1" --manifest "$work/run.json" --model "$model" --digest "$digest" || fail "verify"
"$BIN/onebyte" log "$work/p1" --manifest "$work/run.json" --json | python3 -c 'import json, sys
for line in sys.stdin: assert len(json.loads(line)["bytes"]) > 0' || fail "log --json"
for c in "log $work/p1 --manifest $work/run.json" "log $work/p1 --manifest $work/run.json --json" "verify $work/p1 --manifest $work/run.json --model $model"; do
    "$BIN/onebyte" $c >/dev/full 2>/dev/null && fail "onebyte $c >/dev/full"
done
"$BIN/onebyte" verify "$work/p1" --manifest "$work/run.json" --model "$model" --digest "${digest/[0-9]/a}" 2>/dev/null
[ $? = 3 ] || fail "verify does not notice another digest"
"$BIN/onebyte" export "$work/p3" --manifest "$work/run.json" --model "$model" --out "$work/out" --dtype bf16 || fail "export"
"$BIN/onebyte" eval --model "$work/out" --data "$data/held_out.jsonl" --length 16 >/dev/null || fail "eval of the export"
"$BIN/onebyte" export "$work/p3" --manifest "$work/run.json" --model "$model" --out "$work/out" 2>/dev/null && fail "export overwrites"
"$BIN/onebyte" status "$work/p2" 2>/dev/null && fail "status of a daemon that is gone"
"$BIN/onebyte" probe --manifest "$work/run.json" --model "$model" --data "$data/train.jsonl" --length 32 --samples 16 --json >"$work/probe.json" || fail "probe"
awk -v rate="$(field "$work/probe.json" rate_decay)" 'BEGIN { exit !(rate > 1e-6 && rate < 1e-4) }' || fail "probe suggests $(cat "$work/probe.json")"
"$BIN/onebyte" data check "$data/train.jsonl" --model "$model" --length 32 >/dev/null || fail "data check"
printf '%s\n' '{"text":"one two three"}' '{"text":""}' '{"prompt":"a","completion":" b"}' '' '{"prompt":"a","completion":""}' >"$work/rows.jsonl"
"$BIN/onebyte" data check "$work/rows.jsonl" --model "$model" --json >"$work/rows.json"; [ $? = 3 ] || fail "data check: exit code of skipped rows"
grep -q '"text":{"rows":2,"usable":1,"cut":0,"skipped":1,' "$work/rows.json" && grep -q '"why":"an empty text","first_lines":\[2\]' "$work/rows.json" && grep -q '"why":"an empty completion","first_lines":\[5\]' "$work/rows.json" || fail "data check says $(cat "$work/rows.json")"
echo '{"text":7}' >>"$work/rows.jsonl"
"$BIN/onebyte" data check "$work/rows.jsonl" --model "$model" >"$work/rows.txt" 2>&1; [ $? = 1 ] || fail "data check: exit code of a bad row"
grep -q "^bad .*rows.jsonl:6" "$work/rows.txt" || fail "data check does not name the line: $(cat "$work/rows.txt")"
"$BIN/onebyte" data check "$work/rows.jsonl" --model "$model" --length 100000 2>"$work/rows.txt"; [ $? = 2 ] && grep -q "context is" "$work/rows.txt" || fail "data check: a length beyond the context"
echo '{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}' >"$work/chat.jsonl"
"$BIN/onebyte" eval --data "$work/chat.jsonl" --model "$model" 2>"$work/rows.txt"; [ $? = 1 ] && grep -q "chat.jsonl:1: .*no chat template" "$work/rows.txt" || fail "eval: a model without a chat template: $(cat "$work/rows.txt")"
"$BIN/onebyte" nothing 2>/dev/null; [ $? = 2 ] || fail "exit code of wrong usage"
for c in keygen run status leave log verify audit export data eval generate probe bench; do "$BIN/onebyte" $c --help | grep -q "usage: onebyte $c" || fail "help of $c"; done
chmod 644 "$work/p1/identity"
"$BIN/onebyted" --config "$work/p1.conf" 2>"$work/mode.log" && fail "an identity that others can read"
grep -q "chmod 600" "$work/mode.log" || fail "no hint about the mode"
chmod 600 "$work/p1/identity"
sed -E 's/"nonce": "0/"nonce": "1/; t; s/"nonce": "./"nonce": "0/' "$work/run.json" >"$work/other.json"
timeout 60 "$BIN/onebyted" --config "$work/p1.conf" --set run.manifest="$work/other.json" 2>"$work/run.log"
[ $? = 2 ] || fail "another run's log: $(tail -1 "$work/run.log")"
exit 0
