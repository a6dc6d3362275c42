/* control_table - entries that everybody ends up with, whatever the order in which they arrive.
 * One entry for each (kind, signer, subject); see record/control.h for which of two stays. */
#include <assert.h>

#include "peer/state.h"
#include "record/hash.h"

#define ENTRY_KEY_OFFSET 4 /* signer ‖ subject */

/* By kind, then signer, then subject. */
static int compare(const uint8_t *a, const uint8_t *b) {
    if (a[0] != b[0])
        return a[0] < b[0] ? -1 : 1;
    return memcmp(a + ENTRY_KEY_OFFSET, b + ENTRY_KEY_OFFSET, (size_t)2 * OB_KEY_BYTES);
}

static size_t position_of(const struct ob_peer *peer, const uint8_t *data) {
    size_t low = 0, high = peer->control_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare(peer->control_order[middle]->data, data) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* BLAKE2b-256("onebyte/control" ‖ for each entry, sorted: le64(length) ‖ its bytes) */
struct ob_hash ob_control_table_digest(const struct ob_peer *peer) {
    if (peer->digests->control_known)
        return peer->digests->control;
    struct ob_hasher hasher;
    ob_hasher_init(&hasher);
    ob_hasher_add(&hasher, "onebyte/control", 15);
    for (size_t i = 0; i < peer->control_count; i++) {
        ob_hasher_add_u64(&hasher, peer->control_order[i]->bytes);
        ob_hasher_add(&hasher, peer->control_order[i]->data, peer->control_order[i]->bytes);
    }
    peer->digests->control = ob_hasher_end(&hasher);
    peer->digests->control_known = true;
    return peer->digests->control;
}

static bool replaces(const struct control_entry *old, const struct control_entry *entry) {
    uint64_t old_sequence = ob_load_u64(old->data + OB_CONTROL_HEADER_BYTES - 8);
    uint64_t sequence = ob_load_u64(entry->data + OB_CONTROL_HEADER_BYTES - 8);
    if (sequence != old_sequence)
        return sequence > old_sequence;
    if (entry->bytes != old->bytes)
        return entry->bytes > old->bytes;
    return memcmp(entry->data, old->data, entry->bytes) > 0;
}

bool ob_control_table_merge(struct ob_peer *peer, const struct ob_control *control,
                            const struct control_entry **ret_entry) {
    struct control_entry entry;
    entry.bytes = (uint16_t)ob_control_encode(control, entry.data);
    size_t position = position_of(peer, entry.data);
    bool known =
        position < peer->control_count && compare(peer->control_order[position]->data, entry.data) == 0;
    if (known && !replaces(peer->control_order[position], &entry))
        return false;
    struct machine *subject = ob_machines_take(peer, &control->subject);
    if (subject == NULL || (!known && peer->control_count == peer->capacity))
        return false;
    if (!known) {
        memmove(&peer->control_order[position + 1], &peer->control_order[position],
                (peer->control_count - position) * sizeof(struct control_entry *));
        peer->control_order[position] = &peer->control[peer->control_count++];
    }
    *peer->control_order[position] = entry;
    peer->digests->control_known = false;
    assert(control->kind == OB_CONTROL_GOODBYE);
    subject->goodbye = true;
    subject->goodbye_next = ob_control_goodbye_next(control).index;
    *ret_entry = peer->control_order[position];
    return true;
}

void ob_control_table_ask(struct ob_peer *peer, struct machine *of) {
    if (of->control_asked_ns != 0 && peer->now_ns - of->control_asked_ns < CONTROL_ASK_EVERY_NS)
        return;
    uint8_t *data = ob_effects_scratch(peer, OB_SMALL_MESSAGE_BYTES_MAX);
    if (data == NULL)
        return;
    of->control_asked_ns = peer->now_ns;
    struct ob_hash digest = ob_control_table_digest(peer);
    ob_effects_send(peer, of, data, ob_control_ask_encode(&peer->options.run, &digest, data));
}

/* One message with entries from the cursor on. A table larger than the answer is told in turns: the cursor
 * goes on where the last answer ended, whoever asked. */
static size_t send_chunk(struct ob_peer *peer, const struct machine *to, size_t limit) {
    uint8_t *data = ob_effects_scratch(peer, OB_MESSAGE_MAX);
    if (data == NULL)
        return 0;
    struct ob_writer writer = ob_control_list_start(&peer->options.run, data, OB_MESSAGE_MAX);
    uint32_t count = 0;
    while (count < limit) {
        const struct control_entry *entry = peer->control_order[peer->control_cursor % peer->control_count];
        if (!ob_control_list_add(&writer, entry->data, entry->bytes))
            break;
        peer->control_cursor = (peer->control_cursor + 1) % peer->control_count;
        count++;
    }
    ob_control_list_end(&writer, count);
    ob_effects_send(peer, to, data, writer.used);
    return count;
}

void ob_control_table_serve(struct ob_peer *peer, struct machine *sender, struct ob_reader body) {
    struct ob_run_id run;
    struct ob_hash digest, own = ob_control_table_digest(peer);
    if (!ob_control_ask_decode(body, &run, &digest)) {
        ob_effects_refuse(peer, sender, "a malformed question for the control table");
        return;
    }
    if (!ob_hash_equal(&run.hash, &peer->options.run.hash)) {
        ob_effects_refuse(peer, sender, "a question for the control table of another run");
        return;
    }
    if (ob_hash_equal(&digest, &own))
        return;
    size_t left = peer->control_count;
    for (size_t chunk = 0; chunk < CONTROL_CHUNKS && left > 0; chunk++) {
        size_t sent = send_chunk(peer, sender, left);
        if (sent == 0)
            break;
        left -= sent;
    }
}

static void receive_entry(struct ob_peer *peer, struct machine *sender, const uint8_t *data, size_t bytes) {
    struct ob_control control;
    struct ob_error error;
    if (ob_control_decode(data, bytes, &control, &error) != OB_OK) {
        ob_effects_refuse(peer, sender, "%s", error.text);
        return;
    }
    if (control.kind != OB_CONTROL_GOODBYE)
        return;
    size_t position = position_of(peer, data);
    if (position < peer->control_count && peer->control_order[position]->bytes == bytes &&
        memcmp(peer->control_order[position]->data, data, bytes) == 0)
        return; /* we have it: no need to look at its signature */
    uint8_t body[OB_CONTROL_BODY_BYTES_MAX];
    size_t body_bytes = ob_control_body(&peer->options.run, &control, body);
    const struct ob_peer_crypto *crypto = &peer->options.crypto;
    if (!crypto->verify(crypto->context, &control.signer, body, body_bytes, control.signature)) {
        peer->counters.bad_signatures++;
        ob_effects_refuse(peer, sender, "a control entry with a bad signature (or of another run)");
        return;
    }
    const struct machine *subject = ob_machines_find(peer, &control.subject);
    bool had_left = subject != NULL && ob_machines_left(subject);
    const struct control_entry *entry;
    if (!ob_control_table_merge(peer, &control, &entry))
        return;
    struct ob_effect *persist = ob_effects_add(peer, OB_EFFECT_PERSIST_CONTROL);
    persist->data = entry->data;
    persist->bytes = entry->bytes;
    subject = ob_machines_find(peer, &control.subject);
    if (!had_left && ob_machines_left(subject) && subject != peer->own)
        ob_effects_tell(peer, OB_NOTICE_LEFT, &control.subject, "it said goodbye after %llu samples",
                        (unsigned long long)subject->goodbye_next);
}

void ob_control_table_receive(struct ob_peer *peer, struct machine *sender, struct ob_reader body) {
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
    while (ob_effects_room(peer)) {
        size_t bytes;
        const uint8_t *data = ob_list_next(&list, &bytes);
        if (data == NULL)
            return;
        receive_entry(peer, sender, data, bytes);
    }
}

/* Signs our goodbye into the table, hands it to the store and to everybody. */
void ob_control_table_goodbye(struct ob_peer *peer) {
    const struct machine *own = peer->own;
    uint8_t payload[OB_CONTROL_GOODBYE_BYTES], signature[64], body[OB_CONTROL_BODY_BYTES_MAX];
    ob_store_u64(payload, own->next);
    struct ob_control control = {
        .kind = OB_CONTROL_GOODBYE,
        .payload_bytes = OB_CONTROL_GOODBYE_BYTES,
        .signer = own->id,
        .subject = own->id,
        .payload = payload,
        .signature = signature,
    };
    uint8_t place[OB_CONTROL_HEADER_BYTES] = {OB_CONTROL_GOODBYE};
    memcpy(place + ENTRY_KEY_OFFSET, own->id.key, OB_KEY_BYTES);
    memcpy(place + ENTRY_KEY_OFFSET + OB_KEY_BYTES, own->id.key, OB_KEY_BYTES);
    size_t position = position_of(peer, place);
    if (position < peer->control_count && compare(peer->control_order[position]->data, place) == 0)
        control.sequence = ob_load_u64(peer->control_order[position]->data + OB_CONTROL_HEADER_BYTES - 8) + 1;
    size_t body_bytes = ob_control_body(&peer->options.run, &control, body);
    peer->options.crypto.sign(peer->options.crypto.context, body, body_bytes, signature);
    const struct control_entry *entry;
    uint8_t *data = ob_effects_scratch(peer, OB_SMALL_MESSAGE_BYTES_MAX);
    if (data == NULL || !ob_control_table_merge(peer, &control, &entry))
        return; /* no room for it: we go quiet instead */
    struct ob_effect *persist = ob_effects_add(peer, OB_EFFECT_PERSIST_CONTROL);
    persist->data = entry->data;
    persist->bytes = entry->bytes;
    struct ob_writer writer = ob_control_list_start(&peer->options.run, data, OB_SMALL_MESSAGE_BYTES_MAX);
    (void)ob_control_list_add(&writer, entry->data, entry->bytes);
    ob_control_list_end(&writer, 1);
    ob_effects_publish(peer, data, writer.used);
}
