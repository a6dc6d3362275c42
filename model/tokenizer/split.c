#include "model/tokenizer/split.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "model/tokenizer/utf8.h"

/* Backtracking steps of one match. A run of n spaces costs the known patterns about n. */
#define MATCH_LIMIT   (8u << 20)
#define HEAP_LIMIT_KB (256u << 10)

enum ob_err ob_splitter_init(struct ob_splitter *splitter, struct ob_error *error) {
    *splitter = (struct ob_splitter){.limits = pcre2_match_context_create(NULL)};
    if (splitter->limits == NULL)
        return ob_fail(error, OB_ENOMEM, "no memory for a pre-tokenizer");
    (void)pcre2_set_match_limit(splitter->limits, MATCH_LIMIT);
    (void)pcre2_set_heap_limit(splitter->limits, HEAP_LIMIT_KB);
    return OB_OK;
}

void ob_splitter_done(struct ob_splitter *splitter) {
    for (size_t i = 0; i < splitter->steps_count; i++)
        pcre2_code_free(splitter->steps[i].code);
    pcre2_match_context_free(splitter->limits);
    *splitter = (struct ob_splitter){0};
}

enum ob_err ob_splitter_add(struct ob_splitter *splitter, struct ob_split_step step, struct ob_error *error) {
    if (splitter->steps_count == OB_SPLIT_STEPS_MAX) {
        pcre2_code_free(step.code);
        return ob_fail(error, OB_ETOOBIG, "more than %d pre-tokenizers", OB_SPLIT_STEPS_MAX);
    }
    splitter->steps[splitter->steps_count++] = step;
    return OB_OK;
}

pcre2_match_data *ob_split_match_data(void) {
    return pcre2_match_data_create(1, NULL);
}

/* The first match at or after `from`; *ret_start is `bytes` and *ret_end is SIZE_MAX when there is none. */
static enum ob_err find(const struct ob_split_run *run, const pcre2_code *code, const char *text,
                        size_t bytes, size_t from, size_t *ret_start, size_t *ret_end) {
    uint32_t options = PCRE2_NO_UTF_CHECK; /* checking anew for each match would be quadratic */
    pcre2_match_context *limits = run->splitter->limits;
    int result = pcre2_match(code, (PCRE2_SPTR)text, bytes, from, options, run->match, limits);
    if (result == PCRE2_ERROR_JIT_STACKLIMIT)
        result = pcre2_match(code, (PCRE2_SPTR)text, bytes, from, options | PCRE2_NO_JIT, run->match, limits);
    if (result == PCRE2_ERROR_NOMATCH) {
        *ret_start = bytes;
        *ret_end = SIZE_MAX;
        return OB_OK;
    }
    if (result == PCRE2_ERROR_NOMEMORY)
        return ob_fail(run->error, OB_ENOMEM, "no memory to match a pattern");
    if (result < 0)
        return ob_fail(run->error, OB_ETOOBIG, "a text of %zu bytes is too hard for the tokenizer's pattern",
                       bytes);
    const PCRE2_SIZE *ends = pcre2_get_ovector_pointer(run->match);
    *ret_start = ends[0];
    *ret_end = ends[1];
    return OB_OK;
}

static enum ob_err split_from(const struct ob_split_run *run, size_t step, const char *text, size_t bytes);

/* The matches of one step and what lies between them, on their way to the next step. */
struct cutting {
    const struct ob_split_run *run;
    size_t step;
    const char *held; /* not handed on yet: it may grow by its neighbour */
    size_t held_bytes;
    bool held_matches;
};

static enum ob_err hand_on(struct cutting *cutting, const char *text, size_t bytes) {
    return bytes == 0 ? OB_OK : split_from(cutting->run, cutting->step + 1, text, bytes);
}

static enum ob_err release(struct cutting *cutting) {
    enum ob_err err = hand_on(cutting, cutting->held, cutting->held_bytes);
    cutting->held_bytes = 0;
    return err;
}

/* For the two that merge: `joins` is set when the part is to be one with what is held. */
static enum ob_err hold(struct cutting *cutting, bool joins, bool matches, const char *text, size_t bytes) {
    if (joins && cutting->held_bytes > 0) {
        cutting->held_bytes += bytes;
        cutting->held_matches = matches;
        return OB_OK;
    }
    enum ob_err err = release(cutting);
    cutting->held = text;
    cutting->held_bytes = bytes;
    cutting->held_matches = matches;
    return err;
}

static enum ob_err part(struct cutting *cutting, bool matches, const char *text, size_t bytes) {
    if (bytes == 0)
        return OB_OK;
    switch (cutting->run->splitter->steps[cutting->step].keep) {
    case OB_SPLIT_KEEP_BOTH:
        return hand_on(cutting, text, bytes);
    case OB_SPLIT_KEEP_MATCHES:
        return matches ? hand_on(cutting, text, bytes) : OB_OK;
    case OB_SPLIT_KEEP_GAPS:
        return matches ? OB_OK : hand_on(cutting, text, bytes);
    case OB_SPLIT_WITH_PREVIOUS:
        return hold(cutting, matches && !cutting->held_matches, matches, text, bytes);
    default:
        return hold(cutting, !matches && cutting->held_matches, matches, text, bytes);
    }
}

/* An empty match cuts the text where it is, unless the match before ended there, as Oniguruma's iterator
 * has it. */
static enum ob_err split_by_pattern(const struct ob_split_run *run, size_t step, const char *text,
                                    size_t bytes) {
    size_t done = 0, from = 0, start = 0, end = 0, last_end = SIZE_MAX;
    struct cutting cutting = {.run = run, .step = step};
    while (from <= bytes) {
        enum ob_err err = find(run, run->splitter->steps[step].code, text, bytes, from, &start, &end);
        if (err != OB_OK)
            return err;
        if (end == SIZE_MAX)
            break;
        if (start == end && end == last_end) {
            uint32_t character;
            size_t length = ob_utf8_decode(text + end, bytes - end, &character);
            from = end + (length > 0 ? length : 1);
            continue;
        }
        if ((err = part(&cutting, false, text + done, start - done)) != OB_OK ||
            (err = part(&cutting, true, text + start, end - start)) != OB_OK)
            return err;
        done = from = last_end = end;
    }
    enum ob_err err = part(&cutting, false, text + done, bytes - done);
    return err != OB_OK ? err : release(&cutting);
}

static enum ob_err split_with_prefix(const struct ob_split_run *run, size_t step, const char *text,
                                     size_t bytes) {
    char *prefixed = malloc(bytes + 1);
    if (prefixed == NULL)
        return ob_fail(run->error, OB_ENOMEM, "no memory for a text of %zu bytes", bytes);
    prefixed[0] = ' ';
    memcpy(prefixed + 1, text, bytes);
    enum ob_err err = run->splitter->steps[step].code == NULL
                          ? split_from(run, step + 1, prefixed, bytes + 1)
                          : split_by_pattern(run, step, prefixed, bytes + 1);
    free(prefixed);
    return err;
}

static enum ob_err split_from(const struct ob_split_run *run, size_t step, const char *text, size_t bytes) {
    assert(bytes > 0);
    if (step == run->splitter->steps_count)
        return run->take(run->context, text, bytes);
    if (run->splitter->steps[step].prefix_space && run->may_prefix && text[0] != ' ')
        return split_with_prefix(run, step, text, bytes);
    if (run->splitter->steps[step].code == NULL)
        return split_from(run, step + 1, text, bytes);
    return split_by_pattern(run, step, text, bytes);
}

enum ob_err ob_split(const struct ob_split_run *run, const char *text, size_t bytes) {
    return bytes == 0 ? OB_OK : split_from(run, 0, text, bytes);
}
