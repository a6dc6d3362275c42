#include "model/tokenizer/rewrite.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "model/tokenizer/bpe.h"
#include "model/tokenizer/compose.h"

static char *copy(const char *text, size_t bytes) {
    char *ours = malloc(bytes + 1);
    if (ours != NULL && bytes > 0)
        memcpy(ours, text, bytes);
    return ours;
}

enum ob_err ob_rewrite_add(struct ob_rewrite *rewrite, enum ob_rewrite_kind kind, bool only_first,
                           const char *from, size_t from_bytes, const char *to, size_t to_bytes,
                           struct ob_error *error) {
    if (rewrite->steps_count == OB_REWRITE_STEPS_MAX)
        return ob_fail(error, OB_ETOOBIG, "more than %d steps", OB_REWRITE_STEPS_MAX);
    assert(kind != OB_REWRITE_REPLACE || from_bytes > 0);
    struct ob_rewrite_step *step = &rewrite->steps[rewrite->steps_count++];
    *step = (struct ob_rewrite_step){.kind = kind,
                                     .only_first = only_first,
                                     .from = copy(from, from_bytes),
                                     .from_bytes = from_bytes,
                                     .to = copy(to, to_bytes),
                                     .to_bytes = to_bytes};
    return step->from != NULL && step->to != NULL ? OB_OK : ob_fail(error, OB_ENOMEM, "no memory for a step");
}

void ob_rewrite_done(struct ob_rewrite *rewrite) {
    for (size_t i = 0; i < rewrite->steps_count; i++) {
        free(rewrite->steps[i].from);
        free(rewrite->steps[i].to);
    }
    *rewrite = (struct ob_rewrite){0};
}

static enum ob_err check_bytes(size_t bytes, struct ob_error *error) {
    return bytes < OB_BPE_PIECE_MAX
               ? OB_OK
               : ob_fail(error, OB_ETOOBIG,
                         "a text that its normalizer makes %zu bytes long; at most %u are encoded", bytes,
                         OB_BPE_PIECE_MAX);
}

/* Room for the next text of the run; the one before is freed with take_over. */
static enum ob_err room(size_t bytes, char **ret_room, struct ob_error *error) {
    enum ob_err err = check_bytes(bytes, error);
    if (err != OB_OK)
        return err;
    *ret_room = malloc(bytes + 1);
    return *ret_room != NULL ? OB_OK : ob_fail(error, OB_ENOMEM, "no memory for a text of %zu bytes", bytes);
}

static void take_over(struct ob_rewritten *now, char *text, size_t bytes) {
    free(now->owned);
    *now = (struct ob_rewritten){.text = text, .bytes = bytes, .owned = text};
}

static enum ob_err prepend(const struct ob_rewrite_step *step, struct ob_rewritten *now,
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

static size_t count_matches(const struct ob_rewrite_step *step, const struct ob_rewritten *now) {
    size_t count = 0;
    const char *at = now->text, *end = now->text + now->bytes, *found;
    for (; (found = memmem(at, (size_t)(end - at), step->from, step->from_bytes)) != NULL; count++)
        at = found + step->from_bytes;
    return count;
}

static enum ob_err replace(const struct ob_rewrite_step *step, struct ob_rewritten *now,
                           struct ob_error *error) {
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

static bool is_ascii(const char *text, size_t bytes) {
    unsigned all = 0;
    for (size_t i = 0; i < bytes; i++)
        all |= (uint8_t)text[i];
    return all < 0x80;
}

static enum ob_err compose(struct ob_rewritten *now, struct ob_error *error) {
    char *text = NULL;
    size_t bytes = 0;
    if (is_ascii(now->text, now->bytes))
        return OB_OK;
    enum ob_err err = ob_compose(now->text, now->bytes, &text, &bytes, error);
    if (err == OB_OK)
        take_over(now, text, bytes);
    return err == OB_OK ? check_bytes(bytes, error) : err;
}

static enum ob_err run_step(const struct ob_rewrite_step *step, enum ob_place place, struct ob_rewritten *now,
                            struct ob_error *error) {
    bool has_prefix = now->bytes >= step->to_bytes && memcmp(now->text, step->to, step->to_bytes) == 0;
    switch (step->kind) {
    case OB_REWRITE_NFC:
        return compose(now, error);
    case OB_REWRITE_REPLACE:
        return replace(step, now, error);
    case OB_REWRITE_PREPEND:
        return place == OB_PLACE_GOES_ON ? OB_OK : prepend(step, now, error);
    default:
        if (has_prefix || place == OB_PLACE_GOES_ON || (step->only_first && place != OB_PLACE_BEGINS))
            return OB_OK;
        return prepend(step, now, error);
    }
}

enum ob_err ob_rewrite_run(const struct ob_rewrite *rewrite, enum ob_place place, const char *text,
                           size_t bytes, struct ob_rewritten *ret, struct ob_error *error) {
    struct ob_rewritten now = {.text = text, .bytes = bytes};
    enum ob_err err = OB_OK;
    for (size_t i = 0; err == OB_OK && i < rewrite->steps_count && now.bytes > 0; i++)
        err = run_step(&rewrite->steps[i], place, &now, error);
    if (err != OB_OK) {
        free(now.owned);
        return err;
    }
    *ret = now;
    return OB_OK;
}
