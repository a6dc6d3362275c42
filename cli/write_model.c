#include "cli/write_model.h"
#include "base/hex.h"
#include "model/convert/export_check.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

const char *const OB_CLI_FORMATS[] = {"safetensors", "gguf", "peft", NULL};
const char *const OB_CLI_DTYPES[] = {"f32", "f16", "bf16", NULL};
_Static_assert(sizeof OB_CLI_DTYPES / sizeof *OB_CLI_DTYPES == OB_DTYPE_PLAIN_COUNT + 1, "one name for each");

struct ob_export_options ob_cli_export_options(int format, int dtype) {
    return (struct ob_export_options){.format = (enum ob_export_format)format, .dtype = (enum ob_dtype)dtype};
}

void ob_cli_print_digest(const struct ob_hash *digest) {
    char text[65];
    ob_hex_encode(digest->bytes, sizeof digest->bytes, text);
    printf("weights %s\n", text);
}

enum ob_err ob_cli_write_model(const struct ob_replica *replica, struct ob_card *card, const char *folder,
                               struct ob_error *error) {
    char *text = NULL;
    enum ob_err failed = ob_card_text(card, &text, error);
    if (failed)
        return failed;
    struct ob_weight_source source = ob_replica_source(replica);
    struct ob_export_options options = card->options;
    options.card = text;
    failed = ob_model_export(&source, &options, folder, error);
    if (!failed)
        failed = ob_export_check(&source, &options, folder, error);
    free(text);
    if (!failed)
        printf("%s: %" PRIu64 " samples applied to %s\n", folder, replica->samples, card->base);
    return failed;
}
