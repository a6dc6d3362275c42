#include "peer/records.h"

#include <string.h>

#include "peer/arrival.h"
#include "peer/effects.h"
#include "peer/fetch.h"
#include "peer/fork.h"
#include "peer/holds.h"
#include "peer/isolation.h"
#include "peer/machines.h"
#include "peer/relay.h"
#include "peer/state.h"

void ob_receive_record(struct ob_peer *peer, struct machine *sender, struct ob_reader body) {
    if (ob_arrival(peer, sender, body.at, body.left) == ARRIVAL_TAKEN)
        ob_relay_taken(peer, body.at, body.left);
}

/* What a message of fetched records says about its sender. */
static void judge(struct ob_peer *peer, struct machine *sender, const struct ob_machine_id *of, bool bad,
                  bool progress) {
    if (bad) {
        peer->counters.bad_answers++;
        ob_doubt_bad(&sender->doubts, of, peer->now_ns);
    } else if (progress) {
        ob_doubt_good(&sender->doubts, of);
    }
}

/* The records of one message are those of one machine (what SERVE sends); of another one they are taken as
 * well, but close no ask. */
void ob_receive_records(struct ob_peer *peer, struct machine *sender, struct ob_reader body) {
    struct ob_run_id run;
    struct ob_list list;
    if (!ob_list_decode(body, false, &run, &list)) {
        ob_effects_refuse(peer, sender, "a malformed message of records");
        return;
    }
    if (!ob_hash_equal(&run.hash, &peer->options.run.hash)) {
        ob_effects_refuse(peer, sender, "records of another run");
        return;
    }
    struct ob_machine_id first = {{0}};
    bool any = false, progress = false, bad = false;
    while (peer->life != OB_PEER_HALTED && ob_effects_room(peer)) {
        size_t bytes;
        const uint8_t *record = ob_list_next(&list, &bytes);
        if (record == NULL)
            break;
        if (ob_fork_answer(peer, sender, record, bytes))
            continue;
        if (!any && bytes >= OB_KEY_BYTES)
            memcpy(first.key, record, OB_KEY_BYTES);
        any = true;
        enum arrival verdict = ob_arrival(peer, sender, record, bytes);
        bad = bad || verdict == ARRIVAL_BAD;
        if (verdict != ARRIVAL_TAKEN)
            continue;
        progress = true;
        ob_relay_taken(peer, record, bytes);
    }
    if (any && sender != peer->own)
        judge(peer, sender, &first, bad, progress);
    struct machine *machine = any ? ob_machines_find(peer, &first) : NULL;
    if (machine != NULL && peer->life != OB_PEER_HALTED)
        ob_fetch_answered(peer, sender, machine, progress);
}

void ob_receive_records_ask(struct ob_peer *peer, struct machine *sender, struct ob_reader body) {
    struct ob_records_ask ask;
    if (!ob_records_ask_decode(body, &ask)) {
        ob_effects_refuse(peer, sender, "a malformed question for records");
        return;
    }
    if (!ob_hash_equal(&ask.run.hash, &peer->options.run.hash)) {
        ob_effects_refuse(peer, sender, "a question for records of another run");
        return;
    }
    const struct machine *machine = ob_machines_find(peer, &ask.machine);
    if (machine == peer->own)
        ob_isolation_acknowledge(peer, sender, ask.first.index);
    if (machine == NULL || ask.first.index >= machine->chain.next) {
        ob_holds_send(peer, sender, &ask.machine); /* it will ask somebody else */
        return;
    }
    struct ob_effect *serve = ob_effects_add(peer, OB_EFFECT_SERVE);
    serve->machine = sender->id;
    serve->serve = (struct ob_effect_serve){
        .of = ask.machine, .first = ask.first, .count = ask.count, .bytes_max = OB_MESSAGE_MAX};
}
