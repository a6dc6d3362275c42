/* fuzz_tokenizer - any bytes as a tokenizer.json: refused, or every text can be encoded, into ids that it
 * decodes, unless its pattern is too hard. What follows the last brace is a
 * text for it, beside a fixed one. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "model/tokenizer/tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static const char TEXT[] = "It's  42 e\xcc\x81\xed\x95\x9c<s>\n\n \xff\0 </s>a \xe0\xba\xba\xe0\xba\xb8";

static void check(enum ob_err failed, const struct ob_error *error) {
    if (failed && error->text[0] == 0)
        abort(); /* a refusal says why */
}

static void encode(const struct ob_tokenizer *tokenizer, struct ob_tokenizer_scratch *scratch,
                   const char *bytes, size_t length, bool goes_on) {
    int32_t *ids = NULL;
    size_t count = 0, decoded = 0;
    char *text = NULL;
    struct ob_error error = {0};
    struct ob_encode_options options = {.position = goes_on ? OB_TEXT_CONTINUED : OB_TEXT_FIRST,
                                        .scratch = scratch};
    enum ob_err failed = ob_tokenizer_encode(tokenizer, &options, bytes, length, &ids, &count, &error);
    check(failed, &error);
    for (size_t i = 0; !failed && i < count; i++)
        if (ids[i] < 0 || (size_t)ids[i] >= ob_tokenizer_vocabulary(tokenizer))
            abort();
    if (!failed && ob_tokenizer_decode(tokenizer, ids, count, goes_on, &text, &decoded, &error))
        abort(); /* its own ids */
    free(text);
    free(ids);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    struct ob_tokenizer *tokenizer = NULL;
    struct ob_error error = {0};
    const uint8_t *brace = bytes > 0 ? memrchr(data, '}', bytes) : NULL;
    size_t json = brace == NULL ? bytes : (size_t)(brace - data) + 1;
    enum ob_err failed = ob_tokenizer_parse((const char *)data, json, "input", &tokenizer, &error);
    check(failed, &error);
    struct ob_tokenizer_scratch *scratch = NULL;
    if (!failed && ob_tokenizer_scratch_new(tokenizer, &scratch, NULL))
        abort();
    if (!failed) {
        encode(tokenizer, scratch, TEXT, sizeof TEXT - 1, false);
        encode(tokenizer, scratch, (const char *)data + json, bytes - json, false);
        encode(tokenizer, scratch, (const char *)data + json, bytes - json, true);
    }
    ob_tokenizer_scratch_free(scratch);
    ob_tokenizer_free(tokenizer);
    return 0;
}
