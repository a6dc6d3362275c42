#include "model/tokenizer/pre_tokenizer.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "model/tokenizer/json.h"
#include "model/tokenizer/utf8.h"
#include "model/tokenizer/vocab.h"

/* Backtracking steps of one match. A run of n spaces costs the known patterns about n. */
#define MATCH_LIMIT   (8u << 20)
#define HEAP_LIMIT_KB (256u << 10)

pcre2_match_data *ob_split_match_data(void) {
    return pcre2_match_data_create(1, NULL);
}

/* The first match at or after `from`; *ret_start is `bytes` and *ret_end is SIZE_MAX when there is none. */
static enum ob_err find(const struct ob_split_run *run, const pcre2_code *code, const char *text,
                        size_t bytes, size_t from, size_t *ret_start, size_t *ret_end) {
    uint32_t options = PCRE2_NO_UTF_CHECK; /* checking anew for each match would be quadratic */
    pcre2_match_context *limits = run->pre_tokenizer->limits;
    int result = pcre2_match(code, (PCRE2_SPTR)text, bytes, from, options, run->match, limits);
    if (result == PCRE2_ERROR_JIT_STACKLIMIT)
        result = pcre2_match(code, (PCRE2_SPTR)text, bytes, from, options | PCRE2_NO_JIT, run->match, limits);
    if (result == PCRE2_ERROR_NOMATCH) {
        *ret_start = bytes;
        *ret_end = SIZE_MAX;
        return OB_OK;
    }
    if (result == PCRE2_ERROR_NOMEMORY)
        return ob_fail(run->error, OB_ENOMEM, "not enough memory to match a pattern");
    if (result < 0)
        return ob_fail(run->error, OB_ETOOBIG,
                       "matching the tokenizer's pattern on a text of %zu bytes takes too long", bytes);
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
    switch (cutting->run->pre_tokenizer->steps[cutting->step].keep) {
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
        enum ob_err err = find(run, run->pre_tokenizer->steps[step].code, text, bytes, from, &start, &end);
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
        return ob_fail(run->error, OB_ENOMEM, "not enough memory for a text of %zu bytes", bytes);
    prefixed[0] = ' ';
    memcpy(prefixed + 1, text, bytes);
    enum ob_err err = run->pre_tokenizer->steps[step].code == NULL
                          ? split_from(run, step + 1, prefixed, bytes + 1)
                          : split_by_pattern(run, step, prefixed, bytes + 1);
    free(prefixed);
    return err;
}

static enum ob_err split_from(const struct ob_split_run *run, size_t step, const char *text, size_t bytes) {
    assert(bytes > 0);
    if (step == run->pre_tokenizer->steps_count)
        return run->take(run->context, text, bytes);
    if (run->pre_tokenizer->steps[step].prefix_space && run->may_prefix && text[0] != ' ')
        return split_with_prefix(run, step, text, bytes);
    if (run->pre_tokenizer->steps[step].code == NULL)
        return split_from(run, step + 1, text, bytes);
    return split_by_pattern(run, step, text, bytes);
}

/* Text that no token interrupts: its valid stretches, and each byte between them by itself. */
static enum ob_err split_stretches(struct ob_split_run *run, const char *text, size_t bytes) {
    enum ob_err err = OB_OK;
    for (size_t at = 0; err == OB_OK && at < bytes;) {
        size_t valid = ob_utf8_valid(text + at, bytes - at);
        if (valid > 0)
            err = split_from(run, 0, text + at, valid);
        else
            err = run->take(run->context, text + at, valid = 1);
        at += valid;
        run->may_prefix = false; /* what follows bytes that are not UTF-8 continues them */
    }
    return err;
}

enum ob_err ob_split(struct ob_split_run *run, enum ob_text_position position, const char *text,
                     size_t bytes) {
    struct ob_normalized now = {0};
    enum ob_err err =
        ob_normalizer_run(&run->pre_tokenizer->metaspace, position, text, bytes, &now, run->error);
    run->may_prefix = position != OB_TEXT_CONTINUED;
    if (err == OB_OK)
        err = split_stretches(run, now.text, now.bytes);
    free(now.owned);
    return err;
}

/* ---- from a tokenizer.json ---- */

static const char GPT2[] =
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

struct reading {
    struct ob_pre_tokenizer *pre_tokenizer;
    bool byte_level, byte_level_seen;
    struct ob_error *error;
};

/* The code becomes the pre-tokenizer's, on failure as well. */
static enum ob_err add_step(struct reading *reading, struct ob_split_step step) {
    struct ob_pre_tokenizer *pre_tokenizer = reading->pre_tokenizer;
    if (pre_tokenizer->steps_count == OB_SPLIT_STEPS_MAX) {
        pcre2_code_free(step.code);
        return ob_fail(reading->error, OB_ETOOBIG, "more than %d pre-tokenizers", OB_SPLIT_STEPS_MAX);
    }
    pre_tokenizer->steps[pre_tokenizer->steps_count++] = step;
    return OB_OK;
}

static enum ob_err read_byte_level(struct reading *reading, const json_t *field) {
    struct ob_split_step step = {.keep = OB_SPLIT_KEEP_BOTH};
    bool use_regex;
    enum ob_err err = ob_json_bool(field, "use_regex", true, &use_regex, reading->error);
    if (err == OB_OK)
        err = ob_json_bool(field, "add_prefix_space", true, &step.prefix_space, reading->error);
    if (err == OB_OK && use_regex)
        err = ob_pattern_compile(GPT2, sizeof GPT2 - 1, &step.code, reading->error);
    reading->byte_level_seen = true;
    return err != OB_OK ? err : add_step(reading, step);
}

static enum ob_err read_digits(struct reading *reading, const json_t *field) {
    struct ob_split_step step = {.keep = OB_SPLIT_KEEP_BOTH};
    bool individual;
    enum ob_err err = ob_json_bool(field, "individual_digits", false, &individual, reading->error);
    if (err != OB_OK)
        return err;
    /* `tokenizers` asks Rust here, which has Unicode 17's digits. */
    const char *pattern = individual ? "[\\p{N}\\x{11DE0}-\\x{11DE9}\\x{16FF4}-\\x{16FF6}]"
                                     : "[\\p{N}\\x{11DE0}-\\x{11DE9}\\x{16FF4}-\\x{16FF6}]+";
    err = ob_pattern_compile(pattern, strlen(pattern), &step.code, reading->error);
    return err != OB_OK ? err : add_step(reading, step);
}

static enum ob_err read_pattern(const json_t *field, pcre2_code **ret_code, struct ob_error *error) {
    const json_t *regex = ob_json_field(field, "Regex"), *string = ob_json_field(field, "String");
    if (json_is_string(regex) && string == NULL)
        return ob_pattern_compile(json_string_value(regex), json_string_length(regex), ret_code, error);
    if (json_is_string(string) && regex == NULL)
        return ob_pattern_compile_literal(json_string_value(string), json_string_length(string), ret_code,
                                          error);
    return ob_fail(error, OB_EFORMAT, "Split's \"pattern\" is not {\"Regex\": …} or {\"String\": …}");
}

static enum ob_err read_split(struct reading *reading, const json_t *field) {
    struct ob_split_step step = {.keep = OB_SPLIT_KEEP_BOTH};
    const json_t *behavior = ob_json_field(field, "behavior");
    bool invert;
    enum ob_err err = ob_json_bool(field, "invert", false, &invert, reading->error);
    if (err != OB_OK)
        return err;
    if (!json_is_string(behavior))
        return ob_fail(reading->error, OB_EFORMAT, "Split has no \"behavior\"");
    char quote[OB_QUOTE_BYTES];
    if (strcmp(json_string_value(behavior), "Removed") == 0)
        step.keep = invert ? OB_SPLIT_KEEP_MATCHES : OB_SPLIT_KEEP_GAPS;
    else if (!invert && strcmp(json_string_value(behavior), "MergedWithPrevious") == 0)
        step.keep = OB_SPLIT_WITH_PREVIOUS;
    else if (!invert && strcmp(json_string_value(behavior), "MergedWithNext") == 0)
        step.keep = OB_SPLIT_WITH_NEXT;
    else if (strcmp(json_string_value(behavior), "Isolated") != 0)
        return ob_fail(reading->error, OB_EUNSUPPORTED, "Split's behavior \"%s\" is not supported",
                       ob_utf8_quote(json_string_value(behavior), json_string_length(behavior), quote));
    err = read_pattern(ob_json_field(field, "pattern"), &step.code, reading->error);
    return err != OB_OK ? err : add_step(reading, step);
}

/* Spaces become U+2581, and one stands in front. It works on the text between added tokens, so it comes
 * first. */
static enum ob_err read_metaspace(struct reading *reading, const json_t *field) {
    struct ob_normalizer *metaspace = &reading->pre_tokenizer->metaspace;
    const json_t *replacement = ob_json_field(field, "replacement"), *scheme;
    bool split, prefix;
    if (reading->pre_tokenizer->steps_count > 0 || metaspace->steps_count > 0 || reading->byte_level)
        return ob_fail(reading->error, OB_EUNSUPPORTED,
                       "Metaspace after another step, or with ByteLevel, is not "
                       "supported");
    if (!json_is_string(replacement) || strcmp(json_string_value(replacement), OB_SPACE_PIECE) != 0)
        return ob_fail(reading->error, OB_EUNSUPPORTED,
                       "Metaspace is supported only with the \"replacement\" U+2581");
    enum ob_err err = ob_json_bool(field, "split", true, &split, reading->error);
    if (err == OB_OK)
        err = ob_json_bool(field, "add_prefix_space", true, &prefix, reading->error);
    if (err == OB_OK)
        err = ob_normalizer_add_replace(metaspace, " ", OB_SPACE_PIECE, reading->error);
    if (err != OB_OK)
        return err;
    scheme = ob_json_field(field, "prepend_scheme");
    const char *name = json_is_string(scheme) ? json_string_value(scheme) : prefix ? "always" : "never";
    bool first = strcmp(name, "first") == 0;
    if (!first && strcmp(name, "always") != 0 && strcmp(name, "never") != 0)
        return ob_fail(reading->error, OB_EUNSUPPORTED,
                       "Metaspace's prepend_scheme is not always, first or never");
    if (strcmp(name, "never") != 0)
        err = ob_normalizer_add_prefix(metaspace, OB_SPACE_PIECE, first, reading->error);
    if (err != OB_OK || !split)
        return err;
    struct ob_split_step step = {.keep = OB_SPLIT_WITH_NEXT};
    err = ob_pattern_compile_literal(OB_SPACE_PIECE, sizeof OB_SPACE_PIECE - 1, &step.code, reading->error);
    return err != OB_OK ? err : add_step(reading, step);
}

static const struct {
    const char *type;
    enum ob_err (*read)(struct reading *reading, const json_t *field);
} STEPS[] = {
    {"ByteLevel", read_byte_level},
    {"Digits", read_digits},
    {"Split", read_split},
    {"Metaspace", read_metaspace},
};

static enum ob_err read_one(void *context, const json_t *field, const char *type, struct ob_error *error) {
    struct reading *reading = context;
    (void)error; /* reading has it */
    if (reading->byte_level_seen)
        return ob_fail(reading->error, OB_EUNSUPPORTED, "a step after ByteLevel is not supported");
    for (size_t i = 0; i < sizeof STEPS / sizeof *STEPS; i++)
        if (strcmp(type, STEPS[i].type) == 0)
            return STEPS[i].read(reading, field);
    return ob_json_unknown_type(type, reading->error);
}

bool ob_pre_tokenizer_is_byte_level(const json_t *field) {
    const json_t *members = ob_json_field(field, "pretokenizers"), *type = ob_json_field(field, "type");
    if (json_is_string(type) && strcmp(json_string_value(type), "ByteLevel") == 0)
        return true;
    for (size_t i = 0; i < json_array_size(members); i++)
        if (ob_pre_tokenizer_is_byte_level(json_array_get(members, i)))
            return true;
    return false;
}

enum ob_err ob_pre_tokenizer_read(struct ob_pre_tokenizer *pre_tokenizer, const json_t *field,
                                  struct ob_error *error) {
    struct reading reading = {
        .pre_tokenizer = pre_tokenizer, .byte_level = ob_pre_tokenizer_is_byte_level(field), .error = error};
    *pre_tokenizer = (struct ob_pre_tokenizer){.limits = pcre2_match_context_create(NULL)};
    if (pre_tokenizer->limits == NULL)
        return ob_fail(error, OB_ENOMEM, "not enough memory for a pre-tokenizer");
    (void)pcre2_set_match_limit(pre_tokenizer->limits, MATCH_LIMIT);
    (void)pcre2_set_heap_limit(pre_tokenizer->limits, HEAP_LIMIT_KB);
    return ob_json_stages(field, "pre_tokenizer", "pretokenizers", read_one, &reading, error);
}

void ob_pre_tokenizer_done(struct ob_pre_tokenizer *pre_tokenizer) {
    for (size_t i = 0; i < pre_tokenizer->steps_count; i++)
        pcre2_code_free(pre_tokenizer->steps[i].code);
    pcre2_match_context_free(pre_tokenizer->limits);
    ob_normalizer_done(&pre_tokenizer->metaspace);
    *pre_tokenizer = (struct ob_pre_tokenizer){0};
}
