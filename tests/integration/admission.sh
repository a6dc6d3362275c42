#!/usr/bin/env bash
# Who gets in, and who does not: a newcomer with a certificate and one address, a stranger without, certificates that have
# expired, are another run's or another machine's, a revocation that spreads and cuts off, a renewal, a rotation.
BIN=$1 ROOT=$2
. "$ROOT/tests/integration/common.sh"
make_run 2 100000 4
# newcomer N [PEER]: a configuration with nothing but the base model and the address of one peer
newcomer() {
    {
        printf '[machine]\nstate_dir = %s\nthreads = 1\n[run]\nmodel = %s\n' "$work/p$1" "$model"
        printf '[network]\nlisten = %s\n' "$(address "$1")"
        printf '[training]\ndata = %s\nbatch = 1\nlength = 8\n' "$data/held_out.jsonl"
        printf '[swarm]\nrejoin_wait_s = 2\n[peers]\none = %s@%s\n' "$(key "${2:-1}")" "$(address "${2:-1}")"
    } >"$work/p$1.conf"
}
links() { [ "$(get "$1" links)" = "$2" ]; }
says() { grep -q "$2" "$work/p$1.log"; }
trained() { [ "$(get "$1" own_samples)" -ge "$2" ] 2>/dev/null; }
# no_alarm PEER…: nothing that an operator should act on, and no refusal
no_alarm() { for p in "$@"; do grep -E ' (warn|error) | refused ' "$work/p$p.log" && fail "a false alarm of peer $p"; done; return 0; }
start 1; start 2
wait_for 60 trained 1 8 || fail "no rounds"

# 3: no manifest, one address; everybody else is left as it is
make_machine 3 && newcomer 3
start 3
wait_for 60 trained 3 8 || fail "the newcomer does not train"
cmp -s "$work/p3/run.json" "$work/run.json" || fail "the manifest that was fetched is another"
no_alarm 1 2 3
for p in 1 2 3; do wait_for 60 links $p 2 || fail "peer $p is not linked to both others"; done

# 4: strangers and bad certificates get nothing, and are told by name
make_machine 4 && newcomer 4
rm "$work/p4/certificate"
"$BIN/onebyted" --config "$work/p4.conf" 2>"$work/p4.log" && fail "starts without a certificate"
says 4 "onebyte invite" || fail "no hint about the certificate"
cp "$work/p3/certificate" "$work/p4/certificate"
"$BIN/onebyted" --config "$work/p4.conf" 2>"$work/p4.log" && fail "starts with another machine's certificate"
says 4 "issued to machine" || fail "does not say that it is another machine's"
invite 4 --expiry 1s; sleep 1.1
"$BIN/onebyte" cert show "$work/p4/certificate" >/dev/null 2>&1; [ $? = 3 ] || fail "cert show does not notice an expired one"
"$BIN/onebyted" --config "$work/p4.conf" 2>"$work/p4.log" && fail "starts with an expired certificate"
says 4 "has expired" || fail "does not say that it has expired"
"$BIN/onebyte" run create --model "$model" --adapters none --out "$work/other.json" --rounds 10 >/dev/null || fail "run create"
rm "$work/p4/certificate"
"$BIN/onebyte" invite --authority "$work/other.authority" --manifest "$work/other.json" --machine "$(key 4)" --name x \
    --out "$work/p4/certificate" >/dev/null || fail invite
"$BIN/onebyted" --config "$work/p4.conf" --set run.manifest="$work/run.json" 2>"$work/p4.log" && fail "starts with another run's certificate"
says 4 "for another run" || fail "does not say that it is another run's"
start 4 # without a manifest it goes to the door of a peer of the first run
wait_for 60 says 4 "refused-by .*certificate is for another run" || fail "the door's answer is not told"
wait_for 60 says 1 "refused .*127.0.0.1.*another run" || fail "the refusal is not logged with the address"
crash 4
[ -e "$work/p4/run.json" ] && fail "a stranger got a manifest"
# signed by somebody who is not the authority
rm "$work/p4/certificate"
"$BIN/onebyte" invite --authority "$work/other.authority" --manifest "$work/run.json" --machine "$(key 4)" --name x \
    --out "$work/p4/certificate" >/dev/null 2>&1 || fail invite
start 4
wait_for 60 says 4 "not signed by the run's authority" || fail "a forged certificate is not refused by name"
crash 4
chmod 644 "$work/run.authority"
"$BIN/onebyte" revoke "$work/p1" peer3 --authority "$work/run.authority" 2>"$work/mode.log" && fail "an authority key that others can read"
grep -q "chmod 600" "$work/mode.log" || fail "no hint about the authority's mode"
chmod 600 "$work/run.authority"

# renewal: spreads through one daemon
"$BIN/onebyte" renew "$work/p3/certificate" --authority "$work/run.authority" --expiry never --out "$work/renewed" --state "$work/p1" \
    >/dev/null || fail renew
never() { status 2 && grep -o '{"name":"peer3"[^}]*' "$work/p2.json" | grep -q '"expires":0'; }
wait_for 60 never || fail "a renewed certificate does not spread"

# 4 with its own at last, by one daemon's door, while 3 is revoked
invite 4; start 4
wait_for 60 trained 4 8 || fail "peer 4 does not train"
"$BIN/onebyte" revoke "$work/p2" peer3 --authority "$work/run.authority" --keep-below 4 >/dev/null || fail revoke
for p in 1 2 4; do wait_for 60 links $p 2 || fail "peer $p is not linked to the two others that are left"; done
wait_for 60 life_is 3 halted || fail "the revoked peer does not stop"
for p in 1 2 4; do "$BIN/onebyte" pause "$work/p$p" || fail "peer $p does not pause"; done
wait_for 60 agree 1 2 4 || fail "no agreement after the revocation"
"$BIN/onebyte" log "$work/p1" --manifest "$work/run.json" --json | grep "\"machine\":\"$(key 3)\"" >"$work/kept"
[ "$(wc -l <"$work/kept")" = 1 ] && grep -q '"first":0,"n":4' "$work/kept" || fail "what the revocation keeps is not what was asked for"
"$BIN/onebyte" verify "$work/p4" --manifest "$work/run.json" --model "$model" >/dev/null || fail "the records of the revoked peer are still in the weights"

# rotation: the new key admits, the old one does no more
"$BIN/onebyte" authority rotate "$work/p4" --authority "$work/run.authority" --out "$work/new.authority" >/dev/null || fail rotate
for p in 1 2; do wait_for 60 says $p " rotated " || fail "the rotation does not reach peer $p"; done
# what the old key signs is refused, by the exit code and with the key that is expected; so is what a stranger's signs
"$BIN/onebyte" revoke "$work/p1" peer2 --authority "$work/run.authority" >"$work/old.out" 2>"$work/old.log" && fail "revoke with the old authority says that it worked"
grep -q "$(cat "$work/new.authority.pub")" "$work/old.log" || fail "revoke does not name the key that is expected: $(cat "$work/old.log")"
grep -q revoked "$work/old.out" && fail "revoke with the old authority says \"revoked\""
"$BIN/onebyte" revoke "$work/p1" peer2 --authority "$work/other.authority" 2>"$work/old.log" && fail "revoke with a foreign authority says that it worked"
grep -q "$(cat "$work/new.authority.pub")" "$work/old.log" || fail "revoke with a foreign key does not name the key that is expected"
for authority in run other; do
    rm -f "$work/renewed.old"
    "$BIN/onebyte" renew "$work/p2/certificate" --authority "$work/$authority.authority" --out "$work/renewed.old" --state "$work/p1" 2>"$work/old.log" && fail "renew with the $authority authority says that it worked"
    grep -q "$(cat "$work/new.authority.pub")" "$work/old.log" || fail "renew does not name the key that is expected: $(cat "$work/old.log")"
    [ -e "$work/renewed.old" ] && fail "renew leaves a certificate that nobody takes"
done
"$BIN/onebyte" authority rotate "$work/p1" --authority "$work/run.authority" --out "$work/second.authority" 2>"$work/old.log" && fail "a second rotation of the old key says that it worked"
grep -q "$(cat "$work/new.authority.pub")" "$work/old.log" || fail "rotate does not name the key that is expected: $(cat "$work/old.log")"
[ -e "$work/second.authority" ] && fail "rotate leaves a key that nobody takes"
"$BIN/onebyte" renew "$work/p2/certificate" --authority "$work/new.authority" --out "$work/renewed.new" --state "$work/p1" >/dev/null || fail "renew with the new authority"
make_machine 5 && newcomer 5 2
start 5
wait_for 60 says 5 "refused-by .*not signed" || fail "the old authority key still admits"
crash 5; rm "$work/p5/certificate"
"$BIN/onebyte" invite --authority "$work/new.authority" --manifest "$work/run.json" --machine "$(key 5)" --name peer5 \
    --out "$work/p5/certificate" >/dev/null 2>&1 || fail "invite with the new key"
crash 3 # revoked, it knocks on
sleep 1
for p in 1 2 4 5; do : >"$work/p$p.log"; done
start 5
wait_for 60 trained 5 4 || fail "a newcomer of the new authority does not train"
no_alarm 1 2 4 5
exit 0
