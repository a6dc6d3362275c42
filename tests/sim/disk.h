/* disk - what one simulated machine has stored, and what of it survives a crash.
 *
 * Own records are durable when the effect returns. Those of others and control entries are in a batch until
 * sim_disk_sync: a crash takes them. */
#ifndef OB_SIM_DISK_H
#define OB_SIM_DISK_H

#include "record/control.h"
#include "tests/sim/ledger.h"

struct sim_control {
    size_t bytes;
    uint8_t data[OB_CONTROL_BYTES_MAX];
};

struct sim_disk {
    struct sim_chain *chains; /* records belong to the ledger */
    size_t *synced;           /* of each chain */
    size_t machines;
    struct sim_control *control, *control_synced; /* by subject's number; bytes = 0: none */
};

void sim_disk_init(struct sim_disk *disk, size_t machines);
void sim_disk_done(struct sim_disk *disk);
/* False when it does not extend the chain as stored. */
bool sim_disk_add(struct sim_disk *disk, struct sim_record *record);
void sim_disk_add_own(struct sim_disk *disk, struct sim_record *record);
void sim_disk_add_control(struct sim_disk *disk, size_t subject, const uint8_t *data, size_t bytes);
void sim_disk_sync(struct sim_disk *disk);
void sim_disk_crash(struct sim_disk *disk);

#endif
