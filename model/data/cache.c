#include "model/data/cache.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium/crypto_generichash.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/access.h"
#include "base/cursor.h"
#include "base/file.h"
#include "base/limits.h"

#define HEAD_BYTES   72u
#define HASH_BYTES   32u
#define COUNT_MAX    (1ull << 40) /* of anything: far from any overflow */
#define SPARE_BYTES  (256ull << 20)
#define CHUNK_VALUES 4096

static const uint8_t MAGIC[8] = {'O', 'B', 'R', 'O', 'W', 'S', 0, 1};

struct head {
    uint64_t tokens, sequences, items, skipped;
};

static uint64_t file_bytes(const struct head *head) {
    return HEAD_BYTES + 5 * head->tokens + 4 * head->sequences + 12 * head->items + HASH_BYTES;
}

/* ---- reading ---- */

struct reading {
    const char *path;
    const struct ob_cache_bounds *bounds;
    const uint8_t *data;
    uint64_t bytes;
    struct head head;
    struct ob_token_store store;
    struct ob_error *error;
};

static enum ob_err damaged(const struct reading *r, const char *why) {
    return ob_fail(r->error, OB_EFORMAT, "%s: damaged: %s", r->path, why);
}

static enum ob_err read_head(struct reading *r) {
    struct ob_reader reader = ob_reader_init(r->data, HEAD_BYTES);
    uint8_t magic[8], key[OB_CACHE_KEY_BYTES], hash[HASH_BYTES];
    if (r->bytes < HEAD_BYTES + HASH_BYTES)
        return damaged(r, "it is too short");
    ob_read_bytes(&reader, magic, sizeof magic);
    ob_read_bytes(&reader, key, sizeof key);
    r->head.tokens = ob_read_u64(&reader);
    r->head.sequences = ob_read_u64(&reader);
    r->head.items = ob_read_u64(&reader);
    r->head.skipped = ob_read_u64(&reader);
    assert(!reader.failed && reader.left == 0);
    if (memcmp(magic, MAGIC, sizeof magic) != 0 || memcmp(key, r->bounds->key, sizeof key) != 0)
        return ob_fail(r->error, OB_EMISMATCH, "%s: holds the tokens of other rows or another tokenizer",
                       r->path);
    if (r->head.tokens > COUNT_MAX || r->head.sequences > UINT32_MAX || r->head.items > UINT32_MAX ||
        r->head.skipped > COUNT_MAX || file_bytes(&r->head) != r->bytes)
        return damaged(r, "its size is not what its head says");
    crypto_generichash(hash, sizeof hash, r->data, r->bytes - HASH_BYTES, NULL, 0);
    return memcmp(hash, r->data + r->bytes - HASH_BYTES, sizeof hash) == 0
               ? OB_OK
               : damaged(r, "its checksum does not match");
}

static enum ob_err allocate(struct reading *r) {
    struct ob_token_store *store = &r->store;
    store->tokens_max = store->loss_mask_max = (size_t)r->head.tokens;
    store->sequences_max = (size_t)r->head.sequences;
    store->items_max = (size_t)r->head.items;
    store->tokens = calloc(store->tokens_max + 1, sizeof *store->tokens);
    store->loss_mask = calloc(store->loss_mask_max + 1, 1);
    store->sequences = calloc(store->sequences_max + 1, sizeof *store->sequences);
    store->items = calloc(store->items_max + 1, sizeof *store->items);
    return store->tokens && store->loss_mask && store->sequences && store->items
               ? OB_OK
               : ob_fail(r->error, OB_ENOMEM, "%s: not enough memory for its tokens", r->path);
}

static enum ob_err read_tokens(struct reading *r) {
    const uint8_t *at = r->data + HEAD_BYTES;
    uint32_t all = 0;
    for (size_t i = 0; i < r->head.tokens; i++) {
        uint32_t id = ob_load_u32(at + 4 * i);
        all |= id >= r->bounds->vocabulary;
        r->store.tokens[i] = (int32_t)id;
    }
    r->store.tokens_count = (size_t)r->head.tokens;
    return all == 0 ? OB_OK : damaged(r, "a token is not in the vocabulary");
}

static enum ob_err read_sequences(struct reading *r) {
    const uint8_t *at = r->data + HEAD_BYTES + 4 * r->head.tokens;
    const uint8_t *mask = at + 4 * r->head.sequences + 12 * r->head.items;
    uint64_t start = 0;
    for (size_t i = 0; i < r->head.sequences; i++) {
        uint32_t count = ob_load_u32(at + 4 * i);
        if (count < 2 || count > r->bounds->length_max || count > r->head.tokens - start)
            return damaged(r, "the length of a sequence");
        uint8_t targets = 0, other = 0;
        for (uint32_t k = 0; k < count; k++) {
            targets |= mask[start + k];
            other |= mask[start + k] > 1;
        }
        if (mask[start] != 0 || targets == 0 || other)
            return damaged(r, "the loss mask of a sequence");
        r->store.sequences[i] = (struct ob_sequence){.start = start, .count = count};
        start += count;
    }
    memcpy(r->store.loss_mask, mask, (size_t)r->head.tokens);
    r->store.sequences_count = (size_t)r->head.sequences;
    return start == r->head.tokens ? OB_OK : damaged(r, "tokens that belong to no sequence");
}

static enum ob_err read_items(struct reading *r) {
    const uint8_t *at = r->data + HEAD_BYTES + 4 * r->head.tokens + 4 * r->head.sequences;
    uint64_t next = 0;
    for (size_t i = 0; i < r->head.items; i++, at += 12) {
        struct ob_choice_item item = {ob_load_u32(at), ob_load_u32(at + 4), ob_load_u32(at + 8)};
        if (item.first != next || item.count < 2 || item.count > OB_CORPUS_CHOICES_MAX ||
            item.label >= item.count)
            return damaged(r, "an item");
        next += item.count;
        r->store.items[i] = item;
    }
    r->store.items_count = (size_t)r->head.items;
    return r->head.items == 0 || next == r->head.sequences ? OB_OK
                                                           : damaged(r, "sequences that belong to no item");
}

static enum ob_err read_mapped(struct reading *r) {
    enum ob_err err = read_head(r);
    if (err == OB_OK)
        err = allocate(r);
    if (err == OB_OK)
        err = read_tokens(r);
    if (err == OB_OK)
        err = read_sequences(r);
    return err == OB_OK ? read_items(r) : err;
}

/* A private copy in memory: a file that is cut short meanwhile must not kill us. */
static enum ob_err load(struct reading *r, int file) {
    struct stat status;
    if (fstat(file, &status) != 0 || !S_ISREG(status.st_mode))
        return ob_fail(r->error, OB_EIO, "%s: not a regular file", r->path);
    r->bytes = (uint64_t)status.st_size;
    uint8_t *data =
        mmap(NULL, (size_t)r->bytes + 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data == MAP_FAILED)
        return ob_fail(r->error, OB_ENOMEM, "%s: not enough memory to read it", r->path);
    r->data = data;
    for (uint64_t at = 0; at < r->bytes;) {
        ssize_t got = read(file, data + at, (size_t)(r->bytes - at));
        if (got <= 0 && errno != EINTR)
            return ob_fail(r->error, OB_EIO, "%s: cannot be read to its end", r->path);
        at += got > 0 ? (uint64_t)got : 0;
    }
    return OB_OK;
}

enum ob_err ob_cache_read(const char *path, const struct ob_cache_bounds *bounds,
                          struct ob_token_store *ret_store, size_t *ret_skipped, struct ob_error *error) {
    struct reading r = {.path = path, .bounds = bounds, .error = error};
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return ob_access_fail(error, path, "cannot open", errno);
    enum ob_err err = load(&r, file);
    if (err == OB_OK)
        err = read_mapped(&r);
    if (r.data != NULL)
        (void)munmap((void *)(uintptr_t)r.data, (size_t)r.bytes + 1);
    (void)close(file);
    if (err != OB_OK) {
        ob_token_store_done(&r.store);
        return err;
    }
    *ret_store = r.store;
    *ret_skipped = (size_t)r.head.skipped;
    return OB_OK;
}

/* ---- writing ---- */

struct writing {
    struct ob_output output;
    crypto_generichash_state hash;
    uint8_t buffer[4 * CHUNK_VALUES];
    size_t used;
};

static void flush(struct writing *w) {
    crypto_generichash_update(&w->hash, w->buffer, w->used);
    ob_output_write(&w->output, w->buffer, w->used);
    w->used = 0;
}

static void put_u32(struct writing *w, uint32_t value) {
    if (w->used + 4 > sizeof w->buffer)
        flush(w);
    ob_store_u32(w->buffer + w->used, value);
    w->used += 4;
}

static void put_u64(struct writing *w, uint64_t value) {
    put_u32(w, (uint32_t)value);
    put_u32(w, (uint32_t)(value >> 32));
}

static void put_bytes(struct writing *w, const uint8_t *data, size_t bytes) {
    flush(w);
    crypto_generichash_update(&w->hash, data, bytes);
    ob_output_write(&w->output, data, bytes);
}

static void put_all(struct writing *w, const uint8_t *key, const struct ob_token_store *store,
                    const struct head *head) {
    uint8_t hash[HASH_BYTES];
    put_bytes(w, MAGIC, sizeof MAGIC);
    put_bytes(w, key, OB_CACHE_KEY_BYTES);
    put_u64(w, head->tokens);
    put_u64(w, head->sequences);
    put_u64(w, head->items);
    put_u64(w, head->skipped);
    for (size_t i = 0; i < store->tokens_count; i++)
        put_u32(w, (uint32_t)store->tokens[i]);
    for (size_t i = 0; i < store->sequences_count; i++)
        put_u32(w, store->sequences[i].count);
    for (size_t i = 0; i < store->items_count; i++) {
        put_u32(w, store->items[i].first);
        put_u32(w, store->items[i].count);
        put_u32(w, store->items[i].label);
    }
    put_bytes(w, store->loss_mask, store->tokens_count);
    crypto_generichash_final(&w->hash, hash, sizeof hash);
    ob_output_write(&w->output, hash, sizeof hash);
}

/* The log's room is worth more. */
static enum ob_err check_room(const char *folder, uint64_t bytes, struct ob_error *error) {
    struct statvfs status;
    if (statvfs(folder, &status) != 0 ||
        (uint64_t)status.f_bavail * status.f_frsize >= 2 * bytes + SPARE_BYTES)
        return OB_OK;
    return ob_fail(error, OB_EFULL, "%s: not enough room to keep %llu MB of tokens there", folder,
                   (unsigned long long)(bytes >> 20));
}

enum ob_err ob_cache_write(const char *path, const uint8_t key[static OB_CACHE_KEY_BYTES],
                           const struct ob_token_store *store, size_t skipped, struct ob_error *error) {
    struct head head = {store->tokens_count, store->sequences_count, store->items_count, skipped};
    char folder[OB_PATH_MAX] = ".";
    const char *slash = strrchr(path, '/');
    if (slash != NULL && (size_t)(slash - path) >= sizeof folder)
        return ob_fail(error, OB_EUSAGE, "%.60s...: the name is too long", path);
    if (slash != NULL) {
        memcpy(folder, path, (size_t)(slash - path));
        folder[slash - path] = 0;
    }
    enum ob_err err = check_room(folder, file_bytes(&head), error);
    struct writing *w = err == OB_OK ? malloc(sizeof *w) : NULL;
    if (w == NULL)
        return err != OB_OK ? err : ob_fail(error, OB_ENOMEM, "%s: not enough memory to write it", path);
    w->used = 0;
    crypto_generichash_init(&w->hash, NULL, 0, HASH_BYTES);
    err = ob_output_open(&w->output, folder, slash != NULL ? slash + 1 : path, error);
    if (err == OB_OK) {
        put_all(w, key, store, &head);
        err = ob_output_close(&w->output, OB_OK);
    }
    free(w);
    return err;
}
