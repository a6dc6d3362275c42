#include "model/tokenizer/processor.h"

#include <string.h>

#include "model/tokenizer/json.h"
#include "model/tokenizer/utf8.h"

struct reading {
    struct ob_processor *processor;
    const struct ob_vocab *vocab;
};

static enum ob_err add_id(struct ob_affix *affix, int32_t id, struct ob_error *error) {
    if (affix->count == OB_AFFIX_IDS_MAX)
        return ob_fail(error, OB_ETOOBIG, "more than %d special tokens before or after a text",
                       OB_AFFIX_IDS_MAX);
    affix->ids[affix->count++] = id;
    return OB_OK;
}

static enum ob_err check_id(const struct ob_vocab *vocab, const json_t *id, int32_t *ret_id,
                            struct ob_error *error) {
    json_int_t value = json_is_integer(id) ? json_integer_value(id) : -1;
    if (value < 0 || (size_t)value >= vocab->ids || !vocab->tokens[value].present)
        return ob_fail(error, OB_EFORMAT, "a special token has an id that no token has");
    *ret_id = (int32_t)value;
    return OB_OK;
}

/* The ids of a special token of a template. */
static enum ob_err add_special(const struct ob_vocab *vocab, const json_t *root, const json_t *special,
                               struct ob_affix *affix, struct ob_error *error) {
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
        err = check_id(vocab, json_array_get(ids, i), &id, error);
        if (err == OB_OK)
            err = add_id(affix, id, error);
    }
    return err;
}

/* Puts `before` in front of what stands there, `after` behind. */
static enum ob_err put_around(struct ob_processor *processor, const struct ob_affix *before,
                              const struct ob_affix *after, struct ob_error *error) {
    struct ob_affix all = *before;
    enum ob_err err = OB_OK;
    for (size_t i = 0; err == OB_OK && i < processor->prefix.count; i++)
        err = add_id(&all, processor->prefix.ids[i], error);
    processor->prefix = all;
    for (size_t i = 0; err == OB_OK && i < after->count; i++)
        err = add_id(&processor->suffix, after->ids[i], error);
    return err;
}

static enum ob_err read_template(const struct reading *r, const json_t *field, struct ob_error *error) {
    const json_t *single = ob_json_field(field, "single");
    struct ob_affix sides[2] = {0}; /* before the text, after it */
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
        enum ob_err err = add_special(r->vocab, field, special, &sides[texts > 0], error);
        if (err != OB_OK)
            return err;
    }
    if (texts != 1)
        return ob_fail(error, OB_EUNSUPPORTED, "TemplateProcessing with %zu Sequences is not supported",
                       texts);
    return put_around(r->processor, &sides[0], &sides[1], error);
}

/* "cls" and "sep" are ["<s>", id]. */
static enum ob_err read_pair(const struct reading *r, const json_t *field, struct ob_error *error) {
    static const char *const NAMES[2] = {"cls", "sep"};
    struct ob_affix sides[2] = {0};
    for (int side = 0; side < 2; side++) {
        int32_t id = -1;
        enum ob_err err =
            check_id(r->vocab, json_array_get(ob_json_field(field, NAMES[side]), 1), &id, error);
        if (err == OB_OK)
            err = add_id(&sides[side], id, error);
        if (err != OB_OK)
            return err;
    }
    return put_around(r->processor, &sides[0], &sides[1], error);
}

static enum ob_err read_none(const struct reading *r, const json_t *field, struct ob_error *error) {
    (void)r;
    (void)field;
    (void)error;
    return OB_OK;
}

static const struct {
    const char *type;
    enum ob_err (*read)(const struct reading *r, const json_t *field, struct ob_error *error);
} STEPS[] = {
    {"ByteLevel", read_none},
    {"TemplateProcessing", read_template},
    {"RobertaProcessing", read_pair},
    {"BertProcessing", read_pair},
};

static enum ob_err read_one(void *context, const json_t *field, const char *type, struct ob_error *error) {
    for (size_t i = 0; i < sizeof STEPS / sizeof *STEPS; i++)
        if (strcmp(type, STEPS[i].type) == 0)
            return STEPS[i].read(context, field, error);
    return ob_json_unknown_type(type, error);
}

enum ob_err ob_processor_read(struct ob_processor *processor, const struct ob_vocab *vocab,
                              const json_t *field, struct ob_error *error) {
    struct reading reading = {processor, vocab};
    return ob_json_stages(field, "post_processor", "processors", read_one, &reading, error);
}
