/* A tokenizer.json small enough to follow by hand: ids 0 … 255 are the bytes in their order, then come the
 * results of MERGES in their order, then <|end|> (special). Pre-tokenizer: ByteLevel as GPT-2 has it. */
#ifndef OB_TESTS_TOKENIZER_FIXTURE_H
#define OB_TESTS_TOKENIZER_FIXTURE_H

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "model/tokenizer/tokenizer.h"
#include "tests/unit/cmocka_all.h"

#define FIXTURE_MERGES 7
static const char *const MERGES[FIXTURE_MERGES][2] = {
    {"h", "e"}, {"l", "l"}, {"he", "ll"}, {"hell", "o"}, {"\u0120", "w"}, {"o", "r"}, {"a", "a"},
};
enum { HE = 256, LL, HELL, HELLO, SPACE_W, OR, AA, END };

/* Written apart from the code under test: the characters for the bytes, from GPT-2's bytes_to_unicode. */
static inline size_t fixture_byte(unsigned byte, char key[static 4]) {
    unsigned others = 0;
    for (unsigned b = 0; b <= byte; b++) {
        int printable = (b >= '!' && b <= '~') || (b >= 0xa1 && b <= 0xac) || (b >= 0xae && b <= 0xff);
        if (b == byte && printable)
            others = byte;
        else if (b == byte)
            others += 256;
        else if (!printable)
            others++;
    }
    if (others < 0x80) {
        key[0] = (char)others;
        key[1] = 0;
        return 1;
    }
    key[0] = (char)(0xc0 | others >> 6);
    key[1] = (char)(0x80 | (others & 0x3f));
    key[2] = 0;
    return 2;
}

static inline json_t *fixture_json(void) {
    json_t *vocab = json_object(), *merges = json_array();
    for (unsigned byte = 0; byte < 256; byte++) {
        char key[4];
        fixture_byte(byte, key);
        assert_int_equal(json_object_set_new(vocab, key, json_integer(byte)), 0);
    }
    for (int i = 0; i < FIXTURE_MERGES; i++) {
        char joined[32];
        (void)snprintf(joined, sizeof joined, "%s%s", MERGES[i][0], MERGES[i][1]);
        assert_int_equal(json_object_set_new(vocab, joined, json_integer(256 + i)), 0);
        /* Both spellings of a merge. */
        json_t *merge = i % 2 == 0 ? json_sprintf("%s %s", MERGES[i][0], MERGES[i][1])
                                   : json_pack("[s, s]", MERGES[i][0], MERGES[i][1]);
        assert_int_equal(json_array_append_new(merges, merge), 0);
    }
    json_t *root = json_pack(
        "{s:[{s:i, s:s, s:b, s:b, s:b, s:b, s:b}], s:n, s:{s:s, s:b, s:b}, s:{s:s}, s:{s:s, s:o, s:o}}",
        "added_tokens", "id", END, "content", "<|end|>", "single_word", 0, "lstrip", 0, "rstrip", 0,
        "normalized", 0, "special", 1, "normalizer", "pre_tokenizer", "type", "ByteLevel", "add_prefix_space",
        0, "use_regex", 1, "decoder", "type", "ByteLevel", "model", "type", "BPE", "vocab", vocab, "merges",
        merges);
    assert_non_null(root);
    return root;
}

/* A byte, or a token, has lost its key: its id belongs to one that no text has. */
static inline json_t *fixture_json_without(const char *key) {
    json_t *root = fixture_json(), *vocab = json_object_get(json_object_get(root, "model"), "vocab");
    assert_int_equal(json_object_set(vocab, "without a key", json_object_get(vocab, key)), 0);
    assert_int_equal(json_object_del(vocab, key), 0);
    return root;
}

/* Takes the root. */
static inline enum ob_err fixture_parse(json_t *root, struct ob_tokenizer **ret_tokenizer,
                                        struct ob_error *error) {
    char *text = json_dumps(root, 0);
    assert_non_null(text);
    enum ob_err err = ob_tokenizer_parse(text, strlen(text), "tokenizer.json", ret_tokenizer, error);
    free(text);
    json_decref(root);
    return err;
}

static inline struct ob_tokenizer *fixture_tokenizer(void) {
    struct ob_tokenizer *tokenizer = NULL;
    struct ob_error error = {0};
    if (fixture_parse(fixture_json(), &tokenizer, &error) != OB_OK)
        fail_msg("%s", error.text);
    return tokenizer;
}

#endif
