/* A JSON Lines file in /tmp and the tokenizer of tokenizer_fixture.h, for tests of corpora. */
#ifndef OB_TESTS_CORPUS_FIXTURE_H
#define OB_TESTS_CORPUS_FIXTURE_H

#include "tests/unit/model/tokenizer/tokenizer_fixture.h"

#include <stdio.h>
#include <unistd.h>

#include "model/data/corpus.h"

static char path[] = "/tmp/ob_corpus_XXXXXX";
static struct ob_tokenizer *tokenizer;

static inline int setup(void **state) {
    (void)state;
    int file = mkstemp(path);
    tokenizer = fixture_tokenizer();
    return file < 0 ? -1 : close(file);
}

static inline int teardown(void **state) {
    (void)state;
    ob_tokenizer_free(tokenizer);
    return unlink(path);
}

static inline void write_rows(const char *rows, size_t bytes) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(rows, 1, bytes, file), bytes);
    assert_int_equal(fclose(file), 0);
}

static inline struct ob_corpus *open_rows(const char *rows, size_t length_max) {
    struct ob_corpus *corpus = NULL;
    struct ob_error error = {0};
    write_rows(rows, strlen(rows));
    struct ob_corpus_options options = {.length_max = length_max};
    if (ob_corpus_open(path, tokenizer, &options, &corpus, &error) != OB_OK)
        fail_msg("%s", error.text);
    return corpus;
}

#endif
