/* The `decoder` of a tokenizer.json. What a token stands for is the vocabulary's affair
 * (model/tokenizer/vocab.h), so that the steps are only checked to say the same: ByteLevel; or, among pieces,
 * U+2581 is a space (Replace, Metaspace), <0xHH> is a byte (ByteFallback), all is one text (Fuse), and how
 * many spaces it loses (Strip). */
#include <string.h>

#include "model/tokenizer/json.h"
#include "model/tokenizer/tokenizer_internal.h"

struct reading {
    struct ob_tokenizer *tokenizer;
    bool byte_level;
};

static bool is_text(const json_t *string, const char *text) {
    return json_is_string(string) && strcmp(json_string_value(string), text) == 0;
}

static enum ob_err read_replace(const json_t *field, struct ob_error *error) {
    if (is_text(ob_json_field(ob_json_field(field, "pattern"), "String"), OB_SPACE_PIECE) &&
        is_text(ob_json_field(field, "content"), " "))
        return OB_OK;
    return ob_fail(error, OB_EUNSUPPORTED, "Replace of other than U+2581 by a space is not supported");
}

static enum ob_err read_strip(struct ob_tokenizer *tokenizer, const json_t *field, struct ob_error *error) {
    const json_t *start = ob_json_field(field, "start"), *stop = ob_json_field(field, "stop");
    if (!is_text(ob_json_field(field, "content"), " ") || !json_is_integer(start) ||
        json_integer_value(start) < 0 || !json_is_integer(stop) || json_integer_value(stop) != 0)
        return ob_fail(error, OB_EUNSUPPORTED, "Strip of other than spaces at the start is not supported");
    tokenizer->strip = (size_t)json_integer_value(start);
    return OB_OK;
}

static enum ob_err read_metaspace(struct ob_tokenizer *tokenizer, const json_t *field,
                                  struct ob_error *error) {
    const json_t *scheme = ob_json_field(field, "prepend_scheme");
    if (!is_text(ob_json_field(field, "replacement"), OB_SPACE_PIECE))
        return ob_fail(error, OB_EUNSUPPORTED,
                       "Metaspace with another \"replacement\" than U+2581 is not supported");
    tokenizer->strip = is_text(scheme, "never") ? 0 : 1;
    return OB_OK;
}

static enum ob_err read_one(void *context, const json_t *field, const char *type, struct ob_error *error) {
    const struct reading *reading = context;
    if (strcmp(type, "Fuse") == 0)
        return OB_OK;
    if (reading->byte_level)
        return strcmp(type, "ByteLevel") == 0 ? OB_OK : ob_json_unknown_type(type, error);
    if (strcmp(type, "ByteFallback") == 0)
        return OB_OK;
    if (strcmp(type, "Replace") == 0)
        return read_replace(field, error);
    if (strcmp(type, "Strip") == 0)
        return read_strip(reading->tokenizer, field, error);
    if (strcmp(type, "Metaspace") == 0)
        return read_metaspace(reading->tokenizer, field, error);
    return ob_json_unknown_type(type, error);
}

enum ob_err ob_tokenizer_read_decoder(struct ob_tokenizer *tokenizer, const json_t *field, bool byte_level,
                                      struct ob_error *error) {
    struct reading reading = {tokenizer, byte_level};
    return ob_json_stages(field, "decoder", "decoders", read_one, &reading, error);
}
