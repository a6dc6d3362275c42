/* log, verify: reading a state directory */
#include <inttypes.h>
#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/open_log.h"
#include "cli/options.h"
#include "run/replica.h"
#include "transport/identity.h"
#include "transport/status_client.h"

enum ob_err ob_tool_open_log(const char *state_dir, const char *manifest_path,
                             struct ob_manifest **ret_manifest, struct ob_store **ret_store,
                             struct ob_error *error) {
    struct ob_manifest *manifest = NULL;
    enum ob_err failed = ob_manifest_read(manifest_path, &manifest, error);
    if (failed)
        return failed;
    struct ob_store_options options = {
        .state_dir = state_dir, .run = manifest->run, .bounds = manifest->bounds};
    failed = ob_store_open(&options, ret_store, error);
    if (failed)
        ob_manifest_free(manifest);
    else
        *ret_manifest = manifest;
    return failed;
}

struct printing {
    const struct ob_manifest *manifest;
    bool json;
};

static enum ob_err print_record(void *context, const struct ob_record *record, struct ob_error *error) {
    (void)error;
    const struct printing *printing = context;
    char machine[OB_HEX_KEY_MAX], hash[65];
    struct ob_hash id = ob_record_hash(&printing->manifest->run, record);
    ob_machine_to_text(&record->machine, machine);
    sodium_bin2hex(hash, sizeof hash, id.bytes, sizeof id.bytes);
    double squares = 0;
    for (uint16_t i = 0; i < record->n; i++) {
        double g = ob_spsa_decode(&printing->manifest->rule.code, record->exponent, record->bytes[i]);
        squares += g * g;
    }
    if (!printing->json) {
        printf("%.12s round %-7" PRIu32 " samples %" PRIu64
               "+%u live %u exponent %d mean-square-g %.4g hash %.12s\n",
               machine, record->round.index, record->first.index, record->n, record->live, record->exponent,
               squares / record->n, hash);
        return OB_OK;
    }
    printf("{\"machine\":\"%s\",\"round\":%" PRIu32 ",\"first\":%" PRIu64
           ",\"n\":%u,\"live\":%u,\"exponent\":%d,"
           "\"hash\":\"%s\",\"bytes\":[",
           machine, record->round.index, record->first.index, record->n, record->live, record->exponent,
           hash);
    for (uint16_t i = 0; i < record->n; i++)
        printf("%s%u", i ? "," : "", record->bytes[i]);
    puts("]}");
    return OB_OK;
}

int ob_tool_log(int argc, char **argv) {
    struct ob_tool_option o[] = {{.name = "manifest"}, {.name = "json", .is_switch = true}};
    const char *state_dir = NULL;
    size_t count = 0;
    struct ob_error error = {0};
    struct ob_manifest *manifest = NULL;
    struct ob_store *store = NULL;
    if (!ob_tool_parse(argc, argv, o, 2, &state_dir, 1, &count))
        return OB_EXIT_USAGE;
    if (count != 1 || !o[0].value)
        return ob_tool_usage("log needs a state directory and --manifest");
    if (ob_tool_open_log(state_dir, o[0].value, &manifest, &store, &error))
        return ob_tool_complain(&error);
    struct printing printing = {.manifest = manifest, .json = o[1].value != NULL};
    enum ob_err failed = ob_store_each(store, print_record, &printing, &error);
    ob_store_close(store);
    ob_manifest_free(manifest);
    return failed ? ob_tool_complain(&error) : OB_EXIT_DONE;
}

/* Signatures and chains of a whole log. */
struct auditing {
    const struct ob_manifest *manifest;
    struct ob_machine_id machine;
    bool any;
    uint64_t next, records;
    uint32_t round;
    struct ob_hash head;
};

static enum ob_err audit_record(void *context, const struct ob_record *record, struct ob_error *error) {
    struct auditing *a = context;
    char machine[OB_HEX_KEY_MAX];
    ob_machine_to_text(&record->machine, machine);
    bool same = a->any && ob_machine_equal(&a->machine, &record->machine);
    uint64_t next = same ? a->next : 0;
    if (record->first.index != next || (same && record->round.index <= a->round) ||
        (same && !ob_hash_equal(&record->prev, &a->head)))
        return ob_fail(error, OB_EMISMATCH, "the chain of machine %.16s... breaks at sample %" PRIu64,
                       machine, next);
    if (!ob_record_verify(&a->manifest->run, record))
        return ob_fail(error, OB_EMISMATCH,
                       "machine %.16s..., sample %" PRIu64 ": the signature is not the machine's", machine,
                       record->first.index);
    a->machine = record->machine;
    a->any = true;
    a->next = record->first.index + record->n;
    a->round = record->round.index;
    a->head = ob_record_hash(&a->manifest->run, record);
    a->records++;
    return OB_OK;
}

/* The running daemon's weights digest, when one answers and it is of its present log. Caller frees. */
static char *daemon_digest(const char *state_dir) {
    char *answer = NULL, *digest = NULL;
    if (ob_status_ask(state_dir, "{\"command\":\"status\"}", 3000, &answer, NULL))
        return NULL;
    json_t *root = json_loads(answer, 0, NULL);
    const char *text = json_string_value(json_object_get(root, "weights_digest"));
    if (text && json_is_true(json_object_get(root, "weights_digest_current")))
        digest = strdup(text);
    json_decref(root);
    free(answer);
    return digest;
}

static int compare_digests(const char *state_dir, const char *wanted, const char *found) {
    char *other = wanted ? strdup(wanted) : daemon_digest(state_dir);
    int code = OB_EXIT_DONE;
    if (other && strcmp(other, found) != 0) {
        fprintf(stderr, "onebyte: the log gives weights digest %s, %s %s\n", found,
                wanted ? "expected was" : "the daemon has", other);
        code = OB_EXIT_CHECK;
    } else if (other) {
        puts(wanted ? "equal to the digest that was given" : "equal to the running daemon's");
    }
    free(other);
    return code;
}

static int verify(const char *state_dir, const struct ob_manifest *manifest, struct ob_store *store,
                  const char *model, const char *wanted) {
    struct ob_error error = {0};
    struct ob_replica *replica = NULL;
    struct ob_hash digest;
    struct auditing auditing = {.manifest = manifest};
    enum ob_err failed = ob_store_each(store, audit_record, &auditing, &error);
    if (failed == OB_EMISMATCH) {
        (void)ob_tool_complain(&error);
        return OB_EXIT_CHECK;
    }
    if (!failed)
        failed = ob_replica_new(manifest, model, 0, &replica, &error);
    if (!failed)
        failed = ob_replica_replay(replica, store, NULL, NULL, &error);
    if (!failed)
        failed = ob_replica_digest(replica, &digest, &error);
    if (failed) {
        ob_replica_free(replica);
        return ob_tool_complain(&error);
    }
    char text[65];
    sodium_bin2hex(text, sizeof text, digest.bytes, sizeof digest.bytes);
    printf("%" PRIu64 " records, %" PRIu64 " samples, signatures and chains good\nweights %s\n",
           auditing.records, replica->samples, text);
    ob_replica_free(replica);
    return compare_digests(state_dir, wanted, text);
}

int ob_tool_verify(int argc, char **argv) {
    struct ob_tool_option o[] = {{.name = "manifest"}, {.name = "model"}, {.name = "digest"}};
    const char *state_dir = NULL;
    size_t count = 0;
    struct ob_error error = {0};
    struct ob_manifest *manifest = NULL;
    struct ob_store *store = NULL;
    if (!ob_tool_parse(argc, argv, o, 3, &state_dir, 1, &count))
        return OB_EXIT_USAGE;
    if (count != 1 || !o[0].value || !o[1].value)
        return ob_tool_usage("verify needs a state directory, --manifest and --model");
    if (ob_tool_open_log(state_dir, o[0].value, &manifest, &store, &error))
        return ob_tool_complain(&error);
    int code = verify(state_dir, manifest, store, o[1].value, o[2].value);
    ob_store_close(store);
    ob_manifest_free(manifest);
    return code;
}
