/* updates - records copied out of the log, for work that takes many of them at a time.
 *
 * Errors:  OB_ENOMEM; OB_ETOOBIG beyond bytes_max (what is there stays).
 * Owns:    its copies; a struct of zeros is empty, ob_updates_done frees.
 * Threads: one at a time. */
#ifndef OB_RUN_UPDATES_H
#define OB_RUN_UPDATES_H

#include "record/record.h"
#include "spsa/update.h"

#define OB_UPDATES_BYTES_MAX ((size_t)256 << 20)

struct ob_updates {
    size_t count, capacity;
    struct ob_spsa_update *items; /* their bytes point into `bytes` */
    size_t used, room;
    uint8_t *bytes;
    size_t bytes_max; /* 0: OB_UPDATES_BYTES_MAX */
};

struct ob_spsa_update ob_update_of(const struct ob_record *record); /* borrows the record's bytes */
OB_MUST_USE enum ob_err ob_updates_add(struct ob_updates *updates, const struct ob_record *record,
                                       struct ob_error *error);
/* Enough for a pass of replay: more at a time would gain nothing. */
bool ob_updates_many(const struct ob_updates *updates);
void ob_updates_clear(struct ob_updates *updates); /* keeps its room */
void ob_updates_done(struct ob_updates *updates);

#endif
