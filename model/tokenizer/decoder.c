#include "model/tokenizer/decoder.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "model/tokenizer/json.h"

struct reading {
    struct ob_decoder *decoder;
    bool byte_level;
};

static bool is_text(const json_t *string, const char *text) {
    return json_is_string(string) && strcmp(json_string_value(string), text) == 0;
}

static enum ob_err read_replace(const json_t *field, struct ob_error *error) {
    if (is_text(ob_json_field(ob_json_field(field, "pattern"), "String"), OB_SPACE_PIECE) &&
        is_text(ob_json_field(field, "content"), " "))
        return OB_OK;
    return ob_fail(error, OB_EUNSUPPORTED, "Replace is supported only of U+2581 by a space");
}

static enum ob_err read_strip(struct ob_decoder *decoder, const json_t *field, struct ob_error *error) {
    const json_t *start = ob_json_field(field, "start"), *stop = ob_json_field(field, "stop");
    if (!is_text(ob_json_field(field, "content"), " ") || !json_is_integer(start) ||
        json_integer_value(start) < 0 || !json_is_integer(stop) || json_integer_value(stop) != 0)
        return ob_fail(error, OB_EUNSUPPORTED, "Strip is supported only for spaces at the start");
    decoder->strip = (size_t)json_integer_value(start);
    return OB_OK;
}

static enum ob_err read_metaspace(struct ob_decoder *decoder, const json_t *field, struct ob_error *error) {
    const json_t *scheme = ob_json_field(field, "prepend_scheme");
    if (!is_text(ob_json_field(field, "replacement"), OB_SPACE_PIECE))
        return ob_fail(error, OB_EUNSUPPORTED, "Metaspace is supported only with the \"replacement\" U+2581");
    decoder->strip = is_text(scheme, "never") ? 0 : 1;
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
        return read_strip(reading->decoder, field, error);
    if (strcmp(type, "Metaspace") == 0)
        return read_metaspace(reading->decoder, field, error);
    return ob_json_unknown_type(type, error);
}

enum ob_err ob_decoder_read(struct ob_decoder *decoder, const json_t *field, bool byte_level,
                            struct ob_error *error) {
    struct reading reading = {decoder, byte_level};
    return ob_json_stages(field, "decoder", "decoders", read_one, &reading, error);
}

enum ob_err ob_decoder_run(const struct ob_decoder *decoder, const struct ob_vocab *vocab, const int32_t *ids,
                           size_t count, bool skip_special, char **ret_text, size_t *ret_bytes,
                           struct ob_error *error) {
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        if (ids[i] < 0 || (size_t)ids[i] >= vocab->ids || !vocab->tokens[ids[i]].present)
            return ob_fail(error, OB_EFORMAT, "the tokenizer has no token %d", ids[i]);
        bytes += vocab->tokens[ids[i]].text_bytes;
    }
    char *text = malloc(bytes + 1);
    if (text == NULL)
        return ob_fail(error, OB_ENOMEM, "not enough memory for a text of %zu bytes", bytes);
    size_t used = 0, spaces = 0;
    for (size_t i = 0; i < count; i++) {
        const struct ob_token *token = &vocab->tokens[ids[i]];
        if (token->special && skip_special)
            continue;
        memcpy(text + used, vocab->arena + token->text, token->text_bytes);
        used += token->text_bytes;
    }
    assert(used <= bytes);
    while (spaces < decoder->strip && spaces < used && text[spaces] == ' ')
        spaces++;
    used -= spaces;
    memmove(text, text + spaces, used);
    text[used] = '\0';
    *ret_text = text;
    *ret_bytes = used;
    return OB_OK;
}
