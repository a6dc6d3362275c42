#include "model/formats/checkpoint.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/access.h"

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
    for (size_t i = 0; i < checkpoint->mapping_count; i++) {
        munmap(checkpoint->mappings[i].data, checkpoint->mappings[i].bytes);
        free(checkpoint->mappings[i].path);
    }
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
    if (checkpoint->mapping_count == OB_CHECKPOINT_FILES_MAX)
        return ob_fail(error, OB_ETOOBIG, "%s: more than %d files", checkpoint->path,
                       OB_CHECKPOINT_FILES_MAX);
    char *name = strdup(path);
    if (!name)
        return ob_fail(error, OB_ENOMEM, "%s: out of memory", path);
    bool is_file = fd >= 0;
    void *data = mmap(NULL, bytes, is_file ? PROT_READ : PROT_READ | PROT_WRITE,
                      is_file ? MAP_PRIVATE : MAP_PRIVATE | MAP_ANONYMOUS, fd, 0);
    if (data == MAP_FAILED) {
        free(name);
        return ob_fail(error, is_file ? OB_EIO : OB_ENOMEM, "%s: cannot map %zu bytes: %s", path, bytes,
                       strerror(errno));
    }
    mappings[checkpoint->mapping_count++] =
        (struct ob_mapping){.path = name, .data = data, .bytes = bytes, .is_file = is_file};
    return OB_OK;
}

enum ob_err ob_checkpoint_map(struct ob_checkpoint *checkpoint, const char *path, size_t bytes_min,
                              const char *format, const struct ob_mapping **ret_mapping,
                              struct ob_error *error) {
    struct stat info;
    assert(bytes_min > 0);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return ob_access_fail(error, path, "cannot open", errno);
    enum ob_err failed = OB_OK;
    if (fstat(fd, &info) != 0)
        failed = ob_access_fail(error, path, "cannot get its size", errno);
    else if (!S_ISREG(info.st_mode) || info.st_size < (off_t)bytes_min)
        failed = ob_fail(error, OB_EFORMAT, "%s: not a %s file (shorter than its header of %zu bytes)", path,
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

uint64_t ob_checkpoint_tensor_bytes(const struct ob_checkpoint_tensor *tensor) {
    return tensor->elements / ob_dtype_block_elements(tensor->dtype) * ob_dtype_block_bytes(tensor->dtype);
}

void ob_checkpoint_release(const struct ob_checkpoint *checkpoint,
                           const struct ob_checkpoint_tensor *tensor) {
    const struct ob_mapping *mapping = &checkpoint->mappings[tensor->mapping];
    if (!mapping->is_file)
        return;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t from = (size_t)(tensor->data - (const uint8_t *)mapping->data);
    size_t to = from + (size_t)ob_checkpoint_tensor_bytes(tensor);
    from = from / page * page; /* mappings start at a page; neighbours' pages come back as well */
    (void)madvise((uint8_t *)mapping->data + from, to - from, MADV_DONTNEED);
}

static enum ob_err count_elements(const char *path, struct ob_checkpoint_tensor *tensor,
                                  struct ob_error *error) {
    tensor->elements = 1;
    for (uint32_t d = 0; d < tensor->dims; d++)
        if (__builtin_mul_overflow(tensor->elements, tensor->shape[d], &tensor->elements) ||
            tensor->elements > (uint64_t)1 << 48)
            return ob_fail(error, OB_EFORMAT, "%s: tensor %s: dimension %u is not a sensible size", path,
                           tensor->name, d);
    if (tensor->elements % ob_dtype_block_elements(tensor->dtype) != 0)
        return ob_fail(error, OB_EFORMAT, "%s: tensor %s: %" PRIu64 " elements are no whole blocks of %s",
                       path, tensor->name, tensor->elements, ob_dtype_name(tensor->dtype));
    return OB_OK;
}

static enum ob_err grow(struct ob_checkpoint *checkpoint, struct ob_error *error) {
    if (checkpoint->count < checkpoint->capacity)
        return OB_OK;
    if (checkpoint->count == OB_CHECKPOINT_TENSORS_MAX)
        return ob_fail(error, OB_ETOOBIG, "%s: more than %d tensors", checkpoint->path,
                       OB_CHECKPOINT_TENSORS_MAX);
    size_t capacity = checkpoint->capacity ? 2 * checkpoint->capacity : 64;
    struct ob_checkpoint_tensor *tensors = reallocarray(checkpoint->tensors, capacity, sizeof *tensors);
    if (!tensors)
        return ob_fail(error, OB_ENOMEM, "%s: out of memory", checkpoint->path);
    checkpoint->tensors = tensors;
    checkpoint->capacity = capacity;
    return OB_OK;
}

enum ob_err ob_checkpoint_add(struct ob_checkpoint *checkpoint, const struct ob_checkpoint_tensor *tensor,
                              uint64_t from, uint64_t bytes, struct ob_error *error) {
    assert(tensor->mapping < checkpoint->mapping_count && tensor->dims <= OB_CHECKPOINT_DIMS_MAX);
    const struct ob_mapping *file = &checkpoint->mappings[tensor->mapping];
    struct ob_checkpoint_tensor copy = *tensor;
    enum ob_err failed = count_elements(file->path, &copy, error);
    if (failed)
        return failed;
    if (from > file->bytes || bytes > file->bytes - from)
        return ob_fail(error, OB_EFORMAT, "%s: tensor %s: data lies outside the file; is the file truncated?",
                       file->path, copy.name);
    if (ob_checkpoint_tensor_bytes(&copy) != bytes)
        return ob_fail(error, OB_EFORMAT, "%s: tensor %s: %" PRIu64 " bytes do not fit its shape and type",
                       file->path, copy.name, bytes);
    int64_t twin = ob_checkpoint_find(checkpoint, copy.name);
    if (twin >= 0)
        return ob_fail(error, OB_EFORMAT, "%s: tensor %s is also in %s", file->path, copy.name,
                       checkpoint->mappings[checkpoint->tensors[twin].mapping].path);
    copy.data = (const uint8_t *)file->data + from;
    failed = grow(checkpoint, error);
    if (!failed)
        checkpoint->tensors[checkpoint->count++] = copy;
    return failed;
}

static int by_place(const void *a, const void *b) {
    const struct ob_checkpoint_tensor *x = a, *y = b;
    if (x->mapping != y->mapping)
        return x->mapping < y->mapping ? -1 : 1;
    return x->data < y->data ? -1 : x->data > y->data;
}

enum ob_err ob_checkpoint_check_overlaps(struct ob_checkpoint *checkpoint, struct ob_error *error) {
    if (checkpoint->count > 0)
        qsort(checkpoint->tensors, checkpoint->count, sizeof *checkpoint->tensors, by_place);
    for (size_t i = 1; i < checkpoint->count; i++) {
        const struct ob_checkpoint_tensor *before = &checkpoint->tensors[i - 1],
                                          *tensor = &checkpoint->tensors[i];
        if (before->mapping == tensor->mapping &&
            tensor->data < before->data + ob_checkpoint_tensor_bytes(before))
            return ob_fail(error, OB_EFORMAT, "%s: tensors %s and %s overlap",
                           checkpoint->mappings[tensor->mapping].path, before->name, tensor->name);
    }
    return OB_OK;
}

int64_t ob_checkpoint_find(const struct ob_checkpoint *checkpoint, const char *name) {
    for (size_t i = 0; i < checkpoint->count; i++)
        if (strcmp(checkpoint->tensors[i].name, name) == 0)
            return (int64_t)i;
    return -1;
}

static void read_ordered(const struct ob_checkpoint_tensor *tensor, uint64_t first, size_t count,
                         float *ret_values) {
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

void ob_checkpoint_read(const struct ob_checkpoint_tensor *tensor, uint64_t first, size_t count,
                        float *ret_values) {
    assert(first <= tensor->elements && count <= tensor->elements - first);
    read_ordered(tensor, first, count, ret_values);
    for (size_t i = 0; i < count && tensor->offset != 0; i++)
        ret_values[i] += tensor->offset;
}
