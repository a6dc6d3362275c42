#include "tests/sim/disk.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "record/control.h"

#define KEY_OFFSET 4 /* signer ‖ subject */

const struct sim_control *sim_controls_keep(struct sim_controls *controls, const uint8_t *data,
                                            size_t bytes) {
    uint64_t hash = bytes;
    for (size_t i = 0; i < bytes; i++)
        hash = (hash ^ data[i]) * 0x100000001b3ull;
    struct sim_control **bucket = &controls->buckets[(hash >> 16) % 1024];
    for (struct sim_control *control = *bucket; control != NULL; control = control->next)
        if (control->bytes == bytes && memcmp(control->data, data, bytes) == 0)
            return control;
    struct sim_control *fresh = malloc(sizeof *fresh + bytes);
    if (fresh == NULL)
        abort();
    *fresh = (struct sim_control){.next = *bucket, .bytes = bytes};
    memcpy(fresh->data, data, bytes);
    return *bucket = fresh;
}

void sim_controls_done(struct sim_controls *controls) {
    for (size_t i = 0; i < 1024; i++)
        for (struct sim_control *control = controls->buckets[i], *next; control != NULL; control = next) {
            next = control->next;
            free(control);
        }
}

void sim_disk_init(struct sim_disk *disk, size_t machines) {
    *disk = (struct sim_disk){.machines = machines};
    disk->now.chains = calloc(machines, sizeof *disk->now.chains);
    disk->synced = calloc(machines, sizeof *disk->synced);
    if (!disk->now.chains || !disk->synced)
        abort();
}

void sim_disk_done(struct sim_disk *disk) {
    for (size_t i = 0; i < disk->machines; i++)
        free(disk->now.chains[i].records);
    free(disk->now.chains);
    free(disk->now.control);
    free(disk->synced);
    free(disk->control_synced);
    *disk = (struct sim_disk){0};
}

void sim_disk_copy(struct sim_disk *to, const struct sim_disk *from) {
    sim_disk_init(to, from->machines);
    for (size_t i = 0; i < from->machines; i++)
        for (size_t j = 0; j < from->now.chains[i].count; j++)
            sim_chain_add(&to->now.chains[i], from->now.chains[i].records[j]);
    for (size_t i = 0; i < from->now.control_count; i++)
        sim_disk_add_control(to, from->now.control[i]);
    to->signed_below = from->signed_below;
    sim_disk_sync(to);
}

bool sim_disk_add(struct sim_disk *disk, struct sim_record *record) {
    struct sim_chain *chain = &disk->now.chains[record->machine];
    if (sim_chain_end(chain) != record->first)
        return false;
    sim_chain_add(chain, record);
    return true;
}

bool sim_disk_add_own(struct sim_disk *disk, struct sim_record *record) {
    if (!sim_disk_add(disk, record))
        return false;
    disk->synced[record->machine] = disk->now.chains[record->machine].count;
    return true;
}

static int compare(const struct sim_control *a, const struct sim_control *b) {
    if (a->data[0] != b->data[0])
        return a->data[0] < b->data[0] ? -1 : 1;
    return memcmp(a->data + KEY_OFFSET, b->data + KEY_OFFSET, (size_t)2 * OB_KEY_BYTES);
}

static const struct sim_control **grown(const struct sim_control **array, size_t *capacity, size_t wanted) {
    if (wanted <= *capacity)
        return array;
    *capacity = wanted < 8 ? 8 : 2 * wanted;
    array = realloc(array, *capacity * sizeof(struct sim_control *));
    if (array == NULL)
        abort();
    return array;
}

void sim_disk_add_control(struct sim_disk *disk, const struct sim_control *control) {
    struct sim_disk_state *now = &disk->now;
    assert(control->bytes > KEY_OFFSET + 2 * OB_KEY_BYTES);
    size_t low = 0, high = now->control_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare(now->control[middle], control) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    disk->control_changed = true;
    if (low == now->control_count || compare(now->control[low], control) != 0) {
        now->control = grown(now->control, &now->control_capacity, now->control_count + 1);
        memmove(&now->control[low + 1], &now->control[low],
                (now->control_count - low) * sizeof(struct sim_control *));
        now->control_count++;
    }
    now->control[low] = control;
}

void sim_disk_remove_last(struct sim_disk *disk, size_t machine, bool own) {
    uint64_t end = sim_chain_end(&disk->now.chains[machine]);
    if (own && end > disk->signed_below)
        disk->signed_below = end;
    assert(disk->now.chains[machine].count > 0);
    disk->now.chains[machine].count--;
}

bool sim_disk_dirty(const struct sim_disk *disk) {
    bool dirty = disk->control_changed;
    for (size_t i = 0; i < disk->machines; i++)
        dirty = dirty || disk->synced[i] != disk->now.chains[i].count;
    return dirty;
}

void sim_disk_sync(struct sim_disk *disk) {
    for (size_t i = 0; i < disk->machines; i++)
        disk->synced[i] = disk->now.chains[i].count;
    if (!disk->control_changed)
        return;
    disk->control_changed = false;
    disk->control_synced =
        grown(disk->control_synced, &disk->control_synced_capacity, disk->now.control_count);
    disk->control_synced_count = disk->now.control_count;
    if (disk->now.control_count > 0)
        memcpy(disk->control_synced, disk->now.control,
               disk->now.control_count * sizeof(struct sim_control *));
}

void sim_disk_crash(struct sim_disk *disk) {
    for (size_t i = 0; i < disk->machines; i++)
        disk->now.chains[i].count = disk->synced[i];
    disk->now.control = grown(disk->now.control, &disk->now.control_capacity, disk->control_synced_count);
    disk->now.control_count = disk->control_synced_count;
    if (disk->control_synced_count > 0)
        memcpy(disk->now.control, disk->control_synced,
               disk->control_synced_count * sizeof(struct sim_control *));
    disk->control_changed = false;
}
