/* movements - how far each machine's records move the weights, and whose records move them much further than others' do.
 *
 * A machine's movement is the exact sum over its bytes of lr · scale · |value| (spsa/update.h), so it is the same on every
 * machine that holds the same records, and what is taken out is taken out exactly. Its share is that over the sum of all.
 *
 * An outlier is a machine of which a window of samples in a row (OB_MOVEMENTS_WINDOW) were OB_MOVEMENTS_OUTLIER times as large,
 * on average, as is typical for the others when they come in (the median of their recent means): estimates are not normal, but
 * four at a time hardly ever stand out so far, if they are of different rows. Where eight in turn have a row in common, as
 * machines sample in runs with a basis, a single row with a large gradient would: there a window is that of sixteen rows (of
 * four, one whose bytes stand at the code's end was enough; with two machines that came about within ten thousand samples).
 * Learning rate and scale do not enter: who trains early or with few others is no outlier. It is a reason to look, no proof:
 * nothing that counts depends on it. Records that are read again at a start are not judged: what was typical when they came is
 * not known any more.
 *
 * Errors:  OB_ENOMEM.
 * Owns:    its table; a struct of zeros is empty, ob_movements_done frees. The rule is borrowed.
 * Threads: one at a time. */
#ifndef OB_RUN_MOVEMENTS_H
#define OB_RUN_MOVEMENTS_H

#include "record/record.h"
#include "spsa/update.h"

#define OB_MOVEMENTS_WINDOW       4
#define OB_MOVEMENTS_WINDOW_BASIS 128
#define OB_MOVEMENTS_OUTLIER      4
#define OB_MOVEMENTS_USUAL        32 /* samples from which on a machine's mean says what is typical */

struct ob_movement {
    struct ob_machine_id machine;
    unsigned __int128 sum; /* in units of 2^-64 */
    uint64_t samples;
    double recent; /* mean |value| of late */

    uint64_t window_first, window_count; /* the samples in a row that are being looked at */
    double window_sizes;
    double latest;         /* the largest mean of a window that ended in the last record … */
    uint64_t latest_first; /* … and its first sample */

    bool outlier;          /* a window stood out … */
    double times;          /* … by so much, the largest … */
    uint64_t outlier_from; /* … the first one from this sample on */
};

struct ob_movements {
    const struct ob_spsa_rule *rule;
    uint64_t window;           /* samples; 0: OB_MOVEMENTS_WINDOW */
    struct ob_movement *items; /* sorted by machine */
    size_t count, capacity;
    double typical_of_all; /* of late; what it costs to know it better is spent when something stands out */
    unsigned typical_age;
    double *scratch;
    size_t scratch_capacity;
};

void ob_movements_done(struct ob_movements *movements);
/* A record counts (or no longer does). In a machine's order; several machines in any. */
OB_MUST_USE enum ob_err ob_movements_add(struct ob_movements *movements, const struct ob_record *record,
                                         struct ob_error *error);
void ob_movements_remove(struct ob_movements *movements, const struct ob_record *record);
/* Holds the record that was added last of a machine against the others. True: it is an outlier now, and was not before. */
bool ob_movements_judge(struct ob_movements *movements, const struct ob_machine_id *machine);
/* NULL: none of its records was added. */
const struct ob_movement *ob_movements_of(const struct ob_movements *movements,
                                          const struct ob_machine_id *machine);
double ob_movements_share(const struct ob_movements *movements,
                          const struct ob_movement *movement); /* 0 … 1 */

#endif
