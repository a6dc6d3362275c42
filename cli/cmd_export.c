/* export, apply: a run's weights for other software, and a run as one file */
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/open_log.h"
#include "cli/options.h"
#include "run/delta.h"
#include "run/model_card.h"
#include "run/replica.h"

static bool read_options(const char *format, const char *dtype, struct ob_export_options *ret) {
    static const char *const DTYPES[OB_DTYPE_PLAIN_COUNT] = {"f32", "f16", "bf16"};
    static const char *const FORMATS[] = {"safetensors", "gguf", "peft"}; /* enum ob_export_format */
    int kind = -1, layout = -1;
    for (int i = 0; i < 3; i++)
        if (strcmp(format, FORMATS[i]) == 0)
            layout = i;
    for (int i = 0; i < OB_DTYPE_PLAIN_COUNT; i++)
        if (strcmp(dtype, DTYPES[i]) == 0)
            kind = i;
    if (kind < 0 || layout < 0) {
        (void)ob_tool_usage(kind < 0 ? "--dtype is one of f32, f16, bf16"
                                     : "--format is one of safetensors, gguf, peft");
        return false;
    }
    *ret = (struct ob_export_options){.format = (enum ob_export_format)layout, .dtype = (enum ob_dtype)kind};
    return true;
}

static void print_digest(const struct ob_hash *digest) {
    char text[65];
    sodium_bin2hex(text, sizeof text, digest->bytes, sizeof digest->bytes);
    printf("weights %s\n", text);
}

/* The card must know the frontier already. */
static enum ob_err write_model(const struct ob_replica *replica, struct ob_card *card, const char *folder,
                               struct ob_error *error) {
    char *text = NULL;
    enum ob_err failed = ob_card_text(card, &text, error);
    if (failed)
        return failed;
    struct ob_weight_source source = ob_replica_source(replica);
    struct ob_export_options options = card->options;
    options.card = text;
    failed = ob_model_export(&source, &options, folder, error);
    free(text);
    if (!failed)
        printf("%s: %" PRIu64 " samples applied to %s\n", folder, replica->samples, card->base);
    return failed;
}

struct wanted {
    const char *model, *folder, *delta; /* folder or delta may be NULL */
    struct ob_export_options options;
};

static enum ob_err export_run(const struct ob_manifest *manifest, struct ob_store *store,
                              const struct wanted *wanted, struct ob_error *error) {
    struct ob_replica *replica = NULL;
    struct ob_card card = {.manifest = manifest, .base = wanted->model, .options = wanted->options};
    enum ob_err failed = ob_replica_new(manifest, wanted->model, 0, &replica, error);
    if (!failed)
        failed = ob_replica_replay(replica, store, NULL, NULL, error);
    if (!failed)
        failed = ob_replica_digest(replica, &card.weights_digest, error);
    if (!failed)
        failed = ob_store_each(store, ob_card_see, &card, error);
    if (!failed && wanted->delta)
        failed = ob_delta_write(wanted->delta, manifest, store, &card.weights_digest, error);
    if (!failed && wanted->folder)
        failed = write_model(replica, &card, wanted->folder, error);
    if (!failed)
        print_digest(&card.weights_digest);
    ob_replica_free(replica);
    return failed;
}

int ob_tool_export(int argc, char **argv) {
    struct ob_tool_option o[] = {{.name = "manifest"},
                                 {.name = "model"},
                                 {.name = "out"},
                                 {.name = "delta"},
                                 {.name = "format", .value = "safetensors"},
                                 {.name = "dtype", .value = "f32"}};
    const char *state_dir = NULL;
    size_t count = 0;
    struct ob_error error = {0};
    struct ob_manifest *manifest = NULL;
    struct ob_store *store = NULL;
    if (!ob_tool_parse(argc, argv, o, sizeof o / sizeof *o, &state_dir, 1, &count))
        return OB_EXIT_USAGE;
    struct wanted wanted = {.model = o[1].value, .folder = o[2].value, .delta = o[3].value};
    if (!read_options(o[4].value, o[5].value, &wanted.options))
        return OB_EXIT_USAGE;
    if (count != 1 || !o[0].value || !wanted.model || (!wanted.folder && !wanted.delta))
        return ob_tool_usage(
            "export needs a state directory, --manifest, --model, and --out FOLDER or --delta FILE");
    if (ob_tool_open_log(state_dir, o[0].value, &manifest, &store, &error))
        return ob_tool_complain(&error);
    enum ob_err failed = export_run(manifest, store, &wanted, &error);
    ob_store_close(store);
    ob_manifest_free(manifest);
    return failed ? ob_tool_complain(&error) : OB_EXIT_DONE;
}

static enum ob_err each_of_delta(void *source, ob_store_record_fn see, void *context,
                                 struct ob_error *error) {
    return ob_delta_each(source, see, context, error);
}

/* *ret_differs: the weights are not the ones that the delta speaks of, and nothing is written. */
static enum ob_err apply(struct ob_delta *delta, const struct wanted *wanted, bool *ret_differs,
                         struct ob_error *error) {
    struct ob_replica *replica = NULL;
    struct ob_card card = {.manifest = delta->manifest, .base = wanted->model, .options = wanted->options};
    enum ob_err failed = ob_replica_new(delta->manifest, wanted->model, 0, &replica, error);
    if (!failed)
        failed = ob_replica_replay_from(replica, each_of_delta, delta, NULL, NULL, error);
    if (!failed)
        failed = ob_replica_digest(replica, &card.weights_digest, error);
    if (!failed) {
        print_digest(&card.weights_digest);
        *ret_differs = !ob_hash_equal(&card.weights_digest, &delta->digest);
    }
    if (!failed && !*ret_differs)
        failed = ob_delta_each(delta, ob_card_see, &card, error);
    if (!failed && !*ret_differs)
        failed = write_model(replica, &card, wanted->folder, error);
    ob_replica_free(replica);
    return failed;
}

int ob_tool_apply(int argc, char **argv) {
    struct ob_tool_option o[] = {{.name = "model"},
                                 {.name = "delta"},
                                 {.name = "out"},
                                 {.name = "format", .value = "safetensors"},
                                 {.name = "dtype", .value = "f32"}};
    size_t count = 0;
    bool differs = false;
    struct ob_error error = {0};
    struct ob_delta *delta = NULL;
    struct wanted wanted = {0};
    if (!ob_tool_parse(argc, argv, o, sizeof o / sizeof *o, NULL, 0, &count) ||
        !read_options(o[3].value, o[4].value, &wanted.options))
        return OB_EXIT_USAGE;
    if (!o[0].value || !o[1].value || !o[2].value)
        return ob_tool_usage("apply needs --model, --delta and --out");
    wanted.model = o[0].value;
    wanted.folder = o[2].value;
    enum ob_err failed = ob_delta_open(o[1].value, &delta, &error);
    if (!failed)
        failed = apply(delta, &wanted, &differs, &error);
    ob_delta_free(delta);
    if (failed)
        return ob_tool_complain(&error);
    if (differs)
        fprintf(stderr, "onebyte: %s: says another weights digest: nothing was written\n", o[1].value);
    return differs ? OB_EXIT_CHECK : OB_EXIT_DONE;
}
