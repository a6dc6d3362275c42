/* fill_log - a state directory with a chain of signed records of one identity, by the daemon's own store:
 * what a newcomer catches up with, and what a log takes at rest. The bytes are random codes around 1.
 *
 *   fill_log MANIFEST STATE_DIR RECORDS SAMPLES_A_RECORD     (STATE_DIR/identity must be there)
 *
 * Prints one JSON object; the size is that of the closed log. */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/manifest.h"
#include "daemon/store.h"
#include "transport/identity.h"

static enum ob_err fill(struct ob_store *store, const struct ob_manifest *manifest,
                        const struct ob_identity *identity, uint32_t records, uint16_t n,
                        struct ob_error *error) {
    uint8_t bytes[OB_SAMPLES_PER_ROUND_MAX], signature[OB_RECORD_SIGNATURE_BYTES];
    struct ob_record record = {.machine = identity->machine, .live = 1, .n = n, .bytes = bytes};
    enum ob_err failed = OB_OK;
    for (uint32_t i = 0; i < records && !failed; i++) {
        randombytes_buf(bytes, n);
        for (uint16_t k = 0; k < n; k++)
            bytes[k] = (uint8_t)((bytes[k] & 0x9f) | 0x40); /* a sign and a code of 64 to 95 */
        record.round.index = i;
        record.signature = NULL;
        ob_record_sign(&manifest->run, &record, identity->secret_key, signature);
        record.signature = signature;
        failed = ob_store_other(store, &record, error);
        struct ob_hash hash = ob_record_hash(&manifest->run, &record);
        record.prev = hash;
        record.first.index += n;
    }
    return failed ? failed : ob_store_flush(store, error);
}

int main(int argc, char **argv) {
    if (argc != 5) {
        fputs("usage: fill_log MANIFEST STATE_DIR RECORDS SAMPLES_A_RECORD\n", stderr);
        return 2;
    }
    uint32_t records = (uint32_t)strtoul(argv[3], NULL, 10);
    uint16_t n = (uint16_t)strtoul(argv[4], NULL, 10);
    char path[4096];
    struct ob_manifest *manifest = NULL;
    struct ob_identity identity = {0};
    struct ob_store *store = NULL;
    struct ob_error error = {0};
    struct stat file = {0};
    (void)snprintf(path, sizeof path, "%s/identity", argv[2]);
    enum ob_err failed = sodium_init() < 0 ? OB_EIO : ob_manifest_read(argv[1], &manifest, &error);
    if (!failed && (n < 1 || n > manifest->bounds.samples_per_round || records > manifest->bounds.max_rounds))
        failed = ob_fail(&error, OB_ETOOBIG, "%s: allows fewer records or samples", argv[1]);
    if (!failed)
        failed = ob_identity_load(path, &identity, &error);
    struct ob_store_options options = {.state_dir = argv[2], .machine = &identity.machine};
    if (!failed) {
        options.run = manifest->run;
        options.bounds = manifest->bounds;
        failed = ob_store_open(&options, &store, &error);
    }
    if (!failed)
        failed = fill(store, manifest, &identity, records, n, &error);
    ob_store_close(store);
    (void)snprintf(path, sizeof path, "%s/log.sqlite", argv[2]);
    if (!failed && stat(path, &file) != 0)
        failed = ob_fail(&error, OB_EIO, "%s: cannot be read", path);
    if (failed)
        fprintf(stderr, "fill_log: %s\n", error.text);
    else
        printf(
            "{\"records\": %u, \"samples_a_record\": %u, \"file_bytes\": %lld, \"bytes_a_sample\": %.3f}\n",
            records, n, (long long)file.st_size, (double)file.st_size / ((double)records * n));
    ob_identity_wipe(&identity);
    ob_manifest_free(manifest);
    return failed ? 1 : 0;
}
