#!/usr/bin/env bash
# A daemon's rows: tokens are kept for the next start; of other rows, or damaged, they are made anew; a token beyond the
# embedding is refused before training begins, with file and line.
BIN=$1 ROOT=$2
. "$ROOT/tests/integration/common.sh"
make_run 1 100000 4
cache=$work/p1/rows.cache
says() { grep -qE "$1" "$work/p1.log"; }
trained() { [ "$(get 1 own_samples)" -ge 1 ] 2>/dev/null; }
gone() { ! alive 1; }
run_once() { # WORDS [OPTION…]: starts, trains, leaves; its log has WORDS
    : >"$work/p1.log"
    start 1 --set swarm.solo=yes "${@:2}"
    wait_for 60 trained || fail "does not train"
    says " rows .*$1" || fail "its log does not say \"$1\""
    kill -TERM "${pid[1]}"; wait_for 60 gone || fail "does not leave"
}
run_once "text=\"read and tokenized\""
[ -f "$cache" ] || fail "no cache"
[ "$(stat -c %a "$work/p1")" = 700 ] || fail "others can read the state directory"
run_once "text=\"reusing the tokens of an earlier start\""
run_once "text=\"read and tokenized\"" --set training.length=9
run_once "text=\"reusing the tokens of an earlier start\"" --set training.length=9
printf x | dd of="$cache" bs=1 seek=200 conv=notrunc status=none
run_once "text=\"read and tokenized\"" --set training.length=9
says "warn rows-cache .*damaged" || fail "a damaged cache is not named"
run_once "text=\"reusing the tokens of an earlier start\"" --set training.length=9

# a tokenizer with one more token than the model has rows
mkdir "$work/model" && cp "$model"/* "$work/model/"
cat >"$work/model/tokenizer_config.json" <<'JSON'
{"tokenizer_class": "PreTrainedTokenizerFast", "additional_special_tokens": ["<|new|>"]}
JSON
printf '{"text": "In the beginning"}\n{"text": "God <|new|> created"}\n' >"$work/rows.jsonl"
for arguments in "" --check; do
    timeout 60 "$BIN/onebyted" --config "$work/p1.conf" --set run.model="$work/model" --set training.data="$work/rows.jsonl" $arguments >/dev/null 2>"$work/beyond.log"
    [ $? = 2 ] || fail "a token beyond the embedding: exit code"
    grep -q "rows.jsonl:2: token 1024 (\"<|new|>\") has no row in the model's embedding" "$work/beyond.log" || fail "a token beyond the embedding: $(cat "$work/beyond.log")"
done
sed -i 2d "$work/rows.jsonl"
"$BIN/onebyted" --config "$work/p1.conf" --set run.model="$work/model" --set training.data="$work/rows.jsonl" --check >/dev/null 2>"$work/beyond.log" || fail "--check: $(cat "$work/beyond.log")"
grep -q "note: .*too few for 1 of the tokenizer's tokens (id 1024 and up)" "$work/beyond.log" || fail "--check does not compare vocabulary and embedding"
exit 0
