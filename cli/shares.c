#include "cli/shares.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "cli/table.h"

/* A machine's records are neighbours. */
static enum ob_err take_record(void *context, const struct ob_record *record, struct ob_error *error) {
    struct ob_shares *shares = context;
    struct ob_share_of *last = shares->count > 0 ? &shares->items[shares->count - 1] : NULL;
    if (!last || !ob_machine_equal(&last->machine, &record->machine)) {
        if (!ob_array_reserve(&shares->items, shares->count, 1, sizeof *shares->items, &shares->capacity))
            return ob_fail(error, OB_ENOMEM, "not enough memory for the run's machines");
        last = &shares->items[shares->count++];
        *last = (struct ob_share_of){.machine = record->machine};
    }
    last->records++;
    last->samples += record->n;
    last->last_round = record->round.index;
    last->head = ob_record_hash(&shares->manifest->run, record);
    shares->records++;
    shares->samples += record->n;
    if (record->round.index >= shares->rounds)
        shares->rounds = record->round.index + 1;
    return OB_OK;
}

static enum ob_err take_names(struct ob_shares *shares, struct ob_store *store, struct ob_error *error) {
    struct ob_admission *admission = NULL;
    enum ob_err failed = ob_cli_admission_of(shares->manifest, store, &admission, error);
    for (size_t i = 0; i < shares->count && !failed; i++) {
        struct ob_share_of *share = &shares->items[i];
        struct ob_standing standing = ob_admission_of(admission, &share->machine);
        memcpy(share->name, standing.name, sizeof share->name);
    }
    ob_admission_free(admission);
    return failed;
}

enum ob_err ob_shares_of(const struct ob_manifest *manifest, struct ob_store *store,
                         struct ob_shares *ret_shares, struct ob_error *error) {
    struct ob_shares shares = {.manifest = manifest};
    enum ob_err failed = ob_store_each(store, take_record, &shares, error);
    if (!failed)
        failed = take_names(&shares, store, error);
    if (failed)
        ob_shares_done(&shares);
    else
        *ret_shares = shares;
    return failed;
}

void ob_shares_done(struct ob_shares *shares) {
    free(shares->items);
    shares->items = NULL;
    shares->count = 0;
}
