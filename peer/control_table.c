/* control_table - entries that everybody ends up with, whatever the order in which they arrive: storage,
 * which of two stays, digest. Which entries count is authority.c's to say.
 *
 * Place of an entry: its owner (the subject; of a rotation the signer, so that a key has one successor), kind
 * and signer. Of two at one place stays goodbye, certificate, address   the higher sequence; of equal ones
 * the longer, then the larger bytes revocation                      the lower keep_below, then as above
 *   rotation                        the lower sequence, then the smaller bytes
 *   evidence                        the lower cut; at equal cuts the one that is there (the digest has the
 * cut only) so that any order of arrival ends with the same table.
 *
 * The bytes lie in one arena, new ones behind the others, and are never moved within a step: effects may
 * point at them. Holes are closed when a step begins and little room is left. */
#include <assert.h>
#include <stdlib.h>

#include "peer/state.h"
#include "record/hash.h"

#define SIGNER_OFFSET   4
#define SUBJECT_OFFSET  (SIGNER_OFFSET + OB_KEY_BYTES)
#define SEQUENCE_OFFSET (SUBJECT_OFFSET + OB_KEY_BYTES)

static const uint8_t *data_of(const struct ob_peer *peer, const struct control_entry *entry) {
    return peer->control_arena + entry->offset;
}

static const uint8_t *owner_of(const uint8_t *data) {
    return data + (data[0] == OB_CONTROL_ROTATION ? SIGNER_OFFSET : SUBJECT_OFFSET);
}

static int compare(const uint8_t *a, const uint8_t *b) {
    int order = memcmp(owner_of(a), owner_of(b), OB_KEY_BYTES);
    if (order != 0)
        return order;
    if (a[0] != b[0])
        return a[0] < b[0] ? -1 : 1;
    return memcmp(a + SIGNER_OFFSET, b + SIGNER_OFFSET, OB_KEY_BYTES);
}

static size_t position_of(const struct ob_peer *peer, const uint8_t *data) {
    size_t low = 0, high = peer->control_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare(data_of(peer, &peer->control[middle]), data) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

size_t ob_control_table_first(const struct ob_peer *peer, const struct ob_machine_id *owner) {
    uint8_t place[SEQUENCE_OFFSET] = {0}; /* kind 0 is before every kind */
    memcpy(place + SUBJECT_OFFSET, owner->key, OB_KEY_BYTES);
    return position_of(peer, place);
}

bool ob_control_table_get(const struct ob_peer *peer, size_t position, struct ob_control *ret_control) {
    if (position >= peer->control_count)
        return false;
    const struct control_entry *entry = &peer->control[position];
    enum ob_err err = ob_control_decode(data_of(peer, entry), entry->bytes, ret_control, NULL);
    assert(err == OB_OK); /* what does not decode does not get in */
    return err == OB_OK;
}

bool ob_control_table_get_of(const struct ob_peer *peer, size_t position, const struct ob_machine_id *owner,
                             struct ob_control *ret_control) {
    return position < peer->control_count &&
           memcmp(owner_of(data_of(peer, &peer->control[position])), owner->key, OB_KEY_BYTES) == 0 &&
           ob_control_table_get(peer, position, ret_control);
}

bool ob_control_table_find(const struct ob_peer *peer, enum ob_control_kind kind,
                           const struct ob_machine_id *owner, struct ob_control *ret_control) {
    size_t position = ob_control_table_first(peer, owner);
    struct ob_control control;
    for (; ob_control_table_get_of(peer, position, owner, &control); position++)
        if (control.kind == kind) {
            *ret_control = control;
            return true;
        }
    return false;
}

const uint8_t *ob_control_table_data(const struct ob_peer *peer, uint8_t leaf, size_t i, size_t *ret_bytes) {
    size_t position = ob_control_table_first(peer, &(struct ob_machine_id){{leaf}}) + i;
    if (position >= peer->control_count)
        return NULL;
    const uint8_t *data = data_of(peer, &peer->control[position]);
    *ret_bytes = peer->control[position].bytes;
    return owner_of(data)[0] == leaf ? data : NULL;
}

bool ob_control_table_holds(const struct ob_peer *peer, const uint8_t *data, size_t bytes) {
    size_t position = position_of(peer, data);
    if (position == peer->control_count || compare(data_of(peer, &peer->control[position]), data) != 0)
        return false;
    const struct control_entry *entry = &peer->control[position];
    return entry->bytes == bytes && memcmp(data_of(peer, entry), data, bytes) == 0;
}

/* BLAKE2b-256(for each entry, by place: le64(length) ‖ its bytes; of evidence: kind, subject, le64(cut)). */
static struct ob_hash hash_leaf(const struct ob_peer *peer, uint8_t first_byte) {
    struct ob_machine_id from = {{first_byte}};
    struct ob_hasher hasher;
    bool any = false;
    struct ob_control control;
    ob_hasher_init(&hasher);
    for (size_t i = ob_control_table_first(peer, &from); i < peer->control_count; i++) {
        const uint8_t *data = data_of(peer, &peer->control[i]);
        if (owner_of(data)[0] != first_byte || !ob_control_table_get(peer, i, &control))
            break;
        any = true;
        if (control.kind == OB_CONTROL_EVIDENCE) {
            ob_hasher_add(&hasher, data, 1);
            ob_hasher_add(&hasher, control.subject.key, OB_KEY_BYTES);
            ob_hasher_add_u64(&hasher, ob_control_cut(&control).index);
        } else {
            ob_hasher_add_u64(&hasher, peer->control[i].bytes);
            ob_hasher_add(&hasher, data, peer->control[i].bytes);
        }
    }
    return any ? ob_hasher_end(&hasher) : (struct ob_hash){{0}};
}

struct ob_hash ob_control_table_digest(const struct ob_peer *peer) {
    return ob_digest_root(&peer->digests->control, "onebyte/control2", hash_leaf, peer);
}

const struct ob_hash *ob_control_table_leaves(const struct ob_peer *peer) {
    return ob_digest_leaves(&peer->digests->control, hash_leaf, peer);
}

static bool replaces(const struct ob_control *old, const uint8_t *old_data, size_t old_bytes,
                     const struct ob_control *new, const uint8_t *data, size_t bytes) {
    if (new->kind == OB_CONTROL_EVIDENCE)
        return ob_control_cut(new).index < ob_control_cut(old).index;
    if (new->kind == OB_CONTROL_REVOCATION && ob_control_cut(new).index != ob_control_cut(old).index)
        return ob_control_cut(new).index < ob_control_cut(old).index;
    bool rotation = new->kind == OB_CONTROL_ROTATION;
    if (new->sequence != old->sequence)
        return (new->sequence > old->sequence) != rotation;
    if (bytes != old_bytes)
        return bytes > old_bytes;
    int order = memcmp(data, old_data, bytes);
    return rotation ? order < 0 : order > 0;
}

static bool has_room(const struct ob_peer *peer, bool known, size_t bytes) {
    return bytes <= peer->control_arena_bytes - peer->control_arena_used &&
           (known || peer->control_count < peer->control_capacity);
}

bool ob_control_table_put(struct ob_peer *peer, const struct ob_control *control, const uint8_t *data,
                          size_t bytes, const uint8_t **ret_data) {
    size_t position = position_of(peer, data);
    struct control_entry *entry = &peer->control[position];
    bool known = position < peer->control_count && compare(data_of(peer, entry), data) == 0;
    struct ob_control old;
    if (known && ob_control_table_get(peer, position, &old) &&
        !replaces(&old, data_of(peer, entry), entry->bytes, control, data, bytes))
        return false;
    if (!has_room(peer, known, bytes)) {
        ob_effects_full(peer, &control->subject, "the control table is full");
        return false;
    }
    if (!known) {
        memmove(entry + 1, entry, (peer->control_count - position) * sizeof *entry);
        peer->control_count++;
    } else {
        peer->control_arena_holes += entry->bytes;
    }
    *entry = (struct control_entry){(uint32_t)peer->control_arena_used, (uint16_t)bytes};
    uint8_t *place = peer->control_arena + entry->offset;
    memcpy(place, data, bytes);
    peer->control_arena_used += bytes;
    ob_digest_touch(&peer->digests->control,
                    control->kind == OB_CONTROL_ROTATION ? &control->signer : &control->subject);
    if (ret_data != NULL)
        *ret_data = place;
    return true;
}

size_t ob_control_table_purge(struct ob_peer *peer,
                              bool (*counts)(const struct ob_peer *peer, const struct ob_control *control)) {
    size_t kept = 0;
    struct ob_control control;
    for (size_t i = 0; ob_control_table_get(peer, i, &control); i++) {
        if (counts(peer, &control))
            peer->control[kept++] = peer->control[i];
        else
            peer->control_arena_holes += peer->control[i].bytes;
    }
    size_t purged = peer->control_count - kept;
    peer->control_count = kept;
    if (purged > 0)
        ob_digest_touch_all(&peer->digests->control);
    return purged;
}

static int by_offset(const void *a, const void *b) {
    uint32_t one = (*(struct control_entry *const *)a)->offset,
             other = (*(struct control_entry *const *)b)->offset;
    return (one > other) - (one < other);
}

/* Closes the holes; nothing may point into the arena now. */
static void compact(struct ob_peer *peer) {
    for (size_t i = 0; i < peer->control_count; i++)
        peer->control_scratch[i] = &peer->control[i];
    qsort(peer->control_scratch, peer->control_count, sizeof(struct control_entry *), by_offset);
    size_t used = 0;
    for (size_t i = 0; i < peer->control_count; i++) {
        struct control_entry *entry = peer->control_scratch[i];
        memmove(peer->control_arena + used, peer->control_arena + entry->offset, entry->bytes);
        entry->offset = (uint32_t)used;
        used += entry->bytes;
    }
    peer->control_arena_used = used;
    peer->control_arena_holes = 0;
}

void ob_control_table_tidy(struct ob_peer *peer) {
    if (peer->control_arena_holes > peer->control_arena_bytes / 16 &&
        peer->control_arena_bytes - peer->control_arena_used < (size_t)2 * OB_MESSAGE_MAX)
        compact(peer);
}

void ob_peer_each_control(const struct ob_peer *peer,
                          void (*see)(void *context, const void *data, size_t bytes), void *context) {
    for (size_t i = 0; i < peer->control_count; i++)
        see(context, data_of(peer, &peer->control[i]), peer->control[i].bytes);
}
