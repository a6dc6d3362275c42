#!/usr/bin/env bash
# A run for other software and as one file: GGUF and safetensors hold the same model, a delta gives the same bits, and
# whatever is damaged is refused with the file's name.
BIN=$1 ROOT=$2
. "$ROOT/tests/integration/common.sh"
make_run 1 6 4
start 1
wait_for 60 life_is 1 finished || fail "the run does not finish"
kill -TERM "${pid[1]}"
gone() { ! alive 1; }
wait_for 30 gone || fail "the daemon does not stop"
export_run() { "$BIN/onebyte" export "$work/p1" --manifest "$work/run.json" --model "$model" "$@"; }
apply() { "$BIN/onebyte" apply --model "$model" "$@"; }

export_run --out "$work/hf" --delta "$work/run.delta" >"$work/export.out" || fail "export"
export_run --out "$work/gguf" --format gguf >/dev/null || fail "export to GGUF"
digest=$(sed -n 's/^weights //p' "$work/export.out")
grep -q "$digest" "$work/hf/README.md" || fail "no digest in the model card"
[ "$(wc -c <"$work/run.delta")" -lt 20000 ] || fail "the delta is not small"
export_run --out "$work/none" --format peft 2>"$work/none.err" && fail "PEFT without adapters"
grep -q "has no adapters" "$work/none.err" || fail "no word about adapters: $(cat "$work/none.err")"
[ ! -e "$work/none" ] || fail "something was written that PEFT cannot read"

# bit for bit, from a folder and from a GGUF file as the base
apply --delta "$work/run.delta" --out "$work/applied" >"$work/apply.out" || fail "apply"
cmp -s "$work/hf/model.safetensors" "$work/applied/model.safetensors" || fail "apply gives other bits than export"
apply --delta "$work/run.delta" --out "$work/applied-gguf" --format gguf >/dev/null || fail "apply to GGUF"
apply --delta "$work/run.delta" --out "$work/applied-pinned" --authority "$work/run.authority.pub" >/dev/null || fail "apply --authority FILE.pub"
cmp -s "$work/gguf/model.gguf" "$work/applied-gguf/model.gguf" || fail "apply gives another GGUF file than export"
"$BIN/onebyte" run create --model "$work/gguf/model.gguf" --out "$work/a.json" --adapters none --name a || fail "run create from GGUF"
"$BIN/onebyte" run create --model "$work/hf" --out "$work/b.json" --adapters none --name a || fail "run create from a folder"
[ "$(grep base_hash "$work/a.json")" = "$(grep base_hash "$work/b.json")" ] || fail "GGUF and safetensors are different models"
loss() { "$BIN/onebyte" eval --model "$1" --data "$data/held_out.jsonl" --length 16 --json; }
[ "$(loss "$work/gguf/model.gguf")" = "$(loss "$work/hf")" ] || fail "another loss from GGUF"
"$BIN/onebyte" generate --model "$work/gguf" --prompt "In the" --tokens 2 >/dev/null || fail "generate with the folder of a GGUF export"
"$BIN/onebyte" history "$work/p1" --events | head -1 | grep -q '^ *time  kind' || fail "events are no table"
[ "$("$BIN/onebyte" history "$work/p1" --events --csv | head -1)" = "time,kind,machine,text" ] || fail "events are no CSV"

refused() { # NAME EXIT-CODE PATTERN: the damaged delta in $work/bad.delta
    apply --delta "$work/bad.delta" --out "$work/bad" 2>"$work/bad.err" >/dev/null
    [ $? = "$2" ] || fail "$1: exit code"
    grep -q "bad.delta: $3" "$work/bad.err" || { cat "$work/bad.err" >&2; fail "$1: message"; }
    [ ! -e "$work/bad" ] || fail "$1: something was written"
}
head -c 1000 "$work/run.delta" >"$work/bad.delta"; refused "cut short" 1 "damaged: hash mismatch"
{ head -c 2000 "$work/run.delta"; printf X; tail -c +2002 "$work/run.delta"; } >"$work/bad.delta"; refused "a flipped byte" 1 "damaged: hash mismatch"
{ head -c 40 "$work/run.delta"; head -c 32 /dev/zero; tail -c +73 "$work/run.delta" | head -c -32; } >"$work/body"
{ cat "$work/body"; printf "$(b2sum -l 256 "$work/body" | cut -c 1-64 | sed 's/../\\x&/g')"; } >"$work/bad.delta"
refused "a right hash over another result" 3 "weights digest mismatch; nothing written"
echo nothing >"$work/bad.delta"; refused "another file" 1 "not a onebyte delta"
"$BIN/onebyte" apply --model "$work/hf" --delta "$work/run.delta" --out "$work/bad" 2>"$work/bad.err" && fail "applied to another base"
grep -q "not the base model" "$work/bad.err" || fail "no word about the base"
head -c 100000 "$work/gguf/model.gguf" >"$work/short.gguf"
"$BIN/onebyte" eval --model "$work/short.gguf" --data "$data/held_out.jsonl" 2>"$work/short.err" && fail "a GGUF file that is cut short"
grep -q "short.gguf: .*truncated" "$work/short.err" || fail "no word about the cut"

# interrupted at any moment: the output is there whole, or nothing of it is, and the next try works
cat >"$work/interrupt.py" <<'P'
import os, shutil, signal, subprocess, sys, time
command, seconds, number = sys.argv[4:], float(sys.argv[1]), int(sys.argv[2])
folder = sys.argv[3]
start = time.monotonic()
process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                           preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
time.sleep(seconds)
process.send_signal(number)
said = process.communicate()[1]
left = sorted(os.listdir(folder))
if process.returncode == 0:
    assert left == ["run.delta", "tuned"] and "model.safetensors" in os.listdir(f"{folder}/tuned"), left
else:
    assert process.returncode in (128 + number, -number), (process.returncode, said)
    assert left in ([], ["run.delta"]), (left, said)
print("whole" if process.returncode == 0 else "interrupted with delta" if left else "interrupted")
P
outcomes=
for seconds in 0 0.004 0.01 0.02 0.03 0.04 0.05 0.06 0.08 0.1 0.15 1; do
    for number in 2 15; do
        rm -rf "$work/cut" && mkdir "$work/cut"
        outcome=$(python3 "$work/interrupt.py" $seconds $number "$work/cut" "$BIN/onebyte" export "$work/p1" --manifest "$work/run.json" --model "$model" --out "$work/cut/tuned" --delta "$work/cut/run.delta") ||
            fail "interrupted after $seconds s"
        [ "$outcome" = whole ] || ! [ -e "$work/cut/run.delta" ] || cmp -s "$work/run.delta" "$work/cut/run.delta" || fail "half a delta after $seconds s"
        outcomes+="$outcome;"
    done
done
[[ $outcomes == *interrupted* ]] || fail "nothing was interrupted: $outcomes"
rm -rf "$work/cut" && mkdir "$work/cut" # the last one may have been too slow to end
export_run --out "$work/cut/tuned" --delta "$work/cut/run.delta" >/dev/null || fail "export after interrupted ones"
mkdir "$work/cut/kept.part" && touch "$work/cut/kept.part/model.safetensors" # of a command that was killed
export_run --out "$work/cut/kept/" >/dev/null || fail "export after a killed one"
[ "$(ls "$work/cut")" = "$(printf 'kept\nrun.delta\ntuned')" ] || fail "left: $(ls "$work/cut")"
export_run --out "$work/cut/new" --delta "$work/cut/run.delta" 2>"$work/cut.err" && fail "export overwrites a delta"
[ ! -e "$work/cut/new" ] && grep -q "run.delta already exists" "$work/cut.err" || fail "export beside a delta that exists: $(cat "$work/cut.err")"
exit 0
