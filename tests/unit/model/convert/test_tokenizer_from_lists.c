#include "tests/unit/cmocka_all.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "model/convert/tokenizer_from_lists.h"
#include "model/tokenizer/tokenizer.h"

#define TOKENS_MAX 300

/* The lists of a GGUF file. Pieces: <unk> <s> </s>, the 256 bytes, then what is added. */
struct lists {
    struct ob_tokenizer_parts parts;
    struct ob_token_text tokens[TOKENS_MAX], merges[4];
    int32_t types[TOKENS_MAX];
    float scores[TOKENS_MAX];
    char bytes[256][8];
};
enum { UNKNOWN, BOS, EOS, BYTES, FIRST = BYTES + 256 };

static void add(struct lists *lists, const char *text, int32_t type, float score) {
    size_t id = lists->parts.token_count++;
    assert_true(id < TOKENS_MAX);
    lists->tokens[id] = (struct ob_token_text){text, strlen(text)};
    lists->types[id] = type;
    lists->scores[id] = score;
}

static void init(struct lists *lists, const char *model, const char *pre) {
    *lists = (struct lists){.parts = {.model = model,
                                      .pre = pre,
                                      .bos = BOS,
                                      .eos = EOS,
                                      .unknown = -1,
                                      .add_bos = -1,
                                      .add_eos = -1,
                                      .add_space_prefix = true}};
    lists->parts.tokens = lists->tokens;
    lists->parts.types = lists->types;
    add(lists, "<unk>", OB_TOKEN_UNKNOWN, 0);
    add(lists, "<s>", OB_TOKEN_CONTROL, 0);
    add(lists, "</s>", OB_TOKEN_CONTROL, 0);
}

static void init_pieces(struct lists *lists) {
    init(lists, "llama", "default");
    lists->parts.scores = lists->scores;
    for (unsigned byte = 0; byte < 256; byte++) {
        (void)snprintf(lists->bytes[byte], sizeof lists->bytes[byte], "<0x%02X>", byte);
        add(lists, lists->bytes[byte], OB_TOKEN_BYTE, 0);
    }
}

static void init_bytes(struct lists *lists, const char *pre) {
    static const struct ob_token_text MERGES[] = {{"a b", 3}};
    init(lists, "gpt2", pre);
    add(lists, "a", OB_TOKEN_NORMAL, 0);
    add(lists, "b", OB_TOKEN_NORMAL, 0);
    add(lists, "ab", OB_TOKEN_NORMAL, 0);
    lists->parts.merges = MERGES;
    lists->parts.merge_count = 1;
}

static json_t *root_of(const struct lists *lists) {
    json_t *root = NULL;
    struct ob_error error = {0};
    if (ob_tokenizer_parts_json(&lists->parts, &root, &error))
        fail_msg("%s", error.text);
    return root;
}

static struct ob_tokenizer *open_lists(const struct lists *lists) {
    struct ob_tokenizer *tokenizer = NULL;
    struct ob_error error = {0};
    json_t *root = root_of(lists);
    char *text = json_dumps(root, 0);
    assert_non_null(text);
    if (ob_tokenizer_parse(text, strlen(text), "lists", &tokenizer, &error))
        fail_msg("%s", error.text);
    free(text);
    json_decref(root);
    return tokenizer;
}

/* Up to -1. */
static void expect_ids(const struct ob_tokenizer *tokenizer, const char *text, const int *expected) {
    int32_t *ids = NULL;
    size_t count = 0, i = 0;
    assert_int_equal(ob_tokenizer_encode(tokenizer, NULL, text, strlen(text), &ids, &count, NULL), OB_OK);
    for (; i < count; i++)
        assert_int_equal(ids[i], expected[i]);
    assert_int_equal(expected[i], -1);
    free(ids);
}
#define EXPECT(tokenizer, text, ...) expect_ids(tokenizer, text, (const int[]){__VA_ARGS__, -1})

static void expect_affixes(const struct lists *lists, size_t before, size_t after) {
    struct ob_tokenizer *tokenizer = open_lists(lists);
    struct ob_tokenizer_affixes affixes = ob_tokenizer_affixes(tokenizer);
    assert_int_equal(affixes.prefix_count, before);
    assert_int_equal(affixes.suffix_count, after);
    assert_true(before == 0 || affixes.prefix[0] == BOS);
    assert_true(after == 0 || affixes.suffix[0] == EOS);
    ob_tokenizer_free(tokenizer);
}

static void json_merges_the_higher_score_first(void **state) {
    (void)state;
    struct lists lists;
    init_pieces(&lists);
    enum { SPACE = FIRST, A, B, C, AB, BC, ABC, AA, AAA };
    add(&lists, "\u2581", OB_TOKEN_NORMAL, -9);
    add(&lists, "a", OB_TOKEN_NORMAL, -10);
    add(&lists, "b", OB_TOKEN_NORMAL, -11);
    add(&lists, "c", OB_TOKEN_NORMAL, -12);
    add(&lists, "ab", OB_TOKEN_NORMAL, -3);
    add(&lists, "bc", OB_TOKEN_NORMAL, -2);
    add(&lists, "abc", OB_TOKEN_NORMAL, -4);
    add(&lists, "aa", OB_TOKEN_NORMAL, -5);
    add(&lists, "aaa", OB_TOKEN_NORMAL, -6);
    struct ob_tokenizer *tokenizer = open_lists(&lists);
    EXPECT(tokenizer, "ab", SPACE, AB);
    EXPECT(tokenizer, "abc", SPACE, ABC); /* a bc, not ab c: then both */
    EXPECT(tokenizer, "abbc", SPACE, AB, BC);
    EXPECT(tokenizer, "aaaa", SPACE, AA, AA); /* the leftmost of equal ones */
    EXPECT(tokenizer, "aaaaa", SPACE, AA, AAA);
    EXPECT(tokenizer, "<s>d", BOS, SPACE, BYTES + 'd');
    ob_tokenizer_free(tokenizer);
}

static void json_begins_a_text_as_the_file_says(void **state) {
    (void)state;
    struct lists lists;
    init_pieces(&lists);
    expect_affixes(&lists, 1, 0); /* SentencePiece's default */
    lists.parts.add_bos = 0;
    lists.parts.add_eos = 1;
    expect_affixes(&lists, 0, 1);
    init_bytes(&lists, "gpt-2");
    expect_affixes(&lists, 0, 0);
    lists.parts.add_bos = 1;
    expect_affixes(&lists, 1, 0);
    init_bytes(&lists, "llama-bpe");
    expect_affixes(&lists, 1, 0);
    lists.parts.add_bos = 0;
    expect_affixes(&lists, 0, 0);
}

/* `tokenizers` numbers what is not in the vocabulary from its size on: no id may change by that. */
static void json_vocabulary_has_no_gap(void **state) {
    (void)state;
    struct lists lists;
    init_bytes(&lists, "gpt-2");
    add(&lists, "<end>", OB_TOKEN_CONTROL, 0);
    json_t *root = root_of(&lists);
    const json_t *vocab = json_object_get(json_object_get(root, "model"), "vocab");
    assert_int_equal(json_object_size(vocab), 6); /* <unk> <s> </s> a b ab */
    assert_null(json_object_get(vocab, "<end>"));
    assert_int_equal(json_array_size(json_object_get(root, "added_tokens")), 4);
    json_decref(root);
    struct ob_tokenizer *tokenizer = open_lists(&lists);
    EXPECT(tokenizer, "ab<end>b</s>", 5, 6, 4, EOS);
    ob_tokenizer_free(tokenizer);
}

/* llama.cpp's default, whose tokens tests/parity/test_tokens.c compares. */
static void json_without_a_pre_tokenizer_has_the_default(void **state) {
    (void)state;
    static const char *const NAMES[] = {NULL, "default"};
    json_t *file = json_load_file(OB_SOURCE_ROOT "/tests/parity/tokens/gguf-default.json", 0, NULL);
    assert_non_null(file);
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
        struct lists lists;
        init_bytes(&lists, NAMES[i]);
        json_t *root = root_of(&lists);
        assert_true(
            json_equal(json_object_get(root, "pre_tokenizer"), json_object_get(file, "pre_tokenizer")));
        json_decref(root);
    }
    json_decref(file);
}

static void json_names_what_is_not_known(void **state) {
    (void)state;
    struct lists lists;
    struct ob_error error = {0};
    json_t *root = NULL;
    init_bytes(&lists, "tekken");
    assert_int_equal(ob_tokenizer_parts_json(&lists.parts, &root, &error), OB_EUNSUPPORTED);
    assert_non_null(strstr(error.text, "\"tekken\""));
    lists.parts.model = "bert";
    assert_int_equal(ob_tokenizer_parts_json(&lists.parts, &root, &error), OB_EUNSUPPORTED);
    assert_non_null(strstr(error.text, "\"bert\""));
    init_pieces(&lists);
    lists.parts.scores = NULL;
    assert_int_equal(ob_tokenizer_parts_json(&lists.parts, &root, &error), OB_EFORMAT);
    assert_non_null(strstr(error.text, "scores"));
    assert_null(root);
}

/* A tokenizer of pieces: a space goes before a text by a normalizer, by Metaspace, or not at all. */
static void parts_ask_the_tokenizer_for_its_prefix(void **state) {
    (void)state;
    static const struct {
        const char *key, *value;
        bool prefix;
    } STAGES[] = {
        {"normalizer", "{\"type\":\"Sequence\",\"normalizers\":[]}", false},
        {"normalizer", "{\"type\":\"Replace\",\"pattern\":{\"String\":\"Prepend\"},\"content\":\"\"}", false},
        {"pre_tokenizer",
         "{\"type\":\"Metaspace\",\"replacement\":\"\u2581\",\"prepend_scheme\":\"first\",\"split\":false}",
         true},
        {"pre_tokenizer",
         "{\"type\":\"Metaspace\",\"replacement\":\"\u2581\",\"prepend_scheme\":\"never\",\"split\":false}",
         false},
        {"normalizer", "{\"type\":\"Prepend\",\"prepend\":\"\u2581\"}", true},
    };
    struct lists lists;
    init_pieces(&lists);
    add(&lists, "a", OB_TOKEN_NORMAL, -1);
    lists.parts.add_space_prefix = false;
    for (size_t i = 0; i < sizeof STAGES / sizeof *STAGES; i++) {
        struct ob_tokenizer_parts *parts = NULL;
        struct ob_error error = {0};
        json_t *root = root_of(&lists),
               *config = json_pack("{s:s, s:s}", "bos_token", "<s>", "eos_token", "</s>");
        assert_int_equal(json_object_set_new(root, STAGES[i].key, json_loads(STAGES[i].value, 0, NULL)), 0);
        if (ob_tokenizer_parts_read(root, config, lists.parts.token_count, &parts, &error))
            fail_msg("%zu: %s", i, error.text);
        assert_int_equal(parts->add_space_prefix, STAGES[i].prefix);
        assert_int_equal(parts->add_bos, 1); /* what a file says nothing about: root_of has put it in */
        assert_int_equal(parts->bos, BOS);
        assert_int_equal(parts->add_eos, 0);
        ob_tokenizer_parts_free(parts);
        assert_int_equal(json_object_set_new(config, "bos_token", json_string("</s>")), 0);
        assert_int_equal(ob_tokenizer_parts_read(root, config, lists.parts.token_count, &parts, &error),
                         OB_EUNSUPPORTED);
        assert_non_null(strstr(error.text, "another token than the bos_token"));
        json_decref(root);
        json_decref(config);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_merges_the_higher_score_first),
        cmocka_unit_test(json_begins_a_text_as_the_file_says),
        cmocka_unit_test(json_vocabulary_has_no_gap),
        cmocka_unit_test(json_without_a_pre_tokenizer_has_the_default),
        cmocka_unit_test(json_names_what_is_not_known),
        cmocka_unit_test(parts_ask_the_tokenizer_for_its_prefix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
