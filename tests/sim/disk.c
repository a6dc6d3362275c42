#include "tests/sim/disk.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void sim_disk_init(struct sim_disk *disk, size_t machines) {
    disk->machines = machines;
    disk->chains = calloc(machines, sizeof *disk->chains);
    disk->synced = calloc(machines, sizeof *disk->synced);
    disk->control = calloc(machines, sizeof *disk->control);
    disk->control_synced = calloc(machines, sizeof *disk->control_synced);
    if (!disk->chains || !disk->synced || !disk->control || !disk->control_synced)
        abort();
}

void sim_disk_done(struct sim_disk *disk) {
    for (size_t i = 0; i < disk->machines; i++)
        free(disk->chains[i].records);
    free(disk->chains);
    free(disk->synced);
    free(disk->control);
    free(disk->control_synced);
}

bool sim_disk_add(struct sim_disk *disk, struct sim_record *record) {
    struct sim_chain *chain = &disk->chains[record->machine];
    if (sim_chain_end(chain) != record->first)
        return false;
    sim_chain_add(chain, record);
    return true;
}

void sim_disk_add_own(struct sim_disk *disk, struct sim_record *record) {
    bool added = sim_disk_add(disk, record);
    assert(added);
    (void)added;
    disk->synced[record->machine] = disk->chains[record->machine].count;
}

void sim_disk_add_control(struct sim_disk *disk, size_t subject, const uint8_t *data, size_t bytes) {
    assert(bytes <= sizeof disk->control[0].data);
    disk->control[subject].bytes = bytes;
    memcpy(disk->control[subject].data, data, bytes);
}

void sim_disk_sync(struct sim_disk *disk) {
    for (size_t i = 0; i < disk->machines; i++)
        disk->synced[i] = disk->chains[i].count;
    memcpy(disk->control_synced, disk->control, disk->machines * sizeof *disk->control);
}

void sim_disk_crash(struct sim_disk *disk) {
    for (size_t i = 0; i < disk->machines; i++)
        disk->chains[i].count = disk->synced[i];
    memcpy(disk->control, disk->control_synced, disk->machines * sizeof *disk->control);
}
