#!/usr/bin/env bash
# What the Containerfile says, run for real without a container engine: a root file system of the installed programs and the
# libraries that they need, read-only but for the volume, in namespaces of its own, as the image's user, with its entry point,
# environment and health check. A machine in it joins a run outside, leaves on a stop, and goes on when it is started again.
#   tests/packaging/container.sh BUILD SOURCE          about half a minute
#   tests/packaging/container.sh --image SOURCE BASE   builds the image itself from this base with buildah or podman, and runs it
# Exit code 77: it cannot be tried here; the reason is printed.
skip() { echo "skipped: $*"; exit 77; }

# ---- the image itself ----
if [ "$1" = --image ]; then
    set -eu
    source=$(realpath "$2")
    engine=$(command -v podman || command -v buildah) || skip "neither podman nor buildah is here"
    "$engine" build --format docker --build-arg BASE="$3" -t onebyte-test -f "$source/Containerfile" "$source"
    if [ "${engine##*/}" = podman ]; then
        podman run --rm onebyte-test --version
        exit
    fi
    container=$(buildah from --pull-never localhost/onebyte-test)
    trap 'buildah rm "$container" >/dev/null' EXIT
    buildah run "$container" -- sh -c 'onebyte --version && onebyted --version && id -un && [ -w /var/lib/onebyte ]'
    buildah inspect --type image onebyte-test | grep -A12 -i healthcheck
    exit
fi

BIN=$(realpath "$1") ROOT=$(realpath "$2")
[ "$(id -u)" -eq 0 ] || skip "a root file system of one's own needs root"
unshare --mount --pid --fork true 2>/dev/null || skip "no namespaces can be made here"
command -v meson >/dev/null || skip "meson is missing"
. "$ROOT/tests/integration/common.sh"
alice=$work/alice root=$work/root
# the daemon in it has another user than who started it, so that the kernel does not end it with its parent
stop() {
    local status=$? p
    "$BIN/onebyte" down "$alice" >/dev/null 2>&1
    for p in $(pgrep -f "onebyted --config /var/lib/onebyte/"); do
        [ "$(readlink "/proc/$p/fd/1")" = "$work/p1.log" ] && kill -9 "$p"
    done
    (exit $status)
    cleanup
}
trap stop EXIT

# ---- the image's file system ----
DESTDIR=$root meson install -C "$BIN" --no-rebuild --quiet >"$work/install" 2>&1 || { tail -5 "$work/install"; fail "meson install"; }
programs=$(find "$root" -type f \( -name onebyte -o -name onebyted \) -perm -100)
for library in $(ldd $programs /bin/sh | grep -o '/[^ ]*' | grep -v ':$' | sort -u); do
    mkdir -p "$root$(dirname "$library")" && cp -L "$library" "$root$library" || fail "copying $library"
done
mkdir -p "$root"/{bin,etc,proc,dev,tmp,sys/fs/cgroup,models,data} "$root/var/lib/onebyte"
cp -L /bin/sh "$root/bin/sh"
cp -r "$model" "$root/models/base" && cp "$data/held_out.jsonl" "$root/data/rows.jsonl"
echo 'onebyte:x:990:990:onebyte daemon:/var/lib/onebyte:/usr/sbin/nologin' >"$root/etc/passwd"
echo 'onebyte:x:990:' >"$root/etc/group"
echo '100000 100000' >"$root/sys/fs/cgroup/cpu.max" # --cpus=1, as a container sees it
chown -R 990:990 "$root/var/lib/onebyte" && chmod 700 "$root/var/lib/onebyte"

# ---- what the Containerfile says of the last stage ----
last=$(awk '/^FROM/ { text = "" } { text = text $0 "\n" } END { printf "%s", text }' "$ROOT/Containerfile")
said() { sed -n "s/^$1 *//p" <<<"$last" | tail -1; }
[ "$(said USER)" = onebyte ] || fail "the image's user is \"$(said USER)\""
[ "$(said ENTRYPOINT)" = '["onebyte"]' ] || fail "the entry point is $(said ENTRYPOINT)"
[ "$(said VOLUME)" = /var/lib/onebyte ] && [ "$(said STOPSIGNAL)" = SIGTERM ] || fail "volume $(said VOLUME), signal $(said STOPSIGNAL)"
health=$(said HEALTHCHECK | sed 's/.*CMD //')
[ -n "$health" ] || fail "there is no health check"
path=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

# inside COMMAND…: as process 1 of a container of its own, with the host's network
cat >"$work/inside" <<'END'
root=$1; shift
mount --bind "$root" "$root" && mount --bind "$root/var/lib/onebyte" "$root/var/lib/onebyte" && mount -o remount,ro,bind "$root" &&
    mount -t proc none "$root/proc" && mount -t tmpfs none "$root/tmp" && mount -t tmpfs none "$root/dev" || exit 70
for device in null urandom; do touch "$root/dev/$device" && mount --bind /dev/$device "$root/dev/$device" || exit 70; done
exec chroot --userspec=990:990 "$root" "$@"
END
inside() { exec unshare --mount --pid --fork --kill-child bash "$work/inside" "$root" /bin/sh -c "cd $(said WORKDIR) && $(said ENV | sed 's/[^ ]*=/export &/g; s/ export/; export/g'); export PATH=$path; exec \"\$@\"" sh "$@"; }
healthy() { (inside /bin/sh -c "$health") >"$work/health" 2>&1; }

(inside onebyte --help) >"$work/help" 2>&1 && grep -q '^usage: onebyte' "$work/help" || { grep -q . "$work/help" && cat "$work/help"; fail "the entry point does not run"; }
! healthy || fail "healthy without a daemon"

# ---- it joins a run outside ----
port=$(free_ports)
"$BIN/onebyte" up --model "$model" --data "$data/held_out.jsonl" --run outside --state "$alice" --lr 3e-5 --rounds 1000000 --threads 1 \
    --listen "tcp://127.0.0.1:$port" >"$work/up" 2>&1 || { cat "$work/up"; fail "onebyte up"; }
token=$("$BIN/onebyte" invite inside --state "$alice" | grep -o 'ob1\.[A-Za-z0-9_-]*') || fail "onebyte invite"
machine() { inside onebyte join "$token" --model /models/base --data /data/rows.jsonl --listen "tcp://127.0.0.1:$((port + 6))" --foreground; }
(machine) >>"$work/p1.log" 2>&1 & pid[1]=$!
wait_for 300 healthy || { cat "$work/health"; fail "it does not become healthy: $(tail -5 "$work/p1.log")"; }
state=$(ls -d "$root"/var/lib/onebyte/*/) && [ -f "$state/identity" ] || fail "no state in the volume: $(ls -R "$root/var/lib/onebyte")"
of() { "$BIN/onebyte" status "$state" --json >"$work/inside.json" 2>/dev/null; field "$work/inside.json" "$1"; }
trains_past() { [ "$(of own_samples)" -gt "$1" ] 2>/dev/null; }
wait_for 300 trains_past 0 || fail "it does not train: $(tail -5 "$work/p1.log")"
[ "$(of threads)" = 1 ] || fail "$(of threads) threads, with a quota of one processor"

# ---- the daemon is process 1, without rights; a stop is a leave ----
daemon=$(pgrep -f "onebyted --config /var/lib/onebyte/" | while read -r p; do grep -q '^NSpid:.*[[:space:]]1$' "/proc/$p/status" && echo "$p"; done | head -1)
[ -n "$daemon" ] || fail "the daemon is not process 1 of its container: $(pgrep -af onebyted)"
[ "$(awk '/^Uid:/ { print $2 }' "/proc/$daemon/status")" = 990 ] && [ "$(awk '/^CapEff:/ { print $2 }' "/proc/$daemon/status")" = 0000000000000000 ] ||
    fail "it has rights: $(grep -E '^(Uid|CapEff)' "/proc/$daemon/status")"
kill -TERM "$daemon"
wait "${pid[1]}"; code=$?
[ $code = 0 ] && grep -q ' info stop rounds=' "$work/p1.log" || fail "a stop ends it with $code: $(tail -5 "$work/p1.log")"
! healthy || fail "healthy after a stop"

# ---- the same command again: the same machine goes on ----
key=$(cat "$state/identity.pub") samples=$(field "$work/inside.json" own_samples)
(machine) >>"$work/p1.log" 2>&1 & pid[1]=$!
wait_for 300 healthy && wait_for 60 trains_past 0 || fail "it does not go on: $(tail -5 "$work/p1.log")"
[ "$(cat "$state/identity.pub")" = "$key" ] && [ "$(of next_sample)" -ge "$samples" ] || fail "it is another machine"
echo "in its own root file system it joined, left, and went on"
