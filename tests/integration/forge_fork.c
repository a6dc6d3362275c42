/* forge_fork - what a machine whose key was used twice could have signed: in the log of another machine, which no daemon has
 * open, its last COUNT records are replaced by others of the same rounds with other bytes, signed with its key. Prints
 * the first sample that differs.    forge_fork MANIFEST STATE_DIR ITS_IDENTITY FORKED_IDENTITY COUNT */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run/manifest.h"
#include "store/store.h"
#include "transport/identity.h"

#define COUNT_MAX 64

struct copy {
    size_t bytes;
    uint8_t data[OB_RECORD_BYTES_MAX];
};

struct last {
    struct copy copies[COUNT_MAX]; /* a ring */
    size_t seen;
};

static enum ob_err keep(void *context, const struct ob_record *record, struct ob_error *error) {
    struct last *last = context;
    struct copy *copy = &last->copies[last->seen++ % COUNT_MAX];
    (void)error;
    copy->bytes = ob_record_encode(record, copy->data);
    return OB_OK;
}

/* Signs `record` again behind `prev` (NULL: its own), with another last byte; its hash becomes *prev. */
static enum ob_err sign_other(struct ob_store *store, const struct ob_run_id *run, struct ob_record record,
                              const struct ob_identity *identity, struct ob_hash *prev, bool first,
                              struct ob_error *error) {
    uint8_t bytes[OB_SAMPLES_PER_ROUND_MAX], signature[OB_RECORD_SIGNATURE_BYTES];
    memcpy(bytes, record.bytes, record.n);
    bytes[record.n - 1] ^= 1;
    record.bytes = bytes;
    if (!first)
        record.prev = *prev;
    ob_record_sign(run, &record, identity->secret_key, signature);
    record.signature = signature;
    *prev = ob_record_hash(run, &record);
    return ob_store_other(store, &record, error);
}

static enum ob_err forge(struct ob_store *store, const struct ob_manifest *manifest,
                         const struct ob_identity *identity, size_t count, struct ob_error *error) {
    static struct last last;
    struct ob_record_bounds bounds = manifest->bounds;
    struct ob_hash prev = {{0}};
    struct ob_record record;
    enum ob_err failed = ob_store_from(store, &identity->machine, (struct ob_sample){0}, keep, &last, error);
    if (!failed && (count < 1 || count > COUNT_MAX || last.seen <= count))
        return ob_fail(error, OB_EUSAGE, "it has %zu records", last.seen);
    for (size_t i = last.seen - count; !failed && i < last.seen; i++) {
        const struct copy *copy = &last.copies[i % COUNT_MAX];
        bool first = i == last.seen - count;
        failed = ob_record_decode(copy->data, copy->bytes, &bounds, &record, error);
        if (!failed && first) {
            printf("%llu\n", (unsigned long long)record.first.index);
            failed = ob_store_cut(store, &identity->machine, record.first, error);
        }
        if (!failed)
            failed = sign_other(store, &manifest->run, record, identity, &prev, first, error);
    }
    return failed ? failed : ob_store_flush(store, error);
}

int main(int argc, char **argv) {
    struct ob_manifest *manifest = NULL;
    struct ob_store *store = NULL;
    struct ob_identity owner, forked;
    struct ob_error error = {0};
    if (argc != 6 || sodium_init() < 0)
        return 2;
    enum ob_err failed = ob_manifest_read(argv[1], &manifest, &error);
    if (!failed)
        failed = ob_identity_load(argv[3], &owner, &error);
    if (!failed)
        failed = ob_identity_load(argv[4], &forked, &error);
    if (!failed)
        failed = ob_store_open(&(struct ob_store_options){.state_dir = argv[2],
                                                          .run = manifest->run,
                                                          .bounds = manifest->bounds,
                                                          .machine = &owner.machine},
                               &store, &error);
    if (!failed)
        failed = forge(store, manifest, &forked, strtoul(argv[5], NULL, 10), &error);
    ob_store_close(store);
    ob_manifest_free(manifest);
    if (failed)
        fprintf(stderr, "forge_fork: %s\n", error.text);
    return failed ? 1 : 0;
}
