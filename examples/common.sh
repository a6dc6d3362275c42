# shellcheck shell=bash
# Sourced by ./demo and examples/smollm2.sh: building, reading status, free ports, machines of a run.
shopt -s extglob
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
    "$bin/onebyte" log "$1" --json |
        awk '{ a = $0; sub(/.*"n":/, "", a); n += a + 0; b = $0; sub(/.*"bytes":\[/, "", b); c += split(b, unused, ",") } END { printf "%g", c / n }'
}
status() { "$bin/onebyte" status "p$1" --json >"p$1/status.json" 2>/dev/null; }

# A machine of the flow in README.md: `onebyte up` or `onebyte join` started its daemon, which runs on by itself.
# began PEER: notes its process, for alive and kill_peers
declare -A pid
began() { status "$1" || die "peer $1 does not answer: $(tail -1 "p$1/onebyted.log")"; pid[$1]=$(field "p$1/status.json" pid); }
alive() { [ -n "${pid[$1]:-}" ] && [ -d "/proc/${pid[$1]}" ]; }
# stop_peers PEER…: they end after the present sample and say goodbye, all at the same time; what is still there after two minutes is killed
stop_peers() {
    local p end=$((SECONDS + 120))
    for p in "$@"; do know "$p"; alive "$p" && kill -TERM "${pid[$p]}" 2>/dev/null; done
    for p in "$@"; do
        while alive "$p"; do
            [ $SECONDS -lt $end ] || kill -9 "${pid[$p]}" 2>/dev/null
            sleep 0.1
        done
    done
}
kill_peers() {
    local p
    for p in p[1-9]; do know "${p#p}"; done
    for p in "${pid[@]}"; do kill -9 "$p" 2>/dev/null; done
}
# one whose start was interrupted before `began`
know() { [ -n "${pid[$1]:-}" ] || ! status "$1" || pid[$1]=$(field "p$1/status.json" pid); }
# typed COMMAND…: shows a command of the flow as a user types it, and runs it in a session of its own: a Ctrl-C at the terminal is
# for the script, which tells the peers
typed() {
    local shown="onebyte $*"
    shown=${shown//"$work"\//} shown=${shown//"$root"\//} shown=${shown//ob1.+([A-Za-z0-9_-])/ob1.…}
    say "\$ ${shown/ --set */ --set …}"
    setsid -w "$bin/onebyte" "$@" 9>&- || die "\`onebyte $1\` failed"
}
# invited PEER STATE_DIR: the token for one machine, named peerN
invited() {
    "$bin/onebyte" invite "peer$1" --expiry never --state "$2" 2>/dev/null | grep -o 'ob1\.[A-Za-z0-9_-]*' || die "cannot invite peer $1"
}

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

# Peers whose digests all belong to their present logs, and whose logs are the same; sets digest[PEER].
declare -A digest
same_log() {
    local p logs=
    for p in "$@"; do
        alive "$p" || die "peer $p failed: $(tail -1 "p$p/onebyted.log")"
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
