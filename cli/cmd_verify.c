#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/hex.h"
#include "cli/ask.h"
#include "cli/command.h"
#include "cli/open_log.h"
#include "run/replica.h"
#include "transport/identity.h"

struct arguments {
    const char *state_dir, *manifest, *model, *digest;
};

static const struct ob_operand OPERANDS[] = {
    {"STATE_DIR", "state directory with the log", offsetof(struct arguments, state_dir)}};
static const struct ob_option OPTIONS[] = {
    OB_OPTION_MANIFEST(struct arguments),
    OB_OPTION_MODEL(struct arguments, "base model"),
    {"digest", "HEX",
     "weights digest to compare with; default: the running daemon's, when one answers and its log is the "
     "same",
     OB_ARGUMENT(struct arguments, digest)},
};

/* Signatures and chains of a whole log. */
struct chains {
    const struct ob_manifest *manifest;
    struct ob_machine_id machine;
    bool any;
    uint64_t next, records;
    uint32_t round;
    struct ob_hash head;
};

static enum ob_err check_record(void *context, const struct ob_record *record, struct ob_error *error) {
    struct chains *c = context;
    char machine[OB_HEX_KEY_MAX];
    ob_machine_to_text(&record->machine, machine);
    bool same = c->any && ob_machine_equal(&c->machine, &record->machine);
    uint64_t next = same ? c->next : 0;
    if (record->first.index != next || (same && record->round.index <= c->round) ||
        (same && !ob_hash_equal(&record->prev, &c->head)))
        return ob_fail(error, OB_EMISMATCH, "the chain of machine %.16s... breaks at sample %" PRIu64,
                       machine, next);
    if (!ob_record_verify(&c->manifest->run, record))
        return ob_fail(error, OB_EMISMATCH, "machine %.16s..., sample %" PRIu64 ": wrong signature", machine,
                       record->first.index);
    c->machine = record->machine;
    c->any = true;
    c->next = record->first.index + record->n;
    c->round = record->round.index;
    c->head = ob_record_hash(&c->manifest->run, record);
    c->records++;
    return OB_OK;
}

/* What to compare with: the digest that was given, or the daemon's when its log has as many records and samples as ours.
 * *ret_what says what it is; NULL: why there is none is in `why`. */
struct comparison {
    char digest[65];
    const char *what, *why;
};

static struct comparison compare_with(const struct arguments *a, const struct ob_store_counts *counts) {
    struct comparison c = {.what = "the expected digest"};
    json_t *status = NULL;
    if (a->digest) {
        (void)snprintf(c.digest, sizeof c.digest, "%s", a->digest);
        return c;
    }
    c.what = NULL;
    if (ob_cli_ask_command(a->state_dir, "status", &status, NULL)) {
        c.why = "no daemon is running there, and no --digest was given";
        return c;
    }
    const json_t *log = json_object_get(status, "log");
    const char *digest = json_string_value(json_object_get(status, "weights_digest"));
    bool same = (uint64_t)json_integer_value(json_object_get(log, "records")) == counts->records &&
                (uint64_t)json_integer_value(json_object_get(log, "samples")) == counts->samples;
    if (same && digest && json_is_true(json_object_get(status, "weights_digest_current"))) {
        (void)snprintf(c.digest, sizeof c.digest, "%s", digest);
        c.what = "the running daemon's digest";
    } else {
        c.why = "the running daemon has no digest of exactly these records; pause it, or try again when it "
                "is at rest";
    }
    json_decref(status);
    return c;
}

static int compare(const struct comparison *c, const char *found) {
    if (!c->what) {
        printf("not compared: %s\n", c->why);
        return OB_EXIT_DONE;
    }
    if (strcasecmp(c->digest, found) == 0) {
        printf("equal to %s\n", c->what);
        return OB_EXIT_DONE;
    }
    fprintf(stderr, "onebyte: weights digest mismatch: the log gives %s, %s is %s\n", found, c->what,
            c->digest);
    return OB_EXIT_CHECK;
}

static enum ob_err replay(const struct arguments *a, const struct ob_manifest *manifest,
                          struct ob_store *store, struct ob_hash *ret_digest, struct ob_error *error) {
    struct ob_replica *replica = NULL;
    enum ob_err failed = ob_replica_new(manifest, a->model, 0, &replica, error);
    if (!failed)
        failed = ob_replica_replay(replica, store, NULL, NULL, error);
    if (!failed)
        failed = ob_replica_digest(replica, ret_digest, error);
    ob_replica_free(replica);
    return failed;
}

static int verify(const struct arguments *a, const struct ob_manifest *manifest, struct ob_store *store) {
    struct ob_error error = {0};
    struct ob_hash digest;
    struct ob_store_counts counts = {0};
    struct chains chains = {.manifest = manifest};
    enum ob_err failed = ob_store_counts(store, &counts, &error);
    if (failed)
        return ob_cli_fail(&error);
    struct comparison comparison = compare_with(a, &counts); /* now: a daemon goes on */
    failed = ob_store_each(store, check_record, &chains, &error);
    if (failed) {
        (void)ob_cli_fail(&error);
        return failed == OB_EMISMATCH ? OB_EXIT_CHECK : OB_EXIT_FAILED;
    }
    if (replay(a, manifest, store, &digest, &error))
        return ob_cli_fail(&error);
    char text[65];
    ob_hex_encode(digest.bytes, sizeof digest.bytes, text);
    printf("%" PRIu64 " records, %" PRIu64 " samples: signatures and chains are valid\nweights %s\n",
           chains.records, counts.samples, text);
    return compare(&comparison, text);
}

static int run(const void *arguments) {
    const struct arguments *a = arguments;
    struct ob_error error = {0};
    struct ob_manifest *manifest = NULL;
    struct ob_store *store = NULL;
    if (a->digest && (strlen(a->digest) != 64 || strspn(a->digest, "0123456789abcdefABCDEF") != 64))
        return ob_cli_fail_usage("--digest must be 64 hexadecimal digits");
    if (ob_cli_open_log(a->state_dir, a->manifest, &manifest, &store, &error))
        return ob_cli_fail(&error);
    int code = verify(a, manifest, store);
    ob_store_close(store);
    ob_manifest_free(manifest);
    return code;
}

const struct ob_command OB_COMMAND_VERIFY = {
    .name = "verify",
    .summary = "replay a log from the base model and compare digests",
    .details = "Checks every signature and chain, replays the log onto the base model and prints the weights "
               "digest. The "
               "exit code is 3 when a chain is broken or the digests differ.",
    OB_OPERANDS(OPERANDS),
    OB_OPTIONS(OPTIONS),
    .arguments_bytes = sizeof(struct arguments),
    .run = run,
};
