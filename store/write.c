#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "store/store_internal.h"

static enum ob_err put_machine(struct ob_store *store, const struct ob_machine_id *id,
                               struct ob_store_machine **ret_machine, struct ob_error *error) {
    struct ob_store_machine *machine = ob_store_take(store, id, store->last_number + 1);
    if (!machine)
        return ob_fail(error, OB_ENOMEM, "%s: out of memory", store->path);
    *ret_machine = machine;
    if (machine->stored)
        return OB_OK;
    struct ob_store_change change = {.kind = OB_CHANGE_MACHINE, .number = machine->number, .subject = *id};
    enum ob_err failed = ob_store_push(store, change, NULL, error);
    machine->stored = !failed;
    return failed;
}

static enum ob_err put(struct ob_store *store, const struct ob_record *record, bool flush,
                       struct ob_error *error) {
    uint8_t data[OB_STORE_ROW_BYTES_MAX];
    enum ob_err failed = ob_store_make_room(store, 2, error);
    if (failed)
        return failed;
    size_t before = store->queue_count;
    struct ob_store_machine *machine = ob_store_machine_of(store, &record->machine);
    bool was_stored = machine && machine->stored;
    if ((failed = put_machine(store, &record->machine, &machine, error)))
        return failed;
    bool with_prev = record->first.index > 0 && machine->without + 1 >= OB_STORE_PREV_EVERY;
    struct ob_store_change change = {.kind = OB_CHANGE_RECORD,
                                     .number = machine->number,
                                     .first = (int64_t)record->first.index,
                                     .bytes = ob_store_row_encode(record, with_prev, data)};
    failed = ob_store_push(store, change, data, error);
    if (!failed && flush)
        failed = ob_store_flush(store, error);
    if (failed) {
        ob_store_drop_after(store, before);
        machine->stored = was_stored;
        return failed;
    }
    machine->without = with_prev ? 0 : machine->without + 1;
    store->counts.records++;
    store->counts.samples += record->n;
    return OB_OK;
}

enum ob_err ob_store_own(struct ob_store *store, const struct ob_record *record, struct ob_error *error) {
    enum ob_err failed = put(store, record, true, error);
    if (failed || store->may_start_alone)
        return failed;
    /* The peer has learned from others where its chain ends and went on from there. */
    store->may_start_alone = ob_store_place_renew(store, NULL) == OB_OK;
    return OB_OK;
}

enum ob_err ob_store_other(struct ob_store *store, const struct ob_record *record, struct ob_error *error) {
    return put(store, record, false, error);
}

enum ob_err ob_store_control(struct ob_store *store, const struct ob_control *control, const void *data,
                             size_t bytes, struct ob_error *error) {
    enum ob_err failed = ob_store_make_room(store, 1, error);
    if (failed)
        return failed;
    size_t before = store->queue_count;
    struct ob_store_change change = {.kind = OB_CHANGE_CONTROL,
                                     .control = (int)control->kind,
                                     .signer = control->signer,
                                     .subject = control->subject,
                                     .bytes = bytes};
    failed = ob_store_push(store, change, data, error);
    if (!failed)
        failed = ob_store_flush(store, error);
    if (failed)
        ob_store_drop_after(store, before);
    return failed;
}

enum ob_err ob_store_signed(struct ob_store *store, struct ob_sample *ret_next, struct ob_error *error) {
    char text[24], *end;
    enum ob_err failed = ob_store_meta_text(store, "signed", text, sizeof text, error);
    if (failed)
        return failed;
    unsigned long long next = strtoull(text, &end, 10);
    if (*end != 0 || next > OB_SAMPLE_END)
        return ob_fail(error, OB_EFORMAT, "%s: damaged: \"signed\" in table meta is not a sample number",
                       store->path);
    ret_next->index = next;
    return OB_OK;
}

/* Before the records go: a crash between the two leaves a mark that the log still reaches. */
static enum ob_err remember_signed(struct ob_store *store, uint64_t end, struct ob_error *error) {
    struct ob_sample known;
    char text[24];
    enum ob_err failed = ob_store_signed(store, &known, error);
    if (failed || end <= known.index)
        return failed;
    int bytes = snprintf(text, sizeof text, "%" PRIu64, end);
    return ob_store_meta_put(store, "signed", text, (size_t)bytes, error);
}

enum ob_err ob_store_cut(struct ob_store *store, const struct ob_machine_id *id, struct ob_sample first,
                         struct ob_error *error) {
    struct ob_store_machine *machine = ob_store_machine_of(store, id);
    if (!machine || first.index > INT64_MAX)
        return OB_OK;
    struct ob_store_counts gone = {0};
    enum ob_err failed = ob_store_from(store, id, first, ob_store_count_one, &gone, error);
    if (!failed && gone.samples > 0 && ob_machine_equal(id, &store->machine))
        failed = remember_signed(store, first.index + gone.samples, error);
    if (!failed)
        failed = ob_store_make_room(store, 1, error);
    if (failed)
        return failed;
    size_t before = store->queue_count;
    struct ob_store_change change = {
        .kind = OB_CHANGE_REMOVE, .number = machine->number, .first = (int64_t)first.index};
    failed = ob_store_push(store, change, NULL, error);
    if (!failed)
        failed = ob_store_flush(store, error);
    if (failed) {
        ob_store_drop_after(store, before);
        return failed;
    }
    machine->without = OB_STORE_PREV_EVERY; /* the next row says what is before it */
    store->counts.records -= gone.records;
    store->counts.samples -= gone.samples;
    return OB_OK;
}
