#include "model/convert/documents.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/limits.h"
#include "model/convert/gguf_model.h"
#include "model/convert/gguf_tokenizer.h"
#include "model/convert/hf_tokenizer.h"

static enum ob_err read_open_file(FILE *file, const char *path, char **ret_data, size_t *ret_bytes,
                                  struct ob_error *error) {
    struct stat status;
    if (fstat(fileno(file), &status) != 0)
        return ob_fail(error, OB_EIO, "%s: %s", path, strerror(errno));
    if (!S_ISREG(status.st_mode))
        return ob_fail(error, OB_EIO, "%s: not a regular file", path);
    if (status.st_size > (off_t)OB_JSON_BYTES_MAX)
        return ob_fail(error, OB_ETOOBIG, "%s: more than %u bytes", path, OB_JSON_BYTES_MAX);
    size_t bytes = (size_t)status.st_size;
    char *data = malloc(bytes + 1);
    if (data == NULL)
        return ob_fail(error, OB_ENOMEM, "%s: no memory for %zu bytes", path, bytes);
    if (fread(data, 1, bytes, file) != bytes) {
        free(data);
        return ob_fail(error, OB_EIO, "%s: cannot be read to its end", path);
    }
    *ret_data = data;
    *ret_bytes = bytes;
    return OB_OK;
}

static enum ob_err parse(const char *data, size_t bytes, struct ob_document *document,
                         struct ob_error *error) {
    json_error_t where;
    document->root = json_loadb(data, bytes, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &where);
    if (document->root == NULL)
        return ob_fail(error, json_error_code(&where) == json_error_out_of_memory ? OB_ENOMEM : OB_EFORMAT,
                       "%s: line %d: %s", document->name, where.line, where.text);
    if (json_is_object(document->root))
        return OB_OK;
    json_decref(document->root);
    document->root = NULL;
    return ob_fail(error, OB_EFORMAT, "%s: not a JSON object", document->name);
}

static enum ob_err read_file(const char *path, char **ret_data, size_t *ret_bytes, struct ob_error *error) {
    FILE *file = fopen(path, "rbe");
    if (file == NULL)
        return ob_fail(error, errno == ENOENT ? OB_ENOTFOUND : OB_EIO, "%s: cannot open: %s", path,
                       strerror(errno));
    enum ob_err failed = read_open_file(file, path, ret_data, ret_bytes, error);
    (void)fclose(file);
    return failed;
}

static enum ob_err load_file(struct ob_document *document, struct ob_error *error) {
    char *data = NULL;
    size_t bytes = 0;
    enum ob_err failed = read_file(document->name, &data, &bytes, error);
    if (!failed)
        failed = parse(data, bytes, document, error);
    free(data);
    return failed;
}

static enum ob_err build(const struct ob_gguf *gguf, const char *name, json_t **ret_root,
                         struct ob_error *error) {
    if (strcmp(name, "config.json") == 0)
        return ob_gguf_config(gguf, ret_root, error);
    if (strcmp(name, "tokenizer.json") == 0)
        return ob_gguf_tokenizer(gguf, ret_root, error);
    if (strcmp(name, "tokenizer_config.json") == 0)
        return ob_gguf_tokenizer_config(gguf, ret_root, error);
    return ob_fail(error, OB_ENOTFOUND, "%s: has nothing that a %s could be made of", gguf->checkpoint->path,
                   name);
}

static enum ob_err load_gguf(const char *path, const char *name, struct ob_document *document,
                             struct ob_error *error) {
    struct ob_gguf *gguf = NULL;
    if (strlen(path) >= sizeof document->name)
        return ob_fail(error, OB_EUSAGE, "%.60s...: the name is too long", path);
    memcpy(document->name, path, strlen(path) + 1);
    enum ob_err failed = ob_gguf_open(path, &gguf, error);
    if (!failed)
        failed = build(gguf, name, &document->root, error);
    ob_gguf_free(gguf);
    return failed;
}

static enum ob_err join(const char *folder, const char *name, char ret_path[static OB_DOCUMENT_PATH_MAX],
                        struct ob_error *error) {
    int length = snprintf(ret_path, OB_DOCUMENT_PATH_MAX, "%s/%s", folder, name);
    if (length < 0 || length >= OB_DOCUMENT_PATH_MAX)
        return ob_fail(error, OB_EUSAGE, "%.60s...: the name is too long", folder);
    return OB_OK;
}

static enum ob_err load_from_folder(const char *folder, const char *name, struct ob_document *document,
                                    struct ob_error *error) {
    enum ob_err failed = join(folder, name, document->name, error);
    failed = failed ? failed : load_file(document, error);
    if (failed != OB_ENOTFOUND || strcmp(name, "tokenizer.json") != 0)
        return failed;
    return ob_tokenizer_folder(folder, &document->root, error);
}

enum ob_err ob_document_text(const char *model, const char *name, char **ret_text, size_t *ret_bytes,
                             struct ob_error *error) {
    char path[OB_DOCUMENT_PATH_MAX];
    if (ob_gguf_is_file(model))
        return ob_fail(error, OB_ENOTFOUND, "%s: has no %s", model, name);
    enum ob_err failed = join(model, name, path, error);
    return failed ? failed : read_file(path, ret_text, ret_bytes, error);
}

enum ob_err ob_document_load(const char *model, const char *name, struct ob_document *ret_document,
                             struct ob_error *error) {
    struct ob_document document = {0};
    struct ob_error ours;
    error = error ? error : &ours;
    enum ob_err failed = ob_gguf_is_file(model) ? load_gguf(model, name, &document, error)
                                                : load_from_folder(model, name, &document, error);
    if (!failed)
        *ret_document = document;
    return failed;
}

void ob_document_done(struct ob_document *document) {
    json_decref(document->root);
    *document = (struct ob_document){0};
}
