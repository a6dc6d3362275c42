#!/usr/bin/env bash
# A run that trains adapters: two peers agree, one is killed and comes back, and what is exported, merged or apart, from
# either peer's log or from a delta, is the model that the peers hold.
BIN=$1 ROOT=$2
. "$ROOT/tests/integration/common.sh"
run_options=(--lora-rank 4 --lora-target attention --lora-target mlp --lr 0.0001 --schedule constant --scale-adapter 1)
make_run 2 60 4 >"$work/create.out"
grep -q "trains 32 of 52 tensors, 32768 of 940800 parameters: 0.1 MB" "$work/create.out" || fail "run create says $(cat "$work/create.out")"
start 1; start 2
trained() { [ "$(get "$1" own_rounds)" -ge "$2" ] 2>/dev/null; }
wait_for 60 trained 2 5 || fail "no rounds"
crash 2
start 2
wait_for 60 trained 2 1 || fail "peer 2 does not train after it was killed"
for p in 1 2; do wait_for 120 life_is $p finished || fail "peer $p does not finish"; done
wait_for 60 agree 1 2 || fail "no agreement"
digest=$(get 1 weights_digest)
kill -TERM "${pid[1]}" "${pid[2]}"
gone() { ! alive 1 && ! alive 2; }
wait_for 30 gone || fail "the daemons do not stop"

run=(--manifest "$work/run.json" --model "$model")
"$BIN/onebyte" verify "$work/p2" "${run[@]}" --digest "$digest" >/dev/null || fail "verify"
export_run() { "$BIN/onebyte" export "$work/$1" "${run[@]}" "${@:2}" >>"$work/export.out" || fail "export $*"; }
export_run p1 --out "$work/merged" --delta "$work/run.delta"
export_run p2 --out "$work/merged2"
export_run p1 --out "$work/merged-gguf" --format gguf
export_run p1 --out "$work/peft" --format peft
export_run p2 --out "$work/peft2" --format peft
grep -q "^weights $digest" "$work/export.out" || fail "export speaks of other weights than the daemons"
cmp -s "$work/merged/model.safetensors" "$work/merged2/model.safetensors" || fail "the peers' merged models differ"
cmp -s "$work/peft/adapter_model.safetensors" "$work/peft2/adapter_model.safetensors" || fail "the peers' adapters differ"
apply() { "$BIN/onebyte" apply --model "$model" --delta "$work/run.delta" "$@" >/dev/null || fail "apply $*"; }
apply --out "$work/applied"
apply --out "$work/applied-peft" --format peft
cmp -s "$work/merged/model.safetensors" "$work/applied/model.safetensors" || fail "apply gives another merged model than export"
cmp -s "$work/peft/adapter_model.safetensors" "$work/applied-peft/adapter_model.safetensors" || fail "apply gives other adapters than export"

# the merged model's loss is that of base and adapters apart, and not the base's
loss() { "$BIN/onebyte" eval --model "$1" --data "$data/held_out.jsonl" --length 16 --json | sed 's/.*"loss":\([0-9.]*\).*/\1/'; }
"$BIN/onebyte" audit "$work/p1" "${run[@]}" --data "$data/held_out.jsonl" --length 16 >"$work/audit" || fail "audit: $(cat "$work/audit")"
apart=$(sed -n 's/^loss \([0-9.]*\) with all records/\1/p' "$work/audit")
near() { awk -v a="$1" -v b="$2" -v tolerance="$3" 'BEGIN { d = a - b; exit !(a > 0 && d <= tolerance && -d <= tolerance) }'; }
near "$apart" "$(loss "$work/merged")" 0.00002 || fail "loss $apart apart, $(loss "$work/merged") merged"
[ "$(loss "$work/merged-gguf/model.gguf")" = "$(loss "$work/merged")" ] || fail "another loss from GGUF"
near "$apart" "$(loss "$model")" 0.0005 && fail "the run has not moved the loss: $apart"
# what PEFT reads: every name and shape, the scale, the base; tests/parity/check_exports.py loads it with PEFT itself
for c in '"peft_type": "LORA"' '"r": 4' '"lora_alpha": 8.0' '"fan_in_fan_out": true' '"transformer.h.3.mlp.c_proj"'; do
    grep -qF "$c" "$work/peft/adapter_config.json" || fail "adapter_config.json has no $c"
done
grep -aq '"base_model.model.transformer.h.0.attn.c_attn.lora_A.weight":{"dtype":"F32","shape":\[4,128\]' "$work/peft/adapter_model.safetensors" || fail "no such adapter in the file"
"$BIN/onebyte" export "$work/p1" "${run[@]}" --out "$work/peft" --format peft 2>/dev/null && fail "export overwrites"
exit 0
