/* control_exchange - how control tables become equal: what is new is published; heartbeats carry the digest;
 * a peer whose digest differs is asked, with the hashes of our 256 leaves, for the entries of those that
 * differ.
 *
 * An entry is looked at in the order rotations, authority's entries, machines' own entries, because the later
 * ones count by the earlier ones. What does not count here (yet) is not stored and is asked for again. */
#include <assert.h>

#include "peer/state.h"

static void send_leaf_hashes(struct ob_peer *peer, const struct machine *of) {
    uint8_t *data = ob_effects_scratch(peer, OB_CONTROL_ASK_BYTES);
    if (data == NULL)
        return;
    size_t bytes = ob_control_ask_encode(&peer->options.run, ob_control_table_leaves(peer), data);
    ob_effects_send(peer, of, data, bytes);
}

void ob_control_ask(struct ob_peer *peer, struct machine *of) {
    if (of->control_asked_ns != 0 && peer->now_ns - of->control_asked_ns < CONTROL_ASK_EVERY_NS)
        return;
    if (peer->control_ask_ns != 0 && peer->now_ns - peer->control_ask_ns < CONTROL_ASK_ANY_NS)
        return;
    of->control_asked_ns = peer->control_ask_ns = peer->now_ns;
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
    uint8_t *data =
        answer->messages == CONTROL_MESSAGES ? NULL : ob_effects_scratch(answer->peer, OB_MESSAGE_MAX);
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
    size_t from = leaf == peer->control_cursor ? peer->control_cursor_entry : 0;
    for (size_t i = from;; i++) {
        const uint8_t *data = ob_control_table_data(peer, leaf, i, &bytes);
        if (data == NULL)
            break;
        if (!ob_control_list_add(&answer->writer, data, bytes)) {
            end_message(answer);
            if (!next_message(answer)) {
                peer->control_cursor = leaf;
                peer->control_cursor_entry = i;
                return false;
            }
            (void)ob_control_list_add(&answer->writer, data, bytes);
        }
        answer->count++;
    }
    if (from > 0)
        peer->control_cursor_entry = 0; /* its first entries come in the next turn */
    return true;
}

/* A difference too large for one answer is told in turns: the next one begins where this one ended. */
void ob_control_serve(struct ob_peer *peer, struct machine *sender, struct ob_reader body) {
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
    const struct ob_hash *ours = ob_control_table_leaves(peer);
    struct answer answer = {.peer = peer, .to = sender};
    uint8_t start = peer->control_cursor;
    for (unsigned step = 0; step < DIGEST_LEAVES; step++) {
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

static bool good_signature(const struct ob_peer *peer, const struct ob_control *control) {
    struct ob_verifier verifier = ob_authority_verifier(peer);
    return ob_control_verify_with(&verifier, &peer->options.run, control);
}

static void publish(struct ob_peer *peer, const uint8_t *entry, size_t bytes) {
    size_t capacity = OB_CONTROL_LIST_HEADER_BYTES + 2 + bytes;
    uint8_t *data = ob_effects_scratch(peer, capacity);
    if (data == NULL)
        return; /* heartbeats tell that our table differs */
    struct ob_writer writer = ob_control_list_start(&peer->options.run, data, capacity);
    (void)ob_control_list_add(&writer, entry, bytes);
    ob_control_list_end(&writer, 1);
    ob_effects_publish(peer, data, writer.used);
}

static void tell_left(struct ob_peer *peer, const struct machine *machine, bool had_left) {
    if (!had_left && ob_machines_left(machine) && machine != peer->own)
        ob_effects_tell(peer, OB_NOTICE_LEFT, &machine->id, "it said goodbye after %llu samples",
                        (unsigned long long)machine->goodbye_next);
}

/* What an entry that is now in the table changes. */
static void follow(struct ob_peer *peer, const struct ob_control *control) {
    if (control->kind == OB_CONTROL_ROTATION) {
        ob_authority_changed(peer);
        ob_effects_tell(peer, OB_NOTICE_ROTATED, &control->subject,
                        "the run has another authority key: the old one counts below sequence %llu",
                        (unsigned long long)ob_control_until(control));
        return;
    }
    struct machine *machine = ob_machines_take(peer, &control->subject);
    if (machine == NULL)
        return; /* the table of machines is full: told */
    bool had_left = ob_machines_left(machine);
    machine->reach |= control->kind == OB_CONTROL_ADDRESS;
    ob_admission_stale(peer, machine);
    if (peer->life == OB_PEER_RECOVERING)
        return;
    ob_admission_refresh(peer, machine);
    tell_left(peer, machine, had_left);
}

/* Into the table, to the store and, if asked to, to everybody. False: it is not new, or there is no room. */
static bool take(struct ob_peer *peer, const struct ob_control *control, const uint8_t *data, size_t bytes,
                 bool onwards) {
    const uint8_t *kept;
    if (!ob_control_table_put(peer, control, data, bytes, &kept))
        return false;
    struct ob_effect *persist = ob_effects_add(peer, OB_EFFECT_PERSIST_CONTROL);
    persist->data = kept;
    persist->bytes = bytes;
    if (onwards)
        publish(peer, kept, bytes);
    follow(peer, control);
    return true;
}

/* 0: rotations, 1: the authority's other entries, 2: what machines say of themselves. */
static unsigned turn_of(enum ob_control_kind kind) {
    if (kind == OB_CONTROL_ROTATION)
        return 0;
    return kind == OB_CONTROL_CERTIFICATE || kind == OB_CONTROL_REVOCATION ? 1 : 2;
}

/* What a machine says of itself it may replace as often as it likes: here at most SAID_BURST times in
 * SAID_EVERY_NS, because each time costs a write to the disk and, over relays, a message. What is postponed
 * is not in our table, so that the heartbeats' digests differ and it is asked for again: the latest one of
 * then is taken. */
static bool too_fast(struct ob_peer *peer, const struct ob_control *control) {
    struct machine *machine = ob_machines_find(peer, &control->subject);
    if (machine == NULL || (control->kind != OB_CONTROL_GOODBYE && control->kind != OB_CONTROL_ADDRESS))
        return false;
    if (machine->said == 0 || peer->now_ns - machine->said_ns >= SAID_EVERY_NS) {
        machine->said_ns = peer->now_ns;
        machine->said = 0;
    }
    if (machine->said < SAID_BURST)
        return false;
    peer->counters.postponed++;
    return true;
}

static void count_said(struct ob_peer *peer, const struct ob_control *control) {
    struct machine *machine = ob_machines_find(peer, &control->subject);
    if (machine != NULL && (control->kind == OB_CONTROL_GOODBYE || control->kind == OB_CONTROL_ADDRESS))
        machine->said++;
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
    if (turn_of(control.kind) != turn || ob_control_table_holds(peer, data, bytes) ||
        !ob_authority_counts(peer, &control) || too_fast(peer, &control))
        return false;
    if (!good_signature(peer, &control)) {
        peer->counters.bad_signatures++;
        ob_effects_refuse(peer, sender, "a control entry with a bad signature (or of another run)");
        return false;
    }
    if (!take(peer, &control, data, bytes, peer->options.relay))
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

void ob_control_receive(struct ob_peer *peer, struct machine *sender, struct ob_reader body) {
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
    (void)receive_turn(peer, sender, list, 1);
    (void)receive_turn(peer, sender, list, 2);
}

/* ---- our own ---- */

void ob_control_local(struct ob_peer *peer, const uint8_t *data, size_t bytes) {
    struct ob_control control;
    struct ob_error error;
    const char *why = NULL;
    if (ob_control_decode(data, bytes, &control, &error) != OB_OK)
        why = error.text;
    else if (ob_control_table_holds(peer, data, bytes))
        return;
    else if (!ob_authority_counts(peer, &control))
        why = "it is not signed by the run's authority, or is about a machine without a certificate";
    else if (!good_signature(peer, &control))
        why = "its signature is bad, or of another run";
    if (why != NULL) {
        peer->counters.refused++;
        ob_effects_tell(peer, OB_NOTICE_REFUSED, &peer->own->id, "a control entry: %s", why);
    } else {
        (void)take(peer, &control, data, bytes, true);
    }
}

/* Signs an entry that only we may make, after the one that is in the table. */
static void sign_own(struct ob_peer *peer, enum ob_control_kind kind, const uint8_t *payload, size_t bytes) {
    const struct machine *own = peer->own;
    uint8_t signature[64], body[OB_CONTROL_BODY_BYTES_MAX], data[OB_CONTROL_PLAIN_BYTES_MAX];
    struct ob_control before, control = {
                                  .kind = kind,
                                  .payload_bytes = (uint16_t)bytes,
                                  .signer = own->id,
                                  .subject = own->id,
                                  .payload = payload,
                                  .signature = signature,
                              };
    if (!ob_authority_counts(peer, &control))
        return; /* we have no certificate (yet) */
    if (ob_control_table_find(peer, kind, &own->id, &before))
        control.sequence = before.sequence + 1;
    size_t body_bytes = ob_control_body(&peer->options.run, &control, body);
    peer->options.crypto.sign(peer->options.crypto.context, body, body_bytes, signature);
    size_t entry_bytes = ob_control_encode(&control, data);
    struct ob_error error;
    if (ob_control_decode(data, entry_bytes, &control, &error) != OB_OK)
        ob_effects_tell(peer, OB_NOTICE_REFUSED, &own->id, "our own entry: %s", error.text);
    else
        (void)take(peer, &control, data, entry_bytes, true);
}

void ob_control_goodbye(struct ob_peer *peer) {
    uint8_t payload[OB_CONTROL_GOODBYE_BYTES];
    ob_store_u64(payload, peer->own->next);
    sign_own(peer, OB_CONTROL_GOODBYE, payload, sizeof payload);
}

void ob_control_own_address(struct ob_peer *peer) {
    struct ob_control known;
    if (!peer->address_known || !peer->own->certified)
        return;
    if (ob_control_table_find(peer, OB_CONTROL_ADDRESS, &peer->own->id, &known) &&
        known.payload_bytes == peer->address_bytes &&
        memcmp(known.payload, peer->address, peer->address_bytes) == 0)
        return;
    sign_own(peer, OB_CONTROL_ADDRESS, peer->address, peer->address_bytes);
}

void ob_control_set_address(struct ob_peer *peer, const uint8_t *text, size_t bytes) {
    if (bytes > sizeof peer->address) {
        ob_effects_refuse(peer, peer->own, "our own address of %zu bytes is too long", bytes);
        return;
    }
    if (bytes > 0)
        memcpy(peer->address, text, bytes);
    peer->address_bytes = bytes;
    peer->address_known = true;
    ob_admission_stale(peer, peer->own);
}

void ob_control_own_evidence(struct ob_peer *peer, const struct ob_record *one,
                             const struct ob_record *other) {
    uint8_t data[OB_CONTROL_BYTES_MAX];
    struct ob_control control;
    size_t bytes = ob_evidence_encode(one, other, data);
    if (bytes == 0 || ob_control_decode(data, bytes, &control, NULL) != OB_OK ||
        !ob_authority_counts(peer, &control))
        return;
    (void)take(peer, &control, data, bytes, true);
}
