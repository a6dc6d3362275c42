#include "model/export.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cursor.h"

#define PATH_BYTES 4096
#define BLOCK      4096 /* elements written at a time */
#define COPY_LIMIT (64u << 20)

struct output {
    FILE *file;
    char temporary[PATH_BYTES], final[PATH_BYTES];
};

static enum ob_err output_open(struct output *out, const char *folder, const char *name,
                               struct ob_error *error) {
    if (snprintf(out->final, PATH_BYTES, "%s/%s", folder, name) >= PATH_BYTES - 8)
        return ob_fail(error, OB_EUSAGE, "%.60s...: the name is too long", folder);
    (void)snprintf(out->temporary, PATH_BYTES, "%.4080s.part", out->final);
    out->file = fopen(out->temporary, "wxe");
    if (!out->file)
        return ob_fail(error, OB_EIO, "%s: cannot create: %s", out->temporary, strerror(errno));
    return OB_OK;
}

/* Sync, close, rename: or remove what was begun. */
static enum ob_err output_close(struct output *out, enum ob_err failed, struct ob_error *error) {
    bool good = !failed && fflush(out->file) == 0 && fsync(fileno(out->file)) == 0;
    int why = errno;
    if (fclose(out->file) != 0 && good) {
        good = false;
        why = errno;
    }
    if (good && rename(out->temporary, out->final) == 0)
        return OB_OK;
    if (good)
        why = errno;
    unlink(out->temporary);
    return failed ? failed : ob_fail(error, OB_EIO, "%s: cannot write: %s", out->final, strerror(why));
}

static enum ob_err output_write(struct output *out, const void *data, size_t bytes, struct ob_error *error) {
    if (bytes == 0 || fwrite(data, 1, bytes, out->file) == bytes)
        return OB_OK;
    return ob_fail(error, OB_EIO, "%s: cannot write: %s", out->final, strerror(errno));
}

static char *header_text(const struct ob_model *model, enum ob_dtype dtype) {
    json_t *header = json_pack("{s:{s:s}}", "__metadata__", "format", "pt");
    uint64_t at = 0;
    for (size_t i = 0; i < model->tensor_count; i++) {
        const struct ob_model_tensor *tensor = &model->tensors[i];
        uint64_t end = at + tensor->elements * ob_dtype_block_bytes(dtype);
        json_t *shape = json_pack("[I]", (json_int_t)tensor->shape[0]);
        if (tensor->dims == 2)
            json_array_append_new(shape, json_integer((json_int_t)tensor->shape[1]));
        json_object_set_new(header, tensor->name,
                            json_pack("{s:s, s:o, s:[I, I]}", "dtype", ob_dtype_name(dtype), "shape", shape,
                                      "data_offsets", (json_int_t)at, (json_int_t)end));
        at = end;
    }
    char *text = json_dumps(header, JSON_COMPACT | JSON_PRESERVE_ORDER);
    json_decref(header);
    return text;
}

static enum ob_err write_tensor(struct output *out, const struct ob_weight_source *source, size_t tensor,
                                enum ob_dtype dtype, struct ob_error *error) {
    float values[BLOCK];
    uint8_t bytes[4 * BLOCK];
    uint64_t elements = source->model->tensors[tensor].elements;
    for (uint64_t at = 0; at < elements; at += BLOCK) {
        size_t count = elements - at < BLOCK ? (size_t)(elements - at) : BLOCK;
        float *const lanes[2] = {values, NULL};
        ob_source_read(source, tensor, at, count, lanes);
        ob_dtype_encode(dtype, values, count, bytes);
        enum ob_err failed = output_write(out, bytes, count * ob_dtype_block_bytes(dtype), error);
        if (failed)
            return failed;
    }
    return OB_OK;
}

static enum ob_err write_weights(const struct ob_weight_source *source, enum ob_dtype dtype,
                                 const char *folder, struct ob_error *error) {
    struct output out;
    char *header = header_text(source->model, dtype);
    if (!header)
        return ob_fail(error, OB_ENOMEM, "%s: out of memory", folder);
    enum ob_err failed = output_open(&out, folder, "model.safetensors", error);
    if (failed) {
        free(header);
        return failed;
    }
    size_t length = strlen(header), padding = (8 - length % 8) % 8;
    uint8_t size[8];
    ob_store_u64(size, length + padding);
    failed = output_write(&out, size, sizeof size, error);
    if (!failed)
        failed = output_write(&out, header, length, error);
    if (!failed)
        failed = output_write(&out, "        ", padding, error);
    free(header);
    for (size_t i = 0; i < source->model->tensor_count && !failed; i++)
        failed = write_tensor(&out, source, i, dtype, error);
    return output_close(&out, failed, error);
}

static enum ob_err write_text(const char *folder, const char *name, const char *text, size_t bytes,
                              struct ob_error *error) {
    struct output out;
    enum ob_err failed = output_open(&out, folder, name, error);
    if (failed)
        return failed;
    return output_close(&out, output_write(&out, text, bytes, error), error);
}

static enum ob_err write_config(const struct ob_weight_source *source, enum ob_dtype dtype,
                                const char *folder, struct ob_error *error) {
    static const char *const NAMES[OB_DTYPE_PLAIN_COUNT] = {"float32", "float16", "bfloat16"};
    char path[PATH_BYTES];
    (void)snprintf(path, sizeof path, "%s/config.json", source->model->path);
    json_t *config = json_load_file(path, 0, NULL);
    if (!config)
        return ob_fail(error, OB_EIO, "%s: cannot read it again", path);
    json_object_set_new(config, "torch_dtype", json_string(NAMES[dtype]));
    char *text = json_dumps(config, JSON_INDENT(2));
    json_decref(config);
    if (!text)
        return ob_fail(error, OB_ENOMEM, "%s: out of memory", folder);
    enum ob_err failed = write_text(folder, "config.json", text, strlen(text), error);
    free(text);
    return failed;
}

/* A file of the base folder as it is; one that is not there is left out. */
static enum ob_err copy_file(const char *from, const char *folder, const char *name, struct ob_error *error) {
    char path[PATH_BYTES];
    (void)snprintf(path, sizeof path, "%s/%s", from, name);
    FILE *file = fopen(path, "re");
    if (!file)
        return errno == ENOENT ? OB_OK : ob_fail(error, OB_EIO, "%s: cannot open: %s", path, strerror(errno));
    char *data = malloc(COPY_LIMIT);
    size_t bytes = data ? fread(data, 1, COPY_LIMIT, file) : 0;
    bool whole = data && !ferror(file) && feof(file);
    (void)fclose(file);
    enum ob_err failed =
        whole ? write_text(folder, name, data, bytes, error)
              : ob_fail(error, OB_EIO, "%s: cannot copy it (more than %u bytes?)", path, COPY_LIMIT);
    free(data);
    return failed;
}

static enum ob_err make_empty_folder(const char *folder, struct ob_error *error) {
    if (mkdir(folder, 0755) != 0 && errno != EEXIST)
        return ob_fail(error, OB_EIO, "%s: cannot make folder: %s", folder, strerror(errno));
    DIR *dir = opendir(folder);
    if (!dir)
        return ob_fail(error, OB_EIO, "%s: cannot open folder: %s", folder, strerror(errno));
    bool empty = true;
    for (const struct dirent *entry; (entry = readdir(dir));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            empty = false;
    closedir(dir);
    return empty ? OB_OK : ob_fail(error, OB_EBUSY, "%s: holds files already; choose another folder", folder);
}

enum ob_err ob_model_export(const struct ob_weight_source *source, enum ob_dtype dtype, const char *folder,
                            struct ob_error *error) {
    static const char *const COPIES[] = {
        "tokenizer.json", "tokenizer_config.json",  "special_tokens_map.json", "vocab.json",
        "merges.txt",     "generation_config.json", "added_tokens.json"};
    assert(source->key == NULL);
    enum ob_err failed = make_empty_folder(folder, error);
    if (!failed)
        failed = write_config(source, dtype, folder, error);
    for (size_t i = 0; i < sizeof COPIES / sizeof *COPIES && !failed; i++)
        failed = copy_file(source->model->path, folder, COPIES[i], error);
    return failed ? failed
                  : write_weights(source, dtype, folder, error); /* last: it makes the folder complete */
}
