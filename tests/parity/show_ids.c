/* show_ids MODEL: the ids of texts, for comparisons by hand (compare_tokens.py). Standard input: each text
 * after its length (4 bytes, little-endian). Standard output, a line a text: the ids with the frame, '|', and
 * what those of the text decode to, in hexadecimal. */
#include <stdio.h>
#include <stdlib.h>

#include "model/convert/open_tokenizer.h"

static void put_ids(const int32_t *ids, size_t count) {
    for (size_t i = 0; i < count; i++)
        (void)printf("%d ", ids[i]);
}

static enum ob_err show(const struct ob_tokenizer *tokenizer, const char *text, size_t bytes,
                        struct ob_error *error) {
    struct ob_tokenizer_affixes affixes = ob_tokenizer_affixes(tokenizer);
    int32_t *ids = NULL;
    char *decoded = NULL;
    size_t count = 0, decoded_bytes = 0;
    enum ob_err failed = ob_tokenizer_encode(tokenizer, NULL, text, bytes, &ids, &count, error);
    if (!failed)
        failed = ob_tokenizer_decode(tokenizer, ids, count, false, &decoded, &decoded_bytes, error);
    if (!failed) {
        put_ids(affixes.prefix, affixes.prefix_count);
        put_ids(ids, count);
        put_ids(affixes.suffix, affixes.suffix_count);
        (void)putchar('|');
        for (size_t i = 0; i < decoded_bytes; i++)
            (void)printf("%02x", (unsigned)(uint8_t)decoded[i]);
        (void)putchar('\n');
    }
    free(decoded);
    free(ids);
    return failed;
}

int main(int count, char **arguments) {
    struct ob_tokenizer *tokenizer = NULL;
    struct ob_error error = {0};
    uint8_t head[4];
    enum ob_err failed = count == 2 ? ob_tokenizer_open(arguments[1], &tokenizer, &error)
                                    : ob_fail(&error, OB_EUSAGE, "usage: show_ids MODEL <TEXTS");
    while (!failed && fread(head, 1, sizeof head, stdin) == sizeof head) {
        size_t bytes = head[0] | (size_t)head[1] << 8 | (size_t)head[2] << 16 | (size_t)head[3] << 24;
        char *text = malloc(bytes + 1);
        if (text == NULL || fread(text, 1, bytes, stdin) != bytes)
            failed = ob_fail(&error, OB_EIO, "a text cannot be read to its end");
        else
            failed = show(tokenizer, text, bytes, &error);
        free(text);
    }
    if (failed)
        (void)fprintf(stderr, "%s\n", error.text);
    ob_tokenizer_free(tokenizer);
    return failed ? 1 : 0;
}
