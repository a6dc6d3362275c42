#include "model/checkpoint.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum ob_err ob_checkpoint_new(const char *path, struct ob_checkpoint **ret_checkpoint,
                              struct ob_error *error) {
    struct ob_checkpoint *checkpoint = calloc(1, sizeof *checkpoint);
    if (checkpoint)
        checkpoint->path = strdup(path);
    if (!checkpoint || !checkpoint->path) {
        free(checkpoint);
        return ob_fail(error, OB_ENOMEM, "%s: out of memory", path);
    }
    *ret_checkpoint = checkpoint;
    return OB_OK;
}

void ob_checkpoint_free(struct ob_checkpoint *checkpoint) {
    if (!checkpoint)
        return;
    for (size_t i = 0; i < checkpoint->mapping_count; i++)
        munmap(checkpoint->mappings[i].data, checkpoint->mappings[i].bytes);
    free(checkpoint->mappings);
    free(checkpoint->tensors);
    free(checkpoint->path);
    free(checkpoint);
}

/* fd -1: memory of our own. */
static enum ob_err map(struct ob_checkpoint *checkpoint, const char *path, int fd, size_t bytes,
                       struct ob_error *error) {
    struct ob_mapping *mappings =
        reallocarray(checkpoint->mappings, checkpoint->mapping_count + 1, sizeof *mappings);
    if (!mappings)
        return ob_fail(error, OB_ENOMEM, "%s: out of memory", path);
    checkpoint->mappings = mappings;
    bool is_file = fd >= 0;
    void *data = mmap(NULL, bytes, is_file ? PROT_READ : PROT_READ | PROT_WRITE,
                      is_file ? MAP_PRIVATE : MAP_PRIVATE | MAP_ANONYMOUS, fd, 0);
    if (data == MAP_FAILED)
        return ob_fail(error, is_file ? OB_EIO : OB_ENOMEM, "%s: cannot map %zu bytes: %s", path, bytes,
                       strerror(errno));
    mappings[checkpoint->mapping_count++] =
        (struct ob_mapping){.data = data, .bytes = bytes, .is_file = is_file};
    return OB_OK;
}

enum ob_err ob_checkpoint_map(struct ob_checkpoint *checkpoint, const char *path, size_t bytes_min,
                              const char *format, const struct ob_mapping **ret_mapping,
                              struct ob_error *error) {
    struct stat info;
    assert(bytes_min > 0);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return ob_fail(error, errno == ENOENT ? OB_ENOTFOUND : OB_EIO, "%s: cannot open: %s", path,
                       strerror(errno));
    enum ob_err failed = OB_OK;
    if (fstat(fd, &info) != 0)
        failed = ob_fail(error, OB_EIO, "%s: %s", path, strerror(errno));
    else if (!S_ISREG(info.st_mode) || info.st_size < (off_t)bytes_min)
        failed = ob_fail(error, OB_EFORMAT, "%s: is not a %s file (shorter than its first %zu bytes)", path,
                         format, bytes_min);
    if (!failed)
        failed = map(checkpoint, path, fd, (size_t)info.st_size, error);
    close(fd);
    if (!failed)
        *ret_mapping = &checkpoint->mappings[checkpoint->mapping_count - 1];
    return failed;
}

enum ob_err ob_checkpoint_allocate(struct ob_checkpoint *checkpoint, size_t bytes, void **ret_memory,
                                   struct ob_error *error) {
    enum ob_err failed = map(checkpoint, checkpoint->path, -1, bytes > 0 ? bytes : 1, error);
    if (!failed)
        *ret_memory = checkpoint->mappings[checkpoint->mapping_count - 1].data;
    return failed;
}

int64_t ob_checkpoint_find(const struct ob_checkpoint *checkpoint, const char *name) {
    for (size_t i = 0; i < checkpoint->count; i++)
        if (strcmp(checkpoint->tensors[i].name, name) == 0)
            return (int64_t)i;
    return -1;
}

void ob_checkpoint_read(const struct ob_checkpoint_tensor *tensor, uint64_t first, size_t count,
                        float *ret_values) {
    assert(first <= tensor->elements && count <= tensor->elements - first);
    if (!tensor->rows) {
        ob_dtype_decode(tensor->dtype, tensor->data, first, count, ret_values);
        return;
    }
    uint64_t width = tensor->elements / tensor->shape[0];
    while (count > 0) {
        uint64_t row = first / width, column = first % width;
        size_t part = width - column < count ? (size_t)(width - column) : count;
        ob_dtype_decode(tensor->dtype, tensor->data, tensor->rows[row] * width + column, part, ret_values);
        ret_values += part;
        first += part;
        count -= part;
    }
}
