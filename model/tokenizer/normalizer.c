#include "model/tokenizer/normalizer.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "model/tokenizer/bpe.h"
#include "model/tokenizer/compose.h"
#include "model/tokenizer/json.h"

static char *copy(const char *text, size_t bytes) {
    char *ours = malloc(bytes + 1);
    if (ours != NULL)
        memcpy(ours, text, bytes);
    return ours;
}

/* Copies both texts. */
static enum ob_err add(struct ob_normalizer *normalizer, struct ob_normalizer_step step, const char *from,
                       const char *to, struct ob_error *error) {
    if (normalizer->steps_count == OB_NORMALIZER_STEPS_MAX)
        return ob_fail(error, OB_ETOOBIG, "more than %d steps", OB_NORMALIZER_STEPS_MAX);
    struct ob_normalizer_step *ours = &normalizer->steps[normalizer->steps_count++];
    *ours = step;
    ours->from = copy(from, step.from_bytes);
    ours->to = copy(to, step.to_bytes);
    return ours->from != NULL && ours->to != NULL ? OB_OK
                                                  : ob_fail(error, OB_ENOMEM, "not enough memory for a step");
}

static enum ob_err check_bytes(size_t bytes, struct ob_error *error) {
    return bytes < OB_BPE_PIECE_MAX
               ? OB_OK
               : ob_fail(error, OB_ETOOBIG, "its normalizer makes the text %zu bytes long; the limit is %u",
                         bytes, OB_BPE_PIECE_MAX);
}

/* Room for the next text of the run; the one before is freed with take_over. */
static enum ob_err room(size_t bytes, char **ret_room, struct ob_error *error) {
    enum ob_err err = check_bytes(bytes, error);
    if (err != OB_OK)
        return err;
    *ret_room = malloc(bytes + 1);
    return *ret_room != NULL ? OB_OK
                             : ob_fail(error, OB_ENOMEM, "not enough memory for a text of %zu bytes", bytes);
}

static void take_over(struct ob_normalized *now, char *text, size_t bytes) {
    free(now->owned);
    *now = (struct ob_normalized){.text = text, .bytes = bytes, .owned = text};
}

/* ---- Prepend, and the prefix of Metaspace ---- */

static enum ob_err put_before(const struct ob_normalizer_step *step, struct ob_normalized *now,
                              struct ob_error *error) {
    char *text = NULL;
    enum ob_err err = room(now->bytes + step->to_bytes, &text, error);
    if (err != OB_OK)
        return err;
    memcpy(text, step->to, step->to_bytes);
    memcpy(text + step->to_bytes, now->text, now->bytes);
    take_over(now, text, now->bytes + step->to_bytes);
    return OB_OK;
}

static enum ob_err run_prepend(const struct ob_normalizer_step *step, enum ob_text_position position,
                               struct ob_normalized *now, struct ob_error *error) {
    return position == OB_TEXT_CONTINUED ? OB_OK : put_before(step, now, error);
}

static enum ob_err run_prefix(const struct ob_normalizer_step *step, enum ob_text_position position,
                              struct ob_normalized *now, struct ob_error *error) {
    bool has_prefix = now->bytes >= step->to_bytes && memcmp(now->text, step->to, step->to_bytes) == 0;
    if (has_prefix || position == OB_TEXT_CONTINUED || (step->only_first && position != OB_TEXT_FIRST))
        return OB_OK;
    return put_before(step, now, error);
}

static enum ob_err read_prepend(struct ob_normalizer *normalizer, const json_t *field,
                                struct ob_error *error) {
    const json_t *prepend = ob_json_field(field, "prepend");
    if (!json_is_string(prepend))
        return ob_fail(error, OB_EFORMAT, "Prepend has no \"prepend\"");
    struct ob_normalizer_step step = {.run = run_prepend, .to_bytes = json_string_length(prepend)};
    return add(normalizer, step, "", json_string_value(prepend), error);
}

/* ---- Replace ---- */

static size_t count_matches(const struct ob_normalizer_step *step, const struct ob_normalized *now) {
    size_t count = 0;
    const char *at = now->text, *end = now->text + now->bytes, *found;
    for (; (found = memmem(at, (size_t)(end - at), step->from, step->from_bytes)) != NULL; count++)
        at = found + step->from_bytes;
    return count;
}

static enum ob_err run_replace(const struct ob_normalizer_step *step, enum ob_text_position position,
                               struct ob_normalized *now, struct ob_error *error) {
    (void)position;
    size_t count = count_matches(step, now), used = 0;
    if (count == 0)
        return OB_OK;
    size_t bytes = now->bytes - count * step->from_bytes + count * step->to_bytes;
    char *text = NULL;
    enum ob_err err = room(bytes, &text, error);
    if (err != OB_OK)
        return err;
    const char *at = now->text, *end = now->text + now->bytes, *found;
    while ((found = memmem(at, (size_t)(end - at), step->from, step->from_bytes)) != NULL) {
        memcpy(text + used, at, (size_t)(found - at));
        used += (size_t)(found - at);
        memcpy(text + used, step->to, step->to_bytes);
        used += step->to_bytes;
        at = found + step->from_bytes;
    }
    memcpy(text + used, at, (size_t)(end - at));
    assert(used + (size_t)(end - at) == bytes);
    take_over(now, text, bytes);
    return OB_OK;
}

static enum ob_err read_replace(struct ob_normalizer *normalizer, const json_t *field,
                                struct ob_error *error) {
    const json_t *pattern = ob_json_field(field, "pattern"), *content = ob_json_field(field, "content");
    const json_t *from = ob_json_field(pattern, "String");
    if (ob_json_field(pattern, "Regex") != NULL)
        return ob_fail(error, OB_EUNSUPPORTED, "Replace with a \"Regex\" is not supported");
    if (!json_is_string(from) || json_string_length(from) == 0 || !json_is_string(content))
        return ob_fail(error, OB_EFORMAT, "Replace has no \"pattern\" {\"String\": …} or no \"content\"");
    struct ob_normalizer_step step = {
        .run = run_replace, .from_bytes = json_string_length(from), .to_bytes = json_string_length(content)};
    return add(normalizer, step, json_string_value(from), json_string_value(content), error);
}

/* ---- NFC ---- */

static bool is_ascii(const char *text, size_t bytes) {
    unsigned all = 0;
    for (size_t i = 0; i < bytes; i++)
        all |= (uint8_t)text[i];
    return all < 0x80;
}

static enum ob_err run_nfc(const struct ob_normalizer_step *step, enum ob_text_position position,
                           struct ob_normalized *now, struct ob_error *error) {
    (void)step;
    (void)position;
    char *text = NULL;
    size_t bytes = 0;
    if (is_ascii(now->text, now->bytes))
        return OB_OK;
    enum ob_err err = ob_compose(now->text, now->bytes, &text, &bytes, error);
    if (err == OB_OK)
        take_over(now, text, bytes);
    return err == OB_OK ? check_bytes(bytes, error) : err;
}

static enum ob_err read_nfc(struct ob_normalizer *normalizer, const json_t *field, struct ob_error *error) {
    (void)field;
    return add(normalizer, (struct ob_normalizer_step){.run = run_nfc}, "", "", error);
}

/* ---- all steps ---- */

static const struct {
    const char *type;
    enum ob_err (*read)(struct ob_normalizer *normalizer, const json_t *field, struct ob_error *error);
} STEPS[] = {
    {"NFC", read_nfc},
    {"Prepend", read_prepend},
    {"Replace", read_replace},
};

static enum ob_err read_one(void *context, const json_t *field, const char *type, struct ob_error *error) {
    for (size_t i = 0; i < sizeof STEPS / sizeof *STEPS; i++)
        if (strcmp(type, STEPS[i].type) == 0)
            return STEPS[i].read(context, field, error);
    return ob_json_unknown_type(type, error);
}

enum ob_err ob_normalizer_read(struct ob_normalizer *normalizer, const json_t *field,
                               struct ob_error *error) {
    return ob_json_stages(field, "normalizer", "normalizers", read_one, normalizer, error);
}

enum ob_err ob_normalizer_add_replace(struct ob_normalizer *normalizer, const char *from, const char *to,
                                      struct ob_error *error) {
    struct ob_normalizer_step step = {.run = run_replace, .from_bytes = strlen(from), .to_bytes = strlen(to)};
    return add(normalizer, step, from, to, error);
}

enum ob_err ob_normalizer_add_prefix(struct ob_normalizer *normalizer, const char *prefix, bool only_first,
                                     struct ob_error *error) {
    struct ob_normalizer_step step = {
        .run = run_prefix, .to_bytes = strlen(prefix), .only_first = only_first};
    return add(normalizer, step, "", prefix, error);
}

void ob_normalizer_done(struct ob_normalizer *normalizer) {
    for (size_t i = 0; i < normalizer->steps_count; i++) {
        free(normalizer->steps[i].from);
        free(normalizer->steps[i].to);
    }
    *normalizer = (struct ob_normalizer){0};
}

bool ob_normalizer_prepends(const struct ob_normalizer *normalizer) {
    bool prepends = false;
    for (size_t i = 0; i < normalizer->steps_count; i++)
        prepends =
            prepends || normalizer->steps[i].run == run_prepend || normalizer->steps[i].run == run_prefix;
    return prepends;
}

enum ob_err ob_normalizer_run(const struct ob_normalizer *normalizer, enum ob_text_position position,
                              const char *text, size_t bytes, struct ob_normalized *ret,
                              struct ob_error *error) {
    struct ob_normalized now = {.text = text, .bytes = bytes};
    enum ob_err err = OB_OK;
    for (size_t i = 0; err == OB_OK && i < normalizer->steps_count && now.bytes > 0; i++)
        err = normalizer->steps[i].run(&normalizer->steps[i], position, &now, error);
    if (err != OB_OK) {
        free(now.owned);
        return err;
    }
    *ret = now;
    return OB_OK;
}
