#!/usr/bin/env bash
# The page and the metrics of real daemons: what they serve, to whom, to Prometheus; and that strangers, slow clients and
# nonsense cost neither the training nor other readers anything.
BIN=$1 ROOT=$2
. "$ROOT/tests/integration/common.sh"
make_run 2 100000 4
page=$((base_port + 20)) other=$((base_port + 21))
token=0123456789abcdefghij
(umask 077; echo $token >"$work/token")
printf '[status]\nhttp = 127.0.0.1:%d\n' $page >>"$work/p1.conf"
printf '[status]\nhttp = 0.0.0.0:%d\nhttp_token_file = %s\n' $other "$work/token" >>"$work/p2.conf"
sed -i "s|^data = .*|&\nheld_out = $data/held_out.jsonl\nheld_out_interval = 32|; s/^threads = .*/&\ndigest_interval = 32/" "$work"/p?.conf
get_page() { curl -sS --max-time 30 -o "$work/body" -D "$work/head" -w '%{http_code}' "$@" 2>>"$work/curl.log"; }
# code WANTED CURL_ARGUMENT…
code() { local wanted=$1 got; shift; got=$(get_page "$@"); [ "$got" = "$wanted" ] || fail "$*: $got, not $wanted: $(head -c 300 "$work/body")"; }
url=http://127.0.0.1:$page open=http://127.0.0.1:$other

# ---- what is refused before a start ----
"$BIN/onebyted" --config "$work/p2.conf" --check >/dev/null 2>"$work/why" || fail "--check: $(cat "$work/why")"
"$BIN/onebyted" --config "$work/p2.conf" --set status.http_token_file= --check 2>"$work/why"; [ $? = 2 ] || fail "an open address without a token passes --check"
grep -q "http_token_file" "$work/why" || fail "--check: $(cat "$work/why")"
chmod 644 "$work/token"
"$BIN/onebyted" --config "$work/p2.conf" 2>"$work/why"; [ $? = 2 ] && grep -q "chmod 600" "$work/why" || fail "a token that others can read: $(cat "$work/why")"
chmod 600 "$work/token"
"$BIN/onebyted" --config "$work/p1.conf" --set status.http=localhost:x 2>"$work/why"; [ $? = 2 ] || fail "an address that is none"

start 1; start 2
together() { [ "$(get 1 live)" = 2 ] && [ "$(get 2 own_rounds)" -ge 3 ]; }
wait_for 60 together || fail "two do not train together"

# ---- what is served ----
code 200 $url/
grep -q "<title>onebyte" "$work/body" && grep -qi "^content-security-policy: default-src 'none'" "$work/head" || fail "the page: $(cat "$work/head")"
code 200 $url/status.json
python3 -c 'import json, sys; s = json.load(open(sys.argv[1])); assert s["ok"] and s["live"] == 2 and len(s["machines"]) == 2' "$work/body" || fail "status.json"
rows() { code 200 $url/history.csv; [ "$(wc -l <"$work/body")" -ge 3 ] && head -1 "$work/body" | grep -q "^time,round,rounds,.*,loss,"; }
wait_for 60 rows || fail "history.csv: $(head -3 "$work/body")"
code 200 $url/frontiers.csv; head -1 "$work/body" | grep -q "^round,loss,loss_error" || fail frontiers.csv
code 200 $url/metrics
grep -qi "^content-type: text/plain; version=0.0.4" "$work/head" || fail "metrics: $(cat "$work/head")"
for line in 'onebyte_round [0-9]' 'onebyte_machines_training 2$' 'onebyte_loss [0-9]' 'onebyte_bytes_sent_total [0-9]' \
    'onebyte_machine_samples_total{machine="peer2",key="[0-9a-f]*"} [1-9]' 'onebyte_life{life="[a-z]*"} 1'; do
    grep -q "^$line" "$work/body" || fail "metrics have no $line: $(cat "$work/body")"
done
if command -v promtool >/dev/null; then
    promtool check metrics <"$work/body" >"$work/lint" 2>&1 || fail "promtool check metrics: $(cat "$work/lint")"
else
    echo "skipped: promtool (Debian package prometheus) is not installed"
fi
news() { curl -sN --max-time 4 "$@" >"$work/news" 2>>"$work/curl.log"; }
heard() { news $url/events; [ "$(grep -c '^event: status' "$work/news")" -ge 2 ] && grep -q '^event: rows' "$work/news"; }
wait_for 60 heard || fail "events: $(head -c 300 "$work/news")"
python3 - "$work/news" <<'PY' || fail "events are not what they should be"
import json, sys
events = [e.split("\n") for e in open(sys.argv[1]).read().split("\n\n")[:-1]]
rounds, times = [], []
for kind, *lines in events:
    assert all(line.startswith("data: ") for line in lines), lines
    if kind == "event: status":
        rounds.append(json.loads(lines[0][6:])["round"])
    elif kind == "event: rows":
        times += [float(line[6:].split(",")[0]) for line in lines]
assert rounds == sorted(rounds) and len(rounds) >= 2, rounds
assert times and all(a < b for a, b in zip(times, times[1:])), times
PY
code 200 $url/history.csv; head -1 "$work/body" | grep -q ",replay,sent_rate,received_rate$" || fail "history.csv has no replay share and bytes"
awk -F, 'NR > 1 && $16 > 0 && $16 < 1 && $17 > 0 && $18 > 0 { found = 1 } END { exit !found }' "$work/body" || fail "no row has a replay share and bytes: $(tail -2 "$work/body")"
code 200 -I $url/metrics; [ ! -s "$work/body" ] || ! grep -q onebyte_round "$work/body" || fail "HEAD has a body"

# ---- to whom ----
code 401 $open/metrics; code 401 $open/events; code 403 -H "Host: page.example" $url/events; code 401 $open/; code 401 "$open/metrics?token="; code 401 "$open/metrics?token=${token}x"
code 401 -H "Authorization: Bearer nothing" $open/status.json
code 200 -H "Authorization: Bearer $token" $open/metrics; code 200 "$open/?token=$token"; code 200 -H "Host: page.example" "$open/?token=$token"
code 403 -H "Host: page.example" $url/status.json; code 200 -H "Host: localhost:$page" $url/status.json
for method in POST PUT DELETE OPTIONS PATCH TRACE BREW; do code 405 -X $method $url/; done
code 405 -X POST --data-binary "@$model/model.safetensors" $url/status.json
code 404 $url/nothing; code 404 --path-as-is $url/../../etc/passwd; code 404 "$url/status.json/"

# ---- by a real Prometheus ----
if command -v prometheus >/dev/null; then
    cat >"$work/prometheus.yml" <<CONFIG
global: {scrape_interval: 1s}
scrape_configs:
  - {job_name: one, static_configs: [{targets: ['127.0.0.1:$page']}]}
  - {job_name: two, authorization: {credentials_file: $work/token}, static_configs: [{targets: ['127.0.0.1:$other']}]}
CONFIG
    prometheus --config.file="$work/prometheus.yml" --storage.tsdb.path="$work/tsdb" --web.listen-address="127.0.0.1:$((base_port + 22))" >"$work/prometheus.out" 2>&1 & pid[9]=$!; disown
    scraped() { curl -s "http://127.0.0.1:$((base_port + 22))/api/v1/query?query=count(onebyte_machines_training==2)" | grep -q '"2"\]'; }
    wait_for 60 scraped || fail "Prometheus does not scrape both: $(tail -3 "$work/prometheus.out")"
    board() { code 200 $url/metrics; python3 "$ROOT/tests/integration/dashboard.py" "$ROOT/configs/grafana.json" "$work/body" "http://127.0.0.1:$((base_port + 22))" >"$work/board" 2>&1; }
    wait_for 90 board || fail "the dashboard: $(tail -1 "$work/board")"
    kill "${pid[9]}"
else
    echo "skipped: prometheus is not installed"
fi

# ---- who is slow, or talks nonsense ----
files() { ls "/proc/${pid[1]}/fd" | wc -l; }
before=$(files) round=$(get 1 own_rounds)
python3 "$ROOT/tests/integration/web_hostile.py" $page || fail "hostile clients"
code 200 $url/metrics
[ "$(files)" -le $((before + 16)) ] || fail "$(files) descriptors, $before before"
goes_on() { [ "$(get 1 own_rounds)" -gt "$round" ]; }
wait_for 60 goes_on || fail "training stopped"
settled() { [ "$(files)" -le $((before + 2)) ]; }
wait_for 60 settled || fail "$(files) descriptors are left, $before before"

# ---- in a browser: a machine that is gone is said so, and so is a daemon that leaves, which closes its page and its streams ----
seen='document.body.innerText'
drawn='["loss", "rate", "count", "replay", "bytes"].every(id => /d="M[0-9]/.test(document.getElementById(id).innerHTML))'
if command -v chromium >/dev/null; then
    python3 "$ROOT/tests/support/hold.py" $page 8 >"$work/held" & holder=$!
    wait_for 30 grep -q held "$work/held" || fail "8 streams are not to be had"
    python3 "$ROOT/tests/integration/page.py" --errors $url/ "$seen.includes('every 5 s') && $seen.includes('peer2')" "$drawn" || fail "the page without a stream"
    kill $holder
    place() { [ "$(curl -sN -m 1 -o /dev/null -w '%{http_code}' $url/events)" = 200 ]; }
    wait_for 60 place || fail "a stream's place does not become free"
    python3 "$ROOT/tests/integration/page.py" $url/ "$seen.includes('live') && /peer2\s+(training|behind)/.test($seen)" "$drawn" \
        "performance.getEntriesByType('resource').filter(e => e.name.endsWith('status.json')).length <= 1" \
        "window.first = document.getElementById('figures').innerText" "document.getElementById('figures').innerText !== window.first" \
        "!kill -STOP ${pid[2]}" "/peer2\s+silent/.test($seen)" "/peer2: no record for [0-9]+ (s|min)/.test($seen)" || fail "the page in Chromium"
    python3 "$ROOT/tests/integration/page.py" --errors $url/ "$seen.includes('live')" "!$BIN/onebyte leave $work/p1 >/dev/null" "$seen.includes('No answer since')" || fail "the page of a daemon that left"
else
    echo "skipped: chromium is not installed"
    curl -sN $url/events >"$work/news" & holder=$!
    kill -STOP "${pid[2]}"
    silent() { code 200 $url/metrics; grep -q '^onebyte_machine_state{machine="peer2",.*state="silent"} 1' "$work/body"; }
    wait_for 90 silent || fail "a machine that is stopped: $(grep machine_state "$work/body")"
    "$BIN/onebyte" leave "$work/p1" >/dev/null || fail leave
    wait $holder
    grep -q "^event: status" "$work/news" || fail "a stream of a daemon that left"
fi
kill -CONT "${pid[2]}"
gone() { ! alive 1; }
wait_for 60 gone || fail "it does not leave"
[ "$(get_page $url/)" = 000 ] || fail "the page outlives its daemon"
echo "web: all good"
