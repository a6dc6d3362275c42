#!/usr/bin/env bash
# A run that trains adapters on a fixed basis: two peers agree, one is killed and comes back, a newcomer without manifest or basis
# fetches both; what is exported, merged or apart, from either peer's log or from a delta, is the model that the peers hold; a
# basis that is missing, damaged or another run's is refused by name.
BIN=$1 ROOT=$2
. "$ROOT/tests/integration/common.sh"
run_options=(--adapters basis --rank 2 --lora-target attention --lora-target mlp --calibrate "$data/train.jsonl" --calibrate-rows 32 --lr 0.0001 --schedule constant)
make_run 3 40 64 >"$work/create.out"
grep -q "trains 16 of 52 tensors, 9216 of 940800 parameters" "$work/create.out" || fail "run create says $(cat "$work/create.out")"
basis=$work/run.basis.safetensors
[ -f "$basis" ] || fail "no basis beside the manifest"
grep -q "run.basis.safetensors: basis of 32 rows" "$work/create.out" || fail "run create does not speak of the basis"
[ "$(grep -c '"name": ".*lora_B' "$work/run.json")" = 16 ] && ! grep -q 'lora_A' "$work/run.json" || fail "the manifest trains something else than B"
"$BIN/onebyte" run create --model "$model" --out "$work/again.json" --rounds 40 "${run_options[@]}" >/dev/null || fail "run create again"
cmp -s "$basis" "$work/again.basis.safetensors" || fail "the same rows make another basis on the same machine"

# what cannot be a basis is refused before anything is signed
refused() { # refused PEER WORDS: the daemon ends with exit code 2 and says so
    "$BIN/onebyted" --config "$work/p$1.conf" >"$work/refused" 2>&1
    [ $? = 2 ] && grep -q "$2" "$work/refused" || fail "expected \"$2\": $(cat "$work/refused")"
}
sed -i 's/^\[peers\]/solo = yes\n&/' "$work/p1.conf"
mkdir "$work/kept" && mv "$basis" "$work/kept/"
cp "$work/p1.conf" "$work/p1.conf.kept"
sed -i '/^peer[0-9] = /d' "$work/p1.conf"
refused 1 "run.basis.safetensors: missing; run \"run\" needs its basis beside the manifest"
mv "$work/p1.conf.kept" "$work/p1.conf"
cp "$work/kept/run.basis.safetensors" "$basis"
printf '\x55' | dd of="$basis" bs=1 seek=9000 conv=notrunc 2>/dev/null
refused 1 "run.basis.safetensors: not the basis of run \"run\", or damaged"
head -c 5000 "$work/kept/run.basis.safetensors" >"$basis"
refused 1 "the basis of run \"run\" is damaged; copy it again"
"$BIN/onebyte" run create --model "$model" --out "$work/other.json" --rounds 40 "${run_options[@]}" --calibrate-rows 8 >/dev/null || fail "another run"
cp "$work/other.basis.safetensors" "$basis"
refused 1 "run.basis.safetensors: not the basis of run \"run\""
cp "$work/kept/run.basis.safetensors" "$basis"
"$BIN/onebyted" --config "$work/p1.conf" --check >/dev/null 2>"$work/check" || fail "--check: $(cat "$work/check")"

# the newcomer has a certificate and addresses
sed -i "s|^manifest = .*|manifest = $work/p3/run.json|" "$work/p3.conf"
start 1; start 2
trained() { [ "$(get "$1" own_rounds)" -ge "$2" ] 2>/dev/null; }
wait_for 60 trained 2 2 || fail "no rounds"
crash 2
start 2
start 3
wait_for 60 trained 2 1 || fail "peer 2 does not train after it was killed"
for p in 1 2 3; do wait_for 200 life_is $p finished || fail "peer $p does not finish"; done
wait_for 60 agree 1 2 3 || fail "no agreement"
cmp -s "$basis" "$work/p3/run.basis.safetensors" || fail "the newcomer did not fetch the basis"
[ ! -e "$work/p3/run.basis.safetensors.part" ] || fail "a part is left behind"
digest=$(get 1 weights_digest)
for p in 1 2 3; do kill -TERM "${pid[$p]}"; done
gone() { ! alive 1 && ! alive 2 && ! alive 3; }
wait_for 30 gone || fail "the daemons do not stop"

run=(--manifest "$work/run.json" --model "$model")
"$BIN/onebyte" verify "$work/p2" "${run[@]}" --digest "$digest" >/dev/null || fail "verify"
"$BIN/onebyte" verify "$work/p3" --model "$model" --digest "$digest" >/dev/null || fail "verify of what the newcomer holds"
export_run() { "$BIN/onebyte" export "$work/$1" "${run[@]}" "${@:2}" >>"$work/export.out" || fail "export $*"; }
mkdir "$work/handed"
export_run p1 --out "$work/merged" --delta "$work/handed/run.delta"
export_run p2 --out "$work/merged2"
export_run p1 --out "$work/merged-gguf" --format gguf
export_run p1 --out "$work/peft" --format peft
cmp -s "$work/merged/model.safetensors" "$work/merged2/model.safetensors" || fail "the peers' merged models differ"
cmp -s "$basis" "$work/handed/run.basis.safetensors" || fail "the basis is not beside the delta"
apply() { "$BIN/onebyte" apply --model "$model" --delta "$work/handed/run.delta" "$@"; }
apply --out "$work/applied" >/dev/null || fail apply
cmp -s "$work/merged/model.safetensors" "$work/applied/model.safetensors" || fail "apply gives another merged model than export"
rm "$work/handed/run.basis.safetensors"
apply --out "$work/lacking" >/dev/null 2>"$work/lacking.err" && fail "apply without a basis"
grep -q "handed/run.basis.safetensors: missing" "$work/lacking.err" || fail "apply says $(cat "$work/lacking.err")"
apply --out "$work/applied-peft" --format peft --basis "$basis" >/dev/null || fail "apply --basis"
cmp -s "$work/peft/adapter_model.safetensors" "$work/applied-peft/adapter_model.safetensors" || fail "apply gives other adapters than export"
grep -q "basis of the adapters" "$work/merged/README.md" || fail "the model card does not name the basis"

# the merged model's loss is that of base, basis and adapters apart, and not the base's
loss() { "$BIN/onebyte" eval --model "$1" --data "$data/held_out.jsonl" --length 16 --json | sed 's/.*"loss":\([0-9.]*\).*/\1/'; }
"$BIN/onebyte" audit "$work/p1" "${run[@]}" --data "$data/held_out.jsonl" --length 16 >"$work/audit" || fail "audit: $(cat "$work/audit")"
apart=$(sed -n 's/^loss \([0-9.]*\) with all records/\1/p' "$work/audit")
near() { awk -v a="$1" -v b="$2" -v tolerance="$3" 'BEGIN { d = a - b; exit !(a > 0 && d <= tolerance && -d <= tolerance) }'; }
near "$apart" "$(loss "$work/merged")" 0.00002 || fail "loss $apart apart, $(loss "$work/merged") merged"
[ "$(loss "$work/merged-gguf/model.gguf")" = "$(loss "$work/merged")" ] || fail "another loss from GGUF"
near "$apart" "$(loss "$model")" 0.0005 && fail "the run has not moved the loss: $apart"
for c in '"peft_type": "LORA"' '"r": 2' '"lora_alpha": 2.0' '"transformer.h.3.mlp.c_proj"'; do
    grep -qF "$c" "$work/peft/adapter_config.json" || fail "adapter_config.json has no $c"
done
grep -aq '"base_model.model.transformer.h.0.attn.c_attn.lora_A.weight":{"dtype":"F32","shape":\[2,128\]' "$work/peft/adapter_model.safetensors" || fail "no basis among the adapters"
exit 0
