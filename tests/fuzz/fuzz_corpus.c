/* fuzz_corpus - any bytes as a JSON Lines file: refused, or rows all of which make mini-batches. The first
 * byte is the length, the second the kind of chat template. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "model/convert/open_tokenizer.h"
#include "model/data/corpus.h"
#include "tests/fuzz/memory_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* Tokenizers with the control tokens of real families, and formats that go with them. */
static const struct {
    const char *folder, *formats[4];
} FAMILIES[] = {
    {"qwen", {"chatml", "qwen2.5", "qwen3", "qwen2"}},
    {"llama3", {"llama3", "llama3.1", "llama3", "llama3.1"}},
    {"llama2", {"llama2", "mistral-v1", "zephyr", "mistral-v0.1"}},
    {"gemma", {"gemma", "gemma3", "gemma", "gemma3"}},
};
#define FAMILY_COUNT (sizeof FAMILIES / sizeof *FAMILIES)

static const struct ob_tokenizer *tokenizer_of(size_t family, const char *folder) {
    static struct ob_tokenizer *tokenizers[FAMILY_COUNT]; /* live as long as the program */
    struct ob_error error = {0};
    if (tokenizers[family] == NULL && ob_tokenizer_open(folder, &tokenizers[family], &error) != OB_OK)
        abort();
    return tokenizers[family];
}

/* Each row once, and a few mini-batches. */
static void draw(const struct ob_corpus *corpus, size_t length_max) {
    struct ob_batch *batch = NULL;
    size_t items = ob_corpus_items(corpus), sequences = ob_corpus_item_sequences(corpus),
           tokens = ob_corpus_item_tokens(corpus);
    assert(items > 0 && tokens <= sequences * length_max && ob_corpus_targets(corpus) > 0);
    if (ob_batch_new(2 * sequences, 2 * tokens, &batch, NULL) != OB_OK)
        return;
    for (size_t i = 0; i < items; i++) {
        ob_batch_clear(batch);
        if (!ob_corpus_add(corpus, i, batch) || ob_batch_targets(batch) == 0)
            abort(); /* an item fits into the room for one, and has something to train on */
    }
    for (uint64_t number = 0; number < 4; number++)
        ob_corpus_draw(corpus, 1, number, 2, batch);
    ob_batch_free(batch);
}

static void note(void *context, const struct ob_row_report *report) {
    size_t *rows = context;
    if (report->fate != OB_ROW_KEPT && (report->why == NULL || report->why[0] == 0))
        abort();
    ++*rows;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    if (bytes < 2)
        return 0;
    char folder[256];
    size_t family = data[1] % FAMILY_COUNT, rows = 0;
    (void)snprintf(folder, sizeof folder, "%s/tests/parity/chat/%s", OB_SOURCE_ROOT, FAMILIES[family].folder);
    struct ob_corpus_options options = {.length_max = 2 + data[0] % 128,
                                        .model = folder,
                                        .chat_template =
                                            FAMILIES[family].formats[data[1] / FAMILY_COUNT % 4]};
    struct memory_file file = memory_file_new(data + 2, bytes - 2);
    const struct ob_tokenizer *tokenizer = tokenizer_of(family, folder);
    struct ob_corpus *corpus = NULL;
    struct ob_error error;
    if (ob_corpus_open(file.path, tokenizer, &options, &corpus, &error) == OB_OK)
        draw(corpus, options.length_max);
    ob_corpus_free(corpus);
    corpus = NULL;
    options.report = note;
    options.context = &rows;
    if (ob_corpus_open(file.path, tokenizer, &options, &corpus, NULL) == OB_OK)
        draw(corpus, options.length_max);
    ob_corpus_free(corpus);
    memory_file_free(&file);
    return 0;
}
