#include "model/convert/documents.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/limits.h"
#include "model/convert/gguf_config.h"
#include "model/convert/gguf_tokenizer.h"
#include "model/convert/hf_added_tokens.h"
#include "model/convert/hf_tokenizer.h"
#include "model/formats/gguf.h"

static enum ob_err build(const struct ob_gguf *gguf, const char *name, json_t **ret_root,
                         struct ob_error *error) {
    if (strcmp(name, "config.json") == 0)
        return ob_gguf_config(gguf, ret_root, error);
    if (strcmp(name, "tokenizer.json") == 0)
        return ob_gguf_tokenizer(gguf, ret_root, error);
    if (strcmp(name, "tokenizer_config.json") == 0)
        return ob_gguf_tokenizer_config(gguf, ret_root, error);
    return ob_fail(error, OB_ENOTFOUND, "%s: contains nothing to make a %s from", gguf->checkpoint->path,
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

static enum ob_err load_from_folder(const char *folder, const char *name, struct ob_document *document,
                                    struct ob_error *error) {
    enum ob_err failed = ob_document_read(folder, name, document, error);
    if (strcmp(name, "tokenizer.json") != 0)
        return failed;
    if (!failed)
        return ob_hf_added_tokens(folder, document->root, error);
    if (failed != OB_ENOTFOUND)
        return failed;
    failed = ob_path_join(document->name, folder, name, error);
    return failed ? failed : ob_tokenizer_folder(folder, &document->root, error);
}

enum ob_err ob_document_text(const char *model, const char *name, char **ret_text, size_t *ret_bytes,
                             struct ob_error *error) {
    char path[OB_PATH_MAX];
    if (ob_gguf_is_file(model))
        return ob_fail(error, OB_ENOTFOUND, "%s: has no %s", model, name);
    enum ob_err failed = ob_path_join(path, model, name, error);
    return failed ? failed : ob_file_read(path, OB_JSON_BYTES_MAX, ret_text, ret_bytes, error);
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
    else
        ob_document_done(&document);
    return failed;
}
