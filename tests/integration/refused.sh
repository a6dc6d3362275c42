#!/usr/bin/env bash
# What a start cannot do is said with its cause, the file and the remedy, and ends with exit code 2: a file system without
# locks or shared mappings, files of another owner, a run.json that was edited; `renew` with a key that is not the run's.
BIN=$1 ROOT=$2 REFUSE_LIBRARY=$3
. "$ROOT/tests/integration/common.sh"
make_run 2 100000 4
refuses() { # refuses NAME TEXT COMMAND…: exit code 2, and the text
    local name=$1 text=$2 code=0; shift 2
    timeout 60 "$@" >"$work/out" 2>"$work/err" || code=$?
    [ $code = 2 ] || fail "$name: exit code $code: $(tail -1 "$work/err")"
    grep -Eq "$text" "$work/err" || fail "$name says: $(tail -1 "$work/err")"
}
daemon=("$BIN/onebyted" --config "$work/p1.conf")

# file systems
if ! ldd "$BIN/onebyted" | grep -q libasan; then
    refuses "no lock service" "$work/p1/lock: cannot lock: .*no lock service \(No locks available\).*local disk" \
        env REFUSE=flock LD_PRELOAD="$REFUSE_LIBRARY" "${daemon[@]}"
    refuses "no shared mappings" "$work/p1/log.sqlite-shm: .*refuses shared mappings.*IOERR_SHMMAP 5386.*local disk" \
        env REFUSE=mmap LD_PRELOAD="$REFUSE_LIBRARY" "${daemon[@]}"
fi

# owners
if [ "$(id -u)" = 0 ] && id nobody >/dev/null 2>&1; then
    chown nobody "$work/p1/identity"
    refuses "another's identity" "$work/p1/identity: belongs to nobody, and this program runs as root: .*chown root" "${daemon[@]}"
    refuses "another's identity, --check" "belongs to nobody" "${daemon[@]}" --check
    chown root "$work/p1/identity"; chown nobody "$work/run.authority"
    "$BIN/onebyte" renew "$work/p1/certificate" --authority "$work/run.authority" --out "$work/no" 2>"$work/err" && fail "another's authority"
    grep -q "run.authority: belongs to nobody" "$work/err" || fail "another's authority says: $(cat "$work/err")"
    chown root "$work/run.authority"
    as_nobody=(setpriv --reuid=nobody --regid="$(id -g nobody)" --clear-groups)
    if "${as_nobody[@]}" "$BIN/onebyted" --version >/dev/null 2>&1; then # it may read the programs
        refuses "a closed folder" "p1.conf: cannot open: Permission denied: the folder $work belongs to root \(mode 0700\), and this program runs as nobody: " \
            "${as_nobody[@]}" "${daemon[@]}"
        echo '{"text":"one"}' >"$work/rows.jsonl"
        "${as_nobody[@]}" "$BIN/onebyte" data check "$work/rows.jsonl" --model "$model" >"$work/out" 2>&1
        grep -q "rows.jsonl: cannot open: Permission denied: the folder $work belongs to root" "$work/out" || fail "closed rows: $(cat "$work/out")"
    fi
fi

# a run.json that was edited: only its bytes count
trained() { [ "$(get 1 own_samples)" -ge 8 ] 2>/dev/null; }
start 1; start 2
wait_for 60 trained || fail "no rounds"
[ "$("${daemon[@]}" --check 2>"$work/err")" = ok ] || fail "--check beside the daemon: $(cat "$work/err")"
python3 -c 'import json, sys; print(json.dumps(json.load(open(sys.argv[1]))))' "$work/run.json" >"$work/edited.json"
edited=(--set run.manifest="$work/edited.json")
refuses "edited, --check" "$work/edited.json: was changed after the run was created: its hash is [0-9a-f]{16}.*, the run's is .*put the original back" "${daemon[@]}" "${edited[@]}" --check
kill -TERM "${pid[1]}"; gone() { ! alive 1; }; wait_for 20 gone || fail "peer 1 does not end"
refuses "edited" "$work/edited.json: was changed after the run was created" "${daemon[@]}" "${edited[@]}"
mv "$work/p1/certificate" "$work/p1/away"
refuses "edited, of the log" "$work/p1/log.sqlite: holds the records of another run .*put the original back" "${daemon[@]}" "${edited[@]}"
mv "$work/p1/away" "$work/p1/certificate"

# renew without --state: the key that signed so far, or the log beside the certificate, says who the authority is
renew() { "$BIN/onebyte" renew "$1" --authority "$work/$2.authority" --out "$work/renewed" 2>"$work/err" >"$work/out"; }
"$BIN/onebyte" keygen "$work/other.authority" >/dev/null || fail keygen
cp "$work/p1/certificate" "$work/sent"
renew "$work/sent" other && fail "renew with a foreign key says that it worked"
grep -q "$(cat "$work/run.authority.pub") that signed $work/sent" "$work/err" || fail "renew says: $(cat "$work/err")"
[ -e "$work/renewed" ] && fail "renew leaves a certificate that nobody takes"
renew "$work/sent" run || fail "renew with the run's key: $(cat "$work/err")"
"$BIN/onebyte" authority rotate "$work/p2" --authority "$work/run.authority" --out "$work/new.authority" >/dev/null || fail rotate
rm "$work/renewed"; cp "$work/run.json" "$work/p2/run.json"
rotated() { renew "$work/p2/certificate" new; }
wait_for 20 rotated || fail "renew with the new key, which the log knows: $(cat "$work/err")"
rm "$work/renewed"
renew "$work/p2/certificate" run && fail "renew with the old key says that it worked"
grep -q "the log in $work/p2 says that it is $(cat "$work/new.authority.pub")" "$work/err" || fail "renew with the old key says: $(cat "$work/err")"
exit 0
