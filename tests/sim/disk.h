/* disk - what one simulated host has stored, and what of it survives a crash.
 *
 * Own records are durable when the effect returns. Those of others, control entries and the removal of
 * records are in a batch until sim_disk_sync: a crash takes the batch as a whole. A full disk refuses
 * additions. */
#ifndef OB_SIM_DISK_H
#define OB_SIM_DISK_H

#include "tests/sim/ledger.h"

/* An entry of the control table; the same bytes are stored once for all hosts. */
struct sim_control {
    struct sim_control *next;
    size_t bytes;
    uint8_t data[];
};
struct sim_controls { /* all that were ever stored */
    struct sim_control *buckets[1024];
};
const struct sim_control *sim_controls_keep(struct sim_controls *controls, const uint8_t *data, size_t bytes);
void sim_controls_done(struct sim_controls *controls);

/* Chains and control entries; the things themselves belong to the ledger and to sim_controls. */
struct sim_disk_state {
    struct sim_chain *chains;
    const struct sim_control **control; /* sorted by kind, signer and subject */
    size_t control_count, control_capacity;
};

struct sim_disk {
    size_t machines;
    struct sim_disk_state now;
    size_t *synced;        /* records of each chain */
    uint64_t signed_below; /* own samples that were removed ended here */
    const struct sim_control **control_synced;
    size_t control_synced_count, control_synced_capacity;
    bool control_changed, full;
};

void sim_disk_init(struct sim_disk *disk, size_t machines);
void sim_disk_done(struct sim_disk *disk);
/* A copy of what is there now, all of it durable; `to` is initialised by it. */
void sim_disk_copy(struct sim_disk *to, const struct sim_disk *from);

/* False when it does not extend the chain as stored. */
bool sim_disk_add(struct sim_disk *disk, struct sim_record *record);
/* The same, and durable. */
bool sim_disk_add_own(struct sim_disk *disk, struct sim_record *record);
/* (kind, signer, subject) replaces. */
void sim_disk_add_control(struct sim_disk *disk, const struct sim_control *control);
/* Removes the last record of a chain; of our `own`, durable at once is how far it went. */
void sim_disk_remove_last(struct sim_disk *disk, size_t machine, bool own);
/* Something would be lost by a crash. */
bool sim_disk_dirty(const struct sim_disk *disk);
void sim_disk_sync(struct sim_disk *disk);
void sim_disk_crash(struct sim_disk *disk);

#endif
