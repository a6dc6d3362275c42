/* fuzz_rows_cache - any bytes as the cache of a row file: refused, or sequences and items that are what the format says,
 * and that are written as the same bytes. The key and the checksum are put right, so that what lies between is looked at;
 * every fourth input stays as it is. */
#include <assert.h>
#include <sodium/crypto_generichash.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "model/data/cache.h"
#include "tests/fuzz/memory_file.h"
#include "tests/support/folder.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

#define HEAD 40 /* magic and key */
#define HASH 32

static void check(const struct ob_token_store *store, const struct ob_cache_bounds *bounds) {
    uint64_t at = 0, sequence = 0;
    for (size_t i = 0; i < store->tokens_count; i++)
        assert(store->tokens[i] >= 0 && (uint32_t)store->tokens[i] < bounds->vocabulary &&
               store->loss_mask[i] <= 1);
    for (size_t i = 0; i < store->sequences_count; i++) {
        const struct ob_sequence *s = &store->sequences[i];
        assert(s->start == at && s->count >= 2 && s->count <= bounds->length_max &&
               store->loss_mask[at] == 0);
        at += s->count;
    }
    assert(at == store->tokens_count);
    for (size_t i = 0; i < store->items_count; i++) {
        assert(store->items[i].first == sequence && store->items[i].label < store->items[i].count);
        sequence += store->items[i].count;
    }
    assert(store->items_count == 0 || sequence == store->sequences_count);
}

static void write_again(const struct ob_token_store *store, const struct ob_cache_bounds *bounds,
                        size_t skipped, const uint8_t *file, size_t bytes) {
    struct test_folder folder;
    char path[TEST_PATH_MAX];
    size_t written = 0;
    test_folder_make(&folder);
    test_folder_path(&folder, "cache", path);
    if (ob_cache_write(path, bounds->key, store, skipped, NULL) == OB_OK) {
        char *again = test_file_read(path, &written);
        if (written != bytes || memcmp(again, file, bytes) != 0)
            abort();
        free(again);
    }
    test_folder_remove(&folder);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    static const uint8_t MAGIC[8] = {'O', 'B', 'R', 'O', 'W', 'S', 0, 1};
    struct ob_cache_bounds bounds = {.vocabulary = 1000, .length_max = 16};
    struct ob_token_store store = {0};
    size_t skipped = 0, all = bytes > 0 && data[0] % 4 == 0 ? bytes : HEAD + bytes + HASH;
    uint8_t *file = calloc(all + 1, 1);
    if (file == NULL)
        return 0;
    if (all == bytes) {
        memcpy(file, data, bytes);
    } else {
        memcpy(file, MAGIC, sizeof MAGIC);
        if (bytes > 1)
            memcpy(file + HEAD, data + 1, bytes - 1);
        all -= bytes > 0;
        crypto_generichash(file + all - HASH, HASH, file, all - HASH, NULL, 0);
    }
    struct memory_file input = memory_file_new(file, all);
    struct ob_error error = {0};
    enum ob_err err = ob_cache_read(input.path, &bounds, &store, &skipped, &error);
    if (err != OB_OK && error.text[0] == 0)
        abort();
    if (err == OB_OK) {
        check(&store, &bounds);
        write_again(&store, &bounds, skipped, file, all);
    }
    ob_token_store_done(&store);
    memory_file_free(&input);
    free(file);
    return 0;
}
