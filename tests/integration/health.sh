#!/usr/bin/env bash
# What a run is said to be, by real runs that earn it: one that diverges at ten times the usual rate, one with a machine that
# is waited for, one whose machine falls silent, one of which half is gone, three that stand still; and one that learns, with
# its held-out loss.
BIN=$1 ROOT=$2
. "$ROOT/tests/integration/common.sh"
health() { get "$1" verdict; }
verdict_is() { [ "$(health "$1")" = "$2" ]; }
problem() { status "$1" && grep -q "\"kind\":\"$2\",\"machine\":\"$3\"" "$work/p$1.json"; }
event() { status "$1" && grep -q "\"kind\":\"$2\",\"machine\":\"$3\"" "$work/p$1.json"; }
check_is() { "$BIN/onebyte" status "$work/p$1" --check >"$work/check.txt"; [ $? = "$2" ]; }
stop_all() { local p; for p in "${!pid[@]}"; do kill -9 "${pid[$p]}" 2>/dev/null; wait_for 20 gone "$p"; done; pid=(); }
gone() { [ ! -d "/proc/${pid[$1]}" ]; }
begin() { stop_all; rm -rf "$work"/p* "$work"/run.*; make_run "$@"; }

# ---- diverging: ten times the rate ----
begin 1 100000 8 2>/dev/null
rm -f "$work/run.json" "$work/run.authority"
"$BIN/onebyte" run create --model "$model" --adapters none --out "$work/run.json" --rounds 2000 --samples-per-round 8 --schedule constant --warm-up 0 --lr 3e-4 2>/dev/null || fail "run create"
invite 1
sed -i "s/^data = .*/&\npause_when_diverging = yes/; s/^length = .*/length = 64/; s/^batch = .*/batch = 8/" "$work/p1.conf"
tell_events 1
start 1
wait_for 120 verdict_is 1 diverging || fail "a run at ten times the rate is $(health 1): $(get 1 sentence)"
paused() { status 1 && grep -q '"paused_by":\[[^]]*"diverging"' "$work/p1.json"; }
wait_for 20 paused || fail "pause_when_diverging does not pause"
event 1 diverging "" || fail "no event says that it diverges"
grep -q "warn verdict now=diverging" "$work/p1.log" || fail "no warning in the log"
wait_for 20 heard 1 diverging "" || fail "on_event was not told: $(cat "$work/p1.events")"
check_is 1 2 && grep -q "^ONEBYTE CRITICAL - paused, diverging; .*lower the learning rate.* | round=[0-9]*c machines=1" "$work/check.txt" || fail "--check: $(cat "$work/check.txt")"
"$BIN/onebyte" status "$work/p1" >"$work/text" && grep -q "paused.*diverging" "$work/text" && grep -q "onebyte resume" "$work/text" || fail "status: $(cat "$work/text")"
"$BIN/onebyte" resume "$work/p1" || fail resume
resumed() { status 1 && grep -q '"paused_by":\[\]' "$work/p1.json"; }
wait_for 20 resumed || fail "resume does not resume"
some_rounds() { [ "$(get 1 own_rounds)" -ge 12 ]; }
wait_for 120 some_rounds || fail "no rounds after resume"
sleep 1.5 # the history is written once a second
"$BIN/onebyte" history "$work/p1" --csv >"$work/csv" && head -1 "$work/csv" | grep -q "^time,round,rounds,.*,loss," || fail "history --csv: $(head -2 "$work/csv")"
[ "$(wc -l <"$work/csv")" -ge 5 ] || fail "history --csv is short"

echo "diverging: done" >&2
# ---- a rate of nearly nothing: first all is noise, then it is flat; and saturated where estimates are beyond the code's end ----
still() { # ROWS LENGTH EXPONENT OPTION… # with held-out rows if $held_out
    begin 1 100000 8 2>/dev/null
    rm -f "$work/run.json" "$work/run.authority"
    "$BIN/onebyte" run create --model "$model" --adapters none --out "$work/run.json" --rounds 100000 --samples-per-round 8 --schedule constant --warm-up 0 --lr 1e-9 "${@:4}" 2>/dev/null || fail "run create"
    invite 1
    sed -i "s|^data = .*|data = $data/train.jsonl\nexponent = $3|; s/^length = .*/length = $2/; s/^batch = .*/batch = $1/" "$work/p1.conf"
    [ -z "$held_out" ] || sed -i "s|^data = .*|&\nheld_out = $data/held_out.jsonl\nheld_out_interval = 8\nheld_out_share = 10|; s/^threads = .*/&\ndigest_interval = 8/" "$work/p1.conf"
    [ -z "${events:-}" ] || tell_events 1
    start 1
}
held_out=
still 1 8 5 --exponents 6
wait_for 120 verdict_is 1 noise || fail "a run of single short rows that stands still is $(health 1): $(get 1 sentence)"
grep -q "now=noise .*is lost in noise" "$work/p1.log" || fail "noise without its figures: $(grep verdict "$work/p1.log")"
held_out=yes
still 1 8 5 --exponents 6
wait_for 240 verdict_is 1 flat || fail "a run that stands still is $(health 1): $(get 1 sentence)"
check_is 1 0 || fail "--check of a flat run: $(cat "$work/check.txt")"
held_out=
rm -f "$work/p1.events"; events=yes
still 1 8 -3 --exponents 3
wait_for 240 verdict_is 1 saturated || fail "a run whose estimates are cut off is $(health 1): $(get 1 sentence)"
problem 1 saturated "" || fail "saturated is no problem"
event 1 saturated "" || fail "no event says that it is saturated"
wait_for 20 heard 1 saturated "" || fail "on_event was not told: $(cat "$work/p1.events")"

echo "flat, noise, saturated: done" >&2
# ---- starved: it waits for a slow one; then silent ----
begin 2 100000 4
sed -i 's/^batch = .*/batch = 2\nproducts = float32/; s/^length = .*/length = 16/' "$work"/p?.conf
sed -i 's/^batch = .*/batch = 12/' "$work/p2.conf" # slower, but within the patience of a pair
tell_events 1
start 1; start 2
together() { [ "$(get 1 live)" = 2 ] && [ "$(get 2 own_rounds)" -ge 3 ]; }
wait_for 60 together || fail "two do not train together"
wait_for 150 verdict_is 1 starved || fail "a machine that waits for a slow one is $(health 1): $(get 1 sentence)"
waits() { [ "$(get 1 waiting_for)" = peer2 ]; }
wait_for 30 waits || fail "it does not say for whom it waits"
wait_for 20 heard 1 starved "" || fail "on_event was not told: $(cat "$work/p1.events")"
kill -STOP "${pid[2]}"
wait_for 90 problem 1 silent peer2 || fail "a machine that is stopped is no problem: $(cat "$work/p1.json")"
event 1 silent peer2 || fail "no event says that it is silent"
wait_for 30 verdict_is 1 split || fail "one of two is gone, and the verdict is $(health 1)"
kill -CONT "${pid[2]}"

echo "starved: done" >&2
# ---- two halves ----
begin 4 100000 4
for p in 1 2 3 4; do start $p; done
all_train() { [ "$(get 1 live)" = 4 ] && [ "$(get 3 live)" = 4 ]; }
wait_for 60 all_train || fail "four do not train together"
kill -STOP "${pid[3]}"
wait_for 60 problem 1 silent peer3 || fail "one of four is silent, and it is no problem"
verdict_is 1 split && fail "one of four is silent, and the verdict is split"
kill -STOP "${pid[4]}"
wait_for 60 verdict_is 1 split || fail "half of the machines are gone, and the verdict is $(health 1)"
check_is 1 2 || fail "--check of a split: $(cat "$work/check.txt")"
kill -CONT "${pid[3]}" "${pid[4]}"
whole() { ! verdict_is 1 split; }
wait_for 90 whole || fail "all are back, and the verdict is still split"

echo "halves: done" >&2
# ---- learning, measured by the swarm; a machine that tells nothing ----
begin 3 128 8
sed -i "s|^data = .*|data = $data/train.jsonl\nheld_out = $data/held_out.jsonl\nheld_out_interval = 32\nheld_out_share = 10|; s/^length = .*/length = 32/; s/^batch = .*/batch = 2/; s/^threads = .*/&\ndigest_interval = 32/" "$work"/p?.conf
sed -i 's/^rejoin_wait_s.*/&\nshare_metrics = no/' "$work/p3.conf"
for p in 1 2 3; do start $p; done
done_all() { life_is 1 finished && life_is 2 finished && life_is 3 finished; }
wait_for 280 done_all || fail "the run does not end"
scored() { status 1 && grep -q '"held_out":{"round":128,.*"machines":2' "$work/p1.json"; }
wait_for 30 scored || fail "the end has no score of two machines: $(grep -o '"held_out":{[^}]*}' "$work/p1.json")"
agree 1 2 3 || fail "the weights differ"
same_score() { status 1; status 2; [ "$(grep -o '"held_out":{"round":128,"loss":[^,]*' "$work/p1.json")" = "$(grep -o '"held_out":{"round":128,"loss":[^,]*' "$work/p2.json")" ]; }
wait_for 30 same_score || fail "two machines know two held-out losses"
grep -q "verdict now=learning" "$work/p1.log" || fail "it never learned: $(grep verdict "$work/p1.log")"
status 1; grep -q '"name":"peer3",.*"samples_per_s":null' <<<"$(tr '{' '\n' <"$work/p1.json" | grep '"name":"peer3"')" || fail "share_metrics = no is told all the same"
grep -q '"name":"peer2",.*"version":"[0-9]' <<<"$(tr '{' '\n' <"$work/p1.json" | grep '"name":"peer2"')" || fail "peer 2 tells no version"

echo "learning: done" >&2
# ---- what is made of it: any earlier frontier, curves, a report ----
"$BIN/onebyte" history "$work/p1" --frontiers --csv >"$work/frontiers" || fail "history --frontiers"
best=$(awk -F, '$8 == 1 { print $1 }' "$work/frontiers") digest=$(awk -F, '$8 == 1 { print $9 }' "$work/frontiers")
[ -n "$best" ] && [ -n "$digest" ] || fail "no best frontier: $(cat "$work/frontiers")"
"$BIN/onebyte" export "$work/p1" --best --out "$work/best" >"$work/best.txt" || fail "export --best"
grep -q "$digest" "$work/best.txt" || fail "export --best: $(cat "$work/best.txt"), the history has $digest"
grep -q "## Curve" "$work/best/README.md" && [ -s "$work/best/curve.svg" ] || fail "the model card has no curve"
round=$(awk -F, 'NR > 1 && $1 > 0 && $9 !~ /^0*$/ { print $1; exit }' "$work/frontiers"); digest=$(awk -F, -v r="$round" '$1 == r { print $9 }' "$work/frontiers")
"$BIN/onebyte" export "$work/p2" --round "$round" --out "$work/early" >"$work/early.txt" || fail "export --round $round"
grep -q "$digest" "$work/early.txt" || fail "export --round $round: $(cat "$work/early.txt"), the history of another machine has $digest"
"$BIN/onebyte" eval --model "$work/best" --data "$data/held_out.jsonl" --length 64 >/dev/null || fail "the best frontier cannot be evaluated"
"$BIN/onebyte" export "$work/p1" --round 5 --best --out "$work/no" 2>/dev/null; [ $? = 2 ] || fail "--round and --best"
"$BIN/onebyte" plot "$work/p1" --out "$work/run.svg" && grep -q "held out" "$work/run.svg" && python3 -c 'import sys, xml.dom.minidom; xml.dom.minidom.parse(sys.argv[1])' "$work/run.svg" || fail "plot svg"
"$BIN/onebyte" plot "$work/p1" --out "$work/run.png" && [ "$(head -c 8 "$work/run.png" | od -An -tx1 | tr -d ' ')" = 89504e470d0a1a0a ] || fail "plot png"
"$BIN/onebyte" plot "$work/p1" --out "$work/run.png" 2>/dev/null; [ $? = 1 ] || fail "plot overwrites"
"$BIN/onebyte" plot "$work/p1" --out "$work/run.gif" 2>/dev/null; [ $? = 2 ] || fail "plot of another format"
"$BIN/onebyte" report "$work/p1" --out "$work/report.html" && grep -q "peer2" "$work/report.html" && grep -q "<svg" "$work/report.html" || fail "report"
grep -qiE '(src|href)=|https?://' <<<"$(sed 's|http://www.w3.org/2000/svg||g' "$work/report.html")" && fail "the report refers to something outside"
check_is 1 0 || fail "--check of a finished run: $(cat "$work/check.txt")"
"$BIN/onebyte" status "$work/nowhere" --check >"$work/check.txt"; [ $? = 3 ] || fail "--check without a daemon: $(cat "$work/check.txt")"

# ---- a history that is lost or damaged does no harm ----
stop_all
head -c 20000 /dev/urandom >"$work/p1/history.sqlite"; rm -f "$work/p1"/history.sqlite-*
start 1
wait_for 60 life_is 1 finished || fail "it does not start with a damaged history"
grep -q "warn history .*renamed" "$work/p1.log" && [ -e "$work/p1/history.sqlite.old" ] || fail "a damaged history is not set aside"
"$BIN/onebyte" history "$work/p1" >/dev/null || fail "no new history"
echo "health: all good"
