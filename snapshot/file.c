#include "snapshot/file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/access.h"
#include "base/file.h"
#include "run/rebuild.h"
#include "spsa/memory_check.h"

/* Values go to and from the file as they lie in memory. */
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "a snapshot's values are little-endian");

int ob_snapshot_pread(int descriptor, void *ret_data, size_t bytes, uint64_t offset) {
    for (size_t done = 0; done < bytes;) {
        ssize_t got = pread(descriptor, (char *)ret_data + done, bytes - done, (off_t)(offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got == 0)
            errno = 0;
        if (got <= 0)
            return -1;
        done += (size_t)got;
    }
    return 0;
}

int ob_snapshot_pwrite(int descriptor, const void *data, size_t bytes, uint64_t offset) {
    for (size_t done = 0; done < bytes;) {
        ssize_t put = pwrite(descriptor, (const char *)data + done, bytes - done, (off_t)(offset + done));
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return -1;
        done += (size_t)put;
    }
    return 0;
}

enum ob_err ob_snapshot_io_error(const char *path, const char *what, struct ob_error *error) {
    if (errno == 0)
        return ob_fail(error, OB_EFORMAT, "%s: truncated", path);
    char cannot[64];
    int why = errno;
    (void)snprintf(cannot, sizeof cannot, "cannot %s", what);
    return ob_access_fail(error, path, cannot, why);
}

/* ---- reading ---- */

static enum ob_err read_table(struct ob_snapshot_file *file, struct ob_error *error) {
    uint8_t header[OB_SNAPSHOT_HEADER_BYTES] = {0};
    struct stat info;
    if (fstat(file->descriptor, &info) != 0)
        return ob_snapshot_io_error(file->path, "look", error);
    if (info.st_size < OB_SNAPSHOT_HEADER_BYTES)
        return ob_fail(error, OB_EFORMAT, "%s: truncated", file->path);
    if (ob_snapshot_pread(file->descriptor, header, sizeof header, 0) != 0)
        return ob_snapshot_io_error(file->path, "read", error);
    size_t bytes = ob_snapshot_table_bytes(file->manifest, header);
    if (bytes == 0) /* says what is wrong with it */
        return ob_snapshot_decode(file->path, file->manifest, header, sizeof header, &file->table, error);
    uint8_t *data = malloc(bytes);
    if (!data)
        return ob_fail(error, OB_ENOMEM, "%s: out of memory", file->path);
    enum ob_err failed =
        ob_snapshot_pread(file->descriptor, data, bytes, 0) != 0
            ? ob_snapshot_io_error(file->path, "read", error)
            : ob_snapshot_decode(file->path, file->manifest, data, bytes, &file->table, error);
    free(data);
    if (!failed && (uint64_t)info.st_size != file->table->file_bytes)
        return ob_fail(error, OB_EFORMAT, "%s: %lld bytes, expected %llu", file->path,
                       (long long)info.st_size, (unsigned long long)file->table->file_bytes);
    return failed;
}

enum ob_err ob_snapshot_open(const char *path, const struct ob_manifest *manifest,
                             struct ob_snapshot_file **ret_file, struct ob_error *error) {
    struct ob_snapshot_file *file = calloc(1, sizeof *file);
    if (!file)
        return ob_fail(error, OB_ENOMEM, "%s: out of memory", path);
    (void)snprintf(file->path, sizeof file->path, "%s", path);
    file->manifest = manifest;
    file->descriptor = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    enum ob_err failed =
        file->descriptor < 0 ? ob_snapshot_io_error(path, "open", error) : read_table(file, error);
    if (failed) {
        ob_snapshot_close(file);
        return failed;
    }
    *ret_file = file;
    return OB_OK;
}

void ob_snapshot_close(struct ob_snapshot_file *file) {
    if (!file)
        return;
    if (file->descriptor >= 0)
        close(file->descriptor);
    ob_snapshot_free(file->table);
    free(file);
}

static enum ob_err read_leaf(const struct ob_snapshot_file *file, size_t index,
                             const struct ob_spsa_leaf *leaf, int32_t *ret_values, struct ob_error *error) {
    size_t bytes;
    uint64_t at = ob_snapshot_leaf_at(file->table, file->manifest, index, &bytes);
    if (ob_snapshot_pread(file->descriptor, ret_values, bytes, at) != 0)
        return ob_snapshot_io_error(file->path, "read", error);
    struct ob_hash hash = ob_spsa_leaf_hash(leaf, ret_values);
    if (!ob_hash_equal(&hash, &file->table->leaves[index]))
        return ob_fail(error, OB_EFORMAT, "%s: damaged: hash mismatch in leaf %zu of tensor %s", file->path,
                       index, file->manifest->tensors[leaf->tensor].name);
    return OB_OK;
}

enum ob_err ob_snapshot_read_leaf(const struct ob_snapshot_file *file, size_t index, int32_t *ret_values,
                                  struct ob_error *error) {
    struct ob_spsa_leaf leaf = ob_snapshot_leaf(file->manifest, index);
    return read_leaf(file, index, &leaf, ret_values, error);
}

struct loading {
    const struct ob_snapshot_file *file;
    struct ob_replica *replica;
    const struct ob_spsa_leaf *leaves;
    atomic_flag taken; /* the first error is kept */
    enum ob_err failed;
    struct ob_error error;
};

static void load_leaf(void *context, size_t index, unsigned thread) {
    (void)thread;
    struct loading *loading = context;
    const struct ob_spsa_leaf *leaf = &loading->leaves[index];
    struct ob_error error = {0};
    int32_t *values = loading->replica->weights->values[leaf->tensor] + leaf->first;
    enum ob_err failed = read_leaf(loading->file, index, leaf, values, &error);
    if (failed && !atomic_flag_test_and_set(&loading->taken)) {
        loading->failed = failed;
        loading->error = error;
    }
}

static struct ob_spsa_leaf *list_leaves(const struct ob_spsa_weights *weights, size_t count) {
    struct ob_spsa_leaf *leaves = calloc(count, sizeof *leaves);
    if (!leaves)
        return NULL;
    leaves[0] = ob_spsa_leaf_first(weights->tensors);
    for (size_t i = 1; i < count; i++)
        (void)ob_spsa_leaf_next(weights->tensors, weights->count, &leaves[i - 1], &leaves[i]);
    return leaves;
}

enum ob_err ob_snapshot_load(const struct ob_snapshot_file *file, struct ob_replica *replica,
                             struct ob_error *error) {
    struct ob_spsa_leaf *leaves = list_leaves(replica->weights, file->table->leaf_count);
    if (!leaves)
        return ob_fail(error, OB_ENOMEM, "%s: out of memory", file->path);
    struct loading loading = {.file = file, .replica = replica, .leaves = leaves, .taken = ATOMIC_FLAG_INIT};
    ob_pool_run(replica->pool, file->table->leaf_count, load_leaf, &loading);
    free(leaves);
    if (loading.failed) {
        if (error)
            *error = loading.error;
        return loading.failed;
    }
    replica->samples = file->table->samples;
    return replica->weights->sums ? ob_spsa_memory_check_start(&replica->engine, replica->weights, error)
                                  : OB_OK;
}

/* ---- writing ---- */

struct writing {
    const struct ob_replica *replica;
    const struct ob_rebuilt *part;
    struct ob_snapshot *table;
    const char *path;
    int descriptor;
};

static void hash_leaf(void *context, size_t i, unsigned thread) {
    (void)thread;
    const struct writing *writing = context;
    const struct ob_spsa_piece *piece = &writing->part->pieces[i];
    writing->table->leaves[writing->part->index[i]] = ob_spsa_leaf_hash(&piece->leaf, piece->values);
}

static enum ob_err write_part(void *context, const struct ob_rebuilt *part, struct ob_error *error) {
    struct writing *writing = context;
    writing->part = part;
    ob_pool_run(writing->replica->pool, part->count, hash_leaf, writing);
    for (size_t i = 0; i < part->count; i++) {
        size_t bytes;
        uint64_t at = ob_snapshot_leaf_at(writing->table, writing->replica->manifest, part->index[i], &bytes);
        if (ob_snapshot_pwrite(writing->descriptor, part->pieces[i].values, bytes, at) != 0)
            return ob_snapshot_io_error(writing->path, "write", error);
    }
    return OB_OK;
}

static enum ob_err write_table(struct writing *writing, struct ob_error *error) {
    uint8_t *data = malloc(writing->table->table_bytes);
    if (!data)
        return ob_fail(error, OB_ENOMEM, "%s: out of memory", writing->path);
    enum ob_err failed = ob_snapshot_encode(writing->table, writing->replica->manifest, data, error);
    if (!failed && ob_snapshot_pwrite(writing->descriptor, data, writing->table->table_bytes, 0) != 0)
        failed = ob_snapshot_io_error(writing->path, "write", error);
    free(data);
    return failed;
}

enum ob_err ob_snapshot_write(const char *path, const struct ob_replica *replica,
                              const struct ob_spsa_update *extras, size_t extra_count,
                              struct ob_snapshot *table, struct ob_error *error) {
    struct writing writing = {.replica = replica, .table = table, .path = path};
    writing.descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (writing.descriptor < 0)
        return ob_snapshot_io_error(path, "create", error);
    enum ob_err failed = ob_rebuild_without(replica, extras, extra_count, write_part, &writing, error);
    if (!failed)
        failed = write_table(&writing, error);
    if (close(writing.descriptor) != 0 && !failed)
        failed = ob_snapshot_io_error(path, "write", error);
    if (failed)
        (void)unlink(path);
    return failed;
}

enum ob_err ob_snapshot_commit(const char *from, const char *to, const char *folder, struct ob_error *error) {
    int descriptor = open(from, O_WRONLY | O_CLOEXEC);
    if (descriptor < 0)
        return ob_snapshot_io_error(from, "open", error);
    int synced = fsync(descriptor), why = errno;
    close(descriptor);
    errno = why;
    if (synced != 0)
        return ob_snapshot_io_error(from, "sync", error);
    if (rename(from, to) != 0)
        return ob_snapshot_io_error(from, "rename", error);
    return ob_file_sync_folder(folder, error);
}
