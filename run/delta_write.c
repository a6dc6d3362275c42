/* Writing a delta from a store. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cursor.h"
#include "base/file.h"
#include "record/hash.h"
#include "run/delta.h"
#include "run/delta_format.h"

struct writing {
    const char *path;
    uint8_t *data;
    size_t used, capacity;
    uint32_t entries, chains;
    uint64_t samples;
    struct ob_machine_id machine; /* of the chain that is being written */
    size_t count_at;              /* where the number of its records stands */
};

static enum ob_err reserve(struct writing *w, size_t bytes, struct ob_writer *ret, struct ob_error *error) {
    if (w->used + bytes > OB_DELTA_BYTES_MAX)
        return ob_fail(error, OB_ETOOBIG, "%s: the delta would exceed %u bytes", w->path, OB_DELTA_BYTES_MAX);
    if (w->capacity - w->used < bytes) {
        size_t capacity = 2 * (w->capacity + bytes);
        uint8_t *data = realloc(w->data, capacity);
        if (!data)
            return ob_fail(error, OB_ENOMEM, "%s: out of memory", w->path);
        w->data = data;
        w->capacity = capacity;
    }
    *ret = ob_writer_init(w->data + w->used, bytes);
    w->used += bytes;
    return OB_OK;
}

static enum ob_err take_entry(void *context, const void *data, size_t bytes, struct ob_error *error) {
    return ob_admission_add(context, data, bytes, error);
}

static enum ob_err add_entry(struct writing *w, const struct ob_control *control, struct ob_error *error) {
    uint8_t data[OB_CONTROL_BYTES_MAX];
    struct ob_writer out;
    size_t bytes = ob_control_encode(control, data);
    enum ob_err failed = reserve(w, 2 + bytes, &out, error);
    if (failed)
        return failed;
    ob_write_u16(&out, (uint16_t)bytes);
    ob_write_bytes(&out, data, bytes);
    w->entries++;
    return OB_OK;
}

/* Those that count and decide which records do. */
static enum ob_err add_entries(struct writing *w, const struct ob_manifest *manifest, struct ob_store *store,
                               struct ob_error *error) {
    struct ob_admission *admission = NULL;
    enum ob_err failed = ob_admission_new(&manifest->run, &manifest->authority, &admission, error);
    if (!failed)
        failed = ob_store_each_control(store, take_entry, admission, error);
    if (!failed)
        ob_admission_settle(admission);
    for (size_t i = 0; !failed && i < ob_admission_count(admission); i++) {
        const struct ob_control *control = ob_admission_entry(admission, i);
        bool decides = control->kind != OB_CONTROL_GOODBYE && control->kind != OB_CONTROL_ADDRESS;
        if (decides && ob_admission_counts(admission, control))
            failed = add_entry(w, control, error);
    }
    ob_admission_free(admission);
    return failed;
}

static enum ob_err begin_chain(struct writing *w, const struct ob_machine_id *machine,
                               struct ob_error *error) {
    struct ob_writer out;
    enum ob_err failed = reserve(w, OB_KEY_BYTES + 4, &out, error);
    if (failed)
        return failed;
    ob_write_bytes(&out, machine->key, OB_KEY_BYTES);
    ob_write_u32(&out, 0);
    w->machine = *machine;
    w->count_at = w->used - 4;
    w->chains++;
    return OB_OK;
}

static enum ob_err add_record(void *context, const struct ob_record *record, struct ob_error *error) {
    struct writing *w = context;
    struct ob_writer out;
    enum ob_err failed = OB_OK;
    if (w->chains == 0 || !ob_machine_equal(&w->machine, &record->machine))
        failed = begin_chain(w, &record->machine, error);
    if (!failed)
        failed = reserve(w, OB_DELTA_RECORD_BYTES + (size_t)record->n, &out, error);
    if (failed)
        return failed;
    ob_write_u32(&out, record->round.index);
    ob_write_u16(&out, record->live);
    ob_write_u16(&out, record->n);
    ob_write_u8(&out, (uint8_t)record->exponent);
    ob_write_u8(&out, record->profile);
    ob_write_bytes(&out, record->bytes, record->n);
    ob_write_bytes(&out, record->signature, OB_RECORD_SIGNATURE_BYTES);
    ob_store_u32(w->data + w->count_at, ob_load_u32(w->data + w->count_at) + 1);
    w->samples += record->n;
    return OB_OK;
}

static void write_header(const struct writing *w, const struct ob_manifest *manifest,
                         const struct ob_hash *digest) {
    struct ob_writer out = ob_writer_init(w->data, OB_DELTA_HEADER_BYTES);
    ob_write_bytes(&out, OB_DELTA_MAGIC, OB_DELTA_MAGIC_BYTES);
    ob_write_u32(&out, (uint32_t)manifest->byte_count);
    ob_write_u32(&out, w->entries);
    ob_write_u32(&out, w->chains);
    ob_write_u32(&out, 0);
    ob_write_u64(&out, w->samples);
    ob_write_bytes(&out, digest->bytes, OB_HASH_BYTES);
}

static enum ob_err fill(struct writing *w, const struct ob_manifest *manifest, struct ob_store *store,
                        const struct ob_hash *digest, struct ob_error *error) {
    struct ob_writer out;
    enum ob_err failed = reserve(w, OB_DELTA_HEADER_BYTES + manifest->byte_count, &out, error);
    if (failed)
        return failed;
    assert(w->data != NULL);
    memcpy(w->data + OB_DELTA_HEADER_BYTES, manifest->bytes, manifest->byte_count);
    failed = add_entries(w, manifest, store, error);
    if (!failed)
        failed = ob_store_each(store, add_record, w, error);
    if (!failed)
        failed = reserve(w, OB_HASH_BYTES, &out, error);
    if (failed)
        return failed;
    write_header(w, manifest, digest);
    struct ob_hash hash = ob_hash_of(w->data, w->used - OB_HASH_BYTES);
    ob_write_bytes(&out, hash.bytes, OB_HASH_BYTES);
    return OB_OK;
}

/* What a reader of the file will find, compared with what was meant. */
static enum ob_err read_back(const struct writing *w, const struct ob_hash *digest,
                             const struct ob_progress_callback *progress, struct ob_error *error) {
    struct ob_delta *delta = NULL;
    enum ob_err failed = ob_delta_open(w->path, progress, &delta, error);
    if (failed)
        return failed;
    bool same = delta->byte_count == w->used && memcmp(delta->bytes, w->data, w->used) == 0 &&
                delta->samples == w->samples && ob_hash_equal(&delta->digest, digest);
    ob_delta_free(delta);
    return same ? OB_OK
                : ob_fail(error, OB_EIO,
                          "%s: the file does not contain what was written to it; check the disk", w->path);
}

enum ob_err ob_delta_write(const char *path, const struct ob_manifest *manifest, struct ob_store *store,
                           const struct ob_hash *digest, const struct ob_progress_callback *progress,
                           struct ob_error *error) {
    struct writing writing = {.path = path};
    enum ob_err failed = fill(&writing, manifest, store, digest, error);
    if (!failed)
        failed = ob_file_write_new(path, writing.data, writing.used, 0644, error);
    if (!failed && (failed = read_back(&writing, digest, progress, error)))
        (void)unlink(path);
    free(writing.data);
    return failed;
}
