#include "tests/unit/model/tokenizer/tokenizer_fixture.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "model/convert/open_tokenizer.h"
#include "tests/support/folder.h"
#include "tests/support/json.h"

static struct ob_tokenizer *from_json(json_t *root) {
    struct ob_tokenizer *tokenizer = NULL;
    struct ob_error error = {0};
    if (fixture_parse(root, &tokenizer, &error) != OB_OK)
        fail_msg("%s", error.text);
    return tokenizer;
}

/* The text encodes to the ids that follow, up to -1. */
static void expect_ids(const struct ob_tokenizer *tokenizer, const char *text, size_t bytes, ...) {
    struct ob_error error = {0};
    int32_t *ids = NULL;
    size_t count = 0, i = 0;
    if (ob_tokenizer_encode(tokenizer, NULL, text, bytes, &ids, &count, &error) != OB_OK)
        fail_msg("%s", error.text);
    va_list list;
    va_start(list, bytes);
    for (int id; (id = va_arg(list, int)) >= 0; i++) {
        assert_true(i < count);
        assert_int_equal(ids[i], id);
    }
    va_end(list);
    assert_int_equal(count, i);
    free(ids);
}

static void expect_round_trip(const struct ob_tokenizer *tokenizer, const char *text, size_t bytes) {
    struct ob_error error = {0};
    int32_t *ids = NULL;
    char *back = NULL;
    size_t count = 0, back_bytes = 0;
    assert_int_equal(ob_tokenizer_encode(tokenizer, NULL, text, bytes, &ids, &count, &error), OB_OK);
    assert_int_equal(ob_tokenizer_decode(tokenizer, ids, count, false, &back, &back_bytes, &error), OB_OK);
    assert_int_equal(back_bytes, bytes);
    assert_memory_equal(back, text, bytes);
    assert_int_equal(back[bytes], 0);
    free(back);
    free(ids);
}

/* The file is refused with this code, and the message names the file and has these words. */
static void expect_refused(json_t *root, enum ob_err code, const char *words) {
    struct ob_tokenizer *tokenizer = NULL;
    struct ob_error error = {0};
    enum ob_err err = fixture_parse(root, &tokenizer, &error);
    if (err != code || strstr(error.text, words) == NULL || strncmp(error.text, "tokenizer.json", 14) != 0)
        fail_msg("expected %s (%s), not %s: %s", ob_err_text(code), words, ob_err_text(err), error.text);
    assert_null(tokenizer);
    assert_null(strchr(error.text, '\n'));
}

static void expect_text_refused(const char *text, enum ob_err code, const char *words) {
    struct ob_tokenizer *tokenizer = NULL;
    struct ob_error error = {0};
    enum ob_err err = ob_tokenizer_parse(text, strlen(text), "tokenizer.json", &tokenizer, &error);
    if (err != code || strstr(error.text, words) == NULL)
        fail_msg("expected %s (%s), not %s: %s", ob_err_text(code), words, ob_err_text(err), error.text);
    assert_null(tokenizer);
    assert_int_equal(ob_tokenizer_parse(text, strlen(text), "tokenizer.json", &tokenizer, NULL), code);
}

/* root[one][two] = value; `two` NULL: root[one] = value. */
static json_t *with(const char *one, const char *two, json_t *value) {
    json_t *root = fixture_json();
    json_t *object = two == NULL ? root : json_object_get(root, one);
    assert_int_equal(json_object_set_new(object, two == NULL ? one : two, value), 0);
    return root;
}

static json_t *with_added(int id, const char *content, const char *flag) {
    json_t *root = fixture_json();
    json_t *token = json_pack("{s:i, s:s, s:b}", "id", id, "content", content, flag, 1);
    assert_int_equal(json_array_append_new(json_object_get(root, "added_tokens"), token), 0);
    return root;
}

static json_t *with_pre(const char *json) {
    json_t *pre = json_loads(json, 0, NULL);
    assert_non_null(pre);
    return with("pre_tokenizer", NULL, pre);
}

static json_t *with_merge(json_t *merge) {
    json_t *root = fixture_json();
    json_t *merges = json_object_get(json_object_get(root, "model"), "merges");
    assert_int_equal(json_array_append_new(merges, merge), 0);
    return root;
}

static json_t *with_vocab(const char *key, json_t *id) {
    json_t *root = fixture_json();
    json_t *vocab = json_object_get(json_object_get(root, "model"), "vocab");
    assert_int_equal(json_object_set_new(vocab, key, id), 0);
    return root;
}

/* One more token of the model, and <|end|> behind it. */
static json_t *with_vocab_before_end(const char *key, int id) {
    json_t *root = with_vocab(key, json_integer(id));
    json_t *end = json_array_get(json_object_get(root, "added_tokens"), 0);
    assert_int_equal(json_object_set_new(end, "id", json_integer(END + 1)), 0);
    return root;
}

static void encode_merges_by_rank(void **state) {
    (void)state;
    struct ob_tokenizer *tokenizer = fixture_tokenizer();
    assert_int_equal(ob_tokenizer_vocabulary(tokenizer), END + 1);
    expect_ids(tokenizer, "hello world", 11, HELLO, SPACE_W, OR, 'l', 'd', -1);
    expect_ids(tokenizer, "hell", 4, HELL, -1);
    expect_ids(tokenizer, "aaa", 3, AA, 'a', -1); /* of equal ranks the leftmost */
    expect_ids(tokenizer, "aaaa", 4, AA, AA, -1);
    expect_ids(tokenizer, "", 0, -1);
    expect_ids(tokenizer, "\0h\0", 3, 0, 'h', 0, -1);
    ob_tokenizer_free(tokenizer);
}

static void encode_empty_gives_no_array(void **state) {
    (void)state;
    struct ob_tokenizer *tokenizer = fixture_tokenizer();
    int32_t *ids = (int32_t *)1;
    size_t count = 1, bytes = 1;
    char *text = NULL;
    assert_int_equal(ob_tokenizer_encode(tokenizer, NULL, NULL, 0, &ids, &count, NULL), OB_OK);
    assert_null(ids);
    assert_int_equal(count, 0);
    assert_int_equal(ob_tokenizer_decode(tokenizer, NULL, 0, false, &text, &bytes, NULL), OB_OK);
    assert_int_equal(bytes, 0);
    assert_string_equal(text, "");
    free(text);
    ob_tokenizer_free(tokenizer);
    ob_tokenizer_free(NULL);
}

static void encode_splits_before_it_merges(void **state) {
    (void)state;
    struct ob_tokenizer *tokenizer = fixture_tokenizer();
    expect_ids(tokenizer, "he  w", 5, HE, ' ', SPACE_W, -1); /* of two spaces the last is the word's */
    expect_ids(tokenizer, "h1e", 3, 'h', '1', 'e', -1);
    expect_ids(tokenizer, "o're", 4, 'o', '\'', 'r', 'e', -1);
    ob_tokenizer_free(tokenizer);
}

static void encode_invalid_utf8_byte_for_byte(void **state) {
    (void)state;
    struct ob_tokenizer *tokenizer = fixture_tokenizer();
    expect_ids(tokenizer, "he\xffhe", 5, HE, 0xff, HE, -1);
    expect_ids(tokenizer, "\xe2\x82", 2, 0xe2, 0x82, -1);           /* cut short */
    expect_ids(tokenizer, "\xc0\xaf", 2, 0xc0, 0xaf, -1);           /* overlong */
    expect_ids(tokenizer, "\xed\xa0\x80", 3, 0xed, 0xa0, 0x80, -1); /* a surrogate */
    expect_ids(tokenizer, "\xf4\x90\x80\x80", 4, 0xf4, 0x90, 0x80, 0x80, -1);
    char all[256 * 3];
    for (int i = 0; i < 256 * 3; i++)
        all[i] = (char)(i * 7 % 256);
    expect_round_trip(tokenizer, all, sizeof all);
    ob_tokenizer_free(tokenizer);
}

static void encode_added_tokens_first(void **state) {
    (void)state;
    struct ob_tokenizer *tokenizer = fixture_tokenizer();
    expect_ids(tokenizer, "he<|end|>llo", 12, HE, END, LL, 'o', -1);
    expect_ids(tokenizer, "<|end|><|end|>", 14, END, END, -1);
    expect_ids(tokenizer, "<|end|", 6, '<', '|', 'e', 'n', 'd', '|', -1);
    ob_tokenizer_free(tokenizer);
    tokenizer = from_json(with_added(END + 1, "<|end|>he", "special"));
    expect_ids(tokenizer, "<|end|>hello", 12, END, HELLO, -1); /* normalized: after the others */
    ob_tokenizer_free(tokenizer);
    tokenizer = from_json(with_added(HE, "he", "rstrip"));
    expect_ids(tokenizer, "a he \n a", 8, 'a', ' ', HE, 'a', -1);
    ob_tokenizer_free(tokenizer);
    tokenizer = from_json(with_added(HE, "he", "lstrip"));
    expect_ids(tokenizer, "a \t\xe3\x80\x80he a", 10, 'a', HE, ' ', 'a', -1);
    ob_tokenizer_free(tokenizer);
}

static const struct ob_encode_options PLAIN = {.position = OB_TEXT_INNER, .plain = true};

static void expect_plain(const struct ob_tokenizer *tokenizer, const char *text, const int32_t *expected,
                         size_t expected_count) {
    int32_t *ids = NULL;
    size_t count = 0;
    assert_int_equal(ob_tokenizer_encode(tokenizer, &PLAIN, text, strlen(text), &ids, &count, NULL), OB_OK);
    assert_int_equal(count, expected_count);
    assert_memory_equal(ids, expected, count * sizeof *ids);
    free(ids);
}

static void encode_plain_makes_no_special_token(void **state) {
    (void)state;
    struct ob_tokenizer *tokenizer = fixture_tokenizer();
    static const int32_t SPELLED[] = {HE, '<', '|', 'e', 'n', 'd', '|', '>', LL};
    expect_plain(tokenizer, "he<|end|>ll", SPELLED, 9);
    assert_int_equal(ob_tokenizer_special(tokenizer, "<|end|>", 7), END);
    assert_int_equal(ob_tokenizer_special(tokenizer, "<|end|", 6), -1);
    assert_int_equal(ob_tokenizer_special(tokenizer, "hello", 5), -1);
    assert_int_equal(ob_tokenizer_special(tokenizer, "", 0), -1);
    ob_tokenizer_free(tokenizer);
    tokenizer = from_json(with_added(END + 1, "<x>", "normalized")); /* added, not special */
    static const int32_t OTHER[] = {END + 1, HE};
    expect_plain(tokenizer, "<x>he", OTHER, 2);
    assert_int_equal(ob_tokenizer_special(tokenizer, "<x>", 3), -1);
    ob_tokenizer_free(tokenizer);
    tokenizer = from_json(with_added(HELLO, "hello", "special")); /* a merge makes it as well */
    int32_t *ids = NULL;
    size_t count = 0;
    struct ob_error error = {0};
    assert_int_equal(ob_tokenizer_encode(tokenizer, &PLAIN, "hello", 5, &ids, &count, &error),
                     OB_EUNSUPPORTED);
    assert_non_null(strstr(error.text, "special token \"hello\""));
    assert_null(ids);
    ob_tokenizer_free(tokenizer);
}

static void encode_long_pieces_in_good_time(void **state) {
    (void)state;
    struct ob_tokenizer *tokenizer = fixture_tokenizer();
    size_t bytes = 1u << 20;
    char *text = malloc(bytes);
    assert_non_null(text);
    static const char FILL[] = {'a', ' ', '\n', '1', '!', '\xff'};
    for (size_t i = 0; i < sizeof FILL; i++) {
        memset(text, FILL[i], bytes);
        text[bytes / 2] = 'h';
        expect_round_trip(tokenizer, text, bytes);
    }
    free(text);
    ob_tokenizer_free(tokenizer);
}

static void encode_beyond_limit_is_refused(void **state) {
    (void)state;
    struct ob_tokenizer *tokenizer = fixture_tokenizer();
    struct ob_error error = {0};
    int32_t *ids = NULL;
    size_t count = 0;
    assert_int_equal(ob_tokenizer_encode(tokenizer, NULL, "", (size_t)1 << 30, &ids, &count, &error),
                     OB_ETOOBIG);
    assert_null(ids);
    ob_tokenizer_free(tokenizer);
}

static void encode_digits_and_splits(void **state) {
    (void)state;
    struct ob_tokenizer *tokenizer = from_json(
        with_pre("{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Digits\",\"individual_digits\":true},"
                 "{\"type\":\"ByteLevel\",\"add_prefix_space\":true}]}"));
    expect_ids(tokenizer, "w1", 2, SPACE_W, ' ', '1', -1);
    ob_tokenizer_free(tokenizer);
    tokenizer = from_json(with_pre(
        "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":{\"String\":\"l.\"},"
        "\"behavior\":\"Removed\",\"invert\":false},{\"type\":\"ByteLevel\",\"use_regex\":false,"
        "\"add_prefix_space\":false}]}"));
    expect_ids(tokenizer, "hell.o wo", 9, HE, 'l', 'o', SPACE_W, 'o', -1);
    ob_tokenizer_free(tokenizer);
    tokenizer = from_json(with_pre(
        "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":{\"Regex\":\"\\\\p{L}+\"},"
        "\"behavior\":\"Removed\",\"invert\":true},{\"type\":\"ByteLevel\",\"use_regex\":false,"
        "\"add_prefix_space\":false}]}"));
    expect_ids(tokenizer, "hell. o wo", 10, HELL, 'o', 'w', 'o', -1);
    ob_tokenizer_free(tokenizer);
}

static void encode_whole_piece_with_ignore_merges(void **state) {
    (void)state;
    json_t *root = with_vocab_before_end("world", END);
    struct ob_tokenizer *tokenizer = from_json(json_deep_copy(root));
    expect_ids(tokenizer, "world", 5, 'w', OR, 'l', 'd', -1);
    ob_tokenizer_free(tokenizer);
    json_object_set_new(json_object_get(root, "model"), "ignore_merges", json_true());
    tokenizer = from_json(root);
    expect_ids(tokenizer, "world", 5, END, -1);
    expect_ids(tokenizer, "worlds", 6, 'w', OR, 'l', 'd', 's', -1);
    ob_tokenizer_free(tokenizer);
}

/* As in `tokenizers`, whose SmolLM2 has no token for some control characters. */
static void encode_byte_without_token_is_left_out(void **state) {
    (void)state;
    struct ob_tokenizer *tokenizer = from_json(fixture_json_without("z"));
    expect_ids(tokenizer, "hazel", 5, 'h', 'a', 'e', 'l', -1);
    expect_ids(tokenizer, "hze zz", 6, HE, ' ', -1);
    expect_ids(tokenizer, "zzz", 3, -1);
    ob_tokenizer_free(tokenizer);
}

static void decode_refuses_unknown_ids(void **state) {
    (void)state;
    struct ob_tokenizer *tokenizer = from_json(with_vocab_before_end("gap", END + 5));
    struct ob_error error = {0};
    char *text = NULL;
    size_t bytes = 0;
    static const int32_t BAD[] = {-1, END + 6, END, INT32_MAX, INT32_MIN};
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++)
        assert_int_equal(ob_tokenizer_decode(tokenizer, &BAD[i], 1, false, &text, &bytes, &error),
                         OB_EFORMAT);
    assert_null(text);
    ob_tokenizer_free(tokenizer);
}

static void decode_leaves_out_special_tokens(void **state) {
    (void)state;
    struct ob_tokenizer *tokenizer = fixture_tokenizer();
    static const int32_t IDS[] = {HELLO, END, SPACE_W};
    struct ob_error error = {0};
    char *text = NULL;
    size_t bytes = 0;
    assert_int_equal(ob_tokenizer_decode(tokenizer, IDS, 3, true, &text, &bytes, &error), OB_OK);
    assert_string_equal(text, "hello w");
    free(text);
    assert_int_equal(ob_tokenizer_decode(tokenizer, IDS, 3, false, &text, &bytes, &error), OB_OK);
    assert_string_equal(text, "hello<|end|> w");
    assert_int_equal(bytes, 14);
    free(text);
    ob_tokenizer_free(tokenizer);
}

static void decode_added_token_is_its_content(void **state) {
    (void)state;
    /* Not in the byte alphabet, and in it but meant as it stands. */
    struct ob_tokenizer *tokenizer = from_json(with_added(END + 1, "a \xe2\x82\xac b", "special"));
    expect_round_trip(tokenizer, "xa \xe2\x82\xac bx", 10);
    ob_tokenizer_free(tokenizer);
    tokenizer = from_json(with_added(0xe9, "\xc3\xa9", "special"));
    expect_ids(tokenizer, "\xc3\xa9", 2, 0xe9, -1);
    expect_round_trip(tokenizer, "x\xc3\xa9", 3);
    ob_tokenizer_free(tokenizer);
}

static void parse_old_file_without_types(void **state) {
    (void)state;
    json_t *root = with_pre("{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true}");
    json_object_del(json_object_get(root, "model"), "type");
    json_object_set_new(json_object_get(root, "model"), "unk_token", json_string("<|end|>"));
    struct ob_tokenizer *tokenizer = from_json(root);
    expect_ids(tokenizer, "hello w", 7, HELLO, SPACE_W, -1);
    ob_tokenizer_free(tokenizer);
}

static void parse_refuses_broken_json(void **state) {
    (void)state;
    expect_text_refused("", OB_EFORMAT, "tokenizer.json:");
    expect_text_refused("{\"model\":", OB_EFORMAT, "tokenizer.json:1");
    expect_text_refused("[]", OB_EFORMAT, "not a JSON object");
    expect_text_refused("{}", OB_EFORMAT, "no \"model\"");
    expect_text_refused("{\"model\":7}", OB_EFORMAT, "no \"model\"");
    expect_text_refused("{\"model\":{}}", OB_EFORMAT, "no \"vocab\"");
    expect_text_refused("{\"model\":{\"vocab\":{}}}", OB_EFORMAT, "no \"merges\"");
    expect_text_refused("{\"model\":{\"vocab\":{\"a\":0,\"a\":1},\"merges\":[]}}", OB_EFORMAT, "duplicate");
    expect_text_refused("{\"model\":{\"vocab\":{\"\xff\":0},\"merges\":[]}}", OB_EFORMAT, "0xff");
    json_t *root = fixture_json();
    char *text = json_dumps(root, 0);
    json_decref(root);
    assert_non_null(text);
    struct ob_tokenizer *tokenizer = NULL;
    struct ob_error error;
    for (size_t bytes = 0; bytes < strlen(text); bytes += 97)
        assert_int_equal(ob_tokenizer_parse(text, bytes, "t", &tokenizer, &error), OB_EFORMAT);
    assert_int_equal(ob_tokenizer_parse(text, (size_t)1 << 40, "t", &tokenizer, &error), OB_ETOOBIG);
    assert_null(tokenizer);
    free(text);
}

static void parse_refuses_bad_ids(void **state) {
    (void)state;
    expect_refused(with_vocab("x1", json_integer(-1)), OB_EFORMAT, "\"x1\"");
    expect_refused(with_vocab("x1", json_integer(1 << 22)), OB_ETOOBIG, "4194304");
    expect_refused(with_vocab("x1", json_integer(INT64_MAX)), OB_ETOOBIG, "\"x1\"");
    expect_refused(with_vocab("x1", json_integer(HELLO)), OB_EFORMAT, "is already taken by another token");
    expect_refused(with_vocab("x\n1", json_string("1")), OB_EFORMAT, "\"x?1\" is not a whole number");
    expect_refused(with_vocab("x1", json_real(300.5)), OB_EFORMAT, "not a whole number");
    expect_refused(with_added(HELLO, "new", "special"), OB_EFORMAT, "is already taken by another token");
    expect_refused(with_added(END + 1, "hello", "special"), OB_EFORMAT, "two ids");
    expect_refused(with_added(END + 1, "<|end|>", "special"), OB_EFORMAT, "two ids");
    expect_refused(with_added(END + 1, "", "special"), OB_EFORMAT, "no \"content\"");
    expect_refused(with_added(-3, "new", "special"), OB_EFORMAT, "\"new\"");
    /* `tokenizers` takes no notice of these ids */
    expect_refused(with_added(END + 2, "new", "special"), OB_EUNSUPPORTED, "\"new\" has the id 265, but");
    expect_refused(with_vocab("gap", json_integer(END + 5)), OB_EUNSUPPORTED, "makes it 264");
    expect_refused(with("added_tokens", NULL, json_pack("[i]", 5)), OB_EFORMAT, "no \"content\"");
    expect_refused(with("added_tokens", NULL, json_object()), OB_EFORMAT, "not an array");
}

static void parse_refuses_bad_merges(void **state) {
    (void)state;
    expect_refused(with_merge(json_string("h zz")), OB_EFORMAT, "merge 7 has the unknown token \"zz\"");
    expect_refused(with_merge(json_string("h h")), OB_EFORMAT, "produces the unknown token \"hh\"");
    expect_refused(with_merge(json_string("h")), OB_EFORMAT, "not two tokens");
    expect_refused(with_merge(json_string("h e l")), OB_EFORMAT, "not two tokens");
    expect_refused(with_merge(json_integer(3)), OB_EFORMAT, "not two tokens");
    expect_refused(with_merge(json_pack("[s]", "h")), OB_EFORMAT, "not two tokens");
    expect_refused(with_merge(json_pack("[s,i]", "h", 1)), OB_EFORMAT, "not two tokens");
}

static void parse_names_what_is_not_supported(void **state) {
    (void)state;
    expect_refused(with("normalizer", NULL, json_pack("{s:s}", "type", "NFKC")), OB_EUNSUPPORTED,
                   "normalizer: \"NFKC\"");
    expect_refused(with("decoder", "type", json_string("WordPiece")), OB_EUNSUPPORTED,
                   "decoder: \"WordPiece\"");
    expect_refused(with("post_processor", NULL, json_pack("{s:s}", "type", "Odd")), OB_EUNSUPPORTED,
                   "post_processor: \"Odd\"");
    expect_refused(with("model", "type", json_string("Unigram")), OB_EUNSUPPORTED, "\"Unigram\"");
    expect_refused(with("model", "type", json_integer(1)), OB_EFORMAT, "not a string");
    expect_refused(with("model", "dropout", json_real(0.1)), OB_EUNSUPPORTED, "\"dropout\"");
    expect_refused(with("model", "end_of_word_suffix", json_string("</w>")), OB_EUNSUPPORTED, "</w>");
    expect_refused(with("model", "ignore_merges", json_string("yes")), OB_EFORMAT, "\"ignore_merges\"");
    expect_refused(with_added(END + 1, "", "single_word"), OB_EFORMAT, "content");
    json_t *root = with("model", "unk_token", json_string("<|end|>"));
    json_object_del(json_object_get(json_object_get(root, "model"), "vocab"), "z");
    expect_refused(root, OB_EUNSUPPORTED, "\"unk_token\": \"<|end|>\"");
}

static void parse_names_pre_tokenizers_that_are_not_supported(void **state) {
    (void)state;
    expect_refused(with_pre("{\"type\":\"Whitespace\"}"), OB_EUNSUPPORTED, "pre_tokenizer: \"Whitespace\"");
    expect_refused(with("pre_tokenizer", NULL, json_null()), OB_EUNSUPPORTED,
                   "BPE without a ByteLevel pre_tokenizer");
    expect_refused(with("pre_tokenizer", NULL, json_integer(3)), OB_EFORMAT, "pre_tokenizer");
    expect_refused(with_pre("{\"type\":7}"), OB_EFORMAT, "no \"type\"");
    expect_refused(with_pre("{\"type\":\"Digits\",\"individual_digits\":true}"), OB_EUNSUPPORTED,
                   "BPE without a ByteLevel pre_tokenizer");
    expect_refused(with_pre("{\"type\":\"Sequence\"}"), OB_EFORMAT, "no \"pretokenizers\"");
    expect_refused(with_pre("{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"ByteLevel\"},"
                            "{\"type\":\"Digits\",\"individual_digits\":true}]}"),
                   OB_EUNSUPPORTED, "after ByteLevel");
    json_t *deep = json_pack("{s:s}", "type", "ByteLevel");
    for (int i = 0; i < 6; i++)
        deep = json_pack("{s:s, s:[o]}", "type", "Sequence", "pretokenizers", deep);
    expect_refused(with("pre_tokenizer", NULL, deep), OB_ETOOBIG, "Sequences");
    json_t *many = json_pack("{s:s, s:[]}", "type", "Sequence", "pretokenizers");
    for (int i = 0; i < 9; i++)
        json_array_append_new(json_object_get(many, "pretokenizers"), json_pack("{s:s}", "type", "Digits"));
    expect_refused(with("pre_tokenizer", NULL, many), OB_ETOOBIG, "more than 8");
}

static void parse_names_patterns_that_are_not_supported(void **state) {
    (void)state;
    static const char *const PATTERNS[] = {
        "a\\w",        "\\bx",      "x$",       "^x",
        "[a[b]]",      "[a&&b]",    "[]a]",     "a{,3}",
        "a{1,2}+",     "a{1}?",     "(?i)a",    "(?<n>a)",
        "(*UTF)",      "\\pL",      "\\p{Han}", "\\p{C}",
        "[\\P{L}]",    "[\\D]",     "[a-\\d]",  "[\\d-a]",
        "\\1",         "[a",        "a\\",      "\\x41",
        "\\x{110000}", "\\x{D800}", "\\u12",    "a**",
        "[z-a]",       "(a",        "",         "\\p{L",
        "(?<=a)b",     "\\h",       "\\R",      "((a{60000}){60000}){60000}",
        "]",           "}",
    };
    for (size_t i = 0; i < sizeof PATTERNS / sizeof *PATTERNS; i++) {
        json_t *split = json_pack("{s:s, s:{s:s}, s:s, s:b}", "type", "Split", "pattern", "Regex",
                                  PATTERNS[i], "behavior", "Isolated", "invert", 0);
        expect_refused(with("pre_tokenizer", NULL, split), OB_EUNSUPPORTED, "pre_tokenizer: ");
    }
    json_t *split =
        json_pack("{s:s, s:{s:s}, s:s}", "type", "Split", "pattern", "Regex", "a", "behavior", "Contiguous");
    expect_refused(with("pre_tokenizer", NULL, split), OB_EUNSUPPORTED, "Contiguous");
    split = json_pack("{s:s, s:{s:i}, s:s}", "type", "Split", "pattern", "Regex", 1, "behavior", "Isolated");
    expect_refused(with("pre_tokenizer", NULL, split), OB_EFORMAT, "\"pattern\"");
    split = json_pack("{s:s, s:{s:s}}", "type", "Split", "pattern", "Regex", "a");
    expect_refused(with("pre_tokenizer", NULL, split), OB_EFORMAT, "\"behavior\"");
    char *longest = calloc(1, 5000);
    assert_non_null(longest);
    memset(longest, 'a', 4999);
    split = json_pack("{s:s, s:{s:s}, s:s}", "type", "Split", "pattern", "Regex", longest, "behavior",
                      "Isolated");
    expect_refused(with("pre_tokenizer", NULL, split), OB_ETOOBIG, "4999");
    free(longest);
}

static void encode_too_hard_for_the_pattern_is_refused(void **state) {
    (void)state;
    json_t *pre =
        json_pack("{s:s, s:[{s:s, s:{s:s}, s:s, s:b}, {s:s, s:b, s:b}]}", "type", "Sequence", "pretokenizers",
                  "type", "Split", "pattern", "Regex", "(a|a|aa)*b", "behavior", "Isolated", "invert", 0,
                  "type", "ByteLevel", "use_regex", 0, "add_prefix_space", 0);
    struct ob_tokenizer *tokenizer = from_json(with("pre_tokenizer", NULL, pre));
    struct ob_error error = {0};
    int32_t *ids = NULL;
    size_t count = 0;
    char text[200];
    memset(text, 'a', sizeof text);
    text[199] = 'c';
    assert_int_equal(ob_tokenizer_encode(tokenizer, NULL, text, sizeof text, &ids, &count, &error), OB_OK);
    free(ids); /* PCRE2 sees that there is no b */
    text[198] = 'b';
    text[150] = 'c';
    ids = NULL;
    assert_int_equal(ob_tokenizer_encode(tokenizer, NULL, text, sizeof text, &ids, &count, &error),
                     OB_ETOOBIG);
    assert_non_null(strstr(error.text, "takes too long"));
    assert_null(ids);
    ob_tokenizer_free(tokenizer);
}

static void open_reads_a_folder(void **state) {
    (void)state;
    struct test_folder place;
    char path[TEST_PATH_MAX];
    struct ob_tokenizer *tokenizer = NULL;
    struct ob_error error = {0};
    test_folder_make(&place);
    const char *folder = place.path;
    test_folder_path(&place, "tokenizer.json", path);
    assert_int_equal(ob_tokenizer_open(folder, &tokenizer, &error), OB_ENOTFOUND);
    assert_non_null(strstr(error.text, path));
    test_json_write(path, fixture_json());
    assert_int_equal(ob_tokenizer_open(folder, &tokenizer, &error), OB_OK);
    expect_ids(tokenizer, "hello", 5, HELLO, -1);
    ob_tokenizer_free(tokenizer);
    tokenizer = NULL;
    assert_int_equal(truncate(path, (off_t)(64 << 20) + 1), 0);
    assert_int_equal(ob_tokenizer_open(folder, &tokenizer, &error), OB_ETOOBIG);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(ob_tokenizer_open(folder, &tokenizer, &error), OB_EFORMAT);
    assert_null(tokenizer);
    test_folder_remove(&place);
}

/* The fixture as the files that came before tokenizer.json. */
static void write_old_files(const struct test_folder *place) {
    char path[TEST_PATH_MAX];
    json_t *root = fixture_json(), *vocab = json_object_get(json_object_get(root, "model"), "vocab");
    assert_int_equal(json_object_set_new(vocab, "<|end|>", json_integer(END)), 0);
    test_json_write(test_folder_path(place, "vocab.json", path), json_incref(vocab));
    json_decref(root);
    test_folder_print(place, "merges.txt", "#version: 0.2\nh e\nl l\nhe ll\nhell o\n\u0120 w\r\no r\na a\n");
}

static void expect_open_refused(const char *folder, enum ob_err code, const char *words) {
    struct ob_tokenizer *tokenizer = NULL;
    struct ob_error error = {0};
    enum ob_err err = ob_tokenizer_open(folder, &tokenizer, &error);
    if (err != code || strstr(error.text, words) == NULL || strstr(error.text, folder) == NULL)
        fail_msg("expected %s (%s), not %s: %s", ob_err_text(code), words, ob_err_text(err), error.text);
    assert_null(tokenizer);
}

static struct ob_tokenizer *open_folder(const char *folder) {
    struct ob_tokenizer *tokenizer = NULL;
    struct ob_error error = {0};
    if (ob_tokenizer_open(folder, &tokenizer, &error))
        fail_msg("%s", error.text);
    return tokenizer;
}

static void open_reads_vocab_and_merges(void **state) {
    (void)state;
    struct test_folder place;
    char path[TEST_PATH_MAX];
    test_folder_make(&place);
    const char *folder = place.path;
    write_old_files(&place);
    expect_open_refused(folder, OB_ENOTFOUND, "config.json"); /* nothing says how it cuts a text */
    test_folder_print(&place, "config.json", "{\"model_type\": \"bloom\"}");
    expect_open_refused(folder, OB_EUNSUPPORTED, "\"bloom\"");
    test_folder_print(&place, "config.json", "{\"model_type\": \"opt\"}");
    struct ob_tokenizer *tokenizer = open_folder(folder);
    expect_ids(tokenizer, "hello  world<|end|>", 19, HELLO, ' ', SPACE_W, OR, 'l', 'd', '<', '|', 'e', 'n',
               'd', '|', '>', -1); /* nothing says that it is special */
    assert_int_equal(ob_tokenizer_affixes(tokenizer).prefix_count, 0);
    ob_tokenizer_free(tokenizer);
    test_folder_print(
        &place, "tokenizer_config.json",
        "{\"tokenizer_class\": \"GPT2TokenizerFast\", \"bos_token\": {\"content\": \"<|end|>\"},"
        "\"eos_token\": \"<end>\", \"add_bos_token\": true, \"add_eos_token\": true,"
        "\"add_prefix_space\": true}");
    tokenizer = open_folder(folder);
    expect_ids(tokenizer, "world<|end|><end>", 17, SPACE_W, OR, 'l', 'd', END, END + 1, -1);
    struct ob_tokenizer_affixes affixes = ob_tokenizer_affixes(tokenizer);
    assert_int_equal(affixes.prefix_count, 1);
    assert_int_equal(affixes.prefix[0], END);
    assert_int_equal(affixes.suffix_count, 1);
    assert_int_equal(affixes.suffix[0], END + 1);
    ob_tokenizer_free(tokenizer);
    test_folder_print(
        &place, "tokenizer_config.json",
        "{\"tokenizer_class\": \"Qwen2Tokenizer\", \"added_tokens_decoder\": {\"264\": {\"content\": "
        "\"<b>\"},"
        "\"263\": {\"content\": \"<|end|>\", \"special\": true}}}");
    tokenizer = open_folder(folder);
    expect_ids(tokenizer, "e\u0301<b><|end|>", 13, 0xc3, 0xa9, END + 1, END, -1); /* NFC */
    ob_tokenizer_free(tokenizer);
    test_folder_print(&place, "tokenizer_config.json",
                      "{\"tokenizer_class\": \"GPT2Tokenizer\", \"add_bos_token\": true}");
    expect_open_refused(folder, OB_EFORMAT, "\"bos_token\"");
    test_folder_print(&place, "merges.txt", "h e\n\xff\xff x\n");
    expect_open_refused(folder, OB_EFORMAT, "merges.txt: line 2");
    test_folder_write(&place, "tokenizer.model", "", 0);
    test_remove(test_folder_path(&place, "merges.txt", path));
    expect_open_refused(folder, OB_EUNSUPPORTED, "save_pretrained");
    test_folder_remove(&place);
}

static void *encode_many(void *context) {
    for (int i = 0; i < 300; i++) {
        int32_t *ids = NULL;
        size_t count = 0;
        if (ob_tokenizer_encode(context, NULL, "hello world 123 <|end|> hello", 29, &ids, &count, NULL) !=
            OB_OK)
            return NULL;
        bool right = count == 13 && ids[0] == HELLO && ids[10] == END;
        free(ids);
        if (!right)
            return NULL;
    }
    return context;
}

static void encode_in_many_threads(void **state) {
    (void)state;
    struct ob_tokenizer *tokenizer = fixture_tokenizer();
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, encode_many, tokenizer), 0);
    for (int i = 0; i < 4; i++) {
        void *result = NULL;
        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_ptr_equal(result, tokenizer);
    }
    ob_tokenizer_free(tokenizer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encode_merges_by_rank),
        cmocka_unit_test(encode_empty_gives_no_array),
        cmocka_unit_test(encode_splits_before_it_merges),
        cmocka_unit_test(encode_invalid_utf8_byte_for_byte),
        cmocka_unit_test(encode_added_tokens_first),
        cmocka_unit_test(encode_plain_makes_no_special_token),
        cmocka_unit_test(encode_long_pieces_in_good_time),
        cmocka_unit_test(encode_beyond_limit_is_refused),
        cmocka_unit_test(encode_digits_and_splits),
        cmocka_unit_test(encode_whole_piece_with_ignore_merges),
        cmocka_unit_test(encode_byte_without_token_is_left_out),
        cmocka_unit_test(encode_too_hard_for_the_pattern_is_refused),
        cmocka_unit_test(encode_in_many_threads),
        cmocka_unit_test(decode_refuses_unknown_ids),
        cmocka_unit_test(decode_leaves_out_special_tokens),
        cmocka_unit_test(decode_added_token_is_its_content),
        cmocka_unit_test(parse_old_file_without_types),
        cmocka_unit_test(parse_refuses_broken_json),
        cmocka_unit_test(parse_refuses_bad_ids),
        cmocka_unit_test(parse_refuses_bad_merges),
        cmocka_unit_test(parse_names_what_is_not_supported),
        cmocka_unit_test(parse_names_pre_tokenizers_that_are_not_supported),
        cmocka_unit_test(parse_names_patterns_that_are_not_supported),
        cmocka_unit_test(open_reads_a_folder),
        cmocka_unit_test(open_reads_vocab_and_merges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
