#!/usr/bin/env bash
# A certified member with bad intent against three daemons that train: none of its attacks may stop, drag or end them.
#   members.sh BIN ROOT ATTACK-PROGRAM ATTACK
BIN=$1 ROOT=$2 ATTACK=$3 kind=$4
. "$ROOT/tests/integration/common.sh"
rounds=20000
[ "$kind" != push ] && [ "$kind" != audit ] || run_options=(--adapters none --exponents 8)
[ "$kind" != burst ] || rounds=200000
samples=4
if [ "$kind" = behind ]; then # weights that take longer to replay than records take to arrive: seven times as many
    rounds=200000 samples=2
    "$(dirname "$ATTACK")/checkpoint" "$work/model" 8 256 4 1024 128 >/dev/null && cp "$model/tokenizer.json" "$work/model/" || exit 1
    model=$work/model
fi
make_run 4 $rounds $samples # the fourth is the attacker
trained() { [ "$(get "$1" own_samples)" -ge "$2" ] 2>/dev/null; }
more() { local p before; for p in "$@"; do before=$(get "$p" own_samples); wait_for 120 trained "$p" $((before + $count)) || fail "peer $p stops"; done; }
attack() { # NAME SECONDS: against all victims
    local to=() p
    for p in "${victims[@]}"; do to+=("$(key "$p")@$(address "$p")"); done
    "$ATTACK" "$1" "$2" "$work/run.json" "$work/p4" "${to[@]}" >>"$work/attack.out" 2>&1 || fail "the attack did not take place: $(cat "$work/attack.out")"
}
from() { for p in "${victims[@]}"; do start "$p"; done; for p in "${victims[@]}"; do wait_for 60 trained "$p" 8 || fail "peer $p does not train"; done; }
says() { grep -q "$2" "$work/p$1.log"; }
count_lines() { grep -c "$2" "$work/p$1.log"; }
victims=(1 2 3) count=40
case $kind in
honest)
    from
    attack honest 5
    more "${victims[@]}"
    for p in "${victims[@]}"; do "$BIN/onebyte" pause "$work/p$p" || fail pause; done
    wait_for 60 agree "${victims[@]}" || fail "no agreement"
    "$BIN/onebyte" log "$work/p1" --manifest "$work/run.json" --json | grep -q "\"machine\":\"$(key 4)\"" || { cat "$work/attack.out"; grep -hE "refused|peer4|admitted" "$work"/p1.log | head -8; fail "the records of the member are not taken"; }
    ;;
jump) # two machines in all: the other one signs one record of the last round
    victims=(1)
    start 1
    attack jump 8
    more 1
    [ "$(get 1 life)" != finished ] || fail "one record ended the run"
    [ "$(get 1 round)" -lt $((rounds - 1000)) ] || fail "one record moved peer 1 to round $(get 1 round)"
    "$BIN/onebyte" revoke "$work/p1" peer4 --authority "$work/run.authority" >/dev/null || fail revoke
    more 1
    ;;
drag) # without the attack these do some thousand samples in that time, and waited for it 4 rounds in 4.4 s
    from
    before=$(get 1 own_samples)
    attack drag 30
    done_s=$(($(get 1 own_samples) - before))
    echo "samples of peer 1 in 30 s of drag: $done_s" >&2
    says 1 " slow machine=peer4" || fail "nothing is said about who holds the others up"
    [ "$done_s" -gt 400 ] || fail "one machine holds all others up: $done_s samples in 30 s"
    more "${victims[@]}"
    ;;
accuse)
    from
    attack accuse 30
    for p in "${victims[@]}"; do
        [ "$(get "$p" rebuilds)" -le 2 ] || fail "peer $p verified its weights $(get "$p" rebuilds) times"
        "$BIN/onebyte" status "$work/p$p" | grep -q "peer4: said .* that our weights are wrong" || fail "status of peer $p does not show who accuses falsely"
        says "$p" " proven machine=peer4" || fail "peer $p has not proven that the accuser is wrong"
        [ "$(count_lines "$p" " disagree ")" -le 10 ] || fail "peer $p says $(count_lines "$p" " disagree ") times that they disagree"
    done
    more "${victims[@]}"
    ;;
push) # one record of four bytes that say the largest value, in a run that allows exponents up to 8
    from
    attack push 8
    more "${victims[@]}"
    says 1 " outlier machine=peer4" || fail "nothing is said about a machine whose estimates stand out"
    "$BIN/onebyte" status "$work/p2" >"$work/shown" || fail status
    grep -q "peer4: from sample 0 on" "$work/shown" || fail "status does not show the outlier: $(cat "$work/shown")"
    "$BIN/onebyte" quarantine "$work/p1" peer2 >/dev/null 2>"$work/none" && fail "a quarantine of a machine that does not stand out"
    grep -q "nothing stands out" "$work/none" || fail "no word that nothing stands out: $(cat "$work/none")"
    # without the authority's key: this machine steps aside, and says what to send
    "$BIN/onebyte" quarantine "$work/p1" peer4 >"$work/send" || fail "quarantine without an authority"
    grep -q "onebyte revoke --authority FILE --keep-below 0 $(key 4)" "$work/send" || fail "does not say what to send: $(cat "$work/send")"
    wait_for 60 life_is 1 paused || fail "quarantine does not pause"
    "$BIN/onebyte" resume "$work/p1" || fail resume
    # with it: its records are taken out everywhere
    "$BIN/onebyte" quarantine "$work/p2" peer4 --authority "$work/run.authority" >"$work/done" || fail "quarantine with the authority"
    grep -q "samples below 0 remain valid" "$work/done" || fail "quarantine: $(cat "$work/done")"
    more "${victims[@]}"
    for p in "${victims[@]}"; do "$BIN/onebyte" pause "$work/p$p" || fail pause; done
    wait_for 60 agree "${victims[@]}" || fail "no agreement after the quarantine"
    "$BIN/onebyte" log "$work/p3" --manifest "$work/run.json" --json | grep -q "\"machine\":\"$(key 4)\"" && fail "a record of the quarantined machine is still there"
    "$BIN/onebyte" status "$work/p1" >"$work/shown" && grep -q "its estimates were" "$work/shown" && fail "the alarm stays after the quarantine"
    ;;
audit) # the same: who has held-out rows finds out by itself what its records do to them
    for p in 1 2; do sed -i "s|^\[training\]|&\nheld_out = $data/train.jsonl\nheld_out_interval = 16\nheld_out_share = 20|; s|^threads = .*|&\ndigest_interval = 16|" "$work/p$p.conf"; done
    sed -i "s|^threads = .*|&\ndigest_interval = 16|" "$work/p3.conf"
    from
    attack push 8
    of_attacker() { status "$1" && grep -o '"name":"peer4".*' "$work/p$1.json" >"$work/of4" && field "$work/of4" "$2"; }
    audited() { [[ $(of_attacker "$1" audit_round) =~ ^[0-9]+$ ]]; }
    for p in 1 2; do
        wait_for 120 audited $p || fail "peer $p, which has held-out rows, does not audit a machine that stands out: $(cat "$work/of4" 2>/dev/null)"
        with=$(of_attacker $p audit_loss) without=$(of_attacker $p audit_loss_without)
        awk -v a="$with" -v b="$without" 'BEGIN { exit !(b < a) }' || fail "the audit of peer $p: $with with the records, $without without"
        [ "$(of_attacker $p audit_rows)" -gt 0 ] || fail "the audit of peer $p has no rows"
        says $p " error audit machine=peer4 .*the run is worse for them; use .onebyte quarantine peer4" || fail "no line about the audit"
        "$BIN/onebyte" history "$work/p$p" --events >"$work/events" || fail "events"
        grep -q "outlier.*peer4" "$work/events" && grep -q "audit.*peer4" "$work/events" || fail "no events: $(cat "$work/events")"
        "$BIN/onebyte" status "$work/p$p" >"$work/shown" || fail status
        grep -q "held-out loss at round [0-9]*: [0-9.]* with them" "$work/shown" && grep -q "use .onebyte quarantine" "$work/shown" || fail "status does not show the audit: $(cat "$work/shown")"
    done
    echo "held-out loss $with with the records, $without without" >&2
    audited 3 && fail "a peer without held-out rows audits"
    # what was taken out is back exactly: the weights are those of the peer that audits nothing, and of the log
    more "${victims[@]}"
    for p in "${victims[@]}"; do "$BIN/onebyte" pause "$work/p$p" || fail pause; done
    wait_for 60 agree "${victims[@]}" || fail "no agreement after the audit"
    for p in "${victims[@]}"; do "$BIN/onebyte" resume "$work/p$p" || fail resume; done
    "$BIN/onebyte" quarantine "$work/p2" peer4 --authority "$work/run.authority" >"$work/done" || fail "quarantine"
    gone() { ! audited 1; }
    wait_for 60 gone || fail "the audit is shown after the quarantine"
    more "${victims[@]}"
    ;;
burst) # one that stood still meets more records than it can replay in a round: it trains on meanwhile, and says how far it is behind
    from
    kill -STOP "${pid[1]}"
    victims=(2 3)
    attack burst 60 &
    attacker=$! most=0 before=0 looks=0 rounds_behind=0
    of_attacker() { status "$1" && grep -o '"name":"peer4".*' "$work/p$1.json" | grep -o '"samples":[0-9]*' | head -1 | cut -d: -f2; }
    held() { [ "$(of_attacker 2)" -ge 40000 ] 2>/dev/null; }
    wait_for 240 held || fail "the records of the member are not taken: $(of_attacker 2) samples"
    kill -CONT "${pid[1]}"
    all_replayed() { # counts the looks in a row at which samples were not in the weights yet, and those at which own rounds had ended meanwhile
        local waiting own held
        held=$(of_attacker 1) || return 1
        waiting=$(grep -o '"waiting_samples":[0-9]*' "$work/p1.json" | cut -d: -f2) own=$(field "$work/p1.json" own_samples)
        [ "$waiting" -gt "$most" ] && most=$waiting
        if [ "$waiting" -gt 32 ]; then
            [ $before -gt 0 ] && looks=$((looks + 1))
            [ $before -gt 0 ] && [ "$own" -gt $before ] && rounds_behind=$((rounds_behind + 1))
            before=$own
        else before=0; fi
        [ "${held:-0}" -ge 40000 ] && [ "$waiting" -le 32 ]
    }
    began=$SECONDS
    wait_for 600 all_replayed || fail "the records of the member are not replayed: $most waited, $(of_attacker 1) of its samples are held"
    echo "$(of_attacker 1) samples of the member in $((SECONDS - began)) s: up to $most waited; at $rounds_behind of $looks looks with samples waiting an own round had ended" >&2
    [ $looks -lt 5 ] || [ $rounds_behind -gt 0 ] || fail "no training while records wait to be replayed"
    wait $attacker || fail "the attack did not take place"
    victims=(1 2 3)
    more "${victims[@]}"
    for p in "${victims[@]}"; do "$BIN/onebyte" pause "$work/p$p" || fail pause; done
    wait_for 120 agree "${victims[@]}" || fail "no agreement"
    ;;
behind) # 19,819 records come in seconds and take tens of seconds to replay: own samples go on, and people see what is behind
    victims=(1) deep=10000 # samples that wait: then there is something to see
    sed -i 's|^\[swarm\]|&\nsolo = yes|' "$work/p1.conf"
    from
    attack burst 90 &
    attacker=$! most=0 looks=0 own_first= own_last= shown=0 said_alive=0
    is_deep() { # a look at a time: how much waits, and what we have done since much waited
        local waiting
        status 1 || return 1
        waiting=$(grep -o '"waiting_samples":[0-9]*' "$work/p1.json" | cut -d: -f2)
        [ "${waiting:-0}" -gt "$most" ] && most=$waiting
        [ "${waiting:-0}" -ge 1000 ] || return 1
        looks=$((looks + 1)) own_last=$(field "$work/p1.json" own_samples)
        own_first=${own_first:-$own_last}
        case $(field "$work/p1.json" life) in training | waiting) said_alive=$((said_alive + 1)) ;; esac
        "$BIN/onebyte" status "$work/p1" | grep -q "the weights are [0-9]* samples behind the log: about [0-9]* s of replay" && shown=$((shown + 1))
        return 0
    }
    flooded() { is_deep; [ "$most" -ge $deep ]; }
    wait_for 240 flooded || fail "replay is not held up: at most $most samples waited"
    began=$SECONDS
    over() { ! is_deep && [ "$most" -ge $deep ] && [ -n "$own_last" ]; }
    wait_for 1200 over || fail "the records are not replayed: $(get 1 waiting_samples) samples wait"
    own=$((own_last - own_first))
    echo "up to $most samples waited, more than 1,000 for $((SECONDS - began)) s; $own own samples meanwhile; shown at $shown of $looks looks" >&2
    [ $looks -ge 5 ] || fail "replay was over after $looks looks: nothing is shown by that"
    [ $own -ge 20 ] || fail "no training while records wait to be replayed: $own own samples in $((SECONDS - began)) s"
    [ $said_alive -gt 0 ] || fail "the status does not say that it trains"
    [ $shown -gt 0 ] || fail "the status does not show that the weights are behind"
    took=$((SECONDS - began)) # the log says it now and then
    [ $took -lt 40 ] || says 1 " info catch-up .*waiting_records=[1-9]" || fail "the log does not say that the weights are behind"
    wait $attacker || fail "the attack did not take place"
    more 1
    ;;
ask) # it is answered with its share of each daemon's bandwidth, and training goes on
    from
    declare -A sent
    traffic() { status "$1"; grep -o '"traffic":{[^}]*' "$work/p$1.json" | grep -o '"sent_bytes":[0-9]*' | cut -d: -f2; }
    for p in "${victims[@]}"; do sent[$p]=$(traffic "$p"); done
    attack ask 10
    for p in "${victims[@]}"; do
        answered=$(($(traffic "$p") - ${sent[$p]}))
        echo "peer $p: $((answered / 1000)) kB sent, $(get "$p" refused_questions) questions not answered, $(get "$p" unread_messages) unread"
        [ $answered -lt 120000000 ] || fail "peer $p answers everything"
        [ "$(get "$p" refused_questions)" -gt 0 ] || fail "peer $p refuses nothing"
    done
    more "${victims[@]}"
    ;;
esac
for p in "${victims[@]}"; do alive "$p" || fail "peer $p is gone"; done
exit 0
