/* A JSON Lines file in /tmp and the tokenizer of tokenizer_fixture.h, for tests of corpora. */
#ifndef OB_TESTS_CORPUS_FIXTURE_H
#define OB_TESTS_CORPUS_FIXTURE_H

#include "tests/unit/model/tokenizer/tokenizer_fixture.h"

#include <stdio.h>
#include <unistd.h>

#include "model/data/corpus.h"
#include "tests/support/folder.h"

static struct test_folder folder;
static char path[TEST_PATH_MAX];
static struct ob_tokenizer *tokenizer;

static inline int setup(void **state) {
    (void)state;
    test_folder_make(&folder);
    test_file_write(test_folder_path(&folder, "rows.jsonl", path), "", 0);
    tokenizer = fixture_tokenizer();
    return 0;
}

static inline int teardown(void **state) {
    (void)state;
    ob_tokenizer_free(tokenizer);
    test_folder_remove(&folder);
    return 0;
}

static inline void write_rows(const char *rows, size_t bytes) {
    test_file_write(path, rows, bytes);
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
