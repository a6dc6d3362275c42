/* The `post_processor` of a tokenizer.json: which special tokens stand around a single text. ByteLevel adds
 * none; TemplateProcessing by its `single`; RobertaProcessing and BertProcessing by `cls` and `sep`. In a
 * Sequence a later one goes around an earlier one. */
#include <string.h>

#include "model/tokenizer/json.h"
#include "model/tokenizer/tokenizer_internal.h"
#include "model/tokenizer/utf8.h"

static enum ob_err add_id(struct ob_frame_ids *frame, int32_t id, struct ob_error *error) {
    if (frame->count == OB_FRAME_IDS_MAX)
        return ob_fail(error, OB_ETOOBIG, "more than %d special tokens at one side of a text",
                       OB_FRAME_IDS_MAX);
    frame->ids[frame->count++] = id;
    return OB_OK;
}

static enum ob_err check_id(const struct ob_tokenizer *tokenizer, const json_t *id, int32_t *ret_id,
                            struct ob_error *error) {
    json_int_t value = json_is_integer(id) ? json_integer_value(id) : -1;
    if (value < 0 || (size_t)value >= tokenizer->vocab.ids || !tokenizer->vocab.tokens[value].present)
        return ob_fail(error, OB_EFORMAT, "a special token's id is not that of a token");
    *ret_id = (int32_t)value;
    return OB_OK;
}

/* The ids of a special token of a template. */
static enum ob_err add_special(const struct ob_tokenizer *tokenizer, const json_t *root,
                               const json_t *special, struct ob_frame_ids *frame, struct ob_error *error) {
    const char *name = json_string_value(ob_json_field(special, "id"));
    if (name == NULL)
        return ob_fail(error, OB_EFORMAT, "a SpecialToken has no \"id\"");
    const json_t *ids = ob_json_field(ob_json_field(ob_json_field(root, "special_tokens"), name), "ids");
    char quote[OB_QUOTE_BYTES];
    if (!json_is_array(ids))
        return ob_fail(error, OB_EFORMAT, "\"special_tokens\" has no ids of \"%s\"",
                       ob_utf8_quote(name, strlen(name), quote));
    enum ob_err err = OB_OK;
    for (size_t i = 0; err == OB_OK && i < json_array_size(ids); i++) {
        int32_t id = -1;
        err = check_id(tokenizer, json_array_get(ids, i), &id, error);
        if (err == OB_OK)
            err = add_id(frame, id, error);
    }
    return err;
}

/* Puts `before` in front of what stands there, `after` behind. */
static enum ob_err put_around(struct ob_tokenizer *tokenizer, const struct ob_frame_ids *before,
                              const struct ob_frame_ids *after, struct ob_error *error) {
    struct ob_frame_ids all = *before;
    enum ob_err err = OB_OK;
    for (size_t i = 0; err == OB_OK && i < tokenizer->before.count; i++)
        err = add_id(&all, tokenizer->before.ids[i], error);
    tokenizer->before = all;
    for (size_t i = 0; err == OB_OK && i < after->count; i++)
        err = add_id(&tokenizer->after, after->ids[i], error);
    return err;
}

static enum ob_err read_template(struct ob_tokenizer *tokenizer, const json_t *field,
                                 struct ob_error *error) {
    const json_t *single = ob_json_field(field, "single");
    struct ob_frame_ids sides[2] = {0}; /* before the text, after it */
    size_t texts = 0;
    if (!json_is_array(single))
        return ob_fail(error, OB_EFORMAT, "TemplateProcessing has no \"single\"");
    for (size_t i = 0; i < json_array_size(single); i++) {
        const json_t *item = json_array_get(single, i), *special = ob_json_field(item, "SpecialToken");
        if (special == NULL && ob_json_field(item, "Sequence") == NULL)
            return ob_fail(error, OB_EFORMAT,
                           "an item of \"single\" is neither a Sequence nor a SpecialToken");
        if (special == NULL) {
            texts++;
            continue;
        }
        enum ob_err err = add_special(tokenizer, field, special, &sides[texts > 0], error);
        if (err != OB_OK)
            return err;
    }
    if (texts != 1)
        return ob_fail(error, OB_EUNSUPPORTED, "TemplateProcessing with %zu Sequences is not supported",
                       texts);
    return put_around(tokenizer, &sides[0], &sides[1], error);
}

/* "cls" and "sep" are ["<s>", id]. */
static enum ob_err read_pair(struct ob_tokenizer *tokenizer, const json_t *field, struct ob_error *error) {
    static const char *const NAMES[2] = {"cls", "sep"};
    struct ob_frame_ids sides[2] = {0};
    for (int side = 0; side < 2; side++) {
        int32_t id = -1;
        enum ob_err err =
            check_id(tokenizer, json_array_get(ob_json_field(field, NAMES[side]), 1), &id, error);
        if (err == OB_OK)
            err = add_id(&sides[side], id, error);
        if (err != OB_OK)
            return err;
    }
    return put_around(tokenizer, &sides[0], &sides[1], error);
}

static enum ob_err read_one(void *context, const json_t *field, const char *type, struct ob_error *error) {
    struct ob_tokenizer *tokenizer = context;
    if (strcmp(type, "ByteLevel") == 0)
        return OB_OK;
    if (strcmp(type, "TemplateProcessing") == 0)
        return read_template(tokenizer, field, error);
    if (strcmp(type, "RobertaProcessing") == 0 || strcmp(type, "BertProcessing") == 0)
        return read_pair(tokenizer, field, error);
    return ob_json_unknown_type(type, error);
}

enum ob_err ob_tokenizer_read_processor(struct ob_tokenizer *tokenizer, const json_t *field,
                                        struct ob_error *error) {
    return ob_json_stages(field, "post_processor", "processors", read_one, tokenizer, error);
}
