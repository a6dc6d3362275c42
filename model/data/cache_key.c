#include "model/data/cache_key.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium/crypto_generichash.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/access.h"
#include "base/cursor.h"

#define CHUNK_BYTES  (1u << 20)
#define BATCH_CHUNKS 32 /* between two looks at whether to go on */
#define LEAF_BYTES   32

/* The file's hash is that of the hashes of its chunks, so that all threads make it. */
struct hashing {
    const char *path;
    int file;
    uint64_t first, size; /* chunk; bytes of the file */
    uint8_t (*leaves)[LEAF_BYTES];
    uint8_t *buffers[OB_POOL_THREADS_MAX];
    _Atomic bool failed;
};

static bool read_chunk(struct hashing *h, uint64_t chunk, uint8_t *buffer, size_t *ret_bytes) {
    uint64_t start = chunk * CHUNK_BYTES;
    size_t wanted = h->size - start < CHUNK_BYTES ? (size_t)(h->size - start) : CHUNK_BYTES, used = 0;
    while (used < wanted) {
        ssize_t got = pread(h->file, buffer + used, wanted - used, (off_t)(start + used));
        if (got == 0 || (got < 0 && errno != EINTR))
            return false;
        used += got > 0 ? (size_t)got : 0;
    }
    *ret_bytes = wanted;
    return true;
}

static void hash_chunk(void *context, size_t index, unsigned thread) {
    struct hashing *h = context;
    uint64_t chunk = h->first + index;
    size_t bytes = 0;
    if (h->buffers[thread] == NULL)
        h->buffers[thread] = malloc(CHUNK_BYTES);
    if (h->buffers[thread] == NULL || !read_chunk(h, chunk, h->buffers[thread], &bytes))
        h->failed = true;
    else
        crypto_generichash(h->leaves[chunk], LEAF_BYTES, h->buffers[thread], bytes, NULL, 0);
}

static enum ob_err hash_chunks(struct hashing *h, struct ob_pool *pool,
                               const struct ob_progress_callback *progress, uint8_t *ret_hash,
                               struct ob_error *error) {
    uint64_t chunks = (h->size + CHUNK_BYTES - 1) / CHUNK_BYTES;
    h->leaves = calloc((size_t)chunks + 1, sizeof *h->leaves);
    if (h->leaves == NULL)
        return ob_fail(error, OB_ENOMEM, "%s: not enough memory to read it", h->path);
    enum ob_err err = OB_OK;
    for (h->first = 0; err == OB_OK && h->first < chunks; h->first += BATCH_CHUNKS) {
        size_t batch = chunks - h->first < BATCH_CHUNKS ? (size_t)(chunks - h->first) : BATCH_CHUNKS;
        ob_pool_run(pool, batch, hash_chunk, h);
        uint64_t done = (h->first + batch) * CHUNK_BYTES;
        err = h->failed ? ob_fail(error, OB_EIO, "%s: cannot be read to its end", h->path)
                        : ob_progress_tell(progress, "hashing the rows", done < h->size ? done : h->size,
                                           h->size, error);
    }
    if (err == OB_OK)
        crypto_generichash(ret_hash, LEAF_BYTES, (const uint8_t *)h->leaves, (size_t)chunks * LEAF_BYTES,
                           NULL, 0);
    free(h->leaves);
    for (size_t i = 0; i < OB_POOL_THREADS_MAX; i++)
        free(h->buffers[i]);
    return err;
}

static enum ob_err hash_file(const char *path, struct ob_pool *pool,
                             const struct ob_progress_callback *progress, uint8_t *ret_hash,
                             uint64_t *ret_size, struct ob_error *error) {
    struct hashing *h = calloc(1, sizeof *h);
    struct stat status;
    if (h == NULL)
        return ob_fail(error, OB_ENOMEM, "%s: not enough memory to read it", path);
    h->path = path;
    h->file = open(path, O_RDONLY | O_CLOEXEC);
    enum ob_err err = OB_OK;
    if (h->file < 0 || fstat(h->file, &status) != 0)
        err = ob_access_fail(error, path, "cannot open", errno);
    else if (!S_ISREG(status.st_mode))
        err = ob_fail(error, OB_EUNSUPPORTED, "%s: not a regular file", path);
    if (err == OB_OK) {
        *ret_size = h->size = (uint64_t)status.st_size;
        err = hash_chunks(h, pool, progress, ret_hash, error);
    }
    if (h->file >= 0)
        (void)close(h->file);
    free(h);
    return err;
}

static void add_u64(crypto_generichash_state *hash, uint64_t value) {
    uint8_t bytes[8];
    ob_store_u64(bytes, value);
    crypto_generichash_update(hash, bytes, sizeof bytes);
}

static void add_text(crypto_generichash_state *hash, const char *text) {
    add_u64(hash, strlen(text));
    crypto_generichash_update(hash, (const uint8_t *)text, strlen(text));
}

enum ob_err ob_cache_key(const struct ob_cache_question *question, struct ob_pool *pool,
                         const struct ob_progress_callback *progress,
                         uint8_t ret_key[static OB_CACHE_KEY_BYTES], struct ob_error *error) {
    const struct ob_row_encoder *encoder = question->encoder;
    uint8_t file[LEAF_BYTES], tokenizer[OB_TOKENIZER_DIGEST_BYTES];
    uint64_t size = 0;
    if (!ob_tokenizer_digest(encoder->tokenizer, tokenizer))
        return ob_fail(error, OB_EUNSUPPORTED, "%s: its tokenizer has no digest", question->path);
    enum ob_err err = hash_file(question->path, pool, progress, file, &size, error);
    if (err != OB_OK)
        return err;
    crypto_generichash_state hash;
    crypto_generichash_init(&hash, NULL, 0, OB_CACHE_KEY_BYTES);
    add_text(&hash, "onebyte rows " OB_VERSION);
    add_u64(&hash, OB_CACHE_ROWS_VERSION);
    crypto_generichash_update(&hash, file, sizeof file);
    add_u64(&hash, size);
    crypto_generichash_update(&hash, tokenizer, sizeof tokenizer);
    add_u64(&hash, encoder->length_max);
    add_u64(&hash, encoder->embedding_rows);
    add_u64(&hash, question->shards > 1 ? question->shards : 1);
    add_u64(&hash, question->shards > 1 ? question->shard : 0);
    add_text(&hash, encoder->chat != NULL ? ob_chat_name(encoder->chat) : "");
    add_u64(&hash, encoder->chat != NULL ? (uint64_t)(int64_t)ob_chat_bos(encoder->chat) : 0);
    add_u64(&hash, encoder->chat != NULL ? (uint64_t)(int64_t)ob_chat_eos(encoder->chat) : 0);
    crypto_generichash_final(&hash, ret_key, OB_CACHE_KEY_BYTES);
    return OB_OK;
}

struct ob_file_stamp ob_file_stamp(const char *path) {
    struct stat s;
    if (stat(path, &s) != 0)
        return (struct ob_file_stamp){0};
    return (struct ob_file_stamp){.device = (uint64_t)s.st_dev,
                                  .inode = (uint64_t)s.st_ino,
                                  .size = (uint64_t)s.st_size,
                                  .modified_ns = (int64_t)s.st_mtim.tv_sec * 1000000000 + s.st_mtim.tv_nsec,
                                  .changed_ns = (int64_t)s.st_ctim.tv_sec * 1000000000 + s.st_ctim.tv_nsec};
}
