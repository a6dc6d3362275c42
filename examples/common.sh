# shellcheck shell=bash
# Sourced by ./demo and examples/smollm2.sh: building, reading status, free ports, machines of a run.
# Expects root (the sources' folder); sets bin (the programs' folder; the environment's ONEBYTE_PROGRAMS: already built). Peers live in p1, p2 … of the working folder.

say() { echo "$*"; }
die() { echo "demo: $*" >&2; exit 1; }

build_programs() {
    bin=${ONEBYTE_PROGRAMS:-$root/build}
    [ -z "${ONEBYTE_PROGRAMS:-}" ] || return 0
    install_missing $BUILD_PACKAGES || exit 1
    if [ ! -f "$root/build/build.ninja" ]; then
        say "building ..."
        meson setup "$root/build" "$root" >"$root/build.log" 2>&1 || { tail -20 "$root/build.log" >&2; die "meson setup failed"; }
    fi
    ninja -C "$root/build" onebyted onebyte >"$root/build.log" 2>&1 ||
        { tail -40 "$root/build.log" >&2; die "the build failed"; }
}

# field FILE NAME: a field of a compact JSON object, the first of that name
field() { grep -o "\"$2\":\"\{0,1\}[^,\"}]*" "$1" | head -1 | sed 's/^[^:]*:"\{0,1\}//'; }
# log_count FILE records|samples: what a status says of the whole log
log_count() { grep -o '"log":{[^}]*' "$1" | grep -o "\"$2\":[0-9]*" | head -1 | sed 's/.*://'; }
# payload_per_sample STATE_DIR: bytes of records over samples
payload_per_sample() {
    "$bin/onebyte" log "$1" --manifest run.json --json |
        awk '{ a = $0; sub(/.*"n":/, "", a); n += a + 0; b = $0; sub(/.*"bytes":\[/, "", b); c += split(b, unused, ",") } END { printf "%g", c / n }'
}
status() { "$bin/onebyte" status "p$1" --json >"p$1/status.json" 2>/dev/null; }

declare -A pid
alive() { [ -n "${pid[$1]:-}" ] && [ -d "/proc/${pid[$1]}" ]; }
# In a session of its own: a Ctrl-C at the terminal is for the script, which tells the peers.
start() { setsid "$bin/onebyted" --config "p$1.conf" "${@:2}" 2>>"p$1.log" 9>&- & pid[$1]=$!; disown; }
# stop_peers PEER…: they end after the present sample and say goodbye; what is still there after two minutes is killed
stop_peers() {
    local p end=$((SECONDS + 120))
    for p in "$@"; do alive "$p" && kill -TERM "${pid[$p]}" 2>/dev/null; done
    for p in "$@"; do
        while alive "$p"; do
            [ $SECONDS -lt $end ] || kill -9 "${pid[$p]}" 2>/dev/null
            sleep 0.1
        done
    done
}
kill_peers() { local p; for p in "${pid[@]}"; do kill -9 "$p" 2>/dev/null; done; }

# free_ports PEERS: sets base_port, with three free ports for each peer from base_port + 3 on
free_ports() {
    local try candidate busy offset
    for try in $(seq 20); do
        candidate=$((20000 + (RANDOM % 20000))) busy=no
        for offset in $(seq 3 $((3 * $1 + 2))); do
            (exec 3<>"/dev/tcp/127.0.0.1/$((candidate + offset))") 2>/dev/null && busy=yes
        done
        [ $busy = no ] && { base_port=$candidate; return; }
    done
    die "found no free ports"
}

# admit PEER: a state directory with an identity and a certificate of the run's authority
admit() {
    rm -rf "p$1" && mkdir -m 700 "p$1" && "$bin/onebyte" keygen "p$1/identity" >/dev/null || die "keygen failed"
    "$bin/onebyte" invite --authority run.authority --manifest run.json --machine "$(cat "p$1/identity.pub")" --name "peer$1" \
        --out "p$1/certificate" >/dev/null || die "cannot invite peer $1"
}
peer_line() { echo "peer$1 = $(cat "p$1/identity.pub")@tcp://127.0.0.1:$((base_port + 3 * $1))"; }

# Peers whose digests all belong to their present logs, and whose logs are the same; sets digest[PEER].
declare -A digest
same_log() {
    local p logs=
    for p in "$@"; do
        alive "$p" || die "peer $p failed: $(tail -1 "p$p.log")"
        status "$p" && [ "$(field "p$p/status.json" weights_digest_current)" = true ] || return 1
        logs+="$(field "p$p/status.json" log_digest) "
        digest[$p]=$(field "p$p/status.json" weights_digest)
    done
    [ "$(printf '%s\n' $logs | sort -u | wc -l)" = 1 ]
}
# true or false: the digests of same_log are equal
digests_equal() {
    local p; for p in "$@"; do echo "${digest[$p]:-none of $p}"; done | sort -u | awk 'END { print (NR == 1 && length($0) == 64) ? "true" : "false" }'
}
