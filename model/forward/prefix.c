#include "model/forward/prefix.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/access.h"

#define KEY_BYTES   16
#define TABLE_FIRST 1024 /* entries; a power of two */
#define FILE_STEP                                                                                            \
    ((size_t)16 << 20) /* reserved on the disk at a time, so that a full one is an answer, no signal */

struct entry {
    uint8_t key[KEY_BYTES];
    const float *states; /* NULL: free */
};

struct place {
    uint8_t *data; /* mapped, `room` bytes */
    size_t room, used;
    size_t reserved; /* of a file: bytes that the disk has given */
    bool full;       /* the disk gives no more */
};

struct ob_prefix {
    size_t width, entries, capacity; /* capacity: a power of two */
    struct entry *table;
    struct place memory, file;
    int fd; /* -1: no file */
    uint64_t hits, misses;
};

static void key_of(const int32_t *tokens, size_t count, uint32_t position, uint8_t ret_key[KEY_BYTES]) {
    uint8_t variant[crypto_generichash_KEYBYTES_MIN] = {0};
    memcpy(variant, &position, sizeof position);
    crypto_generichash(ret_key, KEY_BYTES, (const uint8_t *)tokens, count * sizeof *tokens, variant,
                       sizeof variant);
}

/* The entry with that key, or the free one where it belongs. */
static struct entry *find(struct entry *table, size_t capacity, const uint8_t key[KEY_BYTES]) {
    uint64_t start;
    memcpy(&start, key, sizeof start);
    for (size_t at = (size_t)start & (capacity - 1);; at = (at + 1) & (capacity - 1))
        if (!table[at].states || memcmp(table[at].key, key, KEY_BYTES) == 0)
            return &table[at];
}

/* At most half full, so that a search ends soon. False: no memory. */
static bool grow(struct ob_prefix *prefix) {
    if (2 * (prefix->entries + 1) <= prefix->capacity)
        return true;
    size_t capacity = 2 * prefix->capacity;
    struct entry *table = calloc(capacity, sizeof *table);
    if (!table)
        return false;
    for (size_t i = 0; i < prefix->capacity; i++)
        if (prefix->table[i].states)
            *find(table, capacity, prefix->table[i].key) = prefix->table[i];
    free(prefix->table);
    prefix->table = table;
    prefix->capacity = capacity;
    return true;
}

static int open_file(const char *folder) {
    int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR))
        return fd;
    char path[4200];
    (void)snprintf(path, sizeof path, "%s/prefix-XXXXXX", folder);
    fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0)
        (void)unlink(path);
    return fd;
}

static enum ob_err map_file(struct ob_prefix *prefix, const char *folder, size_t bytes,
                            struct ob_error *error) {
    prefix->fd = open_file(folder);
    if (prefix->fd < 0 || ftruncate(prefix->fd, (off_t)bytes) != 0)
        return ob_access_fail_writing(error, folder,
                                      "cannot create a file for the states of the frozen layers", errno);
    void *data = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, prefix->fd, 0);
    if (data == MAP_FAILED)
        return ob_access_fail_writing(error, folder,
                                      "cannot map the file for the states of the frozen layers", errno);
    prefix->file = (struct place){.data = data, .room = bytes};
    return OB_OK;
}

enum ob_err ob_prefix_new(size_t width, size_t memory_bytes, const char *folder, size_t file_bytes,
                          struct ob_prefix **ret_prefix, struct ob_error *error) {
    struct ob_prefix *prefix = calloc(1, sizeof *prefix);
    struct entry *table = calloc(TABLE_FIRST, sizeof *table);
    if (!prefix || !table) {
        free(prefix);
        free(table);
        return ob_fail(error, OB_ENOMEM, "not enough memory to keep states of the frozen layers");
    }
    *prefix = (struct ob_prefix){.width = width, .capacity = TABLE_FIRST, .table = table, .fd = -1};
    enum ob_err failed = OB_OK;
    if (memory_bytes > 0) {
        void *data = mmap(NULL, memory_bytes, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (data == MAP_FAILED)
            failed =
                ob_fail(error, OB_ENOMEM, "not enough memory to keep states of the frozen layers (%zu MB)",
                        memory_bytes >> 20);
        else
            prefix->memory = (struct place){.data = data, .room = memory_bytes, .reserved = memory_bytes};
    }
    if (!failed && folder && file_bytes > 0)
        failed = map_file(prefix, folder, file_bytes, error);
    if (failed) {
        ob_prefix_free(prefix);
        return failed;
    }
    *ret_prefix = prefix;
    return OB_OK;
}

void ob_prefix_free(struct ob_prefix *prefix) {
    if (!prefix)
        return;
    if (prefix->memory.data)
        munmap(prefix->memory.data, prefix->memory.room);
    if (prefix->file.data)
        munmap(prefix->file.data, prefix->file.room);
    if (prefix->fd >= 0)
        (void)close(prefix->fd);
    free(prefix->table);
    free(prefix);
}

void ob_prefix_clear(struct ob_prefix *prefix) {
    memset(prefix->table, 0, prefix->capacity * sizeof *prefix->table);
    prefix->entries = 0;
    prefix->memory.used = prefix->file.used = 0;
}

const float *ob_prefix_get(struct ob_prefix *prefix, const int32_t *tokens, size_t count, uint32_t position) {
    uint8_t key[KEY_BYTES];
    key_of(tokens, count, position, key);
    const float *states = find(prefix->table, prefix->capacity, key)->states;
    prefix->hits += states != NULL;
    prefix->misses += states == NULL;
    return states;
}

/* Bytes of a place, or NULL: it is full. */
static uint8_t *take(struct ob_prefix *prefix, struct place *place, size_t bytes) {
    if (place->full || bytes > place->room - place->used)
        return NULL;
    while (place->used + bytes > place->reserved) {
        size_t left = place->room - place->reserved, step = left < FILE_STEP ? left : FILE_STEP;
        if (posix_fallocate(prefix->fd, (off_t)place->reserved, (off_t)step) != 0) {
            place->full = true;
            return NULL;
        }
        place->reserved += step;
    }
    uint8_t *data = place->data + place->used;
    place->used += bytes;
    return data;
}

void ob_prefix_put(struct ob_prefix *prefix, const int32_t *tokens, size_t count, uint32_t position,
                   const float *states) {
    uint8_t key[KEY_BYTES];
    size_t bytes = count * prefix->width * sizeof *states;
    if (!grow(prefix))
        return;
    key_of(tokens, count, position, key);
    struct entry *entry = find(prefix->table, prefix->capacity, key);
    if (entry->states)
        return; /* twice in one mini-batch */
    uint8_t *data = take(prefix, &prefix->memory, bytes);
    if (!data && prefix->file.data)
        data = take(prefix, &prefix->file, bytes);
    if (!data)
        return;
    memcpy(data, states, bytes);
    memcpy(entry->key, key, KEY_BYTES);
    entry->states = (const float *)(const void *)data;
    prefix->entries++;
}

struct ob_prefix_counters ob_prefix_counters(const struct ob_prefix *prefix) {
    return (struct ob_prefix_counters){.hits = prefix->hits,
                                       .misses = prefix->misses,
                                       .memory_bytes = prefix->memory.used,
                                       .file_bytes = prefix->file.used};
}
