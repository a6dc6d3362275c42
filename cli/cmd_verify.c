#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/hex.h"
#include "cli/ask.h"
#include "cli/check_log.h"
#include "cli/command.h"
#include "cli/open_log.h"
#include "cli/replay.h"
#include "run/replica.h"

struct arguments {
    struct ob_cli_at at;
    const char *digest;
};

static const struct ob_operand OPERANDS[] = {OB_OPERAND_STATE_DIR(struct arguments)};
static const struct ob_option OPTIONS[] = {
    OB_OPTION_RUN(struct arguments),
    OB_OPTION_RUN_MANIFEST(struct arguments),
    OB_OPTION_RUN_MODEL(struct arguments),
    {"digest", "HEX",
     "weights digest to compare with; default: the running daemon's, if one answers and its log is the same",
     OB_ARGUMENT(struct arguments, digest)},
};

/* What to compare with: the digest that was given, or the daemon's when its log has as many records and samples as ours.
 * *ret_what says what it is; NULL: why there is none is in `why`. */
struct comparison {
    char digest[65];
    const char *what, *why;
};

static struct comparison compare_with(const struct arguments *a, const char *state_dir,
                                      const struct ob_store_counts *counts) {
    struct comparison c = {.what = "the expected digest"};
    json_t *status = NULL;
    if (a->digest) {
        (void)snprintf(c.digest, sizeof c.digest, "%s", a->digest);
        return c;
    }
    c.what = NULL;
    if (ob_cli_ask_command(state_dir, "status", &status, NULL)) {
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
        c.why = "the running daemon has no digest of exactly these records; pause it, or try again once the "
                "log is at rest";
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

static enum ob_err replay(const char *model, const struct ob_manifest *manifest, struct ob_store *store,
                          struct ob_progress *progress, struct ob_hash *ret_digest, struct ob_error *error) {
    struct ob_replica *replica = NULL;
    enum ob_err failed = ob_cli_replica_new(manifest, model, &replica, error);
    if (!failed)
        failed = ob_cli_replay(replica, store, NULL, NULL, progress, error);
    if (!failed)
        failed = ob_replica_digest(replica, ret_digest, error);
    ob_replica_free(replica);
    return failed;
}

static void print_check(const struct ob_log_check *check) {
    printf("%" PRIu64 " records, %" PRIu64 " samples of %" PRIu64
           " machines: signatures, chains and admission are valid\n"
           "%" PRIu64 " certificates, %" PRIu64 " revocations, %" PRIu64 " forks, %" PRIu64
           " rotations of the authority are valid",
           check->records, check->samples, check->machines, check->certificates, check->revocations,
           check->evidence, check->rotations);
    if (check->uncounted > 0)
        printf("; %" PRIu64 " valid entries do not count (of a former authority, or about machines without a "
               "certificate)",
               check->uncounted);
    puts("\nnot checked: expiry of certificates (it removes no records), snapshots, and records that this "
         "log lacks");
}

static int verify(const struct arguments *a, const struct ob_cli_place *place,
                  const struct ob_manifest *manifest, struct ob_store *store) {
    struct ob_error error = {0};
    struct ob_hash digest;
    struct ob_log_check check = {0};
    enum ob_err failed = ob_cli_check_log(place->state_dir, manifest, store, &check, &error);
    if (failed)
        return ob_cli_fail(&error);
    if (check.findings > 0)
        return OB_EXIT_CHECK;
    struct ob_store_counts counts = {.records = check.records, .samples = check.samples};
    struct comparison comparison = compare_with(a, place->state_dir, &counts); /* now: a daemon goes on */
    print_check(&check);
    struct ob_progress progress = {0};
    failed = replay(place->model, manifest, store, &progress, &digest, &error);
    ob_progress_end(&progress);
    if (failed)
        return ob_cli_fail(&error);
    char text[OB_HEX_HASH_MAX];
    printf("weights %s\n", ob_hex_encode(digest.bytes, sizeof digest.bytes, text));
    return compare(&comparison, text);
}

static int open_and_verify(const struct arguments *a, const struct ob_cli_place *place,
                           const struct ob_manifest *manifest) {
    struct ob_error error = {0};
    struct ob_store *store = NULL;
    enum ob_err failed = ob_cli_open_store(place->state_dir, manifest, &store, &error);
    if (failed) {
        int code = ob_cli_fail(&error);
        return failed == OB_EFORMAT ? OB_EXIT_CHECK : code; /* so damaged that it cannot be opened */
    }
    int code = verify(a, place, manifest, store);
    ob_store_close(store);
    return code;
}

static int run(const void *arguments) {
    const struct arguments *a = arguments;
    struct ob_error error = {0};
    struct ob_manifest *manifest = NULL;
    if (a->digest && (strlen(a->digest) != 64 || strspn(a->digest, "0123456789abcdefABCDEF") != 64))
        return ob_cli_fail_usage("--digest must be 64 hexadecimal digits");
    struct ob_cli_place place;
    if (ob_cli_find(&a->at, OB_NEED_MODEL, &place, &error) ||
        ob_manifest_read(place.manifest, &manifest, &error))
        return ob_cli_fail(&error);
    int code = open_and_verify(a, &place, manifest);
    ob_manifest_free(manifest);
    return code;
}

const struct ob_command OB_COMMAND_VERIFY = {
    .name = "verify",
    .summary = "verify a log, replay it from the base model and compare digests",
    .details =
        "Verifies everything in the log that is signed: records and their chains, certificates, revocations, "
        "evidence of forks, rotations of the authority, and that every record counts (its machine was "
        "admitted, and it is not above a cut). Then replays the log onto the base model and prints the "
        "weights digest. If anything is invalid, it is printed and the exit code is 3.",
    OB_OPERANDS(OPERANDS),
    OB_OPTIONS(OPTIONS),
    .arguments_bytes = sizeof(struct arguments),
    .run = run,
};
