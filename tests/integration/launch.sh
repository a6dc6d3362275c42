#!/usr/bin/env bash
# `onebyte launch`: hosts over an `ssh` that runs its command here, each in a home of its own; names that would be orders for ssh;
# hosts that fail. Then over a real sshd on the loopback, where there is one.
BIN=$1 ROOT=$2
. "$ROOT/tests/integration/common.sh"
stop() { # the daemons that joined are no children of ours
    local status=$? place
    for place in "$work"/*/.local/state/onebyte/*/ "$work/alice"; do "$BIN/onebyte" down "$place" >/dev/null 2>&1; done
    (exit $status)
    cleanup
}
trap stop EXIT
export HOME=$work/home; mkdir "$HOME" "$work/bin"
unset "${!XDG_@}" "${!ONEBYTE_@}"
cat >"$work/bin/ssh" <<FAKE
#!/bin/bash
echo "\$*" >>"$work/called"
while [ "\$1" != -- ]; do shift || exit 255; done
host=\$2 command=\$3
mkdir -p "$work/\$host" && cd "$work/\$host"
case \$host in
dead) printf 'ssh: \e[31mno route to host\n' >&2; exit 255 ;;
bare) path=/usr/bin:/bin ;;
*) path=$BIN:/usr/bin:/bin ;;
esac
exec env HOME="$work/\$host" PATH=\$path OPENBLAS_NUM_THREADS=1 sh -c "\$command"
FAKE
chmod +x "$work/bin/ssh"
sshed=$(command -v ssh)
launch() { PATH=$work/bin:$PATH "$BIN/onebyte" launch "$@" >"$work/out" 2>&1; }
rows="$work/it's rows.jsonl"; cp "$data/held_out.jsonl" "$rows"
port=$(free_ports)
"$BIN/onebyte" up --model "$model" --data "$rows" --run rows --state "$work/alice" --lr 3e-5 --rounds 1000000 --threads 1 \
    --listen "tcp://127.0.0.1:$port" >"$work/out" 2>&1 || fail "up: $(cat "$work/out")"
token() { "$BIN/onebyte" invite "$1" --uses "$2" --state "$work/alice" 2>/dev/null | grep -o 'ob1\.[A-Za-z0-9_-]*'; }
many=$(token node 4)
common=(--model "$model" --data "$rows" --threads 1 --listen none --timeout 300)

# what is no host is refused before anything is started
for name in -oProxyCommand=true 'a b' 'a;b' 'me@-x' '$(id)' "a'b" '@a' 'a@' 'a/b' $'a\tb' $'a\033b'; do
    printf '# ours\ngood\n%s\n' "$name" >"$work/hosts"
    launch "$many" --hosts "$work/hosts" "${common[@]}"; code=$?
    [ $code = 2 ] && grep -q 'line 3 is no host' "$work/out" || fail "\"$name\" is taken: $code $(cat "$work/out")"
done
printf '\n# nobody\n' >"$work/hosts"
launch "$many" --hosts "$work/hosts" "${common[@]}" && fail "no host at all"
grep -q 'names no host' "$work/out" || fail "$(cat "$work/out")"
printf 'a\na\n' >"$work/hosts"
launch "$many" --hosts "$work/hosts" "${common[@]}" && fail "the same host twice"
printf 'a\nb\nc\nd\ne\n' >"$work/hosts"
launch "$many" --hosts "$work/hosts" "${common[@]}"; [ $? = 2 ] && grep -q 'uses 5' "$work/out" || fail "too few uses: $(cat "$work/out")"
launch ob1.AAAA --hosts "$work/hosts" "${common[@]}"; [ $? = 2 ] || fail "a damaged token"
[ ! -e "$work/called" ] || fail "ssh was called: $(cat "$work/called")"

# two join, one cannot be reached, on one the program is missing
printf 'one # the first\n\nme@two\r\ndead\nbare\n' >"$work/hosts"
launch - --hosts "$work/hosts" "${common[@]}" <<<"$many"; code=$?
[ $code = 1 ] || fail "exit code $code: $(cat "$work/out")"
[ "$(wc -l <"$work/out")" = 5 ] || fail "not one line a host: $(cat "$work/out")"
for host in one me@two; do grep -q "^$host .*joined: in step" "$work/out" || fail "$host: $(cat "$work/out")"; done
grep -q '^dead .*failed (exit code 255): ssh: ?\[31mno route' "$work/out" || fail "dead: $(cat "$work/out")"
grep -q '^bare .*failed (exit code 127): .*onebyte' "$work/out" || fail "bare: $(cat "$work/out")"
grep -q '^2 of 4 hosts joined' "$work/out" || fail "sum: $(cat "$work/out")"
grep -qF "$many" "$work/called" && fail "the token is an argument"
live() { [ "$("$BIN/onebyte" status "$work/alice" --json | grep -o '"live":[0-9]*')" = "\"live\":$1" ]; }
wait_for 120 live 3 || fail "three machines do not train together"
# again, with the programs copied: who has joined is left as he is
sed -i /dead/d "$work/hosts"
launch "$many" --hosts "$work/hosts" --copy "${common[@]}" || fail "again: $(cat "$work/out")"
grep -q '^bare .*joined: in step' "$work/out" && grep -q '^one .*joined: already joined' "$work/out" || fail "again: $(cat "$work/out")"
cmp -s "$BIN/onebyted" "$work/bare/.local/bin/onebyted" || fail "the daemon was not copied"
wait_for 120 live 4 || fail "four machines do not train together"

# a real sshd
if ! command -v sshd >/dev/null || [ -z "$sshed" ]; then echo "without a real sshd (Debian: openssh-server)"; exit 0; fi
mkdir "$work/real"
ssh-keygen -q -t ed25519 -N '' -f "$work/hostkey" && ssh-keygen -q -t ed25519 -N '' -f "$work/userkey" || fail ssh-keygen
[ "$(id -u)" -ne 0 ] || mkdir -p -m 755 /run/sshd
ssh_port=$((port + 10))
cat >"$work/sshd.conf" <<CONF
ListenAddress 127.0.0.1
Port $ssh_port
HostKey $work/hostkey
AuthorizedKeysFile $work/userkey.pub
PidFile none
StrictModes no
UsePAM no
PermitRootLogin yes
PasswordAuthentication no
SetEnv HOME=$work/real PATH=/usr/bin:/bin OPENBLAS_NUM_THREADS=1
CONF
cat >"$work/ssh.conf" <<CONF
Host real
    HostName 127.0.0.1
    Port $ssh_port
    IdentityFile $work/userkey
    IdentitiesOnly yes
    UserKnownHostsFile $work/known
CONF
echo "[127.0.0.1]:$ssh_port $(cat "$work/hostkey.pub")" >"$work/known"
"$(command -v sshd)" -D -f "$work/sshd.conf" -E "$work/sshd.log" & pid[sshd]=$!
listens() { [ -n "$(ss -Htln "sport = :$ssh_port")" ]; }
wait_for 20 listens || fail "sshd: $(cat "$work/sshd.log")"
printf 'real\n' >"$work/hosts"
"$BIN/onebyte" launch "$(token real 1)" --hosts "$work/hosts" --ssh-config "$work/ssh.conf" --copy "${common[@]}" >"$work/out" 2>&1 ||
    fail "over sshd: $(cat "$work/out" "$work/sshd.log")"
grep -q '^real .*joined: in step' "$work/out" || fail "over sshd: $(cat "$work/out")"
wait_for 120 live 5 || fail "five machines do not train together"

# the status of the machine over there, which answers for all: what each told it, and how long ago
over() { ssh -F "$work/ssh.conf" "$@"; }
over real '$HOME/.local/bin/onebyte status' >"$work/there" 2>"$work/there.err" || fail "status over ssh: $(cat "$work/there" "$work/there.err")"
grep -q '^(this machine) ' "$work/there" && grep -q 'of 5 training' "$work/there" || fail "status over ssh: $(cat "$work/there")"
! grep -q $'\e' "$work/there" || fail "colours without a terminal: $(cat "$work/there")"
over -tt real 'TERM=xterm COLUMNS=40 $HOME/.local/bin/onebyte status' </dev/null >"$work/there" 2>/dev/null || fail "status in a terminal over ssh"
grep -q $'\e\[' "$work/there" || fail "no colours in a terminal over ssh: $(cat "$work/there")"
answers_for_all() {
    over real '$HOME/.local/bin/onebyte status --json' >"$work/there.json" 2>/dev/null && python3 - "$work/there.json" 2>"$work/there.err" <<'P'
import json, sys
machines = json.load(open(sys.argv[1]))["machines"]
assert len(machines) == 5 and sum(m["linked"] for m in machines if not m["self"]) >= 1, machines
for m in machines: # of those without a link to it, which do not listen, their records speak
    assert m["round"] >= 0 and m["samples"] > 0 and m["last_record_s"] is not None, m
    assert not (m["linked"] or m["self"]) or m["reported_s"] is not None and 0 <= m["reported_s"] < 60 and m["version"], m
P
}
wait_for 60 answers_for_all || fail "the machine over there does not answer for all: $(tail -1 "$work/there.err")"
exit 0
