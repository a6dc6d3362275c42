/* The `normalizer` of a tokenizer.json: NFC, Prepend, Replace of a literal text, and Sequences of them. */
#include <string.h>

#include "model/tokenizer/json.h"
#include "model/tokenizer/tokenizer_internal.h"

static enum ob_err read_prepend(struct ob_rewrite *rewrite, const json_t *field, struct ob_error *error) {
    const json_t *prepend = ob_json_field(field, "prepend");
    if (!json_is_string(prepend))
        return ob_fail(error, OB_EFORMAT, "Prepend has no \"prepend\"");
    return ob_rewrite_add(rewrite, OB_REWRITE_PREPEND, false, NULL, 0, json_string_value(prepend),
                          json_string_length(prepend), error);
}

static enum ob_err read_replace(struct ob_rewrite *rewrite, const json_t *field, struct ob_error *error) {
    const json_t *pattern = ob_json_field(field, "pattern"), *content = ob_json_field(field, "content");
    const json_t *from = ob_json_field(pattern, "String");
    if (ob_json_field(pattern, "Regex") != NULL)
        return ob_fail(error, OB_EUNSUPPORTED, "Replace with a \"Regex\" is not supported");
    if (!json_is_string(from) || json_string_length(from) == 0 || !json_is_string(content))
        return ob_fail(error, OB_EFORMAT, "Replace has no \"pattern\" {\"String\": …} or no \"content\"");
    return ob_rewrite_add(rewrite, OB_REWRITE_REPLACE, false, json_string_value(from),
                          json_string_length(from), json_string_value(content), json_string_length(content),
                          error);
}

static enum ob_err read_one(void *context, const json_t *field, const char *type, struct ob_error *error) {
    struct ob_rewrite *rewrite = context;
    if (strcmp(type, "NFC") == 0)
        return ob_rewrite_add(rewrite, OB_REWRITE_NFC, false, NULL, 0, NULL, 0, error);
    if (strcmp(type, "Prepend") == 0)
        return read_prepend(rewrite, field, error);
    if (strcmp(type, "Replace") == 0)
        return read_replace(rewrite, field, error);
    return ob_json_unknown_type(type, error);
}

enum ob_err ob_tokenizer_read_normalizer(struct ob_tokenizer *tokenizer, const json_t *field,
                                         struct ob_error *error) {
    return ob_json_stages(field, "normalizer", "normalizers", read_one, &tokenizer->normalizer, error);
}
