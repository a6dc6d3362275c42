/* The `pre_tokenizer` field: ByteLevel, Split and Digits, and Sequences of them. ByteLevel comes last: what
 * follows it would see its byte alphabet instead of the text. */
#include <string.h>

#include "model/tokenizer_json.h"
#include "model/tokenizer_parts.h"
#include "model/tokenizer_utf8.h"

#define DEPTH_MAX 4

static const char GPT2[] =
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

struct reading {
    struct ob_splitter *splitter;
    bool byte_level; /* it has been seen */
    struct ob_error *error;
};

static enum ob_err read_byte_level(struct reading *reading, const json_t *field) {
    struct ob_split_step step = {.keep = OB_SPLIT_KEEP_BOTH};
    bool use_regex;
    enum ob_err err = ob_json_bool(field, "use_regex", true, &use_regex, reading->error);
    if (err == OB_OK)
        err = ob_json_bool(field, "add_prefix_space", true, &step.prefix_space, reading->error);
    if (err == OB_OK && use_regex)
        err = ob_pattern_compile(GPT2, sizeof GPT2 - 1, &step.code, reading->error);
    reading->byte_level = true;
    return err != OB_OK ? err : ob_splitter_add(reading->splitter, step, reading->error);
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
    return err != OB_OK ? err : ob_splitter_add(reading->splitter, step, reading->error);
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
    else if (strcmp(json_string_value(behavior), "Isolated") != 0)
        return ob_fail(reading->error, OB_EUNSUPPORTED, "Split's behavior \"%s\" is not supported",
                       ob_utf8_quote(json_string_value(behavior), json_string_length(behavior), quote));
    err = read_pattern(ob_json_field(field, "pattern"), &step.code, reading->error);
    return err != OB_OK ? err : ob_splitter_add(reading->splitter, step, reading->error);
}

static enum ob_err read_one(struct reading *reading, const json_t *field, unsigned depth);

static enum ob_err read_sequence(struct reading *reading, const json_t *field, unsigned depth) {
    const json_t *members = ob_json_field(field, "pretokenizers");
    if (!json_is_array(members))
        return ob_fail(reading->error, OB_EFORMAT, "Sequence has no \"pretokenizers\" array");
    if (depth == DEPTH_MAX)
        return ob_fail(reading->error, OB_ETOOBIG, "more than %d Sequences in one another", DEPTH_MAX);
    enum ob_err err = OB_OK;
    for (size_t i = 0; err == OB_OK && i < json_array_size(members); i++)
        err = read_one(reading, json_array_get(members, i), depth + 1);
    return err;
}

static enum ob_err read_one(struct reading *reading, const json_t *field, unsigned depth) {
    const char *type;
    enum ob_err err = ob_json_type(field, "it", &type, reading->error);
    if (err != OB_OK)
        return err;
    if (strcmp(type, "Sequence") == 0)
        return read_sequence(reading, field, depth);
    if (reading->byte_level)
        return ob_fail(reading->error, OB_EUNSUPPORTED, "a step after ByteLevel is not supported");
    if (strcmp(type, "ByteLevel") == 0)
        return read_byte_level(reading, field);
    if (strcmp(type, "Digits") == 0)
        return read_digits(reading, field);
    if (strcmp(type, "Split") == 0)
        return read_split(reading, field);
    char quote[OB_QUOTE_BYTES];
    return ob_fail(reading->error, OB_EUNSUPPORTED, "\"%s\" is not supported",
                   ob_utf8_quote(type, strlen(type), quote));
}

enum ob_err ob_splitter_read(struct ob_splitter *splitter, const json_t *field, struct ob_error *error) {
    if (field == NULL)
        return ob_fail(error, OB_EUNSUPPORTED, "no pre_tokenizer: only byte-level tokenizers are supported");
    struct reading reading = {.splitter = splitter, .error = error};
    enum ob_err err = read_one(&reading, field, 0);
    if (err != OB_OK && error != NULL)
        return ob_fail_within(error, "pre_tokenizer");
    if (err == OB_OK && !reading.byte_level)
        return ob_fail(error, OB_EUNSUPPORTED,
                       "pre_tokenizer: without ByteLevel; only byte-level tokenizers are supported");
    return err;
}
