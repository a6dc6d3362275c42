#include "model/tokenizer_split.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "model/tokenizer_utf8.h"

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

static enum ob_err hand_on(const struct ob_split_run *run, size_t step, bool matches, const char *text,
                           size_t bytes) {
    enum ob_split_keep keep = run->splitter->steps[step].keep;
    if (bytes == 0 || (matches && keep == OB_SPLIT_KEEP_GAPS) || (!matches && keep == OB_SPLIT_KEEP_MATCHES))
        return OB_OK;
    return split_from(run, step + 1, text, bytes);
}

/* An empty match cuts the text where it is, unless the match before ended there, as Oniguruma's iterator
 * has it. */
static enum ob_err split_by_pattern(const struct ob_split_run *run, size_t step, const char *text,
                                    size_t bytes) {
    size_t done = 0, from = 0, start = 0, end = 0, last_end = SIZE_MAX;
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
        if ((err = hand_on(run, step, false, text + done, start - done)) != OB_OK ||
            (err = hand_on(run, step, true, text + start, end - start)) != OB_OK)
            return err;
        done = from = last_end = end;
    }
    return hand_on(run, step, false, text + done, bytes - done);
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
    if (run->splitter->steps[step].prefix_space && text[0] != ' ')
        return split_with_prefix(run, step, text, bytes);
    if (run->splitter->steps[step].code == NULL)
        return split_from(run, step + 1, text, bytes);
    return split_by_pattern(run, step, text, bytes);
}

enum ob_err ob_split(const struct ob_split_run *run, const char *text, size_t bytes) {
    return bytes == 0 ? OB_OK : split_from(run, 0, text, bytes);
}
