#!/usr/bin/env bash
# The tool without a daemon: what it does with models that have diverged, outputs that cannot be written, and wrong input.
BIN=$1 ROOT=$2
. "$ROOT/tests/integration/common.sh"
cd "$work" || exit 1

# a model with one weight that is not a number
cp -r "$model" nan && chmod -R u+w nan
python3 - nan/model.safetensors <<'P' || fail "cannot make the model"
import json, struct, sys
with open(sys.argv[1], "r+b") as file:
    size = struct.unpack("<Q", file.read(8))[0]
    header = json.loads(file.read(size))
    name = next(n for n in sorted(header) if "norm" in n or "ln_" in n)
    kind = header[name]["dtype"]
    file.seek(8 + size + header[name]["data_offsets"][0])
    file.write({"F32": struct.pack("<f", float("nan")), "F16": struct.pack("<e", float("nan")), "BF16": b"\xc0\x7f"}[kind])
P
head -20 "$data/held_out.jsonl" >rows.jsonl
"$BIN/onebyte" eval --model nan --data rows.jsonl --length 16 --json >nan.json 2>nan.err
[ $? = 1 ] || fail "eval of a model with NaN: exit code"
python3 -c 'import json; e = json.load(open("nan.json"), parse_constant=lambda x: 1 / 0); assert e["loss"] is None and e["perplexity"] is None' ||
    fail "eval of a model with NaN prints $(cat nan.json)"
grep -q "not finite" nan.err || fail "eval of a model with NaN says $(cat nan.err)"
"$BIN/onebyte" eval --model nan --data rows.jsonl --length 16 >nan.txt 2>/dev/null && fail "eval of a model with NaN"
[ ! -s nan.txt ] || fail "eval of a model with NaN prints $(cat nan.txt)"
printf '{"prompt":"a","choices":[" b"," c"],"label":0}\n{"prompt":"d","choices":[" e"," f"],"label":1}\n' >choices.jsonl
"$BIN/onebyte" eval --model nan --data choices.jsonl --json >nan.json 2>/dev/null && fail "eval of choices with NaN"
python3 -c 'import json; e = json.load(open("nan.json"), parse_constant=lambda x: 1 / 0); assert e["loss"] is None and e["rows"] == 2' || fail "eval of choices with NaN prints $(cat nan.json)"

# every command fails when its output cannot be written
"$BIN/onebyte" run create --model "$model" --adapters none --out run.json --lr 3e-5 >create.out || fail "run create"
grep -q "^run.authority: new key" create.out || fail "run create does not name the authority's file: $(cat create.out)"
for c in "--help" "--version" "help eval" "run --help" "keygen full-key" "eval --model $model --data rows.jsonl --length 16 --json" \
    "generate --model $model --tokens 2" "data check rows.jsonl --model $model" "bench --model $model --seconds 0 --length 8 --batch 1" \
    "probe --manifest run.json --model $model --data rows.jsonl --samples 4 --length 8 --json" "run create --model $model --adapters none --out full.json"; do
    "$BIN/onebyte" $c >/dev/full 2>err && fail "onebyte $c >/dev/full"
    grep -q "cannot write to standard output: No space left on device" err || fail "onebyte $c >/dev/full says $(cat err)"
    rm -f full*
    "$BIN/onebyte" $c >&- 2>err && fail "onebyte $c >&-"
    grep -q "cannot write to standard output" err || fail "onebyte $c >&- says $(cat err)"
    rm -f full*
done
"$BIN/onebyted" --help >/dev/full 2>/dev/null && fail "onebyted --help >/dev/full"

# names that others could not show; what exists; a mistyped word
"$BIN/onebyte" keygen machine >/dev/null || fail keygen
key=$(cat machine.pub)
# an authority key under a passphrase: asked for in a file here, refused without and with a wrong one
printf 'correct horse\n' >passphrase; printf 'wrong horse\n' >wrong
cp run.authority plain.authority
ONEBYTE_PASSPHRASE_FILE=passphrase "$BIN/onebyte" authority protect run.authority >/dev/null 2>err || fail "authority protect: $(cat err)"
grep -q '^onebyte-sealed-1 ' run.authority || fail "authority protect left the key plain"
"$BIN/onebyte" keygen sealed-test >/dev/null || fail keygen
sign_sealed() { "$BIN/onebyte" invite --authority run.authority --manifest run.json --machine sealed-test.pub --name s --out "$1" >/dev/null 2>err; }
ONEBYTE_PASSPHRASE_FILE=wrong sign_sealed sealed-cert1; [ $? != 0 ] && grep -q "passphrase is wrong" err || fail "a wrong passphrase: $(cat err)"
setsid -w "$BIN/onebyte" invite --authority run.authority --manifest run.json --machine sealed-test.pub --name s --out sealed-cert2 </dev/null >/dev/null 2>err
[ $? = 2 ] && grep -q ONEBYTE_PASSPHRASE_FILE err || fail "no passphrase at hand: $(cat err)"
ONEBYTE_PASSPHRASE_FILE=passphrase sign_sealed sealed-cert3 || fail "the right passphrase: $(cat err)"
ONEBYTE_PASSPHRASE_FILE=passphrase "$BIN/onebyte" authority protect run.authority --off >/dev/null || fail "authority protect --off"
cmp -s run.authority plain.authority || fail "the key is another one after --off"

invite_as() { "$BIN/onebyte" invite --authority run.authority --manifest run.json --machine "$key" --name "$1" --out cert 2>err; }
invite_as $'caf\xe9'; [ $? = 2 ] && grep -q "not UTF-8" err || fail "a name that is not UTF-8: $(cat err)"
invite_as $'a\nb' && fail "a name with a newline"
invite_as "" && fail "an empty name"
[ ! -e cert ] || fail "a certificate was written"
invite_as "café" >/dev/null || fail "a name in UTF-8: $(cat err)"
"$BIN/onebyte" invite --authority run.authority --manifest run.json --machine machine.pub --name file --expiry 1y --out cert-of-file >/dev/null || fail "invite --machine FILE.pub"
"$BIN/onebyte" cert show cert-of-file | grep -q "^machine    $key$" || fail "invite --machine FILE.pub: another key"
"$BIN/onebyte" invite --authority run.authority --manifest run.json --machine rows.jsonl --name file --out cert2 2>err && fail "invite --machine with another file"
"$BIN/onebyte" invite --authority run.authority --manifest run.json --machine machine --name file --out cert2 2>err && fail "invite --machine with a secret key"
grep -q "machine is not a public key; name the file that ends in .pub" err || fail "invite --machine with a secret key says $(cat err)"
head -c 60 cert >short; "$BIN/onebyte" cert show short 2>err && fail "cert show of half a certificate"
grep -q "short: damaged or truncated; copy the certificate again" err || fail "cert show of half a certificate says $(cat err)"
"$BIN/onebyte" cert show cert | grep -q "^name       café$" || fail "cert show"
"$BIN/onebyte" cert show run.json 2>err; [ $? = 1 ] && grep -q "run.json: not a certificate" err || fail "cert show of another file: $(cat err)"
"$BIN/onebyte" run create --model "$model" --adapters none --out run.json 2>err && fail "run create overwrites"
grep -q "run.json already exists; choose another name" err || fail "run create says $(cat err)"
rm run.json && "$BIN/onebyte" run create --model "$model" --adapters none --out run.json >create.out || fail "run create again: the authority's key is not used again"
grep -q "^run.authority: existing key" create.out || fail "run create with a key that exists says $(cat create.out)"
"$BIN/onebyte" evla 2>err; [ $? = 2 ] && grep -q 'did you mean `onebyte eval`' err || fail "a mistyped command: $(cat err)"
"$BIN/onebyte" eval --modle x 2>err; [ $? = 2 ] && grep -q 'did you mean --model' err || fail "a mistyped option: $(cat err)"
"$BIN/onebyte" verify "$work" --manifest run.json --model "$model" --digest abc 2>err; [ $? = 2 ] || fail "a digest that is none"

# the rate: measured, far from what is usual, no rate at all
"$BIN/onebyte" run create --model "$model" --adapters none --out auto.json --lr auto --rounds 1000 --data "$data/train.jsonl" >auto.out 2>auto.err || fail "run create --lr auto: $(cat auto.err)"
rate=$(sed -n 's/^learning rate \([^:]*\): probed in .*/\1/p' auto.out)
awk -v r="$rate" 'BEGIN { exit !(r > 5e-6 && r < 5e-5) }' || fail "run create --lr auto says $(cat auto.out)"
for key in passes curvature curvature_error signal signal_error rows_per_sample bound walk_share; do
    grep -q "\"$key\": " auto.json || fail "the manifest does not say $key of how its rate was found: $(sed -n '/rate_found/,/}/p' auto.json)"
done
# on a busy machine it may take longer than ten seconds, and then says how far it is
! grep -v '^measuring the curvature' auto.err >/dev/null || fail "progress, or something else, on standard error: $(cat auto.err)"
[ "$(ls auto*)" = "$(printf '%s\n' auto.authority auto.authority.pub auto.err auto.json auto.out)" ] || fail "run create --lr auto leaves $(ls auto*)"
"$BIN/onebyte" probe --manifest auto.json --model "$model" --data "$data/train.jsonl" --samples 4 --length 16 >probe.out
awk -v r="$rate" '/peak rate is/ { sub(/.*peak rate is /, ""); good = $1 + 0 > 0.99 * r && $1 + 0 < 1.01 * r } END { exit !good }' probe.out || fail "the rate is not the run's: $(cat probe.out)"
"$BIN/onebyte" run create --model "$model" --adapters none --out high.json --lr 0.2 >/dev/null 2>err && grep -q "warning: the learning rate 0.2 is far above what is usual" err || fail "a rate that is too high: $(cat err)"
"$BIN/onebyte" run create --model "$model" --adapters none --out usual.json --lr 3e-5 2>err >/dev/null && [ ! -s err ] || fail "a usual rate: $(cat err)"
for bad in "--lr auto" "--lr nan" "--lr 1" "--lr 2%" "--rank 4" "--calibrate rows.jsonl"; do
    "$BIN/onebyte" run create --model "$model" --adapters none --out bad.json $bad 2>err; [ $? = 2 ] || fail "run create $bad: $(cat err)"
done
for name in $'a\nb' $'a\x1b[31m' $'caf\xe9' ""; do
    "$BIN/onebyte" run create --model "$model" --adapters none --out bad.json --name "$name" 2>err; [ $? = 2 ] || fail "run create --name: $(cat err)"
done
[ ! -e bad.json ] && [ ! -e bad.authority ] || fail "something was written for a run that was refused"

# what is trained: adapters on a basis of rows, unless another thing is asked for
"$BIN/onebyte" run create --model "$model" --out bad.json 2>err; [ $? = 2 ] || fail "run create without rows: $(cat err)"
grep -q -- "give --data ROWS or --calibrate ROWS: .* --adapters none trains the whole model" err || fail "run create without rows says $(cat err)"
"$BIN/onebyte" run create --model "$model" --out bad.json --adapters random 2>err; [ $? = 2 ] && grep -q -- "random needs --rank" err || fail "random adapters: $(cat err)"
"$BIN/onebyte" run create --model "$model" --out basis.json --calibrate "$data/train.jsonl" --calibrate-rows 16 --lr 1e-4 >basis.out || fail "run create --calibrate"
grep -q "basis.json: trains 8 of 52 tensors, 2304 of 940800 parameters" basis.out && [ -f basis.basis.safetensors ] || fail "run create --calibrate says $(cat basis.out)"
"$BIN/onebyte" run create --model "$model" --out data.json --data "$data/train.jsonl" --calibrate-rows 16 --probe-samples 4 --probe-rows 2 >data.out || fail "run create --data"
grep -q "^learning rate .*probed in" data.out && cmp -s basis.basis.safetensors data.basis.safetensors || fail "run create --data says $(cat data.out)"
python3 - <<'END' || fail "see above"
import json
basis, whole, data = (json.load(open(name + ".json")) for name in ("basis", "run", "data"))
assert basis["bounds"]["samples_per_round"] == 64 and whole["bounds"]["samples_per_round"] == 8, (basis, whole)
assert abs(basis["direction"]["epsilon"] - 0.004) < 1e-6 and abs(whole["direction"]["epsilon"] - 0.001) < 1e-6, (basis, whole)
assert (basis["update"]["s0"], whole["update"]["s0"]) == (512, 64), (basis, whole)
assert basis["lora"]["rank"] == 1 and "lora" not in whole, basis["lora"]
assert all(t["name"].split(".")[2] in "23" for t in basis["tensors"]), basis["tensors"] # of four layers
assert data["rate_found"]["rows_per_sample"] == 1, data["rate_found"]
END
"$BIN/onebyte" run create --model "$model" --out norms.json --trainable norms --lr 3e-5 >norms.out && grep -q "trains 9 of 52 tensors" norms.out || fail "--trainable norms: $(cat norms.out)"

# a monitoring system reads the first line of standard output, also where there is no run at all
mkdir nobody
for arguments in "" "--run none" "$work/none"; do
    HOME="$work/nobody" XDG_STATE_HOME="$work/nobody" ONEBYTE_STATE="" "$BIN/onebyte" status $arguments --check >check.out 2>check.err
    [ $? = 3 ] || fail "status $arguments --check: exit code"
    [ "$(wc -l <check.out)" = 1 ] && grep -q "^ONEBYTE UNKNOWN - ..*" check.out && [ ! -s check.err ] ||
        fail "status $arguments --check says \"$(cat check.out)\", and on standard error \"$(cat check.err)\""
done

# who starts us may ignore SIGCHLD: then, too, we learn how what we start ended
python3 - "$BIN/onebyte" up --model "$model" --data rows.jsonl --lr nonsense --state "$work/orphan" <<'P' || fail "with SIGCHLD ignored"
import signal, subprocess, sys
done = subprocess.run(sys.argv[1:], stderr=subprocess.PIPE, timeout=120, preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))
assert done.returncode == 2 and b"--lr is \"nonsense\"" in done.stderr, done
P

# progress: on a terminal, cleared at the end; an interrupt ends the command; results are elsewhere
cat >progress.py <<'P'
import os, pty, signal, subprocess, sys
interrupt, command = sys.argv[1] == "interrupt", sys.argv[2:]
master, slave = pty.openpty()
process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=slave,
                           preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
os.close(slave)
said = b""
while True:
    try:
        part = os.read(master, 4096)
    except OSError: # the other side is closed
        break
    said += part
    if interrupt and b" left" in said.partition(b"evaluating")[2]:
        process.send_signal(signal.SIGINT)
        interrupt = False
result = process.stdout.read()
code = process.wait()
assert b"evaluating" in said and b" of " in said and b" rows " in said and b" a second" in said, said
if sys.argv[1] == "interrupt":
    assert code == -signal.SIGINT and result == b"", (code, result)
else:
    assert code == 0 and said.endswith(b"\r\x1b[K") and result.startswith(b"{") and b"\r" not in result, (code, said[-80:], result)
P
for how in whole interrupt; do
    python3 progress.py $how "$BIN/onebyte" eval --model "$model" --data "$data/train.jsonl" --length 128 --batch 1 --json || fail "progress, $how"
done
exit 0
