/* fuzz_store - any bytes as log.sqlite: opening either refuses with a text or gives a store whose records are
 * whole and chained; what is damaged is moved away, and what was kept is there when it is opened again. */
#include <assert.h>
#include <stdint.h>

#include "store/store.h"
#include "tests/support/folder.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static const struct ob_machine_id MACHINE = {{2}};

struct seen {
    struct ob_machine_id machine;
    uint64_t next, records;
};

static enum ob_err see_record(void *context, const struct ob_record *record, struct ob_error *error) {
    struct seen *seen = context;
    (void)error;
    bool same = seen->records > 0 && ob_machine_equal(&seen->machine, &record->machine);
    assert(record->n >= 1 && record->n <= 64 && record->round.index < 1000);
    assert(record->first.index == (same ? seen->next : 0));
    seen->machine = record->machine;
    seen->next = record->first.index + record->n;
    seen->records++;
    return OB_OK;
}

static enum ob_err see_control(void *context, const void *data, size_t bytes, struct ob_error *error) {
    struct ob_control control;
    ++*(uint64_t *)context;
    return ob_control_decode(data, bytes, &control, error);
}

/* How many records and control entries it holds; SIZE_MAX when it was refused. */
static uint64_t look(const char *folder, const struct ob_machine_id *machine) {
    struct ob_store_options options = {.state_dir = folder,
                                       .run = {{{1}}},
                                       .bounds = {.max_rounds = 1000,
                                                  .max_machines = 8,
                                                  .samples_per_round = 64,
                                                  .exponent_min = -8,
                                                  .exponent_max = 8,
                                                  .profiles = 1},
                                       .machine = machine};
    struct ob_store *store = NULL;
    struct ob_error error = {0};
    struct seen seen = {0};
    uint64_t entries = 0;
    struct ob_store_counts counts;
    if (ob_store_open(&options, &store, &error) != OB_OK) {
        assert(store == NULL && error.text[0] != 0);
        return UINT64_MAX;
    }
    enum ob_err failed = ob_store_each(store, see_record, &seen, &error);
    if (!failed)
        failed = ob_store_each_control(store, see_control, &entries, &error);
    if (!failed)
        failed = ob_store_counts(store, &counts, &error);
    assert(!failed || error.text[0] != 0);
    ob_store_close(store);
    return failed ? UINT64_MAX : seen.records;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    struct test_folder folder;
    if (!test_folder_make_under(&folder, "/dev/shm"))
        test_folder_make(&folder);
    test_folder_write(&folder, "log.sqlite", data, bytes);
    (void)look(folder.path, NULL);
    uint64_t records = look(folder.path, &MACHINE);
    if (records != UINT64_MAX) /* what it has given once it gives again */
        assert(look(folder.path, &MACHINE) == records);
    test_folder_remove(&folder);
    return 0;
}
