/* The `pre_tokenizer` of a tokenizer.json: ByteLevel, Metaspace, Split and Digits, and Sequences of them.
 * ByteLevel comes last: what follows it would see its byte alphabet instead of the text. */
#include <string.h>

#include "model/tokenizer/json.h"
#include "model/tokenizer/tokenizer_internal.h"
#include "model/tokenizer/utf8.h"

static const char GPT2[] =
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

struct reading {
    struct ob_tokenizer *tokenizer;
    bool byte_level, byte_level_seen;
    struct ob_error *error;
};

static enum ob_err add_step(struct reading *reading, struct ob_split_step step) {
    return ob_splitter_add(&reading->tokenizer->splitter, step, reading->error);
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
    struct ob_rewrite *rewrite = &reading->tokenizer->metaspace;
    const json_t *replacement = ob_json_field(field, "replacement"), *scheme;
    bool split, prefix;
    if (reading->tokenizer->splitter.steps_count > 0 || rewrite->steps_count > 0 || reading->byte_level)
        return ob_fail(reading->error, OB_EUNSUPPORTED,
                       "Metaspace after another step, or with ByteLevel, is not "
                       "supported");
    if (!json_is_string(replacement) || strcmp(json_string_value(replacement), OB_SPACE_PIECE) != 0)
        return ob_fail(reading->error, OB_EUNSUPPORTED,
                       "Metaspace with another \"replacement\" than U+2581 is not supported");
    enum ob_err err = ob_json_bool(field, "split", true, &split, reading->error);
    if (err == OB_OK)
        err = ob_json_bool(field, "add_prefix_space", true, &prefix, reading->error);
    if (err == OB_OK)
        err = ob_rewrite_add(rewrite, OB_REWRITE_REPLACE, false, " ", 1, OB_SPACE_PIECE,
                             sizeof OB_SPACE_PIECE - 1, reading->error);
    if (err != OB_OK)
        return err;
    scheme = ob_json_field(field, "prepend_scheme");
    const char *name = json_is_string(scheme) ? json_string_value(scheme) : prefix ? "always" : "never";
    bool first = strcmp(name, "first") == 0;
    if (!first && strcmp(name, "always") != 0 && strcmp(name, "never") != 0)
        return ob_fail(reading->error, OB_EUNSUPPORTED,
                       "Metaspace's prepend_scheme is not always, first or never");
    if (strcmp(name, "never") != 0)
        err = ob_rewrite_add(rewrite, OB_REWRITE_PREFIX, first, NULL, 0, OB_SPACE_PIECE,
                             sizeof OB_SPACE_PIECE - 1, reading->error);
    if (err != OB_OK || !split)
        return err;
    struct ob_split_step step = {.keep = OB_SPLIT_WITH_NEXT};
    err = ob_pattern_compile_literal(OB_SPACE_PIECE, sizeof OB_SPACE_PIECE - 1, &step.code, reading->error);
    return err != OB_OK ? err : add_step(reading, step);
}

static enum ob_err read_one(void *context, const json_t *field, const char *type, struct ob_error *error) {
    struct reading *reading = context;
    (void)error; /* reading has it */
    if (reading->byte_level_seen)
        return ob_fail(reading->error, OB_EUNSUPPORTED, "a step after ByteLevel is not supported");
    if (strcmp(type, "ByteLevel") == 0)
        return read_byte_level(reading, field);
    if (strcmp(type, "Digits") == 0)
        return read_digits(reading, field);
    if (strcmp(type, "Split") == 0)
        return read_split(reading, field);
    if (strcmp(type, "Metaspace") == 0)
        return read_metaspace(reading, field);
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

enum ob_err ob_tokenizer_read_pre(struct ob_tokenizer *tokenizer, const json_t *field, bool byte_level,
                                  struct ob_error *error) {
    struct reading reading = {.tokenizer = tokenizer, .byte_level = byte_level, .error = error};
    enum ob_err err = ob_splitter_init(&tokenizer->splitter, error);
    return err != OB_OK ? err
                        : ob_json_stages(field, "pre_tokenizer", "pretokenizers", read_one, &reading, error);
}
