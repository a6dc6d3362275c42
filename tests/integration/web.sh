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
code 200 -I $url/metrics; [ ! -s "$work/body" ] || ! grep -q onebyte_round "$work/body" || fail "HEAD has a body"

# ---- to whom ----
code 401 $open/metrics; code 401 $open/; code 401 "$open/metrics?token="; code 401 "$open/metrics?token=${token}x"
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

# ---- a machine that is gone is said so; a daemon that leaves closes its page ----
kill -STOP "${pid[2]}"
silent() { code 200 $url/metrics; grep -q '^onebyte_machine_state{machine="peer2",.*state="silent"} 1' "$work/body"; }
wait_for 90 silent || fail "a machine that is stopped: $(grep machine_state "$work/body")"
if command -v chromium >/dev/null; then
    timeout 120 chromium --headless --no-sandbox --disable-gpu --user-data-dir="$work/chromium" --enable-logging=stderr --virtual-time-budget=6000 \
        --dump-dom $url/ >"$work/dom" 2>"$work/console"
    grep -q '<td>peer2</td><td class="word silent">silent</td>' "$work/dom" || fail "the page in Chromium does not say that peer 2 is silent: $(tail -5 "$work/console")"
    grep -q 'class="curve one" d="M[0-9]' "$work/dom" || fail "the page draws no curve"
    ! grep "CONSOLE" "$work/console" || fail "the page complains in Chromium"
else
    echo "skipped: chromium is not installed"
fi
kill -CONT "${pid[2]}"
"$BIN/onebyte" leave "$work/p1" >/dev/null || fail leave
gone() { ! alive 1; }
wait_for 60 gone || fail "it does not leave"
[ "$(get_page $url/)" = 000 ] || fail "the page outlives its daemon"
echo "web: all good"
