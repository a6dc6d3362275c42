#include "peer/control_exchange.h"

#include <assert.h>
#include <string.h>

#include "peer/authority.h"
#include "peer/control.h"
#include "peer/control_put.h"
#include "peer/effects.h"
#include "peer/machines.h"
#include "peer/state.h"

#define ASK_EVERY_NS  (1 * SECONDS)
#define ASK_ANY_NS    (100 * MILLISECONDS) /* between two of them, whomever they go to */
#define MESSAGES      2                    /* that answer one question */
#define SAID_EVERY_NS (5 * SECONDS)
#define SAID_BURST    4 /* goodbyes and addresses of one machine taken in SAID_EVERY_NS */

/* ---- on the wire ---- */

size_t ob_control_ask_encode(const struct ob_run_id *run, const struct ob_hash *leaves, uint8_t *ret_data) {
    struct ob_writer writer = ob_message_start(OB_MESSAGE_CONTROL_ASK, run, ret_data, OB_CONTROL_ASK_BYTES);
    for (size_t i = 0; i < OB_LEAVES; i++)
        ob_write_bytes(&writer, leaves[i].bytes, OB_LEAF_BYTES);
    assert(!writer.failed && writer.used == OB_CONTROL_ASK_BYTES);
    return writer.used;
}

bool ob_control_ask_decode(struct ob_reader reader, struct ob_run_id *ret_run, const uint8_t **ret_leaves) {
    struct ob_run_id run;
    ob_read_bytes(&reader, run.hash.bytes, OB_HASH_BYTES);
    const uint8_t *leaves = ob_read_view(&reader, (size_t)OB_LEAVES * OB_LEAF_BYTES);
    if (!ob_message_read(&reader))
        return false;
    *ret_run = run;
    *ret_leaves = leaves;
    return true;
}

/* ---- asking ---- */

static void send_leaf_hashes(struct ob_peer *peer, const struct machine *of) {
    uint8_t *data = ob_effects_scratch(peer, OB_CONTROL_ASK_BYTES);
    if (data == NULL)
        return;
    size_t bytes = ob_control_ask_encode(&peer->options.run, ob_control_table_leaves(&peer->control), data);
    ob_effects_send(peer, of, data, bytes);
}

void ob_control_ask(struct ob_peer *peer, struct machine *of) {
    if (of->exchange.asked_ns != 0 && peer->now_ns - of->exchange.asked_ns < ASK_EVERY_NS)
        return;
    if (peer->exchange.asked_ns != 0 && peer->now_ns - peer->exchange.asked_ns < ASK_ANY_NS)
        return;
    of->exchange.asked_ns = peer->exchange.asked_ns = peer->now_ns;
    send_leaf_hashes(peer, of);
}

/* ---- answering ---- */

struct answer {
    struct ob_peer *peer;
    const struct machine *to;
    struct ob_writer writer;
    uint32_t count;
    unsigned messages;
};

static bool next_message(struct answer *answer) {
    uint8_t *data = answer->messages == MESSAGES ? NULL : ob_effects_scratch(answer->peer, OB_MESSAGE_MAX);
    if (data == NULL)
        return false;
    answer->writer = ob_control_list_start(&answer->peer->options.run, data, OB_MESSAGE_MAX);
    answer->count = 0;
    answer->messages++;
    return true;
}

static void end_message(struct answer *answer) {
    if (answer->count == 0)
        return;
    ob_control_list_end(&answer->writer, answer->count);
    ob_effects_send(answer->peer, answer->to, answer->writer.start, answer->writer.used);
    answer->count = 0;
}

/* False: no room is left in this answer; the cursor is where the next one goes on. */
static bool add_leaf(struct answer *answer, uint8_t leaf) {
    struct ob_peer *peer = answer->peer;
    size_t bytes;
    size_t from = leaf == peer->exchange.cursor ? peer->exchange.cursor_entry : 0;
    for (size_t i = from;; i++) {
        const uint8_t *data = ob_control_table_data(&peer->control, leaf, i, &bytes);
        if (data == NULL)
            break;
        if (!ob_control_list_add(&answer->writer, data, bytes)) {
            end_message(answer);
            if (!next_message(answer)) {
                peer->exchange.cursor = leaf;
                peer->exchange.cursor_entry = i;
                return false;
            }
            (void)ob_control_list_add(&answer->writer, data, bytes);
        }
        answer->count++;
    }
    if (from > 0)
        peer->exchange.cursor_entry = 0; /* its first entries come in the next turn */
    return true;
}

/* A difference too large for one answer is told in turns: the next one begins where this one ended. */
void ob_receive_control_ask(struct ob_peer *peer, struct machine *sender, struct ob_reader body) {
    struct ob_run_id run;
    const uint8_t *theirs;
    if (!ob_control_ask_decode(body, &run, &theirs)) {
        ob_effects_refuse(peer, sender, "a malformed question for the control table");
        return;
    }
    if (!ob_hash_equal(&run.hash, &peer->options.run.hash)) {
        ob_effects_refuse(peer, sender, "a question for the control table of another run");
        return;
    }
    const struct ob_hash *ours = ob_control_table_leaves(&peer->control);
    struct answer answer = {.peer = peer, .to = sender};
    uint8_t start = peer->exchange.cursor;
    for (unsigned step = 0; step < OB_LEAVES; step++) {
        uint8_t leaf = (uint8_t)(start + step);
        if (memcmp(ours[leaf].bytes, theirs + (size_t)OB_LEAF_BYTES * leaf, OB_LEAF_BYTES) == 0)
            continue;
        if (answer.messages == 0 && !next_message(&answer))
            return;
        if (!add_leaf(&answer, leaf))
            return;
    }
    if (answer.messages > 0)
        end_message(&answer);
}

/* ---- taking in ---- */

/* 0: rotations, 1: the authority's other entries, 2: admissions by its invitations, 3: what machines say of
 * themselves. */
#define TURNS 4
static unsigned turn_of(enum ob_control_kind kind) {
    switch (kind) {
    case OB_CONTROL_ROTATION:
        return 0;
    case OB_CONTROL_CERTIFICATE:
    case OB_CONTROL_REVOCATION:
    case OB_CONTROL_INVITATION:
    case OB_CONTROL_WITHDRAWAL:
        return 1;
    case OB_CONTROL_ADMISSION:
        return 2;
    default:
        return 3;
    }
}

/* What a machine says of itself it may replace as often as it likes: here at most SAID_BURST times in
 * SAID_EVERY_NS, because each time costs a write to the disk and, over relays, a message. What is postponed
 * is not in our table, so that the heartbeats' digests differ and it is asked for again: the latest one of
 * then is taken. */
static bool too_fast(struct ob_peer *peer, const struct ob_control *control) {
    struct machine *machine = ob_machines_find(peer, &control->subject);
    if (machine == NULL || (control->kind != OB_CONTROL_GOODBYE && control->kind != OB_CONTROL_ADDRESS))
        return false;
    struct machine_exchange *exchange = &machine->exchange;
    if (exchange->said == 0 || peer->now_ns - exchange->said_ns >= SAID_EVERY_NS) {
        exchange->said_ns = peer->now_ns;
        exchange->said = 0;
    }
    if (exchange->said < SAID_BURST)
        return false;
    peer->counters.postponed++;
    return true;
}

static void count_said(struct ob_peer *peer, const struct ob_control *control) {
    struct machine *machine = ob_machines_find(peer, &control->subject);
    if (machine != NULL && (control->kind == OB_CONTROL_GOODBYE || control->kind == OB_CONTROL_ADDRESS))
        machine->exchange.said++;
}

static bool receive_entry(struct ob_peer *peer, struct machine *sender, const uint8_t *data, size_t bytes,
                          unsigned turn) {
    struct ob_control control;
    struct ob_error error;
    if (ob_control_decode(data, bytes, &control, &error) != OB_OK) {
        if (turn == 0)
            ob_effects_refuse(peer, sender, "%s", error.text);
        return false;
    }
    if (turn_of(control.kind) != turn || ob_control_table_holds(&peer->control, data, bytes) ||
        !ob_authority_would_count(peer, &control) || too_fast(peer, &control))
        return false;
    if (!ob_control_good_signature(peer, &control)) {
        peer->counters.bad_signatures++;
        ob_effects_refuse(peer, sender, "a control entry with a bad signature (or of another run)");
        return false;
    }
    if (!ob_control_take(peer, &control, data, bytes, peer->options.relay))
        return false;
    count_said(peer, &control);
    return true;
}

static bool receive_turn(struct ob_peer *peer, struct machine *sender, struct ob_list list, unsigned turn) {
    bool any = false;
    while (ob_effects_room(peer) && peer->life != OB_PEER_HALTED) {
        size_t bytes;
        const uint8_t *data = ob_list_next(&list, &bytes);
        if (data == NULL)
            break;
        any |= receive_entry(peer, sender, data, bytes, turn);
    }
    return any;
}

void ob_receive_control(struct ob_peer *peer, struct machine *sender, struct ob_reader body) {
    struct ob_run_id run;
    struct ob_list list;
    if (!ob_list_decode(body, true, &run, &list)) {
        ob_effects_refuse(peer, sender, "a malformed control message");
        return;
    }
    if (!ob_hash_equal(&run.hash, &peer->options.run.hash)) {
        ob_effects_refuse(peer, sender, "a control message of another run");
        return;
    }
    for (unsigned i = 0; i < AUTHORITIES_MAX && receive_turn(peer, sender, list, 0); i++)
        continue; /* a rotation may be the one that another was waiting for */
    for (unsigned turn = 1; turn < TURNS; turn++)
        (void)receive_turn(peer, sender, list, turn);
}
