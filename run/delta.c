/* Reading a delta: nothing of it is used before all of it was checked. */
#include "run/delta.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "base/file.h"
#include "base/hex.h"
#include "record/hash.h"
#include "run/delta_format.h"

struct parsing {
    struct ob_delta *delta;
    struct ob_reader in;
    uint32_t entry_count, manifest_bytes;
    uint64_t samples;             /* that the header says */
    struct ob_machine_id machine; /* of the chain that is being looked at … */
    struct ob_standing standing;  /* … and what the entries say of it */
    struct ob_error *error;
};

static enum ob_err fail(const struct parsing *p, const char *what) {
    return ob_fail(p->error, OB_EFORMAT, "%s: %s", p->delta->path, what);
}

static enum ob_err check_hash(const struct parsing *p) {
    const struct ob_delta *delta = p->delta;
    if (delta->byte_count < OB_DELTA_HEADER_BYTES + OB_HASH_BYTES ||
        memcmp(delta->bytes, OB_DELTA_MAGIC, OB_DELTA_MAGIC_KNOWN) != 0)
        return fail(p, "not a onebyte delta");
    if (memcmp(delta->bytes, OB_DELTA_MAGIC, OB_DELTA_MAGIC_BYTES) != 0)
        return ob_fail(p->error, OB_EUNSUPPORTED,
                       "%s: delta has format %.15s, this version reads format 2; export the run again",
                       delta->path, delta->bytes);
    size_t body = delta->byte_count - OB_HASH_BYTES;
    struct ob_hash hash = ob_hash_of(delta->bytes, body);
    if (memcmp(hash.bytes, delta->bytes + body, OB_HASH_BYTES) != 0)
        return fail(p, "damaged: hash mismatch");
    return OB_OK;
}

static enum ob_err read_header(struct parsing *p) {
    struct ob_delta *delta = p->delta;
    (void)ob_read_view(&p->in, OB_DELTA_MAGIC_BYTES);
    p->manifest_bytes = ob_read_u32(&p->in);
    p->entry_count = ob_read_u32(&p->in);
    delta->chain_count = ob_read_u32(&p->in);
    uint32_t reserved = ob_read_u32(&p->in);
    p->samples = ob_read_u64(&p->in);
    ob_read_bytes(&p->in, delta->digest.bytes, OB_HASH_BYTES);
    if (reserved != 0)
        return fail(p, "written by a later version (a reserved field is not 0)");
    const uint8_t *manifest = ob_read_view(&p->in, p->manifest_bytes);
    if (!manifest)
        return fail(p, "truncated within the manifest");
    return ob_manifest_parse((const char *)manifest, p->manifest_bytes, delta->path, &delta->manifest,
                             p->error);
}

/* Entries stand in the order that ob_admission_entry gives them: each in its place, none twice. */
static enum ob_err check_order(const struct parsing *p, size_t index, const struct ob_control *control) {
    const struct ob_control *sorted = ob_admission_entry(p->delta->admission, index);
    bool same = sorted->kind == control->kind && ob_machine_equal(&sorted->signer, &control->signer) &&
                ob_machine_equal(&sorted->subject, &control->subject);
    const struct ob_control *before = index > 0 ? ob_admission_entry(p->delta->admission, index - 1) : NULL;
    bool twice =
        before && before->kind == sorted->kind && ob_machine_equal(&before->signer, &sorted->signer) &&
        (sorted->kind == OB_CONTROL_ROTATION || ob_machine_equal(&before->subject, &sorted->subject));
    return same && !twice ? OB_OK : fail(p, "control entries are not in order");
}

static bool belongs(enum ob_control_kind kind) {
    return kind != OB_CONTROL_GOODBYE && kind != OB_CONTROL_ADDRESS;
}

static enum ob_err check_entry(const struct parsing *p, size_t index, const struct ob_control *control) {
    char key[OB_HEX_SHORT_MAX];
    enum ob_err failed = check_order(p, index, control);
    if (failed)
        return failed;
    if (!belongs(control->kind))
        return fail(p, "contains a control entry that decides nothing about records");
    if (ob_admission_counts(p->delta->admission, control))
        return OB_OK;
    return ob_fail(p->error, OB_EREFUSED,
                   "%s: contains a control entry about machine %s that does not count: the run's authority "
                   "did not sign it, signed it too late, or never admitted the machine",
                   p->delta->path, ob_hex_short(&control->subject, key));
}

static const uint8_t *next_entry(struct ob_reader *in, uint16_t *ret_bytes) {
    *ret_bytes = ob_read_u16(in);
    return ob_read_view(in, *ret_bytes);
}

static enum ob_err add_entries(struct parsing *p) {
    for (uint32_t i = 0; i < p->entry_count; i++) {
        uint16_t bytes = 0;
        const uint8_t *data = next_entry(&p->in, &bytes);
        if (!data)
            return fail(p, "truncated within a control entry");
        enum ob_err failed = ob_admission_add(p->delta->admission, data, bytes, p->error);
        if (failed)
            return ob_fail_within(p->error, failed, "%s", p->delta->path);
    }
    return OB_OK;
}

/* All of them first: what one is worth, the others say. */
static enum ob_err read_entries(struct parsing *p) {
    const struct ob_manifest *manifest = p->delta->manifest;
    struct ob_reader again = p->in;
    struct ob_control control;
    if (p->entry_count > p->in.left / 2)
        return fail(p, "truncated within the control entries");
    enum ob_err failed =
        ob_admission_new(&manifest->run, &manifest->authority, &p->delta->admission, p->error);
    if (!failed)
        failed = add_entries(p);
    if (failed)
        return failed;
    ob_admission_settle(p->delta->admission);
    for (uint32_t i = 0; i < p->entry_count && !failed; i++) {
        uint16_t bytes = 0;
        const uint8_t *data = next_entry(&again, &bytes);
        failed = ob_control_decode(data, bytes, &control, p->error);
        failed = failed ? failed : check_entry(p, i, &control);
    }
    p->delta->chains_at = (size_t)(p->in.at - (const uint8_t *)p->delta->bytes);
    return failed;
}

/* Walks over all chains; checks layout, bounds and order, signatures when asked to. */
struct walk {
    const struct ob_delta *delta;
    struct ob_reader in;
    bool verify;
    const struct ob_progress_callback *progress;
    ob_store_record_fn see;
    void *context;
    struct ob_error *error;
};

static enum ob_err read_record(struct walk *w, struct ob_record *record) {
    const struct ob_record_bounds *bounds = &w->delta->manifest->bounds;
    record->round.index = ob_read_u32(&w->in);
    record->live = ob_read_u16(&w->in);
    record->n = ob_read_u16(&w->in);
    record->exponent = (int8_t)ob_read_u8(&w->in);
    record->profile = ob_read_u8(&w->in);
    record->bytes = ob_read_view(&w->in, record->n);
    record->signature = ob_read_view(&w->in, OB_RECORD_SIGNATURE_BYTES);
    if (!record->signature)
        return ob_fail(w->error, OB_EFORMAT, "%s: truncated within a record", w->delta->path);
    if (record->n < 1 || record->n > OB_SAMPLES_PER_ROUND_MAX)
        return ob_fail(w->error, OB_EFORMAT, "%s: a record has %u samples", w->delta->path, record->n);
    uint8_t whole[OB_RECORD_BYTES_MAX]; /* its own decoder knows all bounds */
    struct ob_record again;
    enum ob_err failed = ob_record_decode(whole, ob_record_encode(record, whole), bounds, &again, w->error);
    if (failed)
        return ob_fail_within(w->error, failed, "%s", w->delta->path);
    if (w->verify && !ob_record_verify(&w->delta->manifest->run, record))
        return ob_fail(w->error, OB_EREFUSED,
                       "%s: the signature of the record at sample %" PRIu64 " is not its machine's",
                       w->delta->path, record->first.index);
    return OB_OK;
}

static enum ob_err walk_chain(struct walk *w, struct ob_machine_id *last, bool is_first) {
    struct ob_record record = {0};
    ob_read_bytes(&w->in, record.machine.key, OB_KEY_BYTES);
    uint32_t count = ob_read_u32(&w->in);
    if (w->in.failed || count == 0 || (!is_first && ob_machine_compare(last, &record.machine) >= 0))
        return ob_fail(w->error, OB_EFORMAT, "%s: chains are empty, truncated or not in order",
                       w->delta->path);
    *last = record.machine;
    uint32_t round = 0;
    for (uint32_t i = 0; i < count; i++) {
        size_t done = (size_t)(w->in.at - (const uint8_t *)w->delta->bytes);
        enum ob_err failed =
            ob_progress_tell(w->progress, "verifying the delta", done, w->delta->byte_count, w->error);
        if (!failed)
            failed = read_record(w, &record);
        if (!failed && i > 0 && record.round.index <= round)
            failed = ob_fail(w->error, OB_EFORMAT, "%s: round %u follows round %u", w->delta->path,
                             record.round.index, round);
        if (!failed)
            failed = w->see(w->context, &record, w->error);
        if (failed)
            return failed;
        round = record.round.index;
        record.prev = ob_record_hash(&w->delta->manifest->run, &record);
        record.first.index += record.n;
    }
    return OB_OK;
}

static enum ob_err walk_all(struct walk *w) {
    struct ob_machine_id last = {{0}};
    size_t end = w->delta->byte_count - OB_HASH_BYTES;
    w->in = ob_reader_init(w->delta->bytes + w->delta->chains_at, end - w->delta->chains_at);
    for (uint32_t i = 0; i < w->delta->chain_count; i++) {
        enum ob_err failed = walk_chain(w, &last, i == 0);
        if (failed)
            return failed;
    }
    if (w->in.left != 0)
        return ob_fail(w->error, OB_EFORMAT, "%s: %zu bytes follow the last record", w->delta->path,
                       w->in.left);
    return OB_OK;
}

static enum ob_err count_record(void *context, const struct ob_record *record, struct ob_error *error) {
    struct parsing *p = context;
    char key[OB_HEX_SHORT_MAX];
    if (p->delta->records == 0 || !ob_machine_equal(&p->machine, &record->machine)) {
        p->machine = record->machine;
        p->standing = ob_admission_of(p->delta->admission, &record->machine);
    }
    p->delta->records++;
    p->delta->samples += record->n;
    const char *why = ob_standing_refuses(&p->standing, record);
    return !why ? OB_OK
                : ob_fail(error, OB_EREFUSED,
                          "%s: the record of machine %s at sample %llu does not count: %s", p->delta->path,
                          ob_hex_short(&record->machine, key), (unsigned long long)record->first.index, why);
}

static enum ob_err parse(struct parsing *p, const struct ob_progress_callback *progress) {
    enum ob_err failed = check_hash(p);
    if (failed)
        return failed;
    p->in = ob_reader_init(p->delta->bytes, p->delta->byte_count - OB_HASH_BYTES);
    failed = read_header(p);
    if (!failed)
        failed = read_entries(p);
    if (failed)
        return failed;
    struct walk walk = {.delta = p->delta,
                        .verify = true,
                        .progress = progress,
                        .see = count_record,
                        .context = p,
                        .error = p->error};
    failed = walk_all(&walk);
    if (!failed && p->delta->samples != p->samples)
        failed = fail(p, "number of samples does not match the header");
    return failed;
}

/* Takes `bytes`. */
static enum ob_err take(char *bytes, size_t byte_count, const char *path,
                        const struct ob_progress_callback *progress, struct ob_delta **ret_delta,
                        struct ob_error *error) {
    struct ob_error ours;
    struct parsing p = {.error = error ? error : &ours};
    p.delta = calloc(1, sizeof *p.delta);
    if (!p.delta) {
        free(bytes);
        return ob_fail(error, OB_ENOMEM, "%s: out of memory", path);
    }
    *p.delta = (struct ob_delta){.path = path, .bytes = bytes, .byte_count = byte_count};
    enum ob_err failed = parse(&p, progress);
    if (failed)
        ob_delta_free(p.delta);
    else
        *ret_delta = p.delta;
    return failed;
}

enum ob_err ob_delta_open(const char *path, const struct ob_progress_callback *progress,
                          struct ob_delta **ret_delta, struct ob_error *error) {
    char *bytes = NULL;
    size_t byte_count = 0;
    enum ob_err failed = ob_file_read(path, OB_DELTA_BYTES_MAX, &bytes, &byte_count, error);
    return failed ? failed : take(bytes, byte_count, path, progress, ret_delta, error);
}

enum ob_err ob_delta_parse(const void *bytes, size_t byte_count, const char *path,
                           const struct ob_progress_callback *progress, struct ob_delta **ret_delta,
                           struct ob_error *error) {
    char *copy = malloc(byte_count + 1);
    if (!copy)
        return ob_fail(error, OB_ENOMEM, "%s: out of memory", path);
    memcpy(copy, bytes, byte_count);
    return take(copy, byte_count, path, progress, ret_delta, error);
}

void ob_delta_free(struct ob_delta *delta) {
    if (!delta)
        return;
    ob_admission_free(delta->admission);
    ob_manifest_free(delta->manifest);
    free(delta->bytes);
    free(delta);
}

enum ob_err ob_delta_each(const struct ob_delta *delta, ob_store_record_fn see, void *context,
                          struct ob_error *error) {
    struct ob_error ours;
    struct walk walk = {.delta = delta, .see = see, .context = context, .error = error ? error : &ours};
    return walk_all(&walk);
}
