# Sourced by the integration tests: real daemons on loopback. Expects BIN (folder of the programs) and ROOT (sources).
set -u
work=$(mktemp -d /tmp/onebyte-it-XXXXXX)
declare -A pid
started=() # every daemon, those too whose place another one took
# what a sanitizer says in a daemon's log fails the test, whatever else it proved
cleanup() {
    local status=$?
    for p in "${pid[@]}" "${started[@]}"; do kill -9 "$p" 2>/dev/null; done
    if grep -hEA30 'Sanitizer: |runtime error: ' "$work"/*.log 2>/dev/null | head -60 | grep . >&2; then status=1; fi
    rm -rf "$work"
    give_ports_back
    exit $status
}
trap cleanup EXIT
fail() {
    echo "FAILED: $*" >&2
    for f in "$work"/p*.log; do echo "--- $f" >&2; tail -5 "$f" >&2; done
    exit 1
}
field() { grep -o "\"$2\":\"\{0,1\}[^,\"}]*" "$1" | head -1 | sed 's/^[^:]*:"\{0,1\}//'; }
status() { "$BIN/onebyte" status "$work/p$1" --json >"$work/p$1.json" 2>/dev/null; }
get() { status "$1" && field "$work/p$1.json" "$2"; }
model=$ROOT/examples/kjv-1m
data=$ROOT/examples/jargon

# Where a peer listens, and the command prefix that it runs under: tests/net/ replaces both.
address() { echo "tcp://127.0.0.1:$((base_port + 3 * $1))"; }
within() { :; }

# make_machine PEER: state directory, identity; invite PEER [OPTION…]: its certificate
make_machine() {
    mkdir -m 700 "$work/p$1" && "$BIN/onebyte" keygen "$work/p$1/identity" >/dev/null || fail keygen
    invite "$1"
}
invite() {
    rm -f "$work/p$1/certificate"
    "$BIN/onebyte" invite --authority "$work/run.authority" --manifest "$work/run.json" --machine "$(key "$1")" \
        --name "peer$1" --out "$work/p$1/certificate" "${@:2}" >/dev/null || fail "invite peer $1"
}
key() { cat "$work/p$1/identity.pub"; }

# The first of 32 ports in a row at which nobody listens, below those that the kernel gives to outgoing connections. They are
# this script's until it ends: a link that names it says so to scripts beside it.
free_ports() {
    local first link
    while first=$((20000 + 32 * (RANDOM % 370))) link=/tmp/onebyte-ports-$first; do
        kill -0 "$(readlink "$link" || echo $$)" 2>/dev/null || rm -f "$link"
        ln -s $$ "$link" 2>/dev/null || continue
        [ -z "$(ss -Htan "sport >= :$first and sport < :$((first + 32))" 2>/dev/null)" ] && { echo $first; return; }
        rm -f "$link"
    done
}
give_ports_back() {
    local link
    for link in /tmp/onebyte-ports-*; do [ "$(readlink "$link")" = $$ ] && rm -f "$link"; done
}
# make_run PEERS ROUNDS SAMPLES: manifest (of the whole model, unless run_options say otherwise), identities and configurations
run_options=(--adapters none)
make_run() {
    local peers=$1 i k
    base_port=$(free_ports)
    "$BIN/onebyte" run create --model "$model" --out "$work/run.json" --rounds "$2" --samples-per-round "$3" --lr 3e-5 "${run_options[@]}" || fail "run create"
    for i in $(seq "$peers"); do make_machine "$i"; done
    for i in $(seq "$peers"); do
        {
            printf '[machine]\nstate_dir = %s\nthreads = 1\n[run]\nmanifest = %s\nmodel = %s\n' "$work/p$i" "$work/run.json" "$model"
            printf '[network]\nlisten = %s\n' "$(address "$i")"
            printf '[training]\ndata = %s\nbatch = 1\nlength = 8\nshard = %d\nshards = %d\n' "$data/held_out.jsonl" $((i - 1)) "$peers"
            printf '[swarm]\nrejoin_wait_s = 2\n[peers]\n'
            for k in $(seq "$peers"); do echo "peer$k = $(key "$k")@$(address "$k")"; done
        } >"$work/p$i.conf"
    done
}
start() { $(within "$1") "$BIN/onebyted" --config "$work/p$1.conf" "${@:2}" 2>>"$work/p$1.log" & pid[$1]=$! started+=($!); disown; }
alive() { [ -d "/proc/${pid[$1]}" ]; }
# crash PEER: returns when it is gone, and its lock with it: on a busy machine a killed process takes its time
crash() { kill -9 "${pid[$1]}"; wait_for 60 crashed "$1" || fail "peer $1 does not die"; }
crashed() { ! alive "$1" || grep -q '^State:.Z' "/proc/${pid[$1]}/status" 2>/dev/null; }

# wait_for SECONDS COMMAND…: a limit against hanging, not a time that is asserted: four times what it takes a busy machine.
# PATIENCE=1 wait_for …: where being prompt is what is claimed
wait_for() {
    local end=$((SECONDS + ${PATIENCE:-4} * $1)); shift
    until "$@"; do [ $SECONDS -lt $end ] || return 1; sleep 0.2; done
}
# tell_events PEER: its on_event keeps what it is told; heard PEER [KIND MACHINE]: has it been told of this? All of it must be whole JSON.
tell_events() { sed -i "s|^threads = .*|&\non_event = cat >>$work/p$1.events|" "$work/p$1.conf"; }
heard() {
    python3 "$ROOT/tests/support/events.py" "$work/p$1.events" run "$work/p$1" "${@:2}" 2>"$work/why"
    local code=$?
    [ $code != 2 ] || fail "on_event of peer $1 was told something else: $(cat "$work/why")"
    return $code
}
life_is() { [ "$(get "$1" life)" = "$2" ]; }
# all of these peers hold the same log and a digest of it, and the digests are equal
agree() {
    local p logs= digests=
    for p in "$@"; do
        status "$p" && [ "$(field "$work/p$p.json" weights_digest_current)" = true ] || return 1
        logs+="$(field "$work/p$p.json" log_digest) " digests+="$(field "$work/p$p.json" weights_digest) "
    done
    [ "$(printf '%s\n' $logs | sort -u | wc -l)" = 1 ] || return 1
    [ "$(printf '%s\n' $digests | sort -u | wc -l)" = 1 ] || fail "equal logs, different weights: $digests"
}
