#include "run/updates.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"

#define MANY_BYTES ((size_t)1 << 14)
#define MANY       4096

struct ob_spsa_update ob_update_of(const struct ob_record *record) {
    return (struct ob_spsa_update){.machine = record->machine,
                                   .first = record->first,
                                   .round = record->round,
                                   .live = record->live,
                                   .n = record->n,
                                   .exponent = record->exponent,
                                   .bytes = record->bytes};
}

static bool grow_bytes(struct ob_updates *updates, size_t wanted) {
    size_t room = updates->room ? updates->room : 4096;
    while (room < wanted)
        room *= 2;
    uint8_t *bytes = malloc(room);
    if (!bytes)
        return false;
    if (updates->used > 0)
        memcpy(bytes, updates->bytes, updates->used);
    for (size_t i = 0; i < updates->count; i++)
        updates->items[i].bytes = bytes + (updates->items[i].bytes - updates->bytes);
    free(updates->bytes);
    updates->bytes = bytes;
    updates->room = room;
    return true;
}

enum ob_err ob_updates_add(struct ob_updates *updates, const struct ob_record *record,
                           struct ob_error *error) {
    size_t wanted = updates->used + record->n;
    size_t limit = updates->bytes_max ? updates->bytes_max : OB_UPDATES_BYTES_MAX;
    if (wanted + (updates->count + 1) * sizeof *updates->items > limit)
        return ob_fail(error, OB_ETOOBIG, "%zu records are too many to hold in memory at once",
                       updates->count);
    if (!ob_array_reserve(&updates->items, updates->count, 1, sizeof *updates->items, &updates->capacity) ||
        (wanted > updates->room && !grow_bytes(updates, wanted)))
        return ob_fail(error, OB_ENOMEM, "not enough memory for %zu records", updates->count + 1);
    struct ob_spsa_update *update = &updates->items[updates->count++];
    *update = ob_update_of(record);
    update->bytes = memcpy(updates->bytes + updates->used, record->bytes, record->n);
    updates->used = wanted;
    return OB_OK;
}

bool ob_updates_many(const struct ob_updates *updates) {
    return updates->count >= MANY || updates->used >= MANY_BYTES;
}

void ob_updates_clear(struct ob_updates *updates) {
    updates->count = updates->used = 0;
}

void ob_updates_done(struct ob_updates *updates) {
    free(updates->items);
    free(updates->bytes);
    *updates = (struct ob_updates){0};
}
