#!/usr/bin/env bash
# `onebyte up`, `join`, `invite` and what is told around them: options on a run that exists, what cannot be followed, several runs,
# ports that two start with at the same moment, IPv6, twelve tokens, the end of a run, expired tokens, silence, closed networks.
# flow.py types the usual way; each machine is a HOME here too.
BIN=$1 ROOT=$2
. "$ROOT/tests/integration/common.sh"
hosts=(alice bob carol dave erin)
namespace=ob$((RANDOM % 100000))
stop() { # the daemons are no children of ours
    local status=$? place
    for place in "$work"/*/.local/state/onebyte/*/ "$work"/state-*/; do
        [ ! -S "$place/status.sock" ] || "$BIN/onebyte" down "$place" >/dev/null 2>&1
        cat "$place"/onebyted.log* >>"$work/all.log" 2>/dev/null
    done
    ip netns del "$namespace" 2>/dev/null
    umount "$work/small" 2>/dev/null
    (exit $status)
    cleanup
}
trap stop EXIT
unset "${!XDG_@}" "${!ONEBYTE_@}" "${!HF_@}" "${!LLAMA_@}"
export OPENBLAS_NUM_THREADS=1
for host in "${hosts[@]}"; do mkdir -p "$work/$host/models" && ln -s "$model" "$work/$host/models/kjv-1m"; done
rows=$work/rows.jsonl; cp "$data/held_out.jsonl" "$rows"
state=.local/state/onebyte
fail() {
    echo "FAILED: $*" >&2
    for log in "$work"/*/$state/*/onebyted.log "$work"/state-*/onebyted.log; do [ ! -s "$log" ] || { echo "--- $log" >&2; tail -8 "$log" >&2; }; done
    exit 1
}
# as HOST COMMAND…: sets code and out (both outputs)
as() { out=$(cd "$work" && HOME=$work/$1 timeout 400 "$BIN/onebyte" "${@:2}" 2>&1); code=$?; }
patient=(--timeout 180) # a join that succeeds has as long as a busy machine takes
expect() { # CODE TEXT…
    [ "$code" = "$1" ] || fail "exit code $code, expected $1: $out"
    local text; for text in "${@:2}"; do [[ $out == *"$text"* ]] || fail "\"$text\" is missing in: $out"; done
}
one_sentence() { [ "$(grep -c '^onebyte: ' <<<"$out")" = 1 ] || fail "not one sentence: $out"; }
nothing_left() { [ -z "$(ls -A "$work/$1/$state" 2>/dev/null)" ] || fail "left behind by $1: $(ls -RA "$work/$1/$state")"; }
token() { grep -o 'ob1\.[A-Za-z0-9_-]*' <<<"$out"; }
conf() { sed -n "s/^$3 = //p" "$work/$1/$state/$2/onebyte.conf"; }
json() { (cd "$work" && HOME=$work/$1 "$BIN/onebyte" "${@:2}" --json 2>/dev/null); }
base_port=$(free_ports)
at() { echo "tcp://127.0.0.1:$((base_port + 3 * $1))"; }
up=(up --model "$model" --data "$rows" --threads 1)

echo "== before there is a run"
for command in status down "invite bob" machines "run show" "wait --timeout 1"; do
    as alice $command; expect 2 "no run on this machine" "onebyte up" "onebyte join TOKEN"; one_sentence
done
as alice list; expect 2 'did you mean `onebyte run list`'
as alice run list; expect 0 "no runs"
as alice up; expect 2 "give --model MODEL and --data ROWS"; one_sentence
as alice up --run other; expect 2 "there is no run yet"; one_sentence

echo "== what cannot be followed is told before anything takes time, and leaves nothing"
for listen in tcp://x 7300 tcp://127.0.0.1:0 tcp://some.name:7300; do
    as alice "${up[@]}" --listen "$listen"; expect 2 "--listen: address $listen"; one_sentence; nothing_left alice
    [[ $out != *"learning rate"* ]] || fail "it measured before it looked at --listen: $out"
done
as alice up --model "$model" --data "$work/no-rows.jsonl"; expect 2 "--data $work/no-rows.jsonl: No such file"; one_sentence; nothing_left alice
as alice up --model "$work" --data "$rows"; expect 2; one_sentence; nothing_left alice
head -c 4000 /dev/urandom >"$work/noise"
as alice up --model "$model" --data "$work/noise"; expect 2; one_sentence; nothing_left alice
as alice up --model "$model" --data "$work/noise" --lr 3e-5; expect 2; one_sentence; nothing_left alice
as alice "${up[@]}" --set batch=2; expect 2 "SECTION.KEY=VALUE"; one_sentence; nothing_left alice
as alice "${up[@]}" --lr 3e-5 --listen none --set training.btach=2; expect 2 "btach"; one_sentence; nothing_left alice
as alice "${up[@]}" --lr fast; expect 2; one_sentence; nothing_left alice
python3 - $((base_port + 4)) <<'P' & occupier=$!
import socket, sys, time
s = socket.socket(); s.bind(("127.0.0.1", int(sys.argv[1]))); s.listen(); time.sleep(600)
P
pid[occupier]=$occupier; disown
taken() { [ -n "$(ss -Htln "sport = :$((base_port + 4))")" ]; }
wait_for 30 taken || fail "no occupier"
as alice "${up[@]}" --lr 3e-5 --listen "$(at 1)"; expect 2 "127.0.0.1:$((base_port + 4))" "another program listens"; one_sentence; nothing_left alice

echo "== a run that exists: a machine's options change its configuration, the run's are refused"
as alice "${up[@]}" --lr 3e-5 --rounds 100000 --listen "$(at 2)" --set training.batch=2; expect 0 'run "rows" is up on '"$(at 2)" 'Stop it with `onebyte down`,' "onebyte invite NAME "
as alice "${up[@]}" --lr 3e-5 --rounds 100000; expect 0 "already running"
[[ $out != *"is now"* ]] || fail "the same options change something: $out"
as alice "${up[@]}" --threads 2 --listen "$(at 3)" --share-model; expect 0 'threads is now "2"' 'listen is now' 'share_model is now "yes"' "at its next start" "already running"
[ "$(conf alice rows threads) $(conf alice rows listen) $(conf alice rows share_model)" = "2 $(at 3) yes" ] || fail "the configuration: $(cat "$work/alice/$state/rows/onebyte.conf")"
[ "$(conf alice rows batch)" = 2 ] || fail "--set is not in the configuration"
as alice "${up[@]}" --rounds 5; expect 2 "100000 rounds" "--run NAME"; one_sentence
as alice "${up[@]}" --lr 1e-3; expect 2 "learning rate 3e-05" "--run NAME"; one_sentence
as alice "${up[@]}" --adapters none; expect 2 "trains adapters on a basis" "leave --adapters out" "--run NAME"; one_sentence
as alice "${up[@]}" --threads 2 --adapters basis; expect 0 "already running"
as alice "${up[@]}" --listen tcp://x; expect 2 "--listen"; one_sentence
[ "$(conf alice rows listen)" = "$(at 3)" ] || fail "a mistyped address is in the configuration"
as alice down; expect 0 "left and stopped"
as alice "${up[@]}" --listen "$(at 1)"; expect 2 "another program listens"; one_sentence
[ "$(conf alice rows listen)" = "$(at 3)" ] || fail "an address in use is in the configuration"
as alice up --threads 1; expect 0 'threads is now "1"' "is up on $(at 3)"

echo "== several runs: what is told to type works"
as alice "${up[@]}" --run second --lr 3e-5 --rounds 4 --exit-when-finished --listen none
expect 0 'onebyte down --run second' 'onebyte status --run second' 'onebyte invite NAME --run second'
as alice status; expect 2 "several runs on this machine (rows, second)" "--run NAME"; one_sentence
as alice "${up[@]}" --run third --state "$work/state-third" --lr 3e-5 --rounds 100000 --listen none
expect 0 'run "third" is up' "onebyte down $work/state-third"
expect 0 "onebyte invite NAME --state $work/state-third"
as alice down "$work/state-third"; expect 0 "left and stopped"

echo "== exit_when_finished: the daemon ends with the run, and says so when it is asked again"
over() { as alice down --run second; [[ $out == *"no daemon is running"* ]]; }
gone() { [ ! -S "$work/alice/$state/second/status.sock" ]; }
wait_for 120 gone || fail "the daemon runs on after the last round"
over || fail "down of a run that has ended: $out"
as alice run show --run second; expect 0 "4 of 4"
as alice "${up[@]}" --run second; expect 0 "all rounds of the run are done"
wait_for 120 gone || fail "the daemon runs on"

echo "== twelve tokens"
as alice invite node --count 12 --run rows; expect 0 'as "node-1" to "node-12"'
[ "$(token | wc -l)" = 12 ] && [ "$(token | sort -u | wc -l)" = 12 ] || fail "not twelve tokens: $out"
third=$(token | sed -n 3p)
[ "$(json alice machines --run rows | grep -o '"pattern":"node-[0-9]*"' | sort -u | wc -l)" = 12 ] || fail "not twelve invitations"
as bob join "$third" "${patient[@]}" --data "$rows" --threads 1 --listen "$(at 4)"; expect 0 "in step" "others reach this machine at $(at 4) (" ", 2 machines training"
json alice machines --run rows | grep -q '"name":"node-3"' || fail "node-3 is not a member: $(json alice machines --run rows)"
as carol join "$third" --data "$rows" --threads 1 --listen none; expect 2 "used up"; one_sentence; nothing_left carol
as bob join "$third" "${patient[@]}" --data "$rows" --threads 2; expect 0 'threads is now "2"' "at its next start"
named() { rm -f "$work/report.html"; as alice report --run rows --out report.html; grep -q "<td>node-3</td>" "$work/report.html"; }
wait_for 60 named || fail "a machine that an invitation admitted has no name in the report: $(grep -o '<td>[^<]*</td><td><code>' "$work/report.html")"
as alice plot --run rows --out run.svg; expect 0; grep -q "<title>rows" "$work/run.svg" || fail "the plot has not the name of the run"

echo "== withdrawn once, and again"
as alice withdraw node-12 --run rows; expect 0 "node-12 withdrawn"
as alice withdraw node-12 --run rows; expect 0 "node-12 is withdrawn already"
as alice withdraw nobody --run rows; expect 1 'no invitation "nobody"'; one_sentence

echo "== an expired token is no matter for a machine that is in"
for expiry in 30 150; do # in time, also where a join takes long
    made=$SECONDS
    as alice invite carol-$expiry --expiry ${expiry}s --run rows; expect 0
    short=$(token)
    as carol join "$short" "${patient[@]}" --data "$rows" --threads 1 --listen none
    [ $code = 0 ] && break
done
expect 0 "in step"
as carol down; expect 0
while [ $((SECONDS - made)) -le $((expiry + 1)) ]; do sleep 1; done
as carol join "$short" "${patient[@]}" --data "$rows"; expect 0 "in step"
as dave join "$short" --data "$rows"; expect 2 "the token has expired"; one_sentence; nothing_left dave
as carol down; expect 0

echo "== two that start at the same moment on one host: the bind decides"
mkdir "$work/slow" && cp "$BIN/onebyte" "$work/slow/"
cat >"$work/slow/onebyted" <<WRAP
#!/bin/bash
# somebody else was faster, once
if [ ! -e "$work/slow/taken" ]; then
    touch "$work/slow/taken"
    port=\$(sed -n 's/^listen = .*:\([0-9]*\)$/\1/p' "\$2")
    echo \$port >"$work/slow/port"
    python3 -c 'import socket, sys, time
s = socket.socket(); s.bind(("0.0.0.0", int(sys.argv[1]) + 1)); s.listen(); print(flush=True); time.sleep(600)' \$port > >(cat) &
    echo \$! >"$work/slow/pid"
    for i in \$(seq 100); do [ -n "\$(ss -Htln "sport = :\$((port + 1))")" ] && break; sleep 0.1; done
fi
exec "$BIN/onebyted" "\$@"
WRAP
chmod +x "$work/slow/onebyted"
as alice invite dave --run rows; dave=$(token)
out=$(cd "$work" && HOME=$work/dave "$work/slow/onebyte" join "$dave" "${patient[@]}" --data "$rows" --threads 1 2>&1); code=$?
kill "$(cat "$work/slow/pid")" 2>/dev/null
expect 0 "in step"
[ "$(conf dave rows listen)" != "tcp://*:$(cat "$work/slow/port")" ] || fail "it kept a port that was taken"
as dave down; expect 0

echo "== IPv6"
if ip -6 addr show lo 2>/dev/null | grep -q ::1; then
    six="tcp://[::1]:$((base_port + 18))"
    as erin "${up[@]}" --run six --lr 3e-5 --rounds 100000 --listen "$six"; expect 0 "is up on $six"
    as erin invite bob; six_token=$(token)
    as bob join "$six_token" "${patient[@]}" --data "$rows" --threads 1 --listen "tcp://[::1]:$((base_port + 21))"; expect 0 "in step" "others reach this machine at tcp://[::1]:"
    as bob down --run six; expect 0
    as erin down; expect 0
else
    echo "no IPv6 on this host"
fi

echo "== nobody answers: a word now and then, one sentence, and the next try succeeds"
as alice invite erin --run rows; erin=$(token)
as alice down --run rows; expect 0
as bob down --run rows; expect 0
as erin join "$erin" --data "$rows" --threads 1 --listen none --run rows --timeout 12
expect 2 "not linked yet" "onebyte: not linked: "; one_sentence
as carol up --model "$model" --data "$rows" --threads 1 --run rows2 --lr 2e-5 --rounds 100000 --listen "$(at 8)"; expect 0
as carol invite erin --run rows2; expect 0
as erin join "$(token)" "${patient[@]}" --data "$rows" --threads 1 --listen none --run rows; expect 0 "in step" # another run in what that try left
as erin down --run rows; as carol down --run rows2
rm -r "$work/erin/$state/rows"
as alice up --run rows; expect 0
as erin join "$erin" "${patient[@]}" --data "$rows" --threads 1 --listen none --run rows; expect 0 "in step"
as erin down --run rows; expect 0

echo "== too little memory or disk, with numbers"
edit() { python3 - "$1" "$2" "$3" <<'P'
import base64, hashlib, struct, sys
token, offset, value = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
data = bytearray(base64.urlsafe_b64decode(token[4:] + "=" * (-len(token[4:]) % 4)))
struct.pack_into("<Q", data, offset, value)
data[-8:] = hashlib.blake2b(data[:-8], digest_size=32).digest()[:8]
print("ob1." + base64.urlsafe_b64encode(bytes(data)).decode().rstrip("="))
P
}
as alice invite dora --run rows; dora=$(token)
mkdir "$work/dora"
as dora join "$(edit "$dora" 97 9000000000000)" --data "$rows"; expect 2 "too little memory: the run needs about 9000." "GB are free"; one_sentence; nothing_left dora
if mkdir "$work/small" && mount -t tmpfs -o size=40m none "$work/small" 2>/dev/null; then
    as dora join "$dora" --data "$rows" --model "$model" --state "$work/small/state"; expect 2 "too little disk: the run needs about 0.1" "$work/small/state" "0.04 GB are free"; one_sentence
    [ -z "$(ls -A "$work/small")" ] || fail "left behind: $(ls -A "$work/small")"
    as alice up --model "$model" --data "$rows" --run small --state "$work/small/state" --lr 3e-5; expect 2 "too little disk"; one_sentence
    [ -z "$(ls -A "$work/small")" ] || fail "left behind: $(ls -A "$work/small")"
else
    echo "no file system can be mounted here: too little disk is not tried"
fi

echo "== folders of others"
if [ "$(id -u)" = 0 ] && chmod 755 "$work" "$work/alice" && setpriv --reuid=65534 --clear-groups test -x "$BIN/onebyte"; then
    chmod 755 "$work/alice/.local" "$work/alice/.local/state" "$work/alice/$state" 2>/dev/null
    for command in "status --run rows" "up --run rows" "down --run rows" "run show --run rows"; do
        out=$(cd / && HOME=$work/alice setpriv --reuid=65534 --clear-groups "$BIN/onebyte" $command 2>&1); code=$?
        [ $code != 0 ] || fail "$command as another user: $out"
        expect $code "$work/alice/$state/rows" "belongs to root (mode 0700)"; one_sentence
    done
    out=$(cd / && HOME=$work/alice setpriv --reuid=65534 --clear-groups "$BIN/onebyte" join "$dora" --run rows --data "$rows" 2>&1); code=$?
    expect 2 "$work/alice/$state/rows" "belongs to root (mode 0700)"; one_sentence
else
    echo "not root, or the programs are not everybody's: folders of others are not tried"
fi

echo "== an address that others cannot reach"
if [ "$(id -u)" = 0 ] && ip netns add "$namespace" 2>/dev/null && ip link add "${namespace}a" type veth peer name "${namespace}b" netns "$namespace" 2>/dev/null; then
    ip addr add 10.78.0.1/24 dev "${namespace}a" && ip link set "${namespace}a" up
    ip -n "$namespace" addr add 10.78.0.2/24 dev "${namespace}b" && ip -n "$namespace" link set "${namespace}b" up && ip -n "$namespace" link set lo up
    as alice down --run rows; expect 0
    as alice up --run rows --listen "tcp://10.78.0.1:$((base_port + 6))"; expect 0
    as alice invite dora --run rows; dora=$(token)
    within_dora() { out=$(cd "$work" && HOME=$work/dora timeout 400 ip netns exec "$namespace" "$BIN/onebyte" "$@" 2>&1); code=$?; }
    within_dora join "$dora" --data "$rows" --model "$model" --threads 1 --listen tcp://127.0.0.1:7300 --timeout 120
    expect 2 "in step" "onebyte: no machine reaches this one at tcp://127.0.0.1:7300" "--listen none"; one_sentence
    within_dora join "$dora" "${patient[@]}" --data "$rows" --model "$model" --listen none; expect 0 "in step" "this machine does not listen"
    within_dora down; expect 0
    within_dora join "$dora" "${patient[@]}" --data "$rows" --model "$model" --listen tcp://10.78.0.2:7300; expect 0 "in step" "others reach this machine at tcp://10.78.0.2:7300 ("
    within_dora down; expect 0
else
    echo "no network of its own can be made here: an address that others cannot reach is not tried"
fi
exit 0
