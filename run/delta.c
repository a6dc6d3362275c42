/* Reading a delta: nothing of it is used before all of it was checked. */
#include "run/delta.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "base/file.h"
#include "record/hash.h"
#include "run/delta_format.h"

struct cut {
    struct ob_machine_id machine;
    uint64_t first; /* samples from here on do not count */
};

struct parsing {
    struct ob_delta *delta;
    struct ob_reader in;
    struct cut *cuts;
    uint32_t cut_count, manifest_bytes;
    uint64_t samples; /* that the header says */
    struct ob_error *error;
};

static enum ob_err fail(const struct parsing *p, const char *what) {
    return ob_fail(p->error, OB_EFORMAT, "%s: %s", p->delta->path, what);
}

static enum ob_err check_hash(const struct parsing *p) {
    const struct ob_delta *delta = p->delta;
    if (delta->byte_count < OB_DELTA_HEADER_BYTES + OB_HASH_BYTES ||
        memcmp(delta->bytes, OB_DELTA_MAGIC, OB_DELTA_MAGIC_BYTES) != 0)
        return fail(p, "is not a delta of onebyte");
    size_t body = delta->byte_count - OB_HASH_BYTES;
    struct ob_hash hash = ob_hash_of(delta->bytes, body);
    if (memcmp(hash.bytes, delta->bytes + body, OB_HASH_BYTES) != 0)
        return fail(p, "is damaged: its hash is not that of its bytes");
    return OB_OK;
}

static enum ob_err read_header(struct parsing *p) {
    struct ob_delta *delta = p->delta;
    (void)ob_read_view(&p->in, OB_DELTA_MAGIC_BYTES);
    p->manifest_bytes = ob_read_u32(&p->in);
    p->cut_count = ob_read_u32(&p->in);
    delta->chain_count = ob_read_u32(&p->in);
    uint32_t reserved = ob_read_u32(&p->in);
    p->samples = ob_read_u64(&p->in);
    ob_read_bytes(&p->in, delta->digest.bytes, OB_HASH_BYTES);
    if (reserved != 0)
        return fail(p, "is of a later version (a reserved field is not 0)");
    const uint8_t *manifest = ob_read_view(&p->in, p->manifest_bytes);
    if (!manifest)
        return fail(p, "its manifest goes beyond its end");
    return ob_manifest_parse((const char *)manifest, p->manifest_bytes, delta->path, &delta->manifest,
                             p->error);
}

static enum ob_err read_cut(struct parsing *p, struct cut *ret) {
    struct ob_control control;
    uint16_t bytes = ob_read_u16(&p->in);
    const uint8_t *entry = ob_read_view(&p->in, bytes);
    if (!entry)
        return fail(p, "a control entry goes beyond its end");
    enum ob_err failed = ob_control_decode(entry, bytes, &control, p->error);
    if (failed)
        return ob_fail_within(p->error, failed, "%s", p->delta->path);
    if (control.kind != OB_CONTROL_REVOCATION && control.kind != OB_CONTROL_EVIDENCE)
        return fail(p, "a control entry is neither a revocation nor evidence");
    if (!ob_control_verify(&p->delta->manifest->run, &control))
        return ob_fail(p->error, OB_EREFUSED, "%s: the signature of a control entry is not its signer's",
                       p->delta->path);
    *ret = (struct cut){control.subject, ob_control_cut(&control).index};
    return OB_OK;
}

static enum ob_err read_cuts(struct parsing *p) {
    if (p->cut_count > p->in.left / 2)
        return fail(p, "its control entries go beyond its end");
    p->cuts = calloc((size_t)p->cut_count + 1, sizeof *p->cuts);
    if (!p->cuts)
        return ob_fail(p->error, OB_ENOMEM, "%s: out of memory", p->delta->path);
    enum ob_err failed = OB_OK;
    for (uint32_t i = 0; i < p->cut_count && !failed; i++)
        failed = read_cut(p, &p->cuts[i]);
    p->delta->chains_at = (size_t)(p->in.at - (const uint8_t *)p->delta->bytes);
    return failed;
}

/* Walks over all chains; checks layout, bounds and order, signatures when asked to. */
struct walk {
    const struct ob_delta *delta;
    struct ob_reader in;
    bool verify;
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
        return ob_fail(w->error, OB_EFORMAT, "%s: a record goes beyond its end", w->delta->path);
    if (record->n < 1 || record->n > OB_SAMPLES_PER_ROUND_MAX)
        return ob_fail(w->error, OB_EFORMAT, "%s: a record of %u samples", w->delta->path, record->n);
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
        return ob_fail(w->error, OB_EFORMAT, "%s: its chains are empty, cut short or not in order",
                       w->delta->path);
    *last = record.machine;
    uint32_t round = 0;
    for (uint32_t i = 0; i < count; i++) {
        enum ob_err failed = read_record(w, &record);
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
        return ob_fail(w->error, OB_EFORMAT, "%s: holds %zu bytes after its last record", w->delta->path,
                       w->in.left);
    return OB_OK;
}

static enum ob_err count_record(void *context, const struct ob_record *record, struct ob_error *error) {
    const struct parsing *p = context;
    p->delta->records++;
    p->delta->samples += record->n;
    for (uint32_t i = 0; i < p->cut_count; i++)
        if (ob_machine_equal(&p->cuts[i].machine, &record->machine) &&
            record->first.index + record->n > p->cuts[i].first)
            return ob_fail(error, OB_EMISMATCH, "%s: holds a record beyond a cut", p->delta->path);
    return OB_OK;
}

static enum ob_err parse(struct parsing *p) {
    enum ob_err failed = check_hash(p);
    if (failed)
        return failed;
    p->in = ob_reader_init(p->delta->bytes, p->delta->byte_count - OB_HASH_BYTES);
    failed = read_header(p);
    if (!failed)
        failed = read_cuts(p);
    if (failed)
        return failed;
    struct walk walk = {
        .delta = p->delta, .verify = true, .see = count_record, .context = p, .error = p->error};
    failed = walk_all(&walk);
    if (!failed && p->delta->samples != p->samples)
        failed = fail(p, "does not hold as many samples as it says");
    return failed;
}

/* Takes `bytes`. */
static enum ob_err take(char *bytes, size_t byte_count, const char *path, struct ob_delta **ret_delta,
                        struct ob_error *error) {
    struct ob_error ours;
    struct parsing p = {.error = error ? error : &ours};
    p.delta = calloc(1, sizeof *p.delta);
    if (!p.delta) {
        free(bytes);
        return ob_fail(error, OB_ENOMEM, "%s: out of memory", path);
    }
    *p.delta = (struct ob_delta){.path = path, .bytes = bytes, .byte_count = byte_count};
    enum ob_err failed = parse(&p);
    free(p.cuts);
    if (failed)
        ob_delta_free(p.delta);
    else
        *ret_delta = p.delta;
    return failed;
}

enum ob_err ob_delta_open(const char *path, struct ob_delta **ret_delta, struct ob_error *error) {
    char *bytes = NULL;
    size_t byte_count = 0;
    enum ob_err failed = ob_file_read(path, OB_DELTA_BYTES_MAX, &bytes, &byte_count, error);
    return failed ? failed : take(bytes, byte_count, path, ret_delta, error);
}

enum ob_err ob_delta_parse(const void *bytes, size_t byte_count, const char *path,
                           struct ob_delta **ret_delta, struct ob_error *error) {
    char *copy = malloc(byte_count + 1);
    if (!copy)
        return ob_fail(error, OB_ENOMEM, "%s: out of memory", path);
    memcpy(copy, bytes, byte_count);
    return take(copy, byte_count, path, ret_delta, error);
}

void ob_delta_free(struct ob_delta *delta) {
    if (!delta)
        return;
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
