#include "peer/control_table.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "record/hash.h"

#define ENTRIES_A_MACHINE 8    /* more or less: how many entries a table holds … */
#define BYTES_A_MACHINE   1024 /* … and how many bytes … */
#define BYTES_AT_LEAST    ((size_t)128 * OB_CONTROL_BYTES_MAX) /* … and besides */
#define ENTRIES_AT_LEAST  2048                                 /* invitations, withdrawals */

#define SIGNER_OFFSET   4
#define SUBJECT_OFFSET  (SIGNER_OFFSET + OB_KEY_BYTES)
#define SEQUENCE_OFFSET (SUBJECT_OFFSET + OB_KEY_BYTES)

bool ob_control_table_init(struct control_table *table, size_t machines) {
    *table = (struct control_table){
        .capacity = ENTRIES_AT_LEAST + ENTRIES_A_MACHINE * machines,
        .arena_bytes = BYTES_AT_LEAST + BYTES_A_MACHINE * machines,
    };
    table->entries = calloc(table->capacity, sizeof *table->entries);
    table->scratch = calloc(table->capacity, sizeof(struct control_entry *));
    table->arena = malloc(table->arena_bytes); /* its pages are used as it fills */
    table->digest = calloc(1, sizeof *table->digest);
    return table->entries && table->scratch && table->arena && table->digest;
}

void ob_control_table_done(struct control_table *table) {
    free(table->entries);
    free(table->scratch);
    free(table->arena);
    free(table->digest);
    *table = (struct control_table){0};
}

static const uint8_t *data_of(const struct control_table *table, const struct control_entry *entry) {
    return table->arena + entry->offset;
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

static size_t position_of(const struct control_table *table, const uint8_t *data) {
    size_t low = 0, high = table->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare(data_of(table, &table->entries[middle]), data) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

size_t ob_control_table_first(const struct control_table *table, const struct ob_machine_id *owner) {
    uint8_t place[SEQUENCE_OFFSET] = {0}; /* kind 0 is before every kind */
    memcpy(place + SUBJECT_OFFSET, owner->key, OB_KEY_BYTES);
    return position_of(table, place);
}

bool ob_control_table_get(const struct control_table *table, size_t position,
                          struct ob_control *ret_control) {
    if (position >= table->count)
        return false;
    const struct control_entry *entry = &table->entries[position];
    enum ob_err err = ob_control_decode(data_of(table, entry), entry->bytes, ret_control, NULL);
    assert(err == OB_OK); /* what does not decode does not get in */
    return err == OB_OK;
}

bool ob_control_table_get_of(const struct control_table *table, size_t position,
                             const struct ob_machine_id *owner, struct ob_control *ret_control) {
    return position < table->count &&
           memcmp(owner_of(data_of(table, &table->entries[position])), owner->key, OB_KEY_BYTES) == 0 &&
           ob_control_table_get(table, position, ret_control);
}

bool ob_control_table_find(const struct control_table *table, enum ob_control_kind kind,
                           const struct ob_machine_id *owner, struct ob_control *ret_control) {
    size_t position = ob_control_table_first(table, owner);
    struct ob_control control;
    for (; ob_control_table_get_of(table, position, owner, &control); position++)
        if (control.kind == kind) {
            *ret_control = control;
            return true;
        }
    return false;
}

void ob_control_table_each_admission(const struct control_table *table, const struct ob_machine_id *key,
                                     void (*see)(void *context, const struct ob_machine_id *machine),
                                     void *context) {
    for (size_t i = 0; i < table->count; i++) {
        const uint8_t *data = data_of(table, &table->entries[i]);
        struct ob_machine_id machine;
        if (data[0] != OB_CONTROL_ADMISSION || memcmp(data + SIGNER_OFFSET, key->key, OB_KEY_BYTES) != 0)
            continue;
        memcpy(machine.key, data + SUBJECT_OFFSET, OB_KEY_BYTES);
        see(context, &machine);
    }
}

const uint8_t *ob_control_table_data(const struct control_table *table, uint8_t leaf, size_t i,
                                     size_t *ret_bytes) {
    size_t position = ob_control_table_first(table, &(struct ob_machine_id){{leaf}}) + i;
    if (position >= table->count)
        return NULL;
    const uint8_t *data = data_of(table, &table->entries[position]);
    *ret_bytes = table->entries[position].bytes;
    return owner_of(data)[0] == leaf ? data : NULL;
}

bool ob_control_table_holds(const struct control_table *table, const uint8_t *data, size_t bytes) {
    size_t position = position_of(table, data);
    if (position == table->count || compare(data_of(table, &table->entries[position]), data) != 0)
        return false;
    const struct control_entry *entry = &table->entries[position];
    return entry->bytes == bytes && memcmp(data_of(table, entry), data, bytes) == 0;
}

/* BLAKE2b-256(for each entry, by place: le64(length) ‖ its bytes; of evidence: kind, subject, le64(cut)). */
static struct ob_hash hash_leaf(const void *context, uint8_t first_byte) {
    const struct control_table *table = context;
    struct ob_machine_id from = {{first_byte}};
    struct ob_hasher hasher;
    bool any = false;
    struct ob_control control;
    ob_hasher_init(&hasher);
    for (size_t i = ob_control_table_first(table, &from); i < table->count; i++) {
        const uint8_t *data = data_of(table, &table->entries[i]);
        if (owner_of(data)[0] != first_byte || !ob_control_table_get(table, i, &control))
            break;
        any = true;
        if (control.kind == OB_CONTROL_EVIDENCE) {
            ob_hasher_add(&hasher, data, 1);
            ob_hasher_add(&hasher, control.subject.key, OB_KEY_BYTES);
            ob_hasher_add_u64(&hasher, ob_control_cut(&control).index);
        } else {
            ob_hasher_add_u64(&hasher, table->entries[i].bytes);
            ob_hasher_add(&hasher, data, table->entries[i].bytes);
        }
    }
    return any ? ob_hasher_end(&hasher) : (struct ob_hash){{0}};
}

struct ob_hash ob_control_table_digest(const struct control_table *table) {
    return ob_digest_root(table->digest, "onebyte/control2", hash_leaf, table);
}

const struct ob_hash *ob_control_table_leaves(const struct control_table *table) {
    return ob_digest_leaves(table->digest, hash_leaf, table);
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

static bool has_room(const struct control_table *table, bool known, size_t bytes) {
    return bytes <= table->arena_bytes - table->arena_used && (known || table->count < table->capacity);
}

enum control_put ob_control_table_put(struct control_table *table, const struct ob_control *control,
                                      const uint8_t *data, size_t bytes, const uint8_t **ret_data) {
    size_t position = position_of(table, data);
    struct control_entry *entry = &table->entries[position];
    bool known = position < table->count && compare(data_of(table, entry), data) == 0;
    struct ob_control old;
    if (known && ob_control_table_get(table, position, &old) &&
        !replaces(&old, data_of(table, entry), entry->bytes, control, data, bytes))
        return CONTROL_KEPT;
    if (!has_room(table, known, bytes))
        return CONTROL_FULL;
    if (!known) {
        memmove(entry + 1, entry, (table->count - position) * sizeof *entry);
        table->count++;
    } else {
        table->arena_holes += entry->bytes;
    }
    *entry = (struct control_entry){(uint32_t)table->arena_used, (uint16_t)bytes};
    uint8_t *place = table->arena + entry->offset;
    memcpy(place, data, bytes);
    table->arena_used += bytes;
    ob_digest_touch(table->digest,
                    control->kind == OB_CONTROL_ROTATION ? &control->signer : &control->subject);
    if (ret_data != NULL)
        *ret_data = place;
    return CONTROL_TAKEN;
}

size_t ob_control_table_purge(struct control_table *table,
                              bool (*counts)(const void *context, const struct ob_control *control),
                              const void *context) {
    size_t kept = 0;
    struct ob_control control;
    for (size_t i = 0; ob_control_table_get(table, i, &control); i++) {
        if (counts(context, &control))
            table->entries[kept++] = table->entries[i];
        else
            table->arena_holes += table->entries[i].bytes;
    }
    size_t purged = table->count - kept;
    table->count = kept;
    if (purged > 0)
        ob_digest_touch_all(table->digest);
    return purged;
}

static int by_offset(const void *a, const void *b) {
    uint32_t one = (*(struct control_entry *const *)a)->offset,
             other = (*(struct control_entry *const *)b)->offset;
    return (one > other) - (one < other);
}

/* Closes the holes; nothing may point into the arena now. */
static void compact(struct control_table *table) {
    for (size_t i = 0; i < table->count; i++)
        table->scratch[i] = &table->entries[i];
    qsort(table->scratch, table->count, sizeof(struct control_entry *), by_offset);
    size_t used = 0;
    for (size_t i = 0; i < table->count; i++) {
        struct control_entry *entry = table->scratch[i];
        memmove(table->arena + used, table->arena + entry->offset, entry->bytes);
        entry->offset = (uint32_t)used;
        used += entry->bytes;
    }
    table->arena_used = used;
    table->arena_holes = 0;
}

void ob_control_table_tidy(struct control_table *table) {
    if (table->arena_holes > table->arena_bytes / 16 &&
        table->arena_bytes - table->arena_used < (size_t)2 * OB_MESSAGE_MAX)
        compact(table);
}

void ob_control_table_each(const struct control_table *table,
                           void (*see)(void *context, const void *data, size_t bytes), void *context) {
    for (size_t i = 0; i < table->count; i++)
        see(context, data_of(table, &table->entries[i]), table->entries[i].bytes);
}
