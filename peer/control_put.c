#include "peer/control_put.h"

#include <assert.h>

#include "peer/authority.h"
#include "peer/effects.h"
#include "peer/state.h"

/* ---- on the wire ---- */

struct ob_writer ob_control_list_start(const struct ob_run_id *run, void *buffer, size_t capacity) {
    struct ob_writer writer = ob_message_start(OB_MESSAGE_CONTROL, run, buffer, capacity);
    ob_write_u32(&writer, 0);
    return writer;
}

bool ob_control_list_add(struct ob_writer *writer, const void *entry, size_t bytes) {
    assert(bytes <= OB_CONTROL_BYTES_MAX);
    if (writer->failed || writer->capacity - writer->used < 2 + bytes)
        return false;
    ob_write_u16(writer, (uint16_t)bytes);
    ob_write_bytes(writer, entry, bytes);
    return true;
}

void ob_control_list_end(struct ob_writer *writer, uint32_t count) {
    ob_store_u32(writer->start + OB_MESSAGE_HEADER_BYTES + OB_HASH_BYTES, count);
}

/* ---- putting ---- */

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

/* Returns where it lies now; NULL: it is not new, or there is no room. */
static const uint8_t *put(struct ob_peer *peer, const struct ob_control *control, const uint8_t *data,
                          size_t bytes, bool onwards) {
    const uint8_t *kept = NULL;
    enum control_put done = ob_control_table_put(&peer->control, control, data, bytes, &kept);
    if (done == CONTROL_FULL)
        ob_effects_full(peer, &control->subject, "the control table is full");
    if (done != CONTROL_TAKEN)
        return NULL;
    struct ob_effect *persist = ob_effects_add(peer, OB_EFFECT_PERSIST_CONTROL);
    persist->data = kept;
    persist->bytes = bytes;
    if (onwards)
        publish(peer, kept, bytes);
    return kept;
}

bool ob_control_put(struct ob_peer *peer, const struct ob_control *control, const uint8_t *data, size_t bytes,
                    bool onwards) {
    return put(peer, control, data, bytes, onwards) != NULL;
}

bool ob_control_put_own(struct ob_peer *peer, enum ob_control_kind kind, const uint8_t *payload, size_t bytes,
                        struct ob_control *ret_control) {
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
        return false; /* we have no certificate (yet) */
    if (ob_control_table_find(&peer->control, kind, &own->id, &before))
        control.sequence = before.sequence + 1;
    size_t body_bytes = ob_control_body(&peer->options.run, &control, body);
    peer->options.crypto.sign(peer->options.crypto.context, body, body_bytes, signature);
    size_t entry_bytes = ob_control_encode(&control, data);
    struct ob_error error;
    if (ob_control_decode(data, entry_bytes, &control, &error) != OB_OK) {
        ob_effects_tell(peer, OB_NOTICE_REFUSED, &own->id, "our own entry: %s", error.text);
        return false;
    }
    const uint8_t *kept = put(peer, &control, data, entry_bytes, true);
    if (kept == NULL)
        return false;
    enum ob_err err = ob_control_decode(kept, entry_bytes, ret_control, NULL);
    assert(err == OB_OK);
    return err == OB_OK;
}
