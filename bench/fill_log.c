/* fill_log - a state directory with chains of signed records, by the daemon's own store: what a newcomer
 * catches up with, and what a log takes at rest. The bytes are codes around 1, the same for the same machine
 * and round, so that several directories hold the same log.
 *
 *   fill_log MANIFEST STATE_DIR RECORDS SAMPLES_A_RECORD [MACHINE_DIR...]
 *
 * RECORDS of each machine: STATE_DIR's own, or the identities of these folders. STATE_DIR/identity must be
 * there; a MACHINE_DIR/certificate goes into the control table. Prints one JSON object; the size is that of
 * the closed log. */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cursor.h"
#include "base/path.h"
#include "run/certificate.h"
#include "run/manifest.h"
#include "store/store.h"
#include "transport/identity.h"

struct filling {
    const struct ob_manifest *manifest;
    struct ob_store *store;
    uint32_t records;
    uint16_t n;
};

static void draw(const struct ob_record *record, uint8_t *ret_bytes) {
    uint8_t seed[randombytes_SEEDBYTES];
    memcpy(seed, record->machine.key, sizeof seed);
    ob_store_u64(seed, ob_load_u64(seed) ^ record->round.index);
    randombytes_buf_deterministic(ret_bytes, record->n, seed);
    for (uint16_t k = 0; k < record->n; k++)
        ret_bytes[k] = (uint8_t)((ret_bytes[k] & 0x9f) | 0x40); /* a sign and a code of 64 to 95 */
}

static enum ob_err fill_chain(const struct filling *f, const struct ob_identity *identity,
                              struct ob_error *error) {
    uint8_t bytes[OB_SAMPLES_PER_ROUND_MAX], signature[OB_RECORD_SIGNATURE_BYTES];
    struct ob_record record = {.machine = identity->machine, .live = 1, .n = f->n, .bytes = bytes};
    enum ob_err failed = OB_OK;
    for (uint32_t i = 0; i < f->records && !failed; i++) {
        record.round.index = i;
        draw(&record, bytes);
        record.signature = NULL;
        ob_record_sign(&f->manifest->run, &record, identity->secret_key, signature);
        record.signature = signature;
        failed = ob_store_other(f->store, &record, error);
        struct ob_hash hash = ob_record_hash(&f->manifest->run, &record);
        record.prev = hash;
        record.first.index += f->n;
    }
    return failed;
}

static enum ob_err fill_machine(const struct filling *f, const char *folder, struct ob_error *error) {
    char path[OB_PATH_MAX];
    struct ob_identity identity = {0};
    struct ob_certificate_file certificate;
    (void)snprintf(path, sizeof path, "%s/certificate", folder);
    enum ob_err failed = ob_certificate_file_read(path, &certificate, error);
    if (!failed)
        failed = ob_store_control(f->store, &certificate.control, certificate.entry, certificate.entry_bytes,
                                  error);
    else if (failed == OB_ENOTFOUND)
        failed = OB_OK;
    (void)snprintf(path, sizeof path, "%s/identity", folder);
    if (!failed)
        failed = ob_identity_load(path, &identity, error);
    if (!failed)
        failed = fill_chain(f, &identity, error);
    ob_identity_wipe(&identity);
    return failed;
}

static enum ob_err open_store(struct filling *f, const char *folder, struct ob_error *error) {
    char path[OB_PATH_MAX];
    struct ob_identity identity = {0};
    (void)snprintf(path, sizeof path, "%s/identity", folder);
    enum ob_err failed = ob_identity_load(path, &identity, error);
    struct ob_store_options options = {.state_dir = folder,
                                       .machine = &identity.machine,
                                       .run = f->manifest->run,
                                       .bounds = f->manifest->bounds};
    if (!failed)
        failed = ob_store_open(&options, &f->store, error);
    ob_identity_wipe(&identity);
    return failed;
}

int main(int argc, char **argv) {
    if (argc < 5) {
        fputs("usage: fill_log MANIFEST STATE_DIR RECORDS SAMPLES_A_RECORD [MACHINE_DIR...]\n", stderr);
        return 2;
    }
    struct filling f = {.records = (uint32_t)strtoul(argv[3], NULL, 10),
                        .n = (uint16_t)strtoul(argv[4], NULL, 10)};
    char path[OB_PATH_MAX];
    struct ob_manifest *manifest = NULL;
    struct ob_error error = {0};
    struct stat file = {0};
    enum ob_err failed = sodium_init() < 0 ? OB_EIO : ob_manifest_read(argv[1], &manifest, &error);
    f.manifest = manifest;
    if (!failed &&
        (f.n < 1 || f.n > manifest->bounds.samples_per_round || f.records > manifest->bounds.max_rounds))
        failed = ob_fail(&error, OB_ETOOBIG, "%s: allows fewer records or samples", argv[1]);
    if (!failed)
        failed = open_store(&f, argv[2], &error);
    for (int i = argc > 5 ? 5 : 2; i < (argc > 5 ? argc : 3) && !failed; i++)
        failed = fill_machine(&f, argv[i], &error);
    if (!failed)
        failed = ob_store_flush(f.store, &error);
    ob_store_close(f.store);
    (void)snprintf(path, sizeof path, "%s/log.sqlite", argv[2]);
    if (!failed && stat(path, &file) != 0)
        failed = ob_fail(&error, OB_EIO, "%s: cannot be read", path);
    uint32_t machines = argc > 5 ? (uint32_t)(argc - 5) : 1;
    if (failed)
        fprintf(stderr, "fill_log: %s\n", error.text);
    else
        printf("{\"machines\": %u, \"records\": %u, \"samples_a_record\": %u, \"file_bytes\": %lld, "
               "\"bytes_a_sample\": %.3f}\n",
               machines, f.records, f.n, (long long)file.st_size,
               (double)file.st_size / ((double)f.records * f.n * machines));
    ob_manifest_free(manifest);
    return failed ? 1 : 0;
}
