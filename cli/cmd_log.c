#include <inttypes.h>
#include <stdio.h>

#include "base/hex.h"
#include "cli/command.h"
#include "cli/open_log.h"
#include "model/formats/json_value.h"
#include "transport/identity.h"

struct arguments {
    struct ob_cli_at at;
    bool json;
};

static const struct ob_operand OPERANDS[] = {OB_OPERAND_STATE_DIR(struct arguments)};
static const struct ob_option OPTIONS[] = {
    OB_OPTION_RUN(struct arguments),
    OB_OPTION_RUN_MANIFEST(struct arguments),
    {"json", NULL, "print one JSON object per record, with its bytes", OB_ARGUMENT(struct arguments, json)},
};

struct printing {
    const struct ob_manifest *manifest;
    bool json;
};

static void print_text(const struct printing *printing, const struct ob_record *record, const char *machine,
                       const char *hash) {
    double squares = 0;
    for (uint16_t i = 0; i < record->n; i++) {
        double g = ob_spsa_decode(&printing->manifest->rule.code, record->exponent, record->bytes[i]);
        squares += g * g;
    }
    printf("%.12s round %-7" PRIu32 " samples %" PRIu64
           "+%u live %u exponent %d mean-square-g %.4g hash %.12s\n",
           machine, record->round.index, record->first.index, record->n, record->live, record->exponent,
           squares / record->n, hash);
}

static bool print_json(const struct ob_record *record, const char *machine, const char *hash) {
    json_t *bytes = json_array();
    for (uint16_t i = 0; i < record->n; i++)
        json_array_append_new(bytes, json_integer(record->bytes[i]));
    return ob_json_print(json_pack("{s:s, s:I, s:I, s:i, s:i, s:i, s:s, s:o}", "machine", machine, "round",
                                   (json_int_t)record->round.index, "first", (json_int_t)record->first.index,
                                   "n", (int)record->n, "live", (int)record->live, "exponent",
                                   (int)record->exponent, "hash", hash, "bytes", bytes),
                         stdout);
}

static enum ob_err print_record(void *context, const struct ob_record *record, struct ob_error *error) {
    const struct printing *printing = context;
    char machine[OB_HEX_KEY_MAX], hash[65];
    struct ob_hash id = ob_record_hash(&printing->manifest->run, record);
    ob_machine_to_text(&record->machine, machine);
    ob_hex_encode(id.bytes, sizeof id.bytes, hash);
    bool printed = true;
    if (printing->json)
        printed = print_json(record, machine, hash);
    else
        print_text(printing, record, machine, hash);
    return printed && !ferror(stdout) ? OB_OK : ob_fail(error, OB_EIO, "could not print the whole log");
}

static int print_log(const void *arguments) {
    const struct arguments *a = arguments;
    struct ob_error error = {0};
    struct ob_manifest *manifest = NULL;
    struct ob_store *store = NULL;
    struct ob_cli_place place;
    if (ob_cli_find(&a->at, OB_NEED_MANIFEST, &place, &error) ||
        ob_cli_open_log(&place, &manifest, &store, &error))
        return ob_cli_fail(&error);
    struct printing printing = {.manifest = manifest, .json = a->json};
    enum ob_err failed = ob_store_each(store, print_record, &printing, &error);
    ob_store_close(store);
    ob_manifest_free(manifest);
    return failed ? ob_cli_fail(&error) : OB_EXIT_DONE;
}

const struct ob_command OB_COMMAND_LOG = {
    .name = "log",
    .summary = "print the records of a state directory",
    OB_OPERANDS(OPERANDS),
    OB_OPTIONS(OPTIONS),
    .arguments_bytes = sizeof(struct arguments),
    .run = print_log,
};
