#include "model/tokenizer/compose.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "model/tokenizer/unicode.h"
#include "model/tokenizer/utf8.h"

/* Two bytes give at most three characters (U+0390), three at most four, four at most three. */
#define CHARACTERS(bytes) (2 * (bytes) + 4)

/* One stretch's characters, and room to sort them. */
struct work {
    utf8proc_int32_t *characters, *sorted;
    size_t count, max;
};

static int class_of(utf8proc_int32_t character) {
    return utf8proc_get_property(character)->combining_class;
}

static enum ob_err decompose(struct work *work, const char *text, size_t bytes, struct ob_error *error) {
    work->count = 0;
    for (size_t at = 0; at < bytes;) {
        uint32_t character = 0;
        at += ob_utf8_decode(text + at, bytes - at, &character);
        utf8proc_ssize_t length = utf8proc_decompose_char(
            (utf8proc_int32_t)character, work->characters + work->count,
            (utf8proc_ssize_t)(work->max - work->count), UTF8PROC_DECOMPOSE | UTF8PROC_STABLE, NULL);
        if (length < 0)
            return ob_fail(error, OB_EFORMAT, "a text cannot be normalized: %s", utf8proc_errmsg(length));
        work->count += (size_t)length;
        assert(work->count < work->max);
    }
    return OB_OK;
}

/* Marks in the order of their classes, those of one class as they stood. Counted, because a text may be one
 * run of them. */
static void sort_marks(const struct work *work, size_t first, size_t count) {
    size_t starts[257] = {0};
    for (size_t i = 0; i < count; i++)
        starts[class_of(work->characters[first + i]) + 1]++;
    for (int order = 0; order < 256; order++)
        starts[order + 1] += starts[order];
    for (size_t i = 0; i < count; i++) {
        utf8proc_int32_t character = work->characters[first + i];
        work->sorted[starts[class_of(character)]++] = character;
    }
    memcpy(work->characters + first, work->sorted, count * sizeof *work->sorted);
}

static void sort_all_marks(const struct work *work) {
    for (size_t at = 0, end; at < work->count; at = end + 1) {
        for (end = at; end < work->count && class_of(work->characters[end]) != 0;)
            end++;
        if (end - at > 1)
            sort_marks(work, at, end - at);
    }
}

/* Appends the NFC of one stretch to text[*used …]. */
static enum ob_err compose(struct work *work, const char *from, size_t bytes, char *text, size_t *used,
                           struct ob_error *error) {
    enum ob_err err = decompose(work, from, bytes, error);
    if (err != OB_OK)
        return err;
    sort_all_marks(work);
    utf8proc_ssize_t length = utf8proc_reencode(work->characters, (utf8proc_ssize_t)work->count,
                                                UTF8PROC_COMPOSE | UTF8PROC_STABLE);
    if (length < 0)
        return ob_fail(error, OB_EFORMAT, "a text cannot be normalized: %s", utf8proc_errmsg(length));
    assert((size_t)length <= OB_COMPOSED_BYTES_MAX * bytes);
    memcpy(text + *used, work->characters, (size_t)length);
    *used += (size_t)length;
    return OB_OK;
}

/* How many bytes are composed together; 0: those of the first character, or the byte, stay (*ret_kept). */
static size_t stretch(const char *text, size_t bytes, size_t *ret_kept) {
    size_t at = 0, length;
    uint32_t character;
    *ret_kept = 1;
    while ((length = ob_utf8_decode(text + at, bytes - at, &character)) > 0) {
        *ret_kept = length;
        if (ob_unicode_stands_alone(character))
            break;
        at += length;
        *ret_kept = 1;
    }
    return at;
}

static enum ob_err compose_all(struct work *work, const char *from, size_t bytes, char *text, size_t *used,
                               struct ob_error *error) {
    enum ob_err err = OB_OK;
    for (size_t at = 0, kept; err == OB_OK && at < bytes;) {
        size_t length = stretch(from + at, bytes - at, &kept);
        if (length > 0) {
            err = compose(work, from + at, length, text, used, error);
        } else {
            memcpy(text + *used, from + at, length = kept);
            *used += kept;
        }
        at += length;
    }
    return err;
}

enum ob_err ob_compose(const char *text, size_t bytes, char **ret_text, size_t *ret_bytes,
                       struct ob_error *error) {
    struct work work = {.max = CHARACTERS(bytes)};
    if (bytes > SIZE_MAX / 32)
        return ob_fail(error, OB_ETOOBIG, "a text of %zu bytes cannot be normalized", bytes);
    char *composed = malloc(OB_COMPOSED_BYTES_MAX * bytes + 1);
    work.characters = malloc(work.max * sizeof *work.characters);
    work.sorted = malloc(work.max * sizeof *work.sorted);
    size_t used = 0;
    enum ob_err err =
        composed != NULL && work.characters != NULL && work.sorted != NULL
            ? compose_all(&work, text, bytes, composed, &used, error)
            : ob_fail(error, OB_ENOMEM, "not enough memory to normalize a text of %zu bytes", bytes);
    free(work.characters);
    free(work.sorted);
    if (err != OB_OK) {
        free(composed);
        return err;
    }
    *ret_text = composed;
    *ret_bytes = used;
    return OB_OK;
}
