/* audit: what each machine's records do to the held-out loss, by taking them out exactly and putting them
 * back */
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "cli/eval.h"
#include "cli/open_log.h"
#include "cli/options.h"
#include "run/replica.h"
#include "transport/identity.h"

enum audit_option {
    AUDIT_MANIFEST,
    AUDIT_MODEL,
    AUDIT_DATA,
    AUDIT_LENGTH,
    AUDIT_BATCH,
    AUDIT_JSON,
    AUDIT_CHAT_TEMPLATE,
    AUDIT_OPTIONS
};

/* A machine's records are neighbours in the log. */
struct share {
    struct ob_machine_id machine;
    size_t first, count; /* of its updates */
    uint64_t samples;
    uint64_t sequence; /* of the certificate that gave the name */
    char name[OB_CONTROL_NAME_MAX + 1];
    double loss; /* without it */
};

/* The log as it was in one moment: a daemon that runs beside us goes on writing. */
struct audit {
    struct ob_manifest *manifest;
    struct ob_store *store;
    struct ob_replica *replica;
    struct ob_tokenizer *tokenizer;
    struct ob_corpus *corpus;
    struct ob_updates updates;
    struct share *shares;
    size_t share_count, share_max;
    int64_t length, batch;
    double loss; /* with everything */
    struct ob_hash digest;
    bool differs; /* the weights after everything was put back */
};

static enum ob_err take_record(void *context, const struct ob_record *record, struct ob_error *error) {
    struct audit *a = context;
    if (!ob_array_reserve(&a->shares, a->share_count, 1, sizeof *a->shares, &a->share_max))
        return ob_fail(error, OB_ENOMEM, "audit: not enough memory for %zu machines", a->share_count + 1);
    if (a->share_count == 0 || !ob_machine_equal(&a->shares[a->share_count - 1].machine, &record->machine))
        a->shares[a->share_count++] = (struct share){.machine = record->machine, .first = a->updates.count};
    struct share *share = &a->shares[a->share_count - 1];
    share->count++;
    share->samples += record->n;
    return ob_updates_add(&a->updates, record, error);
}

/* The name of a machine is that of its latest certificate. */
static enum ob_err take_name(void *context, const void *data, size_t bytes, struct ob_error *error) {
    struct audit *a = context;
    struct ob_control control;
    (void)error;
    if (ob_control_decode(data, bytes, &control, NULL) || control.kind != OB_CONTROL_CERTIFICATE)
        return OB_OK;
    struct ob_certificate certificate = ob_control_certificate(&control);
    for (size_t i = 0; i < a->share_count; i++) {
        struct share *share = &a->shares[i];
        if (!ob_machine_equal(&share->machine, &control.subject) || control.sequence < share->sequence)
            continue;
        share->sequence = control.sequence;
        memcpy(share->name, certificate.name, sizeof share->name);
    }
    return OB_OK;
}

static enum ob_err take_log(struct audit *a, struct ob_error *error) {
    enum ob_err failed = ob_store_each(a->store, take_record, a, error);
    if (!failed)
        failed = ob_store_each_control(a->store, take_name, a, error);
    return failed;
}

static enum ob_err open_all(struct audit *a, const char *state_dir, const struct ob_tool_option *o,
                            struct ob_error *error) {
    const char *model = o[AUDIT_MODEL].value;
    enum ob_err failed = ob_tool_open_log(state_dir, o[AUDIT_MANIFEST].value, &a->manifest, &a->store, error);
    if (!failed)
        failed = take_log(a, error);
    if (!failed)
        failed = ob_replica_new(a->manifest, model, 0, &a->replica, error);
    if (failed)
        return failed;
    struct ob_tool_rows rows = {.model = model,
                                .config = &a->replica->model->config,
                                .data = o[AUDIT_DATA].value,
                                .chat_template = o[AUDIT_CHAT_TEMPLATE].value,
                                .length = a->length};
    return ob_tool_open_rows(&rows, &a->tokenizer, &a->corpus, error);
}

static void close_all(struct audit *a) {
    ob_corpus_free(a->corpus);
    ob_tokenizer_free(a->tokenizer);
    ob_replica_free(a->replica);
    ob_store_close(a->store);
    ob_manifest_free(a->manifest);
    ob_updates_done(&a->updates);
    free(a->shares);
}

static enum ob_err measure(const struct audit *a, double *ret_loss, struct ob_error *error) {
    struct ob_weight_source source = ob_replica_source(a->replica);
    struct ob_task_score score = {0};
    enum ob_err failed =
        ob_tool_evaluate(&source, a->corpus, a->replica->pool, (size_t)a->batch, &score, error);
    *ret_loss = ob_tool_loss(&score, a->corpus);
    return failed;
}

static enum ob_err audit_share(struct audit *a, struct share *share, struct ob_error *error) {
    const struct ob_spsa_update *updates = a->updates.items + share->first;
    enum ob_err failed = ob_replica_unapply(a->replica, updates, share->count, error);
    if (!failed)
        failed = measure(a, &share->loss, error);
    return failed ? failed : ob_replica_apply(a->replica, updates, share->count, error);
}

static enum ob_err audit(struct audit *a, struct ob_error *error) {
    struct ob_hash after;
    enum ob_err failed = ob_replica_apply(a->replica, a->updates.items, a->updates.count, error);
    if (!failed)
        failed = ob_replica_digest(a->replica, &a->digest, error);
    if (!failed)
        failed = measure(a, &a->loss, error);
    for (size_t i = 0; i < a->share_count && !failed; i++)
        failed = audit_share(a, &a->shares[i], error);
    if (!failed)
        failed = ob_replica_digest(a->replica, &after, error);
    if (!failed)
        a->differs = !ob_hash_equal(&a->digest, &after);
    return failed;
}

static json_t *number(double value) {
    return isfinite(value) ? json_real(value) : json_null();
}

static enum ob_err print_json(const struct audit *a, const char *digest, struct ob_error *error) {
    json_t *machines = json_array();
    for (size_t i = 0; i < a->share_count; i++) {
        const struct share *s = &a->shares[i];
        char key[OB_HEX_KEY_MAX];
        ob_machine_to_text(&s->machine, key);
        json_array_append_new(machines, json_pack("{s:s,s:s,s:I,s:o,s:o}", "name", s->name, "machine", key,
                                                  "samples", (json_int_t)s->samples, "loss_without",
                                                  number(s->loss), "difference", number(s->loss - a->loss)));
    }
    json_t *root =
        json_pack("{s:o,s:s,s:o}", "loss", number(a->loss), "weights_digest", digest, "machines", machines);
    char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
    json_decref(root);
    if (!text)
        return ob_fail(error, OB_ENOMEM, "audit: out of memory");
    puts(text);
    free(text);
    return OB_OK;
}

static enum ob_err report(const struct audit *a, bool json, struct ob_error *error) {
    char digest[65], key[OB_HEX_KEY_MAX];
    sodium_bin2hex(digest, sizeof digest, a->digest.bytes, sizeof a->digest.bytes);
    if (json)
        return print_json(a, digest, error);
    printf("weights %s\nloss %.6f with all records\n", digest, a->loss);
    for (size_t i = 0; i < a->share_count; i++) {
        const struct share *s = &a->shares[i];
        ob_machine_to_text(&s->machine, key);
        printf("%-16s %.12s samples %-9" PRIu64 " loss without it %.6f difference %+.6f\n",
               s->name[0] ? s->name : "-", key, s->samples, s->loss, s->loss - a->loss);
    }
    return OB_OK;
}

int ob_tool_audit(int argc, char **argv) {
    struct ob_tool_option o[AUDIT_OPTIONS] = {
        [AUDIT_MANIFEST] = {.name = "manifest"},
        [AUDIT_MODEL] = {.name = "model"},
        [AUDIT_DATA] = {.name = "data"},
        [AUDIT_LENGTH] = {.name = "length", .value = "0"},
        [AUDIT_BATCH] = {.name = "batch", .value = "8"},
        [AUDIT_JSON] = {.name = "json", .is_switch = true},
        [AUDIT_CHAT_TEMPLATE] = {.name = "chat-template"},
    };
    const char *state_dir = NULL;
    size_t count = 0;
    struct ob_error error = {0};
    struct audit a = {0};
    if (!ob_tool_parse(argc, argv, o, AUDIT_OPTIONS, &state_dir, 1, &count))
        return OB_EXIT_USAGE;
    if (count != 1 || !o[AUDIT_MANIFEST].value || !o[AUDIT_MODEL].value || !o[AUDIT_DATA].value)
        return ob_tool_usage("audit needs a state directory, --manifest, --model and --data");
    if (!ob_tool_integer(&o[AUDIT_LENGTH], 0, 1 << 20, &a.length) ||
        !ob_tool_integer(&o[AUDIT_BATCH], 1, 4096, &a.batch))
        return OB_EXIT_USAGE;
    enum ob_err failed = open_all(&a, state_dir, o, &error);
    if (!failed)
        failed = audit(&a, &error);
    if (!failed && !a.differs)
        failed = report(&a, o[AUDIT_JSON].value != NULL, &error);
    close_all(&a);
    if (failed)
        return ob_tool_complain(&error);
    if (a.differs)
        fprintf(stderr, "onebyte: %s: the weights are others after the records were put back\n", state_dir);
    return a.differs ? OB_EXIT_CHECK : OB_EXIT_DONE;
}
